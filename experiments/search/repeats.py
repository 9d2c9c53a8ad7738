"""Trials that repeat another one report by report, to the last digit.

Where a script rounds a parameter, ignores it, or fixes its seed, two configurations can
be one and the same training. Its end is known then, and costs nothing to know.
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

from experiments.search.levels import Floats

if TYPE_CHECKING:  # The policies import this module.
    from experiments.search.termination.evidence import Finished

# Equal reports count as a repeat when chance would bring them about more seldom.
BY_CHANCE = 1e-3
# To tell how finely a metric is divided, so many of its values are looked at.
MOST_LOOKED_AT = 20_000


def variety_of(curves: Sequence[Floats]) -> float:
    """How many different values reports have, frequent ones counted as fewer.

    The inverse of the chance that two reports are equal (Simpson, 1949). An accuracy
    over a hundred samples has some dozens, a loss as many as there are reports. While
    a curve rests at a value it counts once, and infinities do not count; of equal
    curves one does.
    """
    distinct = {curve.tobytes(): curve for curve in curves}
    values = np.concatenate([np.empty(0), *map(_moves, distinct.values())])
    values = values[:: 1 + len(values) // MOST_LOOKED_AT]
    if not len(values):
        return 1.0
    _, counts = np.unique(values, return_counts=True)
    return float(1 / np.sum((counts / len(values)) ** 2))


def _moves(curve: Floats) -> Floats:
    """The finite values of a curve without those that are equal to the one before."""
    finite = curve[np.isfinite(curve)]
    moved: Floats = finite[np.append(True, np.diff(finite) != 0)[: len(finite)]]
    return moved


def surely(equal: int, *, trials: int, variety: float) -> bool:
    """Whether so many equal reports, beside so many trials, are no coincidence."""
    return trials * variety**-equal < BY_CHANCE


@dataclass(frozen=True)
class Repeats:
    """The curves of finished trials, to be found again: `numbers` are theirs."""

    numbers: NDArray[np.int64]
    curves: list[Floats]

    def original(self, losses: Floats) -> int | None:
        """The number of the first finished trial that began with just these losses.

        None when there is none, when so few equal reports may be a coincidence, and
        while no two finished trials show that what begins so ends so.
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
        """So many equal reports, each unlike the one before, are no coincidence."""
        variety, trials = variety_of(self.curves), max(1, len(self.curves))
        if variety <= 1:
            return sys.maxsize
        return int(math.log(trials / BY_CHANCE) / math.log(variety)) + 1

    @cached_property
    def alike_to_the_end(self) -> bool:
        """Whether finished trials that began alike, and there are some, went on so.

        Where a parameter acts late, as the epoch from which the learning rate falls,
        they do not.
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
    """What a trial may repeat."""
    return Repeats(finished.numbers, finished.curves())
