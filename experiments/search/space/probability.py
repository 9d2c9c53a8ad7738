"""Random variables on real numbers, and partitions of [0, 1) into bands.

A uniform draw falls into a band of a partition: the band's number is the index of a
value, and its width is the value's probability. All methods work on arrays.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

Reals = NDArray[np.float64]
Indices = NDArray[np.int64]

# Up to here an index that becomes a float in [0, 1) can be computed back.
MAX_VALUES = 2**48

# Normal quantiles are finite between these: half of the smallest step of a uniform
# draw, and the largest number below 1.
MIN_SHARE = 2.0**-54
MAX_SHARE = 1.0 - 2.0**-53


class RandomVariable(ABC):
    """A random variable from `low` to `high`, which may be infinite."""

    low: float
    high: float

    @property
    @abstractmethod
    def constant(self) -> bool:
        """Whether there is only one value."""

    @abstractmethod
    def quantile(self, share: ArrayLike) -> Reals:
        """The number below which `share` (0 to 1) of the probability is."""

    @abstractmethod
    def cdf(self, number: ArrayLike) -> Reals:
        """The probability at or below a number."""


@dataclass(frozen=True)
class UniformVariable(RandomVariable):
    """Uniform on the numbers from low to high."""

    low: float
    high: float

    @property
    def constant(self) -> bool:
        return self.low == self.high

    def quantile(self, share: ArrayLike) -> Reals:
        shares = np.asarray(share, np.float64)
        # Not low + share * (high - low): that difference may overflow.
        numbers = self.low * (1 - shares) + self.high * shares
        return np.clip(numbers, self.low, self.high)

    def cdf(self, number: ArrayLike) -> Reals:
        numbers = np.asarray(number, np.float64)
        if self.constant:
            return np.where(numbers < self.low, 0.0, 1.0)
        span = self.high / 2 - self.low / 2
        return np.clip((numbers / 2 - self.low / 2) / span, 0.0, 1.0)


@dataclass(frozen=True)
class NormalVariable(RandomVariable):
    """Normal with mean mu and standard deviation sigma."""

    mu: float
    sigma: float

    low = -math.inf
    high = math.inf

    @property
    def constant(self) -> bool:
        return self.sigma == 0

    def quantile(self, share: ArrayLike) -> Reals:
        shares = np.clip(np.asarray(share, np.float64), MIN_SHARE, MAX_SHARE)
        with np.errstate(over="ignore"):
            return np.asarray(
                self.mu + self.sigma * scipy.special.ndtri(shares), np.float64
            )

    def cdf(self, number: ArrayLike) -> Reals:
        numbers = np.asarray(number, np.float64)
        if self.constant:
            return np.where(numbers < self.mu, 0.0, 1.0)
        with np.errstate(over="ignore"):
            return np.asarray(
                scipy.special.ndtr((numbers - self.mu) / self.sigma), np.float64
            )


@dataclass(frozen=True)
class ExpVariable(RandomVariable):
    """e^X, where X is the variable `exponent`."""

    exponent: RandomVariable

    @property
    def low(self) -> float:  # type: ignore[override]
        return math.exp(self.exponent.low)

    @property
    def high(self) -> float:  # type: ignore[override]
        return math.exp(self.exponent.high)

    @property
    def constant(self) -> bool:
        return self.exponent.constant

    def quantile(self, share: ArrayLike) -> Reals:
        with np.errstate(over="ignore", under="ignore"):
            return np.exp(self.exponent.quantile(share))

    def cdf(self, number: ArrayLike) -> Reals:
        numbers = np.asarray(number, np.float64)
        with np.errstate(divide="ignore"):
            return self.exponent.cdf(np.log(np.maximum(numbers, 0.0)))


class Partition(ABC):
    """`size` bands from left to right."""

    size: int

    @abstractmethod
    def indices(self, share: ArrayLike) -> Indices:
        """The band of each share in [0, 1]."""

    @abstractmethod
    def masses(self) -> Reals:
        """The width of every band; they add up to 1."""

    @abstractmethod
    def middle(self, index: int) -> float:
        """The middle of one band."""

    def bounds(self) -> Reals:
        """The bounds between the bands."""
        return np.cumsum(self.masses())[:-1]


@dataclass(frozen=True)
class EvenPartition(Partition):
    """Bands of one width."""

    size: int

    def indices(self, share: ArrayLike) -> Indices:
        places = np.floor(np.asarray(share, np.float64) * self.size)
        return np.clip(places, 0, self.size - 1).astype(np.int64)

    def masses(self) -> Reals:
        return np.full(self.size, 1.0 / self.size)

    def middle(self, index: int) -> float:
        return (index + 0.5) / self.size

    def bounds(self) -> Reals:
        return np.arange(1, self.size) / self.size


@dataclass(frozen=True)
class WeightedPartition(Partition):
    """Bands as wide as the weights, which are above 0 and need not add up to 1."""

    weights: tuple[float, ...]

    @property
    def size(self) -> int:  # type: ignore[override]
        return len(self.weights)

    @cached_property
    def edges(self) -> Reals:
        sums = np.concatenate([[0.0], np.cumsum(self.weights)])
        return np.asarray(sums / sums[-1], np.float64)

    def indices(self, share: ArrayLike) -> Indices:
        places = np.searchsorted(self.edges, np.asarray(share), side="right") - 1
        return np.clip(places, 0, self.size - 1).astype(np.int64)

    def masses(self) -> Reals:
        return np.diff(self.edges)

    def middle(self, index: int) -> float:
        return float(self.edges[index] + self.edges[index + 1]) / 2

    def bounds(self) -> Reals:
        return self.edges[1:-1]


@dataclass(frozen=True)
class RoundedPartition(Partition):
    """A random variable rounded to multiples of q (ties to even).

    The multiples go from first * q to last * q; a result outside becomes the nearest
    one inside.
    """

    variable: RandomVariable
    q: float
    first: int
    last: int

    @property
    def size(self) -> int:  # type: ignore[override]
        return self.last - self.first + 1

    def indices(self, share: ArrayLike) -> Indices:
        with np.errstate(over="ignore"):
            multiples = np.rint(self.variable.quantile(share) / self.q)
        places: Reals = np.clip(multiples - self.first, 0, self.size - 1)
        return places.astype(np.int64)

    def masses(self) -> Reals:
        inner = (np.arange(1, self.size) + (self.first - 0.5)) * self.q
        return np.diff(np.concatenate([[0.0], self.variable.cdf(inner), [1.0]]))

    def middle(self, index: int) -> float:
        multiple = self.first + index
        edges = [(multiple - 0.5) * self.q, (multiple + 0.5) * self.q]
        below, above = self.variable.cdf(edges)
        left = 0.0 if index == 0 else float(below)
        right = 1.0 if index == self.size - 1 else float(above)
        return (left + right) / 2
