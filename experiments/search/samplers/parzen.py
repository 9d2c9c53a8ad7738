"""Parzen estimators: densities over a few axes, as mixtures of kernels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from experiments.search.gp.cube import CubeAxis, Points
from experiments.search.samplers.guards import has_order

Digits = NDArray[np.int64]

# An ordered axis with more values than this counts as continuous.
MAX_BANDS = 64
ROOT_OF_2_PI = math.sqrt(2 * math.pi)


class Centers(NamedTuple):
    """The positions of n kernels on one axis, and their width.

    `digits` are the numbers of their values if the axis has few. The width is a
    standard deviation on an ordered axis, and otherwise the probability of another
    value.
    """

    shares: Points
    digits: Digits
    width: float


@dataclass(frozen=True)
class Coordinate:
    """An axis, with the probabilities of its values if it has few.

    On an ordered axis a kernel is a normal distribution truncated to the unit interval,
    or its mass on the bands of the values. On any other axis it keeps its value, and
    with a small probability draws another one as the space does.
    """

    column: CubeAxis

    @cached_property
    def ordered(self) -> bool:
        return has_order(self.column.law)

    @cached_property
    def banded(self) -> bool:
        size = self.column.size
        return size is not None and (size <= MAX_BANDS or not self.ordered)

    @cached_property
    def masses(self) -> Points:
        """The values' probabilities."""
        if self.column.partition is None:
            raise self.column.law.unlisted()
        return self.column.partition.masses()

    @cached_property
    def log_masses(self) -> Points:
        return _log(self.masses)

    def log_kernels(
        self, shares: Points, digits: Digits, centers: Centers
    ) -> NDArray[np.float64]:
        """The logarithms of the kernels' densities at m shares, (m, n)."""
        if not self.ordered:
            return self._nominal(digits, centers)
        if self.banded:
            return np.asarray(self._table(centers.width)[:, centers.digits][digits])
        return _normal(shares, centers)

    def drawn(
        self, centers: Centers, kernels: NDArray[np.int64], rng: np.random.Generator
    ) -> Points:
        """One share from each of the `kernels`.

        Shares outside the unit interval are moved to its end: the best values are often
        the bounds of a range, which a truncated distribution would never reach.
        """
        shares = rng.random(len(kernels))
        center = centers.shares[kernels]
        if self.ordered:
            return np.asarray(
                np.clip(center + centers.width * scipy.special.ndtri(shares), 0, 1)
            )
        moved = rng.random(len(kernels)) < centers.width
        return np.where(moved, shares, center)

    def _nominal(self, digits: Digits, centers: Centers) -> NDArray[np.float64]:
        moved = centers.width * self.masses[digits]
        other, same = _log(moved), _log(1 - centers.width + moved)
        equal = digits[:, None] == centers.digits
        return np.where(equal, same[:, None], other[:, None])

    def _table(self, width: float) -> NDArray[np.float64]:
        """The logarithms of the mass on each band (rows) of each band's kernel."""
        edges = np.concatenate([[0.0], np.cumsum(self.masses)])
        middles = (edges[1:] + edges[:-1]) / 2
        below = scipy.special.ndtr((edges[:, None] - middles) / width)
        return np.asarray(_log(np.diff(below, axis=0)) - _log(below[-1] - below[0]))


def _normal(shares: Points, centers: Centers) -> NDArray[np.float64]:
    width = centers.width
    above = scipy.special.ndtr((1 - centers.shares) / width)
    inside = above - scipy.special.ndtr(-centers.shares / width)
    distances = (shares[:, None] - centers.shares) / width
    return np.asarray(-0.5 * distances**2 - np.log(inside * width * ROOT_OF_2_PI))


def _log(masses: Points) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(masses))


# The weight of the space's own distribution; the mean weight of a kernel is 1.
PRIOR_WEIGHT = 1.5
# The least width of a kernel on an ordered axis, in the axis and in bands of values.
MIN_WIDTH = 0.05
MIN_BANDS = 0.5
# The probability that a kernel draws another category.
CATEGORY_CHANGE = 0.15


@dataclass(frozen=True)
class Parzen:
    """Kernels at n points with weights, and the space's distribution as one more.

    `points` and `digits` are (n, d) for d coordinates, `importance` (n,) is above 0. On
    an ordered axis all kernels have the same width, by Scott's (1992) rule: the
    standard deviation of the mixture times n^(-1 / (d + 4)), with the effective number
    n of kernels.
    """

    coordinates: tuple[Coordinate, ...]
    points: Points
    digits: Digits
    importance: Points

    @cached_property
    def weights(self) -> Points:
        """The weights of the kernels, then of the space itself; they add up to 1."""
        mean = self.importance.mean() if len(self.importance) else 1.0
        weights = np.append(self.importance / mean, PRIOR_WEIGHT)
        return np.asarray(weights / weights.sum())

    def drawn(self, number: int, rng: np.random.Generator) -> Points:
        """Points (number, d) drawn from the density."""
        kernels = rng.choice(len(self.weights), size=number, p=self.weights)
        found = rng.random((number, len(self.coordinates)))
        own = kernels < len(self.points)
        for place, coordinate in enumerate(self.coordinates):
            centers = self._centers[place]
            found[own, place] = coordinate.drawn(centers, kernels[own], rng)
        return found

    def log_density(self, points: Points, digits: Digits) -> NDArray[np.float64]:
        """The logarithms of the density at m points, (m,)."""
        kernels = np.zeros((len(points), len(self.points) + 1))
        for place, coordinate in enumerate(self.coordinates):
            kernels[:, :-1] += coordinate.log_kernels(
                points[:, place], digits[:, place], self._centers[place]
            )
            if coordinate.banded:
                kernels[:, -1] += coordinate.log_masses[digits[:, place]]
        top = kernels.max(axis=1)
        # No product of matrices: their last bits differ with the number of threads.
        terms = np.exp(kernels - top[:, None]) * self.weights
        return np.asarray(top + np.log(terms.sum(axis=1)))

    @cached_property
    def _centers(self) -> list[Centers]:
        return [
            Centers(self.points[:, place], self.digits[:, place], self._width(place))
            for place in range(len(self.coordinates))
        ]

    def _width(self, place: int) -> float:
        coordinate = self.coordinates[place]
        if not coordinate.ordered:
            return CATEGORY_CHANGE
        least = MIN_WIDTH
        if coordinate.banded and coordinate.column.size:
            least = max(least, MIN_BANDS / coordinate.column.size)
        own, shares = self.weights[:-1], self.points[:, place]
        law = float(self.weights[-1])
        mean = float((own * shares).sum()) + law / 2
        variance = float((own * (shares - mean) ** 2).sum())
        variance += law * (1 / 12 + (mean - 0.5) ** 2)
        kernels = 1 / float((self.weights**2).sum())
        shrunk = math.pow(kernels, -1 / (len(self.coordinates) + 4))
        return max(least, math.sqrt(variance) * shrunk)
