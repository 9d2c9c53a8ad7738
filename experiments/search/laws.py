"""Laws of a real number: its quantiles and its distribution function.

Every distribution that is not a plain list of values rests on one of these. They work
on arrays, so that a histogram or a stream of draws costs one call.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

Reals = NDArray[np.float64]

# The ends of the unit interval that a normal quantile can be taken of: half of the
# smallest step of a uniform draw, and the largest number below 1.
SMALLEST_SHARE = 2.0**-54
LARGEST_SHARE = 1.0 - 2.0**-53


class Law(ABC):
    """A probability law on the numbers from `low` to `high`, possibly infinite."""

    low: float
    high: float

    @property
    @abstractmethod
    def constant(self) -> bool:
        """Whether there is only one value."""

    @abstractmethod
    def quantile(self, share: ArrayLike) -> Reals:
        """The number below which `share` (0 to 1) of the probability lies."""

    @abstractmethod
    def cdf(self, number: ArrayLike) -> Reals:
        """The probability at or below a number."""


@dataclass(frozen=True)
class UniformLaw(Law):
    """Every number from low to high alike."""

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
class NormalLaw(Law):
    """The normal law with mean mu and standard deviation sigma."""

    mu: float
    sigma: float

    low = -math.inf
    high = math.inf

    @property
    def constant(self) -> bool:
        return self.sigma == 0

    def quantile(self, share: ArrayLike) -> Reals:
        shares = np.clip(np.asarray(share, np.float64), SMALLEST_SHARE, LARGEST_SHARE)
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
class ExpLaw(Law):
    """The law of e^X where X has the law `exponent`."""

    exponent: Law

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
