"""The constants of a generation, by its size and the number of axes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


def usual_size(axes: int) -> int:
    """The number of trials in a generation, as long as nothing is known better."""
    return 4 + int(3 * math.log(max(axes, 1)))


@dataclass(frozen=True)
class Weights:
    """Hansen's (2016) settings for generations of `size` trials over d `axes`."""

    size: int
    axes: int

    @cached_property
    def recombination(self) -> NDArray[np.float64]:
        """Of the better half, the best first; they add up to 1."""
        parents = self.size // 2
        raw = math.log((self.size + 1) / 2) - np.log(np.arange(1, parents + 1))
        return np.asarray(raw / raw.sum())

    @cached_property
    def effective(self) -> float:
        """The number of trials that a generation's mean is worth."""
        return float(1 / (self.recombination**2).sum())

    @property
    def path_of_step(self) -> float:
        return (self.effective + 2) / (self.axes + self.effective + 5)

    @property
    def damping(self) -> float:
        excess = math.sqrt(max(0.0, (self.effective - 1) / (self.axes + 1))) - 1
        return 1 + 2 * max(0.0, excess) + self.path_of_step

    @property
    def path_of_covariance(self) -> float:
        share = self.effective / self.axes
        return (4 + share) / (self.axes + 4 + 2 * share)

    @property
    def rank_one(self) -> float:
        return 2 / ((self.axes + 1.3) ** 2 + self.effective)

    @property
    def rank_mu(self) -> float:
        worth = 2 * (self.effective - 2 + 1 / self.effective)
        rate = worth / ((self.axes + 2) ** 2 + self.effective)
        return min(1 - self.rank_one, max(0.0, rate))

    @property
    def usual_length(self) -> float:
        """The expected length of a standard normal vector."""
        d = self.axes
        return math.sqrt(d) * (1 - 1 / (4 * d) + 1 / (21 * d**2))

    @property
    def longest(self) -> float:
        """How far from the mean, by the covariance, a trial may count (Hansen, 2011).

        Trials that were chosen by an earlier generation, or by people, would otherwise
        upset the strategy.
        """
        return math.sqrt(self.axes) + 2 * self.axes / (self.axes + 2)
