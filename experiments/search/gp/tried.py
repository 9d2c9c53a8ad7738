"""Which configurations have been tried."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.search.gp.cube import Mask, Points, UnitCube
from experiments.search.history import History
from experiments.search.records import JSONValue, Params


@dataclass(frozen=True)
class Tried:
    """The configurations of a history, in whatever state."""

    cube: UnitCube
    history: History

    def among(self, points: Points, active: Mask) -> Mask:
        """Which of the points have been tried."""
        known = self.history.marks(self.marks_of)
        return np.array([mark in known for mark in self.marks_of(points, active)], bool)

    def admits(self, point: Points) -> dict[str, JSONValue] | None:
        """The configuration at a point; None if it is not allowed or has been tried."""
        space = self.cube.space
        params = space.decode(point)
        if not space.meets_constraints(params) or self.has(params):
            return None
        return params

    def has(self, params: Params) -> bool:
        """Whether a configuration has been tried."""
        space = self.cube.space
        values = space.flat(params)
        active = np.array([[name in values for name in space.axes]])
        return bool(self.among(space.encode(params)[None], active)[0])

    def first_new(
        self, configurations: Callable[[int], dict[str, JSONValue] | None]
    ) -> dict[str, JSONValue] | None:
        """The first configuration of a sequence, by number, that has not been tried.

        The sequence must not repeat itself. None: it has no more configurations.
        """
        for number in range(len(self.history) + 1):
            params = configurations(number)
            if params is None or not self.has(params):
                return params
        return None

    def marks_of(self, points: Points, active: Mask) -> list[bytes]:
        """One mark per point, the same for the same configuration.

        It has the numbers of values, not their shares, which may differ by rounding.
        """
        if not len(points):
            return []
        endless = [
            place
            for place, column in enumerate(self.cube.axes)
            if column.partition is None
        ]
        digits = self.cube.digits(points, active)
        reals = np.ascontiguousarray(points[:, endless]).view(np.int64)
        rows = np.ascontiguousarray(np.hstack([digits, reals]))
        return [row.tobytes() for row in rows]


def near_any(points: Points, others: Points, tolerances: Sequence[float]) -> Mask:
    """Which points differ from one of the others by at most `tolerances`, by column."""
    far = np.zeros((len(points), len(others)), np.bool_)
    for column, most in enumerate(tolerances):
        far |= np.abs(points[:, column, None] - others[:, column]) > most
    return np.asarray(~far.all(axis=1))
