"""Where trials fail: nearest neighbours tell."""

from __future__ import annotations

import numpy as np

from experiments.search.history import History
from experiments.search.surrogate.columns import Columns, Mask, Points

NEIGHBOURS = 2


def failing(columns: Columns, history: History, points: Points, active: Mask) -> Mask:
    """At which points one of the two nearest trials that have ended failed.

    The rule of the nearest neighbours (Cover and Hart, 1967), on the side of caution
    between them, by the Euclidean distance in the unit cube. Different categories, and
    an axis that only one of two has, are as far apart as the ends of a range. Smoother
    estimates do not find the sharp edges that regions of failure tend to have.
    """
    failed = history.failed
    if not failed.any():
        return np.zeros(len(points), np.bool_)
    ended = ~history.pending
    trials, counting = history.points[ended], history.active[ended]
    squares = np.zeros((len(points), len(trials)))
    for place in columns.varying:
        apart = points[:, place, None] - trials[:, place]
        if columns.all[place].categorical:
            apart = np.where(apart == 0, 0.0, 1.0)
        apart[active[:, place, None] != counting[:, place]] = 1.0
        squares += apart**2
    most = min(NEIGHBOURS, squares.shape[1])
    nearest = np.argpartition(squares, most - 1, axis=1)[:, :most]
    return np.asarray(failed[ended][nearest].any(axis=1))
