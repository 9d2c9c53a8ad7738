"""How the axes of a space are laid out in numbers: snapping, digits and activity."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray

from experiments.search.axes import Gate
from experiments.search.choice import Choice
from experiments.search.distribution import Distribution
from experiments.search.laws import Law
from experiments.search.partitions import Partition, Rounded
from experiments.search.quantised import Quantised
from experiments.search.screens import INACTIVE, Rows
from experiments.search.space import NEUTRAL, SearchSpace

Points = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Up to so many values an axis has a table of its bands' middles.
MOST_TABLED = 10_000
# An axis with no bounds ends here: about 3.3 standard deviations of a normal law.
UNBOUNDED_END = 0.0005
# A range with up to so many values takes a step of one value where it would not move.
COARSE = 64
# Continuous axes have no digits; only points of finite axes are told apart by them.
NO_DIGIT = 0


@dataclass(frozen=True)
class CubeAxis:
    """One axis of the unit cube, of which NEUTRAL stands for `not active`."""

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
        """The middle of every value's band; None without bands, or for very many."""
        if self.partition is None or self.partition.size > MOST_TABLED:
            return None
        middle = self.partition.middle
        return np.array([middle(index) for index in range(self.partition.size)])

    @cached_property
    def edges(self) -> Points | None:
        """Where bands meet, in place of quantiles, which are slower to take."""
        if self.middles is None or not isinstance(self.partition, Rounded):
            return None
        return np.cumsum(self.partition.masses())[:-1]

    @cached_property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest share that a candidate may take."""
        if self.middles is not None:
            return float(self.middles[0]), float(self.middles[-1])
        law = getattr(self.law, "law", None)
        if isinstance(law, Law) and not np.isfinite(law.high):
            return UNBOUNDED_END, 1 - UNBOUNDED_END
        if self.partition is not None:
            last = self.partition.size - 1
            return self.partition.middle(0), self.partition.middle(last)
        return 0.0, 1.0

    def snapped(self, shares: Points) -> Points:
        """The shares at which the values at these shares are encoded."""
        shares = np.clip(shares, *self.ends)
        if self.partition is None:
            if isinstance(self.law, Quantised):
                return _rounded_middles(self.law.law, self.law.q, shares)
            return shares
        digits = self.digits(shares)
        if self.middles is None and isinstance(self.partition, Rounded):
            law, q = self.partition.law, self.partition.q
            return np.clip(_rounded_middles(law, q, shares), *self.ends)
        return self.middles_of(digits)

    def stepped(self, shares: Points, moved: Points, shift: Points) -> Points:
        """The moved shares snapped; with few values each takes at least one step."""
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
        """Another value for each share, all alike."""
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
        """The numbers of the values, 0 where there are infinitely many."""
        if self.partition is None:
            return np.full(len(shares), NO_DIGIT, np.int64)
        if self.edges is not None:
            return np.searchsorted(self.edges, shares, side="right").astype(np.int64)
        return self.partition.indices(shares)


def _rounded_middles(law: Law, q: float, shares: Points) -> Points:
    """The middles of the bands in which shares fall when a law is rounded to q."""
    with np.errstate(over="ignore"):
        multiples = np.rint(law.quantile(shares) / q)
        below, above = law.cdf((multiples - 0.5) * q), law.cdf((multiples + 0.5) * q)
    return (below + above) / 2


@dataclass(frozen=True)
class Columns:
    """The axes of a space in document order."""

    space: SearchSpace

    @cached_property
    def all(self) -> tuple[CubeAxis, ...]:
        return tuple(CubeAxis(axis.law) for axis in self.space.axes.values())

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
        """Points moved to what can be drawn, and which of their axes are active.

        An axis that is not active is moved to NEUTRAL.
        """
        found = np.empty_like(points)
        for place, column in enumerate(self.all):
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
        for place, column in enumerate(self.all):
            digits[:, place] = column.digits(points[:, place])
        digits[~active] = INACTIVE
        return digits

    def listed(self) -> tuple[Points, Mask] | None:
        """Every point of a finite space with few enough to list."""
        rows = self.space.finite.rows if self.space.is_finite else None
        if rows is None:
            return None
        points = np.full(rows.shape, NEUTRAL)
        active = np.zeros(rows.shape, np.bool_)
        for source, axis in enumerate(self.space.layout.order):
            place, digits = self._index[axis.name], rows[:, source]
            counts = digits != INACTIVE
            points[counts, place] = self.all[place].middles_of(digits[counts])
            active[:, place] = counts
        return points, active

    def _places(self, *, categorical: bool) -> tuple[int, ...]:
        return tuple(
            place
            for place, column in enumerate(self.all)
            if not column.constant and column.categorical == categorical
        )

    def _passes(self, gate: Gate, points: Points, active: Mask) -> Mask:
        place = self._index[gate.axis]
        law = self.space.axes[gate.axis].law
        if law.partition is None:
            shares = [law.encode(cast(float, key)) for key in gate.keys]
            passing = np.isin(points[:, place], shares)
        else:
            allowed = np.array([law.place(key) for key in gate.keys], np.int64)
            passing = np.isin(law.partition.indices(points[:, place]), allowed)
        return np.where(active[:, place], passing, gate.open)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.space.axes)}
