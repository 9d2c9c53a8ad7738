"""Draws from a space, many at once, and rejection of those that break a constraint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments.search.records import JSONValue, Params
from experiments.search.space.choice import Choice
from experiments.search.space.conditions import Axis, Gate, Mask
from experiments.search.space.constraints import Constraint
from experiments.search.space.evaluation import Column, column_of, met_at_once
from experiments.search.space.layout import Layout

Points = NDArray[np.float64]
Point = NDArray[np.float64]

# Draws for one configuration: up to MAX_DRAWS, and fewer where each takes long.
MAX_DRAWS = 10_000
MIN_DRAWS = 500
# In characters of constraints that Python evaluates, about five million a second.
MAX_WORK = 2_000_000
# A space of which less is allowed is refused: 10 of 10,000 draws.
MIN_SHARE = 0.001
MAX_BATCH = 2_000
# For fewer rows a call of numpy costs more than it saves; otherwise it evaluates this
# many rows in the time in which Python evaluates one.
MIN_ROWS_AT_ONCE = 16
ROWS_AT_ONCE = 256


class InfeasibleError(ValueError):
    """Almost no configuration meets the constraints."""


@dataclass
class Batch:
    """The configurations at points of the unit cube, one row each, axis by axis.

    An axis is computed for all rows or for none.
    """

    layout: Layout
    points: Points
    _values: dict[str, list[JSONValue]] = field(default_factory=dict, init=False)
    _columns: dict[str, Column] = field(default_factory=dict, init=False)
    _active: dict[str, Mask] = field(default_factory=dict, init=False)
    _passing: dict[Gate, Mask] = field(default_factory=dict, init=False)

    def __len__(self) -> int:
        return len(self.points)

    def values(self, axis: Axis) -> list[JSONValue]:
        """An axis's value in every row; without meaning where it is not active."""
        if axis.name not in self._values:
            self._values[axis.name] = axis.distribution.quantiles(self._shares(axis))
        return self._values[axis.name]

    def column(self, axis: Axis) -> Column:
        """As `values`, in an array."""
        if axis.name not in self._columns:
            column = column_of(self.values(axis))
            if column is None:
                raise TypeError(f"The values of {axis.name} are of several types.")
            self._columns[axis.name] = column
        return self._columns[axis.name]

    def digits(self, axis: Axis) -> NDArray[np.int64] | None:
        """The index of the value in every row; None where values have none."""
        partition = axis.distribution.partition
        return None if partition is None else partition.indices(self._shares(axis))

    def active(self, axis: Axis) -> Mask:
        """In which rows an axis counts."""
        if axis.name not in self._active:
            active = np.ones(len(self), np.bool_)
            for gate in axis.gates:
                active = active & self._passes(gate)
            self._active[axis.name] = active
        return self._active[axis.name]

    def params(self, axes: Sequence[Axis]) -> Callable[[int], Params]:
        """What a row's configuration has of some axes."""
        columns = [(axis.name, self.values(axis), self.active(axis)) for axis in axes]
        nested = any(axis.branches for axis in axes)

        def params(row: int) -> Params:
            values = {name: column[row] for name, column, mask in columns if mask[row]}
            return self.layout.params_of(values) if nested else values

        return params

    def _shares(self, axis: Axis) -> Points:
        return self.points[:, self.layout.places[axis.name]]

    def _passes(self, gate: Gate) -> Mask:
        if gate not in self._passing:
            axis = self.layout.axes[gate.axis]
            digits, active = self.digits(axis), self.active(axis)
            if digits is None:
                distribution = axis.distribution
                keys = (distribution.key(value) for value in self.values(axis))
                allowed = np.array([key in gate.keys for key in keys], np.bool_)
                self._passing[gate] = np.where(active, allowed, gate.open)
            else:
                self._passing[gate] = gate.passing(axis.distribution, digits, active)
        return self._passing[gate]


@dataclass
class RejectionSampling:
    """Draws from a layout, rejected until all constraints are met.

    `work` counts the characters that Python has evaluated so far.
    """

    layout: Layout
    constraints: tuple[Constraint, ...]
    failures: Counter[str] = field(default_factory=Counter, init=False)
    work: int = field(default=0, init=False)

    @property
    def max_draws(self) -> int:
        """How many draws are tried for one configuration."""
        return min(MAX_DRAWS, max(MIN_DRAWS, MAX_WORK // self._cost))

    def point(self, rng: np.random.Generator) -> Point | None:
        """The first point of the unit cube that is allowed; None after too many draws.

        A draw takes a number for each axis from the generator. When the first draw is
        rejected, the generator gives a few numbers more than are used.
        """
        for size in self.sizes(self.max_draws, first=1):
            points = rng.random((size, len(self.layout.axes)))
            if not self.constraints:
                return np.asarray(points[0])
            for number in np.flatnonzero(self.meeting(Batch(self.layout, points))):
                # Many logarithms at once may differ from one by a rounding.
                if self.allows(points[number]):
                    return np.asarray(points[number])
        return None

    def allows(self, point: Point) -> bool:
        """Whether the configuration at a point meets every constraint."""
        places = self.layout.places
        values = self.layout.choose_values(
            self._axes,
            lambda axis: axis.distribution.quantile(float(point[places[axis.name]])),
        )
        params = self.layout.params_of(values)
        return all(constraint.meets(params) for constraint in self.constraints)

    def meeting(self, batch: Batch) -> Mask:
        """In which rows of a batch every constraint is met."""
        rows = np.ones(len(batch), np.bool_)
        for constraint, axes, slow in self._rules:
            before = int(rows.sum())
            if not slow and len(batch) >= MIN_ROWS_AT_ONCE:
                rows, unsure = self._met_at_once(constraint, batch, axes, rows)
            else:
                unsure = rows.copy()
            params = batch.params(axes)
            for row in np.flatnonzero(unsure).tolist():
                rows[row] = constraint.meets(params(row))
                self.work += len(constraint.text)
            self.failures[constraint.text] += before - int(rows.sum())
        return rows

    def problem(self) -> str | None:
        """Why the constraints leave too little, by the same draws every time."""
        rng = np.random.default_rng(0)
        most, met = self.max_draws, 0
        enough = max(1, round(most * MIN_SHARE))
        self.failures.clear()
        for size in self.sizes(most, first=enough):
            points = rng.random((size, len(self.layout.axes)))
            met += int(self.meeting(Batch(self.layout, points)).sum())
            if met >= enough:
                return None
        text, failed = self.failures.most_common(1)[0]
        return (
            f"Of {most:,} random configurations {met or 'none'} met the constraints, "
            f"and at least {enough:,} must; {text} alone ruled out {failed:,}. Make "
            "the ranges narrower or the constraints wider."
        )

    def sizes(self, most: int, *, first: int) -> Iterator[int]:
        """The sizes of batches of `most` draws together, small ones first."""
        size, left = first, most
        largest = max(1, min(MAX_BATCH, MAX_WORK // self._cost // 4))
        while left:
            size = min(size, left, largest)
            yield size
            left -= size
            size *= 4

    def _met_at_once(
        self, constraint: Constraint, batch: Batch, axes: list[Axis], rows: Mask
    ) -> tuple[Mask, Mask]:
        """Which of the `rows` meet a constraint, and which only Python can judge."""
        self.work += len(constraint.text) * (len(batch) // ROWS_AT_ONCE + 1)
        columns = {axis.name: batch.column(axis) for axis in axes}
        met, unsure = met_at_once(constraint.tree, columns, len(batch))
        active = np.logical_and.reduce([batch.active(axis) for axis in axes])
        return rows & (met | ~active), rows & unsure & active

    @cached_property
    def _cost(self) -> int:
        """The most that one draw takes, in characters."""
        texts = (len(rule.text) if slow else 1 for rule, _, slow in self._rules)
        return 1 + len(self._axes) + sum(texts)

    @cached_property
    def _rules(self) -> list[tuple[Constraint, list[Axis], bool]]:
        """The constraints, the axes that they need, and whether they need Python."""
        found = []
        for rule in self.constraints:
            names = self.layout.axes_at(rule.addresses)
            axes = [self.layout.axes[name] for name in names]
            found.append((rule, axes, any(map(_needs_python, axes))))
        return found

    @cached_property
    def _axes(self) -> tuple[Axis, ...]:
        """All that the constraints depend on."""
        addresses = {name for rule in self.constraints for name in rule.addresses}
        return self.layout.with_dependencies(self.layout.axes_at(addresses))


def _needs_python(axis: Axis) -> bool:
    """Whether numpy cannot compare the values of an axis."""
    law = axis.distribution
    if isinstance(law, Choice):
        return axis.is_nested or column_of(law.distinct) is None
    return axis.is_nested or column_of([law.quantile(0.0), law.quantile(1.0)]) is None
