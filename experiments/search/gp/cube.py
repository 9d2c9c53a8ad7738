"""A space as a unit cube, and points of it to choose from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray

from experiments.search.space.choice import Choice
from experiments.search.space.conditions import Gate
from experiments.search.space.continuous import Quantized, QUniform, Uniform
from experiments.search.space.distribution import Distribution
from experiments.search.space.probability import (
    Partition,
    RandomVariable,
    RoundedPartition,
)
from experiments.search.space.ranges import FloatRange, IntRange
from experiments.search.space.row_filters import INACTIVE, Rows
from experiments.search.space.space import NEUTRAL, SearchSpace

Points = NDArray[np.float64]
Mask = NDArray[np.bool_]

# A linear range whose ends differ by this factor may be better on a logarithmic scale.
WIDE_RATIO = 1000.0
# An axis with up to this many values has a table of its bands' middles.
MAX_TABLED = 10_000
# An axis without bounds ends here: about 3.3 standard deviations of a normal one.
UNBOUNDED_END = 0.0005
# A step on an axis with up to this many values moves by at least one value.
COARSE = 64
# Continuous axes have no digits.
NO_DIGIT = 0


@dataclass(frozen=True)
class CubeAxis:
    """One axis of the unit cube; NEUTRAL means `not active`."""

    law: Distribution

    @cached_property
    def partition(self) -> Partition | None:
        return self.law.partition

    @cached_property
    def size(self) -> int | None:
        """The number of values; None for infinitely many."""
        return self.law.count()

    @property
    def constant(self) -> bool:
        return self.size == 1

    @property
    def categorical(self) -> bool:
        """Whether the values have no order."""
        return isinstance(self.law, Choice)

    @cached_property
    def middles(self) -> Points | None:
        """The middle of every value's band; None without bands or with very many."""
        if self.partition is None or self.partition.size > MAX_TABLED:
            return None
        middle = self.partition.middle
        return np.array([middle(index) for index in range(self.partition.size)])

    @cached_property
    def bounds(self) -> Points | None:
        """The bounds between bands with a table; they are faster than the partition."""
        if self.partition is None or self.middles is None:
            return None
        return self.partition.bounds()

    @cached_property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest share that a candidate may take."""
        if self.middles is not None:
            return float(self.middles[0]), float(self.middles[-1])
        law = getattr(self.law, "variable", None)
        if isinstance(law, RandomVariable) and not np.isfinite(law.high):
            return UNBOUNDED_END, 1 - UNBOUNDED_END
        if self.partition is not None:
            last = self.partition.size - 1
            return self.partition.middle(0), self.partition.middle(last)
        return 0.0, 1.0

    def snapped(self, shares: Points) -> Points:
        """The shares moved to the middle of their values' bands."""
        shares = np.clip(shares, *self.ends)
        if self.partition is None:
            if isinstance(self.law, Quantized):
                return _rounded_middles(self.law.variable, self.law.q, shares)
            return shares
        digits = self.digits(shares)
        if self.middles is None and isinstance(self.partition, RoundedPartition):
            law, q = self.partition.variable, self.partition.q
            return np.clip(_rounded_middles(law, q, shares), *self.ends)
        return self.middles_of(digits)

    def stepped(self, shares: Points, moved: Points, shift: Points) -> Points:
        """The moved shares snapped; with few values each moves by at least one."""
        moved = self.snapped(moved)
        if self.middles is None or len(self.middles) > COARSE:
            return moved
        digits, before = self.digits(moved), self.digits(shares)
        still = digits == before
        digits[still] += np.where(shift[still] < 0, -1, 1)
        last = len(self.middles) - 1
        digits = np.where(digits < 0, 1, np.where(digits > last, last - 1, digits))
        return self.middles_of(digits)

    def other(self, shares: Points, rng: np.random.Generator) -> Points:
        """Another value for each share, all equally likely."""
        size = self.size or 1
        steps = rng.integers(1, size, len(shares))
        return self.middles_of((self.digits(shares) + steps) % size)

    def middles_of(self, digits: NDArray[np.int64]) -> Points:
        """The middles of the bands of some values."""
        if self.middles is not None:
            return np.asarray(self.middles[digits], np.float64)
        if self.partition is None:
            raise self.law.unlisted()
        return np.array([self.partition.middle(int(digit)) for digit in digits])

    def digits(self, shares: Points) -> NDArray[np.int64]:
        """The numbers of the values, 0 if there are infinitely many."""
        if self.partition is None:
            return np.full(len(shares), NO_DIGIT, np.int64)
        if self.bounds is not None:
            return np.searchsorted(self.bounds, shares, side="right").astype(np.int64)
        return self.partition.indices(shares)


def _rounded_middles(law: RandomVariable, q: float, shares: Points) -> Points:
    """The middles of the bands in which shares fall when a law is rounded to q."""
    with np.errstate(over="ignore"):
        multiples = np.rint(law.quantile(shares) / q)
        below, above = law.cdf((multiples - 0.5) * q), law.cdf((multiples + 0.5) * q)
    return (below + above) / 2


@dataclass(frozen=True)
class UnitCube:
    """The axes of a space in document order, each from 0 to 1."""

    space: SearchSpace

    @cached_property
    def axes(self) -> tuple[CubeAxis, ...]:
        return tuple(CubeAxis(axis.distribution) for axis in self.space.axes.values())

    @cached_property
    def numeric(self) -> tuple[int, ...]:
        """The places of the axes with an order and more than one value."""
        return self._places(categorical=False)

    @cached_property
    def categorical(self) -> tuple[int, ...]:
        """The places of the axes without an order and with more than one value."""
        return self._places(categorical=True)

    @cached_property
    def varying(self) -> NDArray[np.int64]:
        """The places of all axes with more than one value."""
        return np.array(sorted((*self.numeric, *self.categorical)), np.int64)

    def snapped(self, points: Points) -> tuple[Points, Mask]:
        """Points moved to values that can be drawn, and which of their axes are active.

        Inactive axes are moved to NEUTRAL.
        """
        found = np.empty_like(points)
        for place, column in enumerate(self.axes):
            found[:, place] = column.snapped(points[:, place])
        active = self.activity(found)
        found[~active] = NEUTRAL
        return found, active

    def activity(self, points: Points) -> Mask:
        """Which axes of the points are active."""
        active = np.ones(points.shape, np.bool_)
        for axis in self.space.layout.order:
            place = self._index[axis.name]
            for gate in axis.gates:
                active[:, place] &= self._passes(gate, points, active)
        return active

    def digits(self, points: Points, active: Mask) -> Rows:
        """The values' numbers, INACTIVE where an axis is not active."""
        digits = np.empty(points.shape, np.int64)
        for place, column in enumerate(self.axes):
            digits[:, place] = column.digits(points[:, place])
        digits[~active] = INACTIVE
        return digits

    def categories(self, points: Points, active: Mask) -> Rows:
        """The numbers of unordered values from 1 on, 0 where not active."""
        digits = np.zeros((len(points), len(self.categorical)), np.int64)
        for column, place in enumerate(self.categorical):
            digits[:, column] = 1 + self.axes[place].digits(points[:, place])
            digits[~active[:, place], column] = 0
        return digits

    def points_of(self, rows: Rows) -> tuple[Points, Mask]:
        """The points of a finite space's rows, and which of their axes are active."""
        points = np.full(rows.shape, NEUTRAL)
        active = np.zeros(rows.shape, np.bool_)
        for source, axis in enumerate(self.space.layout.order):
            place, digits = self._index[axis.name], rows[:, source]
            counts = digits != INACTIVE
            points[counts, place] = self.axes[place].middles_of(digits[counts])
            active[:, place] = counts
        return points, active

    @cached_property
    def wide(self) -> dict[int, float]:
        """The ratio of the ends of wide linear axes, by place: orders of magnitude."""
        ratios = {place: ratio_of_ends(self.axes[place].law) for place in self.numeric}
        return {place: ratio for place, ratio in ratios.items() if ratio}

    def _places(self, *, categorical: bool) -> tuple[int, ...]:
        return tuple(
            place
            for place, column in enumerate(self.axes)
            if not column.constant and column.categorical == categorical
        )

    def _passes(self, gate: Gate, points: Points, active: Mask) -> Mask:
        place = self._index[gate.axis]
        law = self.space.axes[gate.axis].distribution
        if law.partition is None:
            shares = [law.encode(cast(float, key)) for key in gate.keys]
            passing = np.isin(points[:, place], shares)
        else:
            allowed = np.array([law.index_of(key) for key in gate.keys], np.int64)
            passing = np.isin(law.partition.indices(points[:, place]), allowed)
        return np.where(active[:, place], passing, gate.open)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.space.axes)}


def ratio_of_ends(law: Distribution) -> float | None:
    """The ratio of the ends of a linear range; None unless it is large."""
    if isinstance(law, FloatRange | IntRange) and not law.log:
        low, high = float(law.low), float(law.high)
    elif isinstance(law, Uniform | QUniform):
        low, high = float(law.min_value), float(law.max_value)
    else:
        return None
    return high / low if low > 0 and high / low >= WIDE_RATIO else None


def to_log(share: Points, ratio: float) -> Points:
    """A linear coordinate on the logarithmic scale between the same ends."""
    found: Points = np.log1p(np.clip(share, 0, 1) * (ratio - 1)) / np.log(ratio)
    return found


def from_log(share: Points, ratio: float) -> Points:
    """The inverse of `to_log`."""
    found: Points = np.expm1(np.clip(share, 0, 1) * np.log(ratio)) / (ratio - 1)
    return found


# The shares of the changes that change few and some axes; the others change all.
FEW, SOME = 0.4, 0.4
SOME_CHANGES = 2.5
# If all axes change, a category does with this probability.
CATEGORY_CHANGES = 0.3
STEP_SPREAD = 0.7


@dataclass(frozen=True)
class Candidates:
    """Draws points of the unit cube, snapped to what the space allows."""

    cube: UnitCube

    def drawn(self, count: int, rng: np.random.Generator) -> tuple[Points, Mask]:
        """Points drawn as the space draws them.

        On a linear axis that spans orders of magnitude, half of them are drawn on the
        logarithmic scale.
        """
        cube = self.cube
        points = rng.random((count, len(cube.axes)))
        for place, ratio in self.cube.wide.items():
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
        cube = self.cube
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
        varying = self.cube.varying
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
        column = self.cube.axes[place]
        ratio = self.cube.wide.get(place)
        moved = shares + shift
        if ratio is not None:
            on_log = rng.random(len(shares)) < 0.5
            logs = to_log(shares[on_log], ratio) + shift[on_log]
            moved[on_log] = from_log(logs, ratio)
        return column.stepped(shares, moved, shift)
