"""Configurations to choose from, and which of them have been tried."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from experiments.search.gp.encoding import (
    Encoding,
    Mask,
    Points,
    UnitCube,
    from_log,
    to_log,
)
from experiments.search.history import History
from experiments.search.records import JSONValue, Params

# The shares of the changes that change few and some axes; the others change all.
FEW, SOME = 0.4, 0.4
SOME_CHANGES = 2.5
# If all axes change, a category does with this probability.
CATEGORY_CHANGES = 0.3
STEP_SPREAD = 0.7


@dataclass(frozen=True)
class Candidates:
    """Draws points of the unit cube, snapped to what the space allows."""

    encoding: Encoding

    def drawn(self, count: int, rng: np.random.Generator) -> tuple[Points, Mask]:
        """Points drawn as the space draws them.

        On a linear axis that spans orders of magnitude, half of them are drawn on the
        logarithmic scale.
        """
        cube = self.encoding.cube
        points = rng.random((count, len(cube.axes)))
        for place, ratio in self.encoding.wide.items():
            on_log = rng.random(count) < 0.5
            points[on_log, place] = from_log(points[on_log, place], ratio)
        return cube.snapped(points)

    def near(
        self,
        centers: Points,
        active: Mask,
        *,
        each: int,
        scale: float,
        rng: np.random.Generator,
    ) -> tuple[Points, Mask]:
        """`each` neighbors of every center, at steps of about `scale`.

        An axis that becomes active by the change is drawn anew.
        """
        cube = self.encoding.cube
        points = np.repeat(centers, each, axis=0)
        before = np.repeat(active, each, axis=0)
        moved, everything = self._moved(before, rng)
        steps = scale * np.exp(STEP_SPREAD * rng.standard_normal(len(points)))
        for place in cube.numeric:
            rows = np.flatnonzero(moved[:, place])
            shift = steps[rows] * rng.standard_normal(len(rows))
            points[rows, place] = self._shifted(points[rows, place], place, shift, rng)
        for place in cube.categorical:
            kept = everything & (rng.random(len(points)) >= CATEGORY_CHANGES)
            rows = np.flatnonzero(moved[:, place] & ~kept)
            column = cube.axes[place]
            points[rows, place] = column.other(points[rows, place], rng)
        after = cube.activity(points)
        fresh = rng.random(points.shape)
        points = np.where(after & ~before, fresh, points)
        return cube.snapped(points)

    def _moved(self, active: Mask, rng: np.random.Generator) -> tuple[Mask, Mask]:
        """Which axes of which points change, and in which points all of them do."""
        varying = self.encoding.cube.varying
        may = active[:, varying]
        count = np.maximum(may.sum(1), 1)
        kind = rng.random(len(active))
        everything = kind >= FEW + SOME
        rate = np.where(kind < FEW, 1.0, SOME_CHANGES) / count
        rate[everything] = 1.0
        order = rng.random(may.shape)
        changes = may & (order < rate[:, None])
        # At least one: the axis whose number is lowest.
        first = np.argmin(np.where(may, order, np.inf), axis=1)
        none = ~changes.any(1)
        changes[none, first[none]] = may[none, first[none]]
        moved = np.zeros(active.shape, np.bool_)
        moved[:, varying] = changes
        return moved, everything

    def _shifted(
        self, shares: Points, place: int, shift: Points, rng: np.random.Generator
    ) -> Points:
        column = self.encoding.cube.axes[place]
        ratio = self.encoding.wide.get(place)
        moved = shares + shift
        if ratio is not None:
            on_log = rng.random(len(shares)) < 0.5
            logs = to_log(shares[on_log], ratio) + shift[on_log]
            moved[on_log] = from_log(logs, ratio)
        return column.stepped(shares, moved, shift)


@dataclass(frozen=True)
class Tried:
    """The configurations of a history, in whatever state."""

    cube: UnitCube
    history: History

    @cached_property
    def marks(self) -> set[bytes]:
        return set(self.marks_of(self.history.points, self.history.active))

    def among(self, points: Points, active: Mask) -> Mask:
        """Which of the points have been tried."""
        known = self.marks
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
