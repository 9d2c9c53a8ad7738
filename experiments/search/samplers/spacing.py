"""Keeping away from the trials that run."""

from __future__ import annotations

import numpy as np

from experiments.search.history import History
from experiments.search.surrogate.columns import Columns, Mask, Points

# A point differs by this from every trial that runs, in one of the axes.
LEAST_APART = 0.02


def beside_pending(
    columns: Columns, history: History, points: Points, active: Mask
) -> Mask:
    """Which points lie so close to a trial that runs that they would teach little."""
    pending = history.pending
    rivals, counting = history.points[pending], history.active[pending]
    far = np.zeros((len(points), len(rivals)), np.bool_)
    for place, column in enumerate(columns.all):
        one, other = points[:, place, None], rivals[:, place]
        apart = 0.0 if column.categorical else LEAST_APART
        far |= np.abs(one - other) > apart
        far |= active[:, place, None] != counting[:, place]
    return np.asarray(~far.all(axis=1))
