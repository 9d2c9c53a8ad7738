"""A density over a few axes: a mixture of kernels, one for each of some points."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments.search.samplers.tpe.coordinate import Centres, Coordinate, Digits
from experiments.search.surrogate.columns import Points

# What the space's own law weighs beside kernels of mean weight 1.
OWN_LAW = 1.5
# On an ordered axis a kernel is at least so wide, by the axis and by a value's band.
LEAST_WIDTH = 0.05
LEAST_BANDS = 0.5
# The probability that a category moves.
MOVING = 0.15


@dataclass(frozen=True)
class Parzen:
    """Kernels at n points with weights, and the space's own law as one more of them.

    `points` and `digits` are (n, d) for d coordinates, `importance` (n,) above 0. On an
    ordered axis all kernels are alike wide, by Scott's (1992) rule: the mixture's
    standard deviation by n^(-1 / (d + 4)), n the effective number of kernels.
    """

    coordinates: tuple[Coordinate, ...]
    points: Points
    digits: Digits
    importance: Points

    @cached_property
    def weights(self) -> Points:
        """Of the kernels, and last of the space's own law; they add up to 1."""
        mean = self.importance.mean() if len(self.importance) else 1.0
        weights = np.append(self.importance / mean, OWN_LAW)
        return np.asarray(weights / weights.sum())

    def drawn(self, number: int, rng: np.random.Generator) -> Points:
        """So many points (number, d)."""
        kernels = rng.choice(len(self.weights), size=number, p=self.weights)
        found = rng.random((number, len(self.coordinates)))
        own = kernels < len(self.points)
        for place, coordinate in enumerate(self.coordinates):
            centres = self._centres[place]
            found[own, place] = coordinate.drawn(centres, kernels[own], rng)
        return found

    def log_density(self, points: Points, digits: Digits) -> NDArray[np.float64]:
        """The logarithm of the density at m points: (m,)."""
        kernels = np.zeros((len(points), len(self.points) + 1))
        for place, coordinate in enumerate(self.coordinates):
            kernels[:, :-1] += coordinate.log_kernels(
                points[:, place], digits[:, place], self._centres[place]
            )
            if coordinate.banded:
                kernels[:, -1] += coordinate.log_masses[digits[:, place]]
        top = kernels.max(axis=1)
        # No product of matrices: their last bits differ with the number of threads.
        terms = np.exp(kernels - top[:, None]) * self.weights
        return np.asarray(top + np.log(terms.sum(axis=1)))

    @cached_property
    def _centres(self) -> list[Centres]:
        return [
            Centres(self.points[:, place], self.digits[:, place], self._width(place))
            for place in range(len(self.coordinates))
        ]

    def _width(self, place: int) -> float:
        coordinate = self.coordinates[place]
        if not coordinate.ordered:
            return MOVING
        least = LEAST_WIDTH
        if coordinate.banded and coordinate.column.size:
            least = max(least, LEAST_BANDS / coordinate.column.size)
        own, shares = self.weights[:-1], self.points[:, place]
        law = float(self.weights[-1])
        mean = float((own * shares).sum()) + law / 2
        variance = float((own * (shares - mean) ** 2).sum())
        variance += law * (1 / 12 + (mean - 0.5) ** 2)
        kernels = 1 / float((self.weights**2).sum())
        shrunk = math.pow(kernels, -1 / (len(self.coordinates) + 4))
        return max(least, math.sqrt(variance) * shrunk)
