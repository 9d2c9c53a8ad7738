"""The configurations of a finite space one by one, in order.

Axes are expanded one after the other, a block of rows at a time, and a screen drops
rows as soon as it knows enough of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments.search.axes import Axis, Gate
from experiments.search.feasibility import InfeasibleError
from experiments.search.layout import Layout
from experiments.search.screens import INACTIVE, Rows, Screen

# The work between two finds: rows that are looked at, unfinished ones included. All of
# it takes about half a second.
MAX_WORK = 2**22
BLOCK = 4096


@dataclass
class Listing:
    """The rows of a space's digits in order, found as they are asked for.

    The first `depth` axes are gone through; the others stay INACTIVE.
    """

    layout: Layout
    screens: Sequence[Screen]
    depth: int
    _found: list[Rows] = field(default_factory=list, init=False)
    _count: int = field(default=0, init=False)
    _rows: int = field(default=0, init=False)

    @property
    def work(self) -> int:
        """What was done so far."""
        return self._rows + sum(screen.work for screen in self.screens)

    def row(self, number: int) -> Rows | None:
        """The number-th row; None when there are no more.

        Raises InfeasibleError when the search for it takes too long.
        """
        mark = self.work
        while self._count <= number:
            rows = next(self._blocks, None)
            if rows is None:
                return None
            if len(rows):
                self._found.append(rows)
                self._count += len(rows)
                mark = self.work
            if self.work - mark > MAX_WORK:
                raise InfeasibleError(
                    f"After {self._count:,} configurations no other that meets all "
                    "constraints was found in time."
                )
        for block in self._found:
            if number < len(block):
                return np.asarray(block[number])
            number -= len(block)
        return None

    @cached_property
    def _blocks(self) -> Iterator[Rows]:
        return self.blocks()

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
            grown = self._screened(grown, place)
            if len(grown):
                stack.append((place + 1, grown, 0))
            yield start[:0]

    def _step(self, place: int, rows: Rows, first: int) -> tuple[Rows, Rows, int]:
        """As many rows as fit into a block, each with every digit at a place.

        Also the rows that are left, and the digit from which the first of them is
        expanded next: a row with too many digits for one block is expanded over
        several.
        """
        axis = self.layout.order[place]
        active = self._active(axis, rows)
        sizes = np.where(active, axis.law.count() or 1, 1)
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
        self._rows += len(grown) if axis.law.count() != 1 else 0
        return grown, left, start

    def _screened(self, rows: Rows, place: int) -> Rows:
        for screen in self.screens:
            rows = screen.passed(rows, place)
        return rows

    def allowed(self, rows: Rows) -> Rows:
        """Of rows with a digit for every axis those that are configurations."""
        for place, axis in enumerate(self.layout.order):
            rows[~self._active(axis, rows), place] = INACTIVE
        for screen in self.screens:
            rows = screen.passed(rows, screen.places[-1])
        return rows

    def _active(self, axis: Axis, rows: Rows) -> NDArray[np.bool_]:
        """In which rows an axis is active, by the digits before it."""
        active = np.ones(len(rows), np.bool_)
        for gate in axis.gates:
            active &= self._passes(gate, rows)
        return active

    def _passes(self, gate: Gate, rows: Rows) -> NDArray[np.bool_]:
        digits = rows[:, self._places[gate.axis]]
        law = self.layout.axes[gate.axis].law
        passing = np.array([law.place(key) for key in gate.keys], np.int64)
        allowed = np.isin(digits, passing)
        return np.where(digits == INACTIVE, gate.open, allowed)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {axis.name: place for place, axis in enumerate(self.layout.order)}


def _grown(rows: Rows, sizes: NDArray[np.int64], place: int) -> Rows:
    """Every row once for each of so many digits at a place."""
    grown = np.repeat(rows, sizes, axis=0)
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    grown[:, place] = np.arange(len(grown)) - starts
    return grown
