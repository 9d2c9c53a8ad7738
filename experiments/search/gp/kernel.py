"""The covariance of the Gaussian process, and the expected improvement."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from experiments.search.gp.encoding import Features

Reals = NDArray[np.float64]

ROOT5 = math.sqrt(5.0)


def matern(squares: Reals) -> Reals:
    """The Matern 5/2 covariance at squared scaled distances."""
    far = np.maximum(squares, 0.0)
    np.sqrt(far, out=far)
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

    M52 is the Matern 5/2 covariance. r^2 is the sum of squared differences of
    coordinates, and of 1 for every category that differs, each multiplied by the weight
    of its axis, the inverse of its squared length scale.
    """

    weights: Reals
    linear: float

    def between(self, one: Features, other: Features) -> Reals:
        """The covariances of all configurations of one with all of the other."""
        most = int(np.max(one.categories, initial=0))
        most = int(np.max(other.categories, initial=most))
        left, right = self._embedded(one, most), self._embedded(other, most)
        ones = np.ones(len(left))[:, None], np.ones(len(right))[:, None]
        # All of |a|^2 - 2 a b + |b|^2 in one product of matrices.
        before = np.hstack([-2.0 * left, (left * left).sum(1)[:, None], ones[0]])
        after = np.hstack([right, ones[1], (right * right).sum(1)[:, None]])
        kernel = matern(before @ after.T)
        if one.linear.shape[1]:
            kernel += (self.linear * one.linear) @ other.linear.T
        return kernel

    def _embedded(self, features: Features, most: int) -> Reals:
        """Points whose squared distances are r^2; categories are at most `most`."""
        size, count = features.coordinates.shape
        parts = [features.coordinates * np.sqrt(self.weights[:count])]
        for column, weight in enumerate(self.weights[count:]):
            corners = np.zeros((size, most + 1))
            corners[np.arange(size), features.categories[:, column]] = math.sqrt(
                weight / 2.0
            )
            parts.append(corners)
        return np.hstack(parts)

    def variances(self, features: Features) -> Reals:
        """The covariance of every configuration with itself."""
        found: Reals = 1.0 + self.linear * (features.linear**2).sum(1)
        return found


LOG_ROOT_2PI = 0.5 * math.log(2 * math.pi)
ROOT_HALF = math.sqrt(0.5)
MIN_Z = -1e8


def log_expected_improvement(means: Reals, deviations: Reals, best: float) -> Reals:
    """The logarithm of the expected improvement on `best`; lower outcomes are better.

    It stays finite when the improvement would be 0 in floating point (Ament et al.,
    2023).
    """
    z = np.maximum((best - means) / deviations, MIN_Z)
    return np.log(deviations) + log_improvement(z)


def log_improvement(z: Reals) -> Reals:
    """log(phi(z) + z Phi(z)) of the standard normal law."""
    found = np.empty_like(z)
    near = z > -1
    some = z[near]
    density = np.exp(-0.5 * some * some - LOG_ROOT_2PI)
    found[near] = np.log(density + some * scipy.special.ndtr(some))
    far = z[~near]
    # With Mills' ratio m: phi (1 - |z| m); the bracket tends to 1 / z^2.
    mills = math.sqrt(math.pi / 2) * scipy.special.erfcx(-far * ROOT_HALF)
    bracket = np.where(far > -1e5, 1.0 + far * mills, 1.0 / (far * far))
    found[~near] = -0.5 * far * far - LOG_ROOT_2PI + np.log(np.maximum(bracket, 1e-300))
    return found
