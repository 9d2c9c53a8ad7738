"""Many trials' curves at once, added to their rungs: quicker than loss by loss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from experiments.search.rungs import LearningCurve, Rung


def add_curves(
    losses: Mapping[int, NDArray[np.float64]],
    rungs: list[Rung],
    curves: dict[int, LearningCurve],
) -> None:
    """Add the curves of many new trials by number, and to their rungs, of which more
    are made if needed: as if each loss came on its own. Losses are infinity where not
    finite."""
    # The longest first: the trials that made a report are the first of them all.
    numbers = sorted(losses, key=lambda number: -len(losses[number]))
    beside = _SideBySide([losses[number] for number in numbers])
    ids = np.array(numbers, np.int32)
    for report in range(beside.reports):
        if report == len(rungs):
            rungs.append(Rung(report + 1, curves))
        bests, means = beside.report(report)
        rungs[report].extend(ids[: len(bests)], bests, means)
    for column, number in enumerate(numbers):
        curves[number] = beside.curve(column, number)


class _SideBySide:
    """Many trials' losses and what `LearningCurve` works out of them, bit by bit, at
    once for all trials. The longest come first."""

    def __init__(self, losses: Sequence[NDArray[np.float64]]) -> None:
        self._losses = losses
        self._lengths = np.array([len(each) for each in losses], np.int64)
        self.reports = int(self._lengths.max(initial=0))
        self._table = np.full((self.reports, len(losses)), math.inf)
        for column, each in enumerate(losses):
            self._table[: len(each), column] = each
        self._finite = np.zeros(len(losses), np.int64)
        self._bests = np.full(len(losses), math.inf)
        self._means = np.full(len(losses), math.inf)

    def report(self, place: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The next report's lowest losses and means, of those that made it."""
        here = slice(int(np.searchsorted(-self._lengths, -place)))
        row, bests, means = (
            self._table[place, here],
            self._bests[here],
            self._means[here],
        )
        known = row < math.inf
        before = np.where(self._finite[here] > 0, means, 0.0)
        self._finite[here] += known
        count = np.maximum(self._finite[here], 1)
        with np.errstate(invalid="ignore"):
            means[:] = np.where(known, before + (row / count - before / count), means)
        np.minimum(bests, row, out=bests)
        return bests, means

    def curve(self, column: int, number: int) -> LearningCurve:
        """A trial's curve after all of its reports."""
        losses = self._losses[column]
        best, mean = float(self._bests[column]), float(self._means[column])
        return LearningCurve(number, losses, best, mean, int(self._finite[column]))
