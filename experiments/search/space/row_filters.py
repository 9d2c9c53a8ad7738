"""Filters for rows of digits: they drop configurations that break a constraint, and
those that are the same as an earlier one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments.search.space.choice import Choice
from experiments.search.space.conditions import Axis, Mask
from experiments.search.space.constraints import Constraint
from experiments.search.space.distribution import identity
from experiments.search.space.evaluation import Column, column_of, met_at_once
from experiments.search.space.intervals import Interval, may_be_met
from experiments.search.space.layout import Layout, Values

Rows = NDArray[np.int64]
# The digit of an axis that is not active.
INACTIVE = -1
# Values of all axes together that are kept in tables.
MAX_VALUES = 2**17
# Up to this many combinations are tested at once and the answers kept; fewer where the
# test needs Python.
MAX_CELLS = 2**16
MAX_SLOW_CELLS = 2**10
# Work is counted in rows that are looked at: for a test in Python, for a call of numpy,
# and how many rows of such a call count as one.
WORK_OF_TEST = 16
WORK_OF_CALL = 256
ROWS_AT_ONCE = 16


@dataclass
class AxisColumns:
    """The values of a layout's axes as arrays."""

    layout: Layout
    _room: int = field(default=MAX_VALUES, init=False)
    _tables: dict[int, Column | None] = field(default_factory=dict, init=False)

    def of(self, place: int, digits: Rows) -> Column | None:
        """The values of an axis's digits; None where they are of several types."""
        distribution = self.layout.order[place].distribution
        size = distribution.count() or 0
        if place not in self._tables and size <= self._room:
            self._room -= size
            self._tables[place] = column_of(
                [distribution.at(digit) for digit in range(size)]
            )
        if place in self._tables:
            table, which = self._tables[place], digits
        else:
            found, which = np.unique(digits, return_inverse=True)
            table = column_of([distribution.at(digit) for digit in found.tolist()])
        return None if table is None else table[which]


@dataclass
class RowFilter:
    """A test of some axes' values: a `constraint`, or else `admits`.

    `work` counts the work so far in rows.
    """

    layout: Layout
    places: list[int]
    columns: AxisColumns
    admits: Callable[[Values], bool]
    constraint: Constraint | None = None
    work: int = field(default=0, init=False)
    _known: dict[bytes, bool] = field(default_factory=dict, init=False)

    def passing(self, rows: Rows, place: int) -> Rows:
        """The rows that may still pass, by their digits up to a place."""
        if not len(rows) or place not in self.places:
            return rows
        number = self.places.index(place) + 1
        digits = rows[:, self.places[:number]]
        if self._table is not None:
            passes = self._possible(number)[tuple(digits.T)]
        elif number == len(self.places):
            passes = self._tested(digits)
        else:
            passes = self._promising(digits)
        kept: Rows = rows[passes]
        return kept

    def _promising(self, digits: Rows) -> Mask:
        """Which rows may pass, by digits of the first axes and ranges of the others."""
        if self.constraint is None or not self._ranges:
            return np.ones(len(digits), np.bool_)
        known = dict(self._ranges)
        for place, column in zip(self.places, digits.T, strict=False):
            name = self.layout.order[place].name
            values = self.columns.of(place, column) if name in known else None
            if values is not None:
                known[name] = Interval(values, values)
        self.work += WORK_OF_CALL + len(digits) // ROWS_AT_ONCE
        return may_be_met(self.constraint.tree, known, len(digits))

    @cached_property
    def _ranges(self) -> dict[str, Interval]:
        """The lowest and highest values of axes with numbers, if all are active."""
        axes = {place: self.layout.order[place] for place in self.places}
        if self._needs_python or any(axis.gates for axis in axes.values()):
            return {}
        found = {}
        for (place, axis), size in zip(axes.items(), self._sizes, strict=True):
            is_sorted = not isinstance(axis.distribution, Choice)
            digits = np.array([0, size - 1]) if is_sorted else np.arange(size)
            values = self.columns.of(place, digits)
            if values is not None and values.dtype == np.float64:
                found[axis.name] = Interval(values.min(), values.max())
        return found

    def _possible(self, number: int) -> Mask:
        """Which digits of the first axes pass with some digits of the others."""
        if number not in self._possible_tables:
            others = tuple(range(number, len(self.places)))
            self._possible_tables[number] = np.any(np.asarray(self._table), axis=others)
        return self._possible_tables[number]

    @cached_property
    def _possible_tables(self) -> dict[int, Mask]:
        return {}

    @cached_property
    def _table(self) -> Mask | None:
        """The test of all combinations; the last index of an axis means INACTIVE."""
        sizes = [size + 1 for size in self._sizes]
        most = MAX_SLOW_CELLS if self._needs_python else MAX_CELLS
        if math.prod(sizes) > most:
            return None
        cells = np.indices(sizes).reshape(len(sizes), -1).T
        digits = np.where(cells == self._sizes, INACTIVE, cells)
        return self._tested(digits).reshape(sizes)

    def _tested(self, digits: Rows) -> Mask:
        """Which rows of digits of the axes pass."""
        active = (digits != INACTIVE).all(axis=1)
        columns = self._columns(digits[active])
        if columns is None or self.constraint is None:
            return self._tested_singly(digits)
        number = int(active.sum())
        met, unsure = met_at_once(self.constraint.tree, columns, number)
        self.work += WORK_OF_CALL + number // ROWS_AT_ONCE
        if unsure.any():
            met[unsure] = self._tested_singly(digits[active][unsure])
        passes = np.ones(len(digits), np.bool_)
        passes[active] = met
        return passes

    def _tested_singly(self, digits: Rows) -> Mask:
        found, which = np.unique(digits, axis=0, return_inverse=True)
        passes = np.array([self._passes(row) for row in found], np.bool_)
        tested: Mask = passes[which.reshape(-1)]
        return tested

    def _passes(self, row: Rows) -> bool:
        mark = row.tobytes()
        if mark not in self._known:
            axes = [self.layout.order[place] for place in self.places]
            self._known[mark] = self.admits(values_of(axes, row.tolist()))
            self.work += WORK_OF_TEST
        return self._known[mark]

    @cached_property
    def _sizes(self) -> list[int]:
        return [
            self.layout.order[place].distribution.count() or 0 for place in self.places
        ]

    def _columns(self, digits: Rows) -> dict[str, Column] | None:
        """The axes' values in rows of digits; None where they need Python."""
        if self._needs_python:
            return None
        found: dict[str, Column] = {}
        for place, column in zip(self.places, digits.T, strict=True):
            values = self.columns.of(place, column)
            if values is None:
                return None
            found[self.layout.order[place].name] = values
        return found

    @cached_property
    def _needs_python(self) -> bool:
        axes = (self.layout.order[place] for place in self.places)
        return self.constraint is None or any(axis.is_nested for axis in axes)


def values_of(axes: Sequence[Axis], digits: Sequence[int]) -> Values:
    """The values of the active axes among some."""
    return {
        axis.name: axis.distribution.at(digit)
        for axis, digit in zip(axes, digits, strict=True)
        if digit != INACTIVE
    }


def row_filters(layout: Layout, constraints: tuple[Constraint, ...]) -> list[RowFilter]:
    """One for every constraint, and for every choice that may give equal values."""
    found = []
    columns = AxisColumns(layout)
    for constraint in constraints:
        axes = layout.axes_at(constraint.addresses)
        admits = _meeting(layout, constraint)
        found.append(
            RowFilter(layout, _places(layout, axes), columns, admits, constraint)
        )
    for name in layout.roots:
        if any(map(_may_give_equals, _below(layout, name))):
            axes = {axis.name for axis in _below(layout, name)}
            found.append(
                RowFilter(layout, _places(layout, axes), columns, _first(layout))
            )
    return found


def _places(layout: Layout, names: set[str]) -> list[int]:
    return [place for place, axis in enumerate(layout.order) if axis.name in names]


def _meeting(layout: Layout, constraint: Constraint) -> Callable[[Values], bool]:
    if not any(
        layout.axes[name].branches for name in layout.axes_at(constraint.addresses)
    ):
        return constraint.meets
    return lambda values: constraint.meets(layout.params_of(values))


def _first(layout: Layout) -> Callable[[Values], bool]:
    """Lets only the first of several ways to one configuration pass."""
    return lambda values: layout.values_of_params(layout.params_of(values)) == values


def _below(layout: Layout, name: str) -> Iterator[Axis]:
    for axis in layout.axes.values():
        if f"{axis.name}.".startswith(f"{name}."):
            yield axis


def _may_give_equals(axis: Axis) -> bool:
    """Whether two branches have the same names and no constant that differs."""
    alike: dict[frozenset[str], list[dict[str, str]]] = {}
    for branch in axis.branches.values():
        fixed = {name: identity(value) for name, value in branch.constants.items()}
        alike.setdefault(frozenset(branch.entries), []).append(fixed)
    return any(
        not any(
            len({fixed.get(name) for fixed in group}) == len(group)
            and all(name in fixed for fixed in group)
            for name in names
        )
        for names, group in alike.items()
        if len(group) > 1
    )
