"""How the trials of one sweep stand, report by report, kept up as reports come in.

A column holds every trial's standing after its n-th report, so that the rivals at a
report are at hand without a scan of what was reported before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from experiments.search.records import Rivals, Standing

FIRST_SIZE = 16


@dataclass
class _Run:
    """One trial's own numbers so far: losses, infinity where not finite."""

    reports: int = 0
    finite: int = 0
    best: float = math.inf
    mean: float = math.inf

    def add(self, loss: float) -> Standing:
        self.reports += 1
        if math.isfinite(loss):
            self.finite += 1
            self.best = min(self.best, loss)
            before = 0.0 if self.finite == 1 else self.mean
            # Each part is divided on its own: a sum of large losses may overflow.
            self.mean = before + (loss / self.finite - before / self.finite)
        return Standing(self.reports, self.best, self.mean)


class _Column:
    """The standings after one report number, in the order of arrival."""

    def __init__(self) -> None:
        self._size = 0
        self._numbers = np.empty(FIRST_SIZE, np.int64)
        self._losses = np.empty((2, FIRST_SIZE))

    def add(self, number: int, standing: Standing) -> None:
        if self._size == len(self._numbers):
            self._numbers = np.concatenate([self._numbers, self._numbers])
            self._losses = np.concatenate([self._losses, self._losses], axis=1)
        self._numbers[self._size] = number
        self._losses[:, self._size] = standing.best, standing.mean
        self._size += 1

    def others(self, number: int, running: NDArray[np.bool_]) -> Rivals:
        """Everyone's standing but one trial's."""
        numbers = self._numbers[: self._size]
        kept = numbers != number
        best, mean = self._losses[:, : self._size]
        rivals = numbers[kept]
        return Rivals(rivals, best[kept], mean[kept], running[rivals])


@dataclass
class Standings:
    """Standings of the trials 0, 1, 2 … of a sweep."""

    _runs: dict[int, _Run] = field(default_factory=dict, init=False)
    _columns: list[_Column] = field(default_factory=list, init=False)
    _running: NDArray[np.bool_] = field(
        default_factory=lambda: np.zeros(FIRST_SIZE, np.bool_), init=False
    )

    def start(self, number: int) -> None:
        """A trial begins to run."""
        while number >= len(self._running):
            grown = np.zeros(len(self._running), np.bool_)
            self._running = np.concatenate([self._running, grown])
        self._running[number] = True
        self._runs[number] = _Run()

    def finish(self, number: int) -> None:
        """A trial has ended; its standings remain."""
        self._running[number] = False

    def report(self, number: int, loss: float) -> Standing:
        """A trial's next report. NaN and infinities count, but give no value."""
        standing = self._runs[number].add(loss)
        if standing.report > len(self._columns):
            self._columns.append(_Column())
        self._columns[standing.report - 1].add(number, standing)
        return standing

    def best(self, number: int) -> float:
        """A trial's best loss so far, infinity without a finite one."""
        return self._runs[number].best

    def rivals(self, number: int, report: int) -> Rivals:
        """The other trials that have come as far as a report, cut there."""
        if report > len(self._columns):
            return Rivals.none()
        return self._columns[report - 1].others(number, self._running)
