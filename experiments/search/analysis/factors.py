"""A parameter's values as an analysis sees them: cells along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]

# Cells of an axis of numbers. With fewer distinct numbers each is a cell.
CELLS = 64
MAX_DISTINCT = 16


@dataclass(frozen=True)
class Factor:
    """One parameter by trial: numbers between ``low`` and ``high``, or codes of
    ``choices`` values; NaN where it is not set."""

    name: str
    values: Floats
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    choices: int = 0

    @cached_property
    def is_set(self) -> Mask:
        usable: Mask = np.isfinite(self.values)
        return usable & (self.values > 0) if self.log else usable

    @cached_property
    def places(self) -> Floats:
        """Each number's place from 0 to 1."""
        values = np.where(self.is_set, self.values, self.high)
        ends: Floats = np.array([self.low, self.high])
        if self.log:
            values, ends = np.log(values), np.log(ends)
        span = ends[1] - ends[0]
        shares = (values - ends[0]) / span if span > 0 else np.full(len(values), 0.5)
        return np.where(self.is_set, np.clip(shares, 0.0, 1.0), np.nan)

    def at(self, places: Sequence[float] | Floats) -> Floats:
        """The numbers at places from 0 to 1."""
        shares = np.asarray(places, np.float64)
        if self.log:
            ends = np.log(self.low), np.log(self.high)
            logs: Floats = np.exp(ends[0] * (1 - shares) + ends[1] * shares)
            return logs
        found: Floats = self.low * (1 - shares) + self.high * shares
        return found

    @cached_property
    def _distinct(self) -> Floats:
        return np.unique(self.values[self.is_set])

    @property
    def is_smooth(self) -> bool:
        """Whether neighboring cells tell about each other."""
        return not self.choices and len(self._distinct) > MAX_DISTINCT

    @cached_property
    def size(self) -> int:
        """The number of cells."""
        return self.choices or (CELLS if self.is_smooth else len(self._distinct))

    @cached_property
    def cells(self) -> Integers:
        """Each trial's cell; -1 where it is not set."""
        if self.choices:
            found = np.where(self.is_set, self.values, -1)
        elif self.is_smooth:
            found = np.minimum(np.floor(self.places * CELLS), CELLS - 1)
        else:
            found = np.searchsorted(self._distinct, self.values).astype(np.float64)
        return np.where(self.is_set, found, -1).astype(np.int64)

    def counts(self, among: Mask) -> Integers:
        """How many of some trials are in each cell."""
        cells = self.cells[among & self.is_set]
        return np.bincount(cells, minlength=self.size).astype(np.int64)

    @property
    def varies(self) -> bool:
        """Whether it has at least two different values."""
        return len(self._distinct) > 1


def smoothing(size: int, width: float) -> Floats:
    """A matrix that spreads each cell of an axis over its neighbors, ``width`` in
    shares of the axis; none of it leaves the axis."""
    places = (np.arange(size) + 0.5) / size
    apart = (places[:, None] - places[None, :]) / max(width, 1e-9)
    kernel = np.exp(-0.5 * apart**2)
    spread: Floats = kernel / kernel.sum(axis=0, keepdims=True)
    return spread
