"""The covariance: Matern 5/2 with a length scale for each axis, and a linear part."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.search.surrogate.encoding import Features

Reals = NDArray[np.float64]

ROOT5 = math.sqrt(5.0)


def matern(squares: Reals) -> Reals:
    """The Matern 5/2 covariance at squared scaled distances."""
    far = np.sqrt(np.maximum(squares, 0.0))
    far *= ROOT5
    kernel = far * far
    kernel /= 3.0
    kernel += far
    kernel += 1.0
    np.negative(far, out=far)
    np.exp(far, out=far)
    kernel *= far
    return kernel


@dataclass(frozen=True)
class Kernel:
    """k = M52(r) + `linear` * sum of products of linear features.

    r^2 is the sum of squared differences of coordinates, and of 1 for every category
    that differs, each times its axis's weight: one over its squared length scale.
    """

    weights: Reals
    linear: float

    def between(self, one: Features, other: Features) -> Reals:
        """The covariances of every configuration of one with every one of the other."""
        count = one.coordinates.shape[1]
        scales = np.sqrt(self.weights[:count])
        left, right = one.coordinates * scales, other.coordinates * scales
        squares = -2.0 * (left @ right.T)
        squares += (left * left).sum(1)[:, None]
        squares += (right * right).sum(1)
        for column, weight in enumerate(self.weights[count:]):
            differs = one.categories[:, column, None] != other.categories[:, column]
            squares += weight * differs
        kernel = matern(squares)
        if one.linear.shape[1]:
            kernel += (self.linear * one.linear) @ other.linear.T
        return kernel

    def variances(self, features: Features) -> Reals:
        """The covariance of every configuration with itself."""
        found: Reals = 1.0 + self.linear * (features.linear**2).sum(1)
        return found
