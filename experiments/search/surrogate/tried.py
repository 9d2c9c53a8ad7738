"""Which configurations of a space have been tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from experiments.search.history import History
from experiments.search.records import JSONValue, Params
from experiments.search.surrogate.columns import Columns, Mask, Points


@dataclass(frozen=True)
class Tried:
    """The configurations of a history, whatever became of them."""

    columns: Columns
    history: History

    @cached_property
    def marks(self) -> set[bytes]:
        return set(self.marks_of(self.history.points, self.history.active))

    def among(self, points: Points, active: Mask) -> Mask:
        """Which of the points have been tried."""
        known = self.marks
        return np.array([mark in known for mark in self.marks_of(points, active)], bool)

    def admits(self, point: Points) -> dict[str, JSONValue] | None:
        """The configuration at a point, if it is allowed and has not been tried."""
        space = self.columns.space
        params = space.decode(point)
        if not space.meets_constraints(params) or self.has(params):
            return None
        return params

    def has(self, params: Params) -> bool:
        """Whether a configuration has been tried."""
        space = self.columns.space
        values = space.flat(params)
        active = np.array([[name in values for name in space.axes]])
        return bool(self.among(space.encode(params)[None], active)[0])

    def first_new(
        self, configurations: Callable[[int], dict[str, JSONValue] | None]
    ) -> dict[str, JSONValue] | None:
        """The first configuration of a sequence, by number, that has not been tried.

        The sequence has no repeats; None: it has no more configurations.
        """
        for number in range(len(self.history) + 1):
            params = configurations(number)
            if params is None or not self.has(params):
                return params
        return None

    def marks_of(self, points: Points, active: Mask) -> list[bytes]:
        """Equal for equal configurations.

        The digits of finite axes, not their places in the cube: these may differ by a
        rounding.
        """
        if not len(points):
            return []
        endless = [
            place
            for place, column in enumerate(self.columns.all)
            if column.partition is None
        ]
        digits = self.columns.digits(points, active)
        reals = np.ascontiguousarray(points[:, endless]).view(np.int64)
        rows = np.ascontiguousarray(np.hstack([digits, reals]))
        return [row.tobytes() for row in rows]
