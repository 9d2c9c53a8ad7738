"""What a finite space leaves out: configurations that break a constraint or that are
another one's twin."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments.search.axes import Axis
from experiments.search.constraints import Constraint
from experiments.search.layout import Layout, Values
from experiments.search.records import JSONValue
from experiments.search.values import identity

Rows = NDArray[np.int64]
# The digit of an axis that is not active.
INACTIVE = -1
# Of so many values a table is made.
MOST_TABLED = 256


@dataclass
class Screen:
    """A test of some axes' values. What it said of them before is remembered."""

    layout: Layout
    places: list[int]
    admits: Callable[[Values], bool]
    _known: dict[bytes, bool] = field(default_factory=dict, init=False)

    @property
    def tested(self) -> int:
        """How many different values were put to the test."""
        return len(self._known)

    @property
    def last(self) -> int:
        """The place of the last axis that is looked at."""
        return max(self.places)

    def passed(self, rows: Rows) -> Rows:
        """Those of the rows that the test lets pass."""
        if not len(rows):
            return rows
        found, which = np.unique(rows[:, self.places], axis=0, return_inverse=True)
        passes = np.array([self._passes(row) for row in found])
        passed: Rows = rows[passes[which.reshape(-1)]]
        return passed

    def _passes(self, row: Rows) -> bool:
        mark = row.tobytes()
        if mark not in self._known:
            self._known[mark] = self.admits(self.values(row.tolist()))
        return self._known[mark]

    def values(self, digits: Sequence[int]) -> Values:
        """The values of the active ones among the axes that are looked at."""
        return {
            name: value_at(digit)
            for (name, value_at), digit in zip(self._lookups, digits, strict=True)
            if digit != INACTIVE
        }

    @cached_property
    def _lookups(self) -> list[tuple[str, Callable[[int], JSONValue]]]:
        """Every axis's name, and its values by digit, from a table where few."""
        found: list[tuple[str, Callable[[int], JSONValue]]] = []
        for place in self.places:
            axis = self.layout.order[place]
            size = axis.law.count() or 0
            if size <= MOST_TABLED:
                table = [axis.law.at(digit) for digit in range(size)]
                found.append((axis.name, table.__getitem__))
            else:
                found.append((axis.name, axis.law.at))
        return found


def values_of(axes: Sequence[Axis], digits: Sequence[int]) -> Values:
    """The values of the active axes among some."""
    return {
        axis.name: axis.law.at(digit)
        for axis, digit in zip(axes, digits, strict=True)
        if digit != INACTIVE
    }


def screens(layout: Layout, constraints: tuple[Constraint, ...]) -> list[Screen]:
    """One for every constraint, and one for every choice that may give twins."""
    found = []
    for constraint in constraints:
        axes = layout.named(constraint.addresses)
        found.append(
            Screen(layout, _places(layout, axes), _meeting(layout, constraint))
        )
    for name in layout.roots:
        if any(map(_may_give_twins, _below(layout, name))):
            axes = {axis.name for axis in _below(layout, name)}
            found.append(Screen(layout, _places(layout, axes), _first(layout)))
    return found


def _places(layout: Layout, names: set[str]) -> list[int]:
    return [place for place, axis in enumerate(layout.order) if axis.name in names]


def _meeting(layout: Layout, constraint: Constraint) -> Callable[[Values], bool]:
    if not any(
        layout.axes[name].branches for name in layout.named(constraint.addresses)
    ):
        return constraint.meets
    return lambda values: constraint.meets(layout.assembled(values))


def _first(layout: Layout) -> Callable[[Values], bool]:
    """Of two ways to one configuration only the first is let pass."""
    return lambda values: layout.traced(layout.assembled(values)) == values


def _below(layout: Layout, name: str) -> Iterator[Axis]:
    for axis in layout.axes.values():
        if f"{axis.name}.".startswith(f"{name}."):
            yield axis


def _may_give_twins(axis: Axis) -> bool:
    """Whether two branches have the same names, and no constant tells them apart."""
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
