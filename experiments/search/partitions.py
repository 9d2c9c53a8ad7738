"""The unit interval cut into bands, one for each value of a finite distribution.

A uniform draw falls into a band, and the band's number is the value's index. The width
of a band is the value's probability.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from experiments.search.laws import Law, Reals

Indices = NDArray[np.int64]

# Up to here an index survives the way through a float in [0, 1) and back.
MOST_VALUES = 2**48


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


@dataclass(frozen=True)
class Even(Partition):
    """Bands of one width."""

    size: int

    def indices(self, share: ArrayLike) -> Indices:
        places = np.floor(np.asarray(share, np.float64) * self.size)
        return np.clip(places, 0, self.size - 1).astype(np.int64)

    def masses(self) -> Reals:
        return np.full(self.size, 1.0 / self.size)

    def middle(self, index: int) -> float:
        return (index + 0.5) / self.size


@dataclass(frozen=True)
class Weighted(Partition):
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


@dataclass(frozen=True)
class Rounded(Partition):
    """A law rounded to multiples of q (ties to even), from first * q to last * q.

    What rounds to a multiple outside goes to the nearest one inside.
    """

    law: Law
    q: float
    first: int
    last: int

    @property
    def size(self) -> int:  # type: ignore[override]
        return self.last - self.first + 1

    def indices(self, share: ArrayLike) -> Indices:
        with np.errstate(over="ignore"):
            multiples = np.rint(self.law.quantile(share) / self.q)
        places: Reals = np.clip(multiples - self.first, 0, self.size - 1)
        return places.astype(np.int64)

    def masses(self) -> Reals:
        inner = (np.arange(1, self.size) + (self.first - 0.5)) * self.q
        return np.diff(np.concatenate([[0.0], self.law.cdf(inner), [1.0]]))

    def middle(self, index: int) -> float:
        below, above = self.law.cdf(
            [
                (self.first + index - 0.5) * self.q,
                (self.first + index + 0.5) * self.q,
            ]
        )
        left = 0.0 if index == 0 else float(below)
        right = 1.0 if index == self.size - 1 else float(above)
        return (left + right) / 2
