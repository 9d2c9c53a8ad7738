"""Uniform and normal numbers, and their logarithmic forms."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments.search.fields import is_number
from experiments.search.lawful import Bell, Bounded, Lawful, Logarithmic, LogBounded
from experiments.search.partitions import Even, Partition
from experiments.search.records import JSONValue

LARGEST = sys.float_info.max
SMALLEST = sys.float_info.min


@dataclass(frozen=True)
class Continuous(Lawful):
    """The law as it is."""

    @cached_property
    def partition(self) -> Partition | None:
        return Even(1) if self.law.constant else None

    def quantile(self, share: float) -> float:
        return float(np.clip(self.law.quantile(share), *self._ends))

    def quantiles(self, shares: NDArray[np.float64]) -> list[JSONValue]:
        drawn = np.clip(self.law.quantile(shares), *self._ends)
        numbers: list[JSONValue] = drawn.tolist()
        return numbers

    @cached_property
    def _ends(self) -> tuple[float, float]:
        """The lowest and the highest value, which are finite. A logarithmic law comes
        down to 0 and never reaches it."""
        lowest = SMALLEST if isinstance(self, Logarithmic) else -LARGEST
        return max(lowest, self.law.low), min(LARGEST, self.law.high)

    def at(self, index: int) -> float:
        if not self.law.constant:
            raise self.unlisted()
        return self.quantile(0.5)

    def encode(self, value: JSONValue) -> float:
        if not is_number(value) or not self.contains(value):
            raise self.refuse(value)
        return 0.5 if self.law.constant else float(self.law.cdf(value))

    def contains(self, value: object) -> bool:
        if not is_number(value):
            return False
        if self.law.constant:
            return value == self.at(0)
        if isinstance(self, Logarithmic) and value <= 0:
            return False
        return self.law.low <= value <= self.law.high


@dataclass(frozen=True)
class Uniform(Continuous, Bounded):
    """Every real number from min_value to max_value alike."""

    kind = "uniform"


@dataclass(frozen=True)
class LogUniform(Continuous, LogBounded):
    """e to the power of a uniform number: from e^min_value to e^max_value."""

    kind = "loguniform"


@dataclass(frozen=True)
class Normal(Continuous, Bell):
    """The normal law; sigma is the standard deviation."""

    kind = "normal"


@dataclass(frozen=True)
class LogNormal(Continuous, Logarithmic, Bell):
    """e to the power of a normal number; mu and sigma are those of the logarithm."""

    kind = "lognormal"
