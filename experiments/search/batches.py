"""Many draws from a layout at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from experiments.search.axes import Axis, Gate
from experiments.search.layout import Layout
from experiments.search.records import JSONValue, Params

Mask = NDArray[np.bool_]
Points = NDArray[np.float64]

MOST_CODES = 10_000


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
            self._values[axis.name] = axis.law.quantiles(self._shares(axis))
        return self._values[axis.name]

    def digits(self, axis: Axis) -> NDArray[np.int64] | None:
        """The number of the value in every row; None where values have none."""
        partition = axis.law.partition
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

        None where they may have more than MOST_CODES together.
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
            return self.layout.assembled(values) if nested else values

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
            keys = [axis.law.place(key) for key in gate.keys]
            return np.isin(digits, np.array(keys, np.int64))
        found = [axis.law.key(value) in gate.keys for value in self.values(axis)]
        return np.array(found, np.bool_)


def few_values(axes: Sequence[Axis]) -> list[int] | None:
    """How many values each of some axes has; None for more than MOST_CODES together."""
    sizes = [axis.law.count() or MOST_CODES for axis in axes]
    return sizes if math.prod(1 + size for size in sizes) <= MOST_CODES else None
