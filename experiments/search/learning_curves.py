"""Learning curves: their level so far, their noise, and trials that repeat another.

Where a script rounds a parameter, ignores it, or fixes its seed, two configurations can
give the same reports to the last digit. The end of the second one is then known.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Noise above this share of the spread of trials is smoothed away.
CALM = 0.05
MAX_SMOOTHED = 25
MIN_FOR_NOISE, MIN_FOR_HALF = 6, 12
MAD_OF_SECOND_DIFFERENCE = 0.6745 * math.sqrt(6)


def levels_of(losses: Floats, window: int = 1) -> Floats:
    """The best so far of the losses or of their moving averages, along the last axis.

    An average covers at most half of the reports. With up to `window` reports the
    latest average counts, even if an earlier one was better.
    """
    if window == 1:
        return np.minimum.accumulate(losses, axis=-1)
    averages = _averages(losses, window)
    levels = averages.copy()
    lowest = np.minimum.accumulate(averages[..., window - 1 :], axis=-1)
    levels[..., window:] = lowest[..., 1:]
    return levels


def noise_of(losses: Floats) -> float | None:
    """The standard deviation of a report's noise; None for too short curves.

    It follows from second differences in the later half, where training is calmer. They
    take out the trend (Gasser, Sroka and Jennen-Steinmetz, "Residual variance and
    residual pattern in nonlinear regression", Biometrika 73, 1986); their median is
    robust against single jumps.
    """
    noises = noises_of(losses[np.isfinite(losses)][None, :])
    return noises[0] if noises else None


def noises_of(curves: Floats) -> list[float]:
    """The noise of curves of one length, without those that are too short."""
    whole = np.isfinite(curves).all(axis=1)
    noises = [
        noise for curve in curves[~whole] if (noise := noise_of(curve)) is not None
    ]
    reports = curves.shape[1]
    if reports < MIN_FOR_NOISE or not whole.any():
        return noises
    start = reports // 2 if reports >= MIN_FOR_HALF else 0
    bends = np.abs(np.diff(curves[whole, start:], 2))
    found: list[float] = (np.median(bends, axis=1) / MAD_OF_SECOND_DIFFERENCE).tolist()
    return noises + found


def window_for(noise: float, spread: float) -> int:
    """How many reports to average, by the noise and the spread of trials."""
    if spread <= 0:
        return 1 if noise <= 0 else MAX_SMOOTHED
    share = noise / spread
    if share <= CALM:
        return 1
    if share > 1:
        return MAX_SMOOTHED
    return min(MAX_SMOOTHED, int(2 ** math.ceil(2 * math.log2(share / CALM))))


def _averages(losses: Floats, window: int) -> Floats:
    """The mean of the latest finite losses; infinity without any."""
    finite = np.isfinite(losses)
    ends = np.arange(1, losses.shape[-1] + 1)
    starts = ends - np.minimum(window, (ends + 1) // 2)
    sums = _summed(np.where(finite, losses, 0.0))
    counts = _summed(finite.astype(float))
    number = counts[..., ends] - counts[..., starts]
    means = (sums[..., ends] - sums[..., starts]) / np.maximum(number, 1)
    averages: Floats = np.where(number > 0, means, np.inf)
    return averages


def _summed(values: Floats) -> Floats:
    """Sums of the first 0, 1, 2 … values, along the last axis."""
    before = np.zeros((*values.shape[:-1], 1))
    return np.concatenate([before, np.cumsum(values, axis=-1)], axis=-1)


if TYPE_CHECKING:  # The policies import this module.
    from experiments.search.termination.evidence import Finished

# Equal reports count as a repeat if their probability by chance is below this.
BY_CHANCE = 1e-3
# Values of a metric from which its variety is estimated.
MAX_EXAMINED = 20_000


def variety_of(curves: Sequence[Floats]) -> float:
    """The effective number of different values that reports have.

    The inverse of the probability that two reports are equal (Simpson, 1949). An
    accuracy over a hundred samples has some dozens, a loss as many as it has reports.
    A value that a curve repeats counts once, equal curves count once, and infinities
    do not count.
    """
    distinct = {curve.tobytes(): curve for curve in curves}
    values = np.concatenate([np.empty(0), *map(_moves, distinct.values())])
    values = values[:: 1 + len(values) // MAX_EXAMINED]
    if not len(values):
        return 1.0
    _, counts = np.unique(values, return_counts=True)
    return float(1 / np.sum((counts / len(values)) ** 2))


def _moves(curve: Floats) -> Floats:
    """The finite values of a curve that differ from the one before."""
    finite = curve[np.isfinite(curve)]
    moved: Floats = finite[np.append(True, np.diff(finite) != 0)[: len(finite)]]
    return moved


def is_significant(equal: int, *, trials: int, variety: float) -> bool:
    """Whether this many equal reports, among so many trials, are not a coincidence."""
    return trials * variety**-equal < BY_CHANCE


@dataclass(frozen=True)
class Repeats:
    """The curves of finished trials, and the trials' `numbers`."""

    numbers: NDArray[np.int64]
    curves: list[Floats]

    def original(self, losses: Floats) -> int | None:
        """The number of the first finished trial that began with exactly these losses.

        None if there is none, if so few equal reports may be a coincidence, or until
        two finished trials show that trials with equal beginnings end equally.
        """
        if not self.alike_to_the_end:
            return None
        reports = len(losses)
        if reports > self._table.shape[1] or len(_moves(losses)) < self.fewest:
            return None
        equal = np.flatnonzero(self._table[:, reports - 1] == losses[-1])
        for row in equal.tolist():
            if np.array_equal(self._table[row, :reports], losses):
                return int(self.numbers[row])
        return None

    @cached_property
    def fewest(self) -> int:
        """The number of equal, changing reports that are not a coincidence."""
        variety, trials = variety_of(self.curves), max(1, len(self.curves))
        if variety <= 1:
            return sys.maxsize
        return int(math.log(trials / BY_CHANCE) / math.log(variety)) + 1

    @cached_property
    def alike_to_the_end(self) -> bool:
        """Whether there are finished trials that began equally, and all ended equally.

        They do not if a parameter acts late, such as the epoch from which the learning
        rate falls.
        """
        first: dict[bytes, Floats] = {}
        seen = False
        for curve in self.curves:
            begun = curve[: self.fewest]
            if len(_moves(begun)) < self.fewest:
                continue
            other = first.get(begun.tobytes())
            if other is None:
                first[begun.tobytes()] = curve
                continue
            common = min(len(curve), len(other))
            if not np.array_equal(curve[:common], other[:common]):
                return False
            seen = True
        return seen

    @cached_property
    def _table(self) -> Floats:
        """A row for each trial, NaN after its end."""
        longest = max((len(curve) for curve in self.curves), default=0)
        table = np.full((len(self.curves), longest), np.nan)
        for row, curve in enumerate(self.curves):
            table[row, : len(curve)] = curve
        return table


def repeats_of(finished: Finished) -> Repeats:
    """The finished trials that another one may repeat."""
    return Repeats(finished.numbers, finished.curves())
