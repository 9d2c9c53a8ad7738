"""Enumerates and counts the configurations of a finite space, exactly or about.

Axes are expanded one after the other, a block of rows at a time, and filters drop rows
early. Parameters that no condition and no constraint connects are counted separately,
and the counts multiplied. A part of up to about a million combinations is enumerated;
of a larger one, random draws show which share of the combinations are configurations.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments.search.space.conditions import Axis
from experiments.search.space.constraints import Constraint
from experiments.search.space.layout import Layout
from experiments.search.space.row_filters import INACTIVE, RowFilter, Rows, row_filters
from experiments.search.space.sampling import InfeasibleError

# Rows that are looked at between two finds, unfinished ones included: about half a
# second.
MAX_ENUMERATION_WORK = 2**22
BLOCK = 4096
# The latest rows that an enumeration keeps in memory.
MAX_KEPT = 2**17


@dataclass
class Enumeration:
    """The rows of a space's digits in order, found when they are first needed.

    Only the latest rows are kept; for an earlier one the enumeration starts again. The
    first `depth` axes are expanded; the others stay INACTIVE.
    """

    layout: Layout
    filters: Sequence[RowFilter]
    depth: int
    _kept: deque[Rows] = field(default_factory=deque, init=False)
    _first: int = field(default=0, init=False)
    _end: int = field(default=0, init=False)
    _rows: int = field(default=0, init=False)
    _blocks: Iterator[Rows] | None = field(default=None, init=False)

    @property
    def work(self) -> int:
        """The rows that were looked at so far, and the like."""
        return self._rows + sum(one.work for one in self.filters)

    def row(self, number: int) -> Rows | None:
        """The row with a number from 0; None when there are no more.

        Raises InfeasibleError when it takes too long to find.
        """
        if self._blocks is None or number < self._first:
            self._kept.clear()
            self._first = self._end = 0
            self._blocks = self.blocks()
        mark = self.work
        while self._end <= number:
            rows = next(self._blocks, None)
            if rows is None:
                return None
            if len(rows):
                self._keep(rows)
                mark = self.work
            if self.work - mark > MAX_ENUMERATION_WORK:
                raise InfeasibleError(
                    f"After {self._end:,} configurations no other that meets all "
                    "constraints was found in time."
                )
        place = number - self._first
        for block in self._kept:
            if place < len(block):
                return np.asarray(block[place])
            place -= len(block)
        return None

    def _keep(self, rows: Rows) -> None:
        self._kept.append(rows)
        self._end += len(rows)
        while self._end - self._first - len(self._kept[0]) >= MAX_KEPT:
            self._first += len(self._kept.popleft())

    def blocks(self) -> Iterator[Rows]:
        """Complete rows, in order; an empty block where a step completed none."""
        start = np.full((1, len(self.layout.order)), INACTIVE, np.int64)
        stack = [(0, start, 0)]
        while stack:
            place, rows, first = stack.pop()
            if place == self.depth:
                yield rows
                continue
            grown, left, start_digit = self._step(place, rows, first)
            if len(left):
                stack.append((place, left, start_digit))
            for one in self.filters:
                grown = one.passing(grown, place)
            if len(grown):
                stack.append((place + 1, grown, 0))
            yield start[:0]

    def _step(self, place: int, rows: Rows, first: int) -> tuple[Rows, Rows, int]:
        """As many rows as fit into a block, each with every digit at a place.

        Also the rows that are left, and the digit with which the first of them
        continues: a row with too many digits for one block fills several.
        """
        axis = self.layout.order[place]
        active = self._active(axis, rows)
        sizes = np.where(active, axis.distribution.count() or 1, 1)
        fitting = int(np.searchsorted(np.cumsum(sizes), BLOCK, side="right"))
        if fitting:
            grown = _grown(rows[:fitting], sizes[:fitting], place)
            grown[~np.repeat(active[:fitting], sizes[:fitting]), place] = INACTIVE
            left, start = rows[fitting:], 0
        else:
            last = min(first + BLOCK, int(sizes[0]))
            grown = np.repeat(rows[:1], last - first, axis=0)
            grown[:, place] = np.arange(first, last)
            done = last == sizes[0]
            left, start = (rows[1:], 0) if done else (rows, last)
        self._rows += len(grown) if axis.distribution.count() != 1 else 0
        return grown, left, start

    def allowed(self, rows: Rows) -> Rows:
        """The configurations among rows with a digit for every axis."""
        for place, axis in enumerate(self.layout.order):
            rows[~self._active(axis, rows), place] = INACTIVE
        for one in self.filters:
            rows = one.passing(rows, one.places[-1])
        return rows

    def _active(self, axis: Axis, rows: Rows) -> NDArray[np.bool_]:
        """In which rows an axis is active, by the digits before it."""
        active = np.ones(len(rows), np.bool_)
        for gate in axis.gates:
            digits = rows[:, self._places[gate.axis]]
            distribution = self.layout.axes[gate.axis].distribution
            active &= gate.passing(distribution, digits, digits != INACTIVE)
        return active

    @cached_property
    def _places(self) -> dict[str, int]:
        return {axis.name: place for place, axis in enumerate(self.layout.order)}


def _grown(rows: Rows, sizes: NDArray[np.int64], place: int) -> Rows:
    """Every row once for each digit at a place; `sizes` are the numbers of digits."""
    grown = np.repeat(rows, sizes, axis=0)
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    grown[:, place] = np.arange(len(grown)) - starts
    return grown


# A part with more combinations is enumerated only if draws show few configurations.
MAX_ENUMERATED = 2**20
# Rows that are looked at for a part: about a quarter of a second.
MAX_WORK = 2**21
# More configurations than this are counted but not listed.
MAX_LISTED = 2**17
# Draws for an estimate; fewer where each takes long.
MAX_DRAWS = 2**14
BATCH = 2**10
# An estimate has two digits if this many draws were configurations, otherwise one.
MIN_FOR_TWO_DIGITS = 100


@dataclass(frozen=True)
class Part:
    """Axes that conditions and constraints connect, and these constraints."""

    layout: Layout
    constraints: tuple[Constraint, ...]

    @property
    def is_free(self) -> bool:
        """Whether this is one axis without restrictions."""
        return len(self.layout.order) == 1 and not self.enumeration.filters

    @cached_property
    def combinations(self) -> int:
        """The number of combinations, without conditions and constraints."""
        return math.prod(axis.distribution.count() or 1 for axis in self.layout.order)

    @cached_property
    def count(self) -> int | None:
        """The exact number of configurations; None if counting takes too long."""
        if self.is_free:
            return self.combinations
        return None if self._enumerated is None else self._enumerated[0]

    @cached_property
    def estimate(self) -> int:
        """About how many configurations there are; 0 if no draw was one."""
        share, hits = self._drawn
        number = self.combinations * round(share * 2**53) >> 53
        places = 2 if hits >= MIN_FOR_TWO_DIGITS else 1
        return int(round(number, places - len(str(number))))

    @cached_property
    def rows(self) -> Rows | None:
        """The digits of every configuration in order; None if there are too many."""
        if self.count is None or self.count > MAX_LISTED:
            return None
        if self.is_free:
            return np.arange(self.count).reshape(-1, 1)
        blocks = [] if self._enumerated is None else self._enumerated[1]
        return np.concatenate(
            [np.empty((0, len(self.layout.order)), np.int64), *blocks]
        )

    @cached_property
    def enumeration(self) -> Enumeration:
        filters = row_filters(self.layout, self.constraints)
        return Enumeration(self.layout, filters, len(self.layout.order))

    @cached_property
    def _enumerated(self) -> tuple[int, list[Rows]] | None:
        """The number of configurations, and blocks of the first of them."""
        is_large = self.combinations > MAX_ENUMERATED
        if is_large and self.estimate > MAX_ENUMERATED:
            return None
        number, kept, before = 0, [], self.enumeration.work
        for block in self.enumeration.blocks():
            number += len(block)
            if number <= MAX_LISTED:
                kept.append(block)
            if self.enumeration.work - before > MAX_WORK:
                return None
        return number, kept

    @cached_property
    def _drawn(self) -> tuple[float, int]:
        """The share of draws that are configurations, and the number of these.

        A combination counts once for all values of inactive axes.
        """
        rng = np.random.default_rng(0)
        sizes = np.array(
            [axis.distribution.count() for axis in self.layout.order], np.int64
        )
        hits, draws, weight, before = 0, 0, 0.0, self.enumeration.work
        while draws < MAX_DRAWS and self.enumeration.work - before < MAX_WORK:
            digits = rng.integers(0, sizes, (BATCH, len(sizes)))
            rows = self.enumeration.allowed(digits)
            weights = np.where(rows == INACTIVE, 1 / sizes, 1.0).prod(axis=1)
            draws += len(digits)
            hits += len(rows)
            weight += float(weights.sum())
        return weight / draws, hits


def parts_of(layout: Layout, constraints: Sequence[Constraint]) -> list[Part]:
    """The parts that are independent of each other, in the layout's order."""
    links = [layout.axes_at(rule.addresses) for rule in constraints]
    for axis in layout.order:
        links.append({axis.name, *(gate.axis for gate in axis.gates)})
    groups: list[set[str]] = []
    for link in links:
        tied = [group for group in groups if group & link]
        groups = [group for group in groups if not group & link]
        groups.append(link.union(*tied))
    return [_part(layout, constraints, group) for group in groups]


def _part(layout: Layout, constraints: Sequence[Constraint], group: set[str]) -> Part:
    axes = {name: axis for name, axis in layout.axes.items() if name in group}
    own = (rule for rule in constraints if layout.axes_at(rule.addresses) & group)
    return Part(Layout(axes), tuple(own))
