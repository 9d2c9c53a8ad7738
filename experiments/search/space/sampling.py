"""Drawing until the constraints are met, and refusing where they almost never are.

Many draws from a layout at once.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from experiments.search.records import JSONValue, Params
from experiments.search.space.conditions import Axis, Gate
from experiments.search.space.constraints import Constraint
from experiments.search.space.layout import Layout

Mask = NDArray[np.bool_]
Points = NDArray[np.float64]

MAX_CODES = 10_000


@dataclass
class Batch:
    """The configurations at points of the unit cube, one row each, axis by axis.

    What an axis would be is computed for all rows or for none.
    """

    layout: Layout
    points: Points
    _values: dict[str, list[JSONValue]] = field(default_factory=dict, init=False)
    _active: dict[str, Mask] = field(default_factory=dict, init=False)
    _passing: dict[Gate, Mask] = field(default_factory=dict, init=False)

    def __len__(self) -> int:
        return len(self.points)

    def values(self, axis: Axis) -> list[JSONValue]:
        """An axis's value in every row; without meaning where it is not active."""
        if axis.name not in self._values:
            self._values[axis.name] = axis.distribution.quantiles(self._shares(axis))
        return self._values[axis.name]

    def digits(self, axis: Axis) -> NDArray[np.int64] | None:
        """The number of the value in every row; None where values have none."""
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

    def codes(self, axes: Sequence[Axis]) -> NDArray[np.int64] | None:
        """A number for every row, the same exactly for the same values of some axes.

        None where they may have more than MAX_CODES together.
        """
        sizes = few_values(axes)
        if sizes is None:
            return None
        codes = np.zeros(len(self), np.int64)
        for axis, size in zip(axes, sizes, strict=True):
            digits = self.digits(axis)
            if digits is not None:
                codes *= 1 + size
                codes += np.where(self.active(axis), digits, size)
        return codes

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
            passing = np.where(self.active(axis), self._allowed(axis, gate), gate.open)
            self._passing[gate] = passing
        return self._passing[gate]

    def _allowed(self, axis: Axis, gate: Gate) -> Mask:
        digits = self.digits(axis)
        if digits is not None:
            keys = [axis.distribution.index_of(key) for key in gate.keys]
            return np.isin(digits, np.array(keys, np.int64))
        found = [
            axis.distribution.key(value) in gate.keys for value in self.values(axis)
        ]
        return np.array(found, np.bool_)


def few_values(axes: Sequence[Axis]) -> list[int] | None:
    """How many values each of some axes has; None for more than MAX_CODES together."""
    sizes = [axis.distribution.count() or MAX_CODES for axis in axes]
    return sizes if math.prod(1 + size for size in sizes) <= MAX_CODES else None


Point: TypeAlias = NDArray[np.float64]

# At most so many draws for one configuration, and fewer where each is costly.
MAX_DRAWS = 10_000
MIN_DRAWS = 500
# In characters of constraints that are worked out, about five million a second.
MAX_WORK = 2_000_000
# A space of which less is allowed is refused: 10 of 10,000 draws.
MIN_SHARE = 0.001
MAX_BATCH = 2_000


class InfeasibleError(ValueError):
    """Almost no configuration meets the constraints."""


@dataclass
class RejectionSampling:
    """Draws from a layout, rejected until all constraints are met.

    `work` is what was done so far.
    """

    layout: Layout
    constraints: tuple[Constraint, ...]
    failures: Counter[str] = field(default_factory=Counter, init=False)
    work: int = field(default=0, init=False)
    # What each constraint said of the values of its parameters, where these are few.
    _known: dict[str, dict[int, bool]] = field(default_factory=dict, init=False)

    @property
    def most_draws(self) -> int:
        """How many draws are tried for one configuration."""
        return min(MAX_DRAWS, max(MIN_DRAWS, MAX_WORK // self._cost))

    def point(self, rng: np.random.Generator) -> Point | None:
        """The first point of the unit cube that is allowed; None after too many.

        The generator gives a number for each axis and draw; where the first draw is
        rejected, a few more than are looked at.
        """
        for size in self.sizes(self.most_draws, first=1):
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
        values = self.layout.choose_values(
            self._axes,
            lambda axis: axis.distribution.quantile(
                float(point[self.layout.places[axis.name]])
            ),
        )
        params = self.layout.params_of(values)
        return all(constraint.meets(params) for constraint in self.constraints)

    def meeting(self, batch: Batch) -> Mask:
        """In which rows of a batch every constraint is met."""
        rows = np.ones(len(batch), np.bool_)
        for constraint, axes in zip(self.constraints, self._named, strict=True):
            before = int(rows.sum())
            rows[rows] = self._met(constraint, batch, axes, np.flatnonzero(rows))
            self.failures[constraint.text] += before - int(rows.sum())
        return rows

    def problem(self) -> str | None:
        """Why the constraints leave too little, judged by draws that never change."""
        rng = np.random.default_rng(0)
        most, met = self.most_draws, 0
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
        """The sizes of batches of so many draws together, small ones first."""
        size, left = first, most
        largest = max(1, min(MAX_BATCH, MAX_WORK // self._cost // 4))
        while left:
            size = min(size, left, largest)
            yield size
            left -= size
            size *= 4

    def _met(
        self,
        constraint: Constraint,
        batch: Batch,
        axes: list[Axis],
        rows: NDArray[np.intp],
    ) -> list[bool]:
        """Whether a constraint is met, row by row."""
        params = batch.params(axes)
        codes = batch.codes(axes)
        if codes is None:
            self.work += len(rows) * len(constraint.text)
            return [constraint.meets(params(row)) for row in rows.tolist()]
        known = self._known.setdefault(constraint.text, {})
        codes = codes[rows]
        found, first = np.unique(codes, return_index=True)
        for code, place in zip(found.tolist(), first.tolist(), strict=True):
            if code not in known:
                self.work += len(constraint.text)
                known[code] = constraint.meets(params(int(rows[place])))
        return [known[code] for code in codes.tolist()]

    @cached_property
    def _cost(self) -> int:
        """What one draw takes at most, with what is remembered of few values."""
        pairs = zip(self.constraints, self._named, strict=True)
        texts = (1 if few_values(axes) else len(rule.text) for rule, axes in pairs)
        return 1 + len(self._axes) + sum(texts)

    @cached_property
    def _named(self) -> list[list[Axis]]:
        """The axes that each constraint needs to see."""
        return [
            [self.layout.axes[name] for name in self.layout.named(rule.addresses)]
            for rule in self.constraints
        ]

    @cached_property
    def _axes(self) -> tuple[Axis, ...]:
        """All that the constraints depend on."""
        addresses = {name for rule in self.constraints for name in rule.addresses}
        return self.layout.with_dependencies(self.layout.named(addresses))
