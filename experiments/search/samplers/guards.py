"""Where trials fail: nearest neighbours tell.

Which axes have an order.

Keeping away from the trials that run.
"""

from __future__ import annotations

import numpy as np

from experiments.search.fields import is_number
from experiments.search.gp.encoding import Mask, Points, UnitCube
from experiments.search.history import History
from experiments.search.space.choice import Choice
from experiments.search.space.distribution import Distribution

NEIGHBOURS = 2


def near_failed(cube: UnitCube, history: History, points: Points, active: Mask) -> Mask:
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
    for place in cube.varying:
        apart = points[:, place, None] - trials[:, place]
        if cube.axes[place].categorical:
            apart = np.where(apart == 0, 0.0, 1.0)
        apart[active[:, place, None] != counting[:, place]] = 1.0
        squares += apart**2
    most = min(NEIGHBOURS, squares.shape[1])
    nearest = np.argpartition(squares, most - 1, axis=1)[:, :most]
    return np.asarray(failed[ended][nearest].any(axis=1))


# From so many numbers on, a choice among rising or falling ones has an order.
MIN_RISING = 3


def has_order(law: Distribution) -> bool:
    """Whether values that are next to each other are alike.

    Those of every distribution are, but for a choice: only one among numbers that only
    rise or only fall has an order.
    """
    if not isinstance(law, Choice):
        return True
    values = [value for value in law.distinct if is_number(value)]
    if len(values) != len(law.distinct) or len(values) < MIN_RISING:
        return False
    steps = np.sign(np.diff(np.array(values, np.float64)))
    return bool(np.all(steps == 1) or np.all(steps == -1))


# A point differs by this from every trial that runs, in one of the axes.
MIN_APART = 0.02


def near_pending(
    cube: UnitCube, history: History, points: Points, active: Mask
) -> Mask:
    """Which points lie so close to a trial that runs that they would teach little."""
    pending = history.pending
    rivals, counting = history.points[pending], history.active[pending]
    far = np.zeros((len(points), len(rivals)), np.bool_)
    for place, column in enumerate(cube.axes):
        one, other = points[:, place, None], rivals[:, place]
        apart = 0.0 if column.categorical else MIN_APART
        far |= np.abs(one - other) > apart
        far |= active[:, place, None] != counting[:, place]
    return np.asarray(~far.all(axis=1))
