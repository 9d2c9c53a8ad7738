"""Keeping away from trials that fail or run, and which axes have an order."""

from __future__ import annotations

import numpy as np

from experiments.search.fields import is_number
from experiments.search.gp.cube import Mask, Points, UnitCube
from experiments.search.gp.tried import near_any
from experiments.search.history import History
from experiments.search.space.choice import Choice
from experiments.search.space.distribution import Distribution

NEIGHBORS = 2


def near_failed(cube: UnitCube, history: History, points: Points, active: Mask) -> Mask:
    """Which points have a failed trial as one of the two nearest that have ended.

    This is the nearest-neighbor rule (Cover and Hart, 1967) on the cautious side, by
    the Euclidean distance in the unit cube. Two categories, and an axis that is active
    in only one of two points, are as far apart as the ends of a range. Smoother
    estimates miss the sharp edges that regions of failure tend to have.
    """
    failed = history.failed
    if not failed.any():
        return np.zeros(len(points), np.bool_)
    ended = ~history.pending
    trials, trials_active = history.points[ended], history.active[ended]
    squares = np.zeros((len(points), len(trials)))
    for place in cube.varying:
        apart = points[:, place, None] - trials[:, place]
        if cube.axes[place].categorical:
            apart = np.where(apart == 0, 0.0, 1.0)
        apart[active[:, place, None] != trials_active[:, place]] = 1.0
        squares += apart**2
    count = min(NEIGHBORS, squares.shape[1])
    nearest = np.argpartition(squares, count - 1, axis=1)[:, :count]
    return np.asarray(failed[ended][nearest].any(axis=1))


# A choice of fewer numbers has no order.
MIN_ORDERED_CHOICES = 3


def has_order(law: Distribution) -> bool:
    """Whether values that are next to each other are alike.

    That holds for every distribution except a choice, whose values have an order only
    if they are numbers that only rise or only fall.
    """
    if not isinstance(law, Choice):
        return True
    values = [value for value in law.distinct if is_number(value)]
    if len(values) != len(law.distinct) or len(values) < MIN_ORDERED_CHOICES:
        return False
    steps = np.sign(np.diff(np.array(values, np.float64)))
    return bool(np.all(steps == 1) or np.all(steps == -1))


# A point differs by more than this from every running trial in at least one axis.
MIN_APART = 0.02


def near_pending(
    cube: UnitCube, history: History, points: Points, active: Mask
) -> Mask:
    """Which points are so close to a running trial that they would teach little."""
    pending = history.pending
    tolerances = [0.0 if axis.categorical else MIN_APART for axis in cube.axes]
    return near_any(
        np.hstack([points, active]),
        np.hstack([history.points[pending], history.active[pending]]),
        [*tolerances, *[0.0] * len(tolerances)],
    )
