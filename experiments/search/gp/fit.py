"""Fitting the Gaussian process: its hyperparameters, and the trials that it uses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy
from numpy.typing import NDArray

from experiments.search.gp.encoding import Features
from experiments.search.gp.kernel import ROOT5, Kernel, Reals

JITTER = 1e-8
LOG_NOISE = math.log(0.003)
NOISE_SPREAD = 2.0
LINEAR = 0.1
BOUNDS_LENGTH = (-4.0, 6.0)
BOUNDS_LINEAR = (-4.0, 3.0)
BOUNDS_NOISE = (math.log(1e-6), 0.0)
MAX_ITERATIONS = 25
MAX_EVALUATIONS = 39
# The search ends when a step gains less than this share.
MIN_GAIN = 1e-5
# The penalty if the covariance cannot be factored.
MAX_PENALTY = 1e10


@dataclass(frozen=True)
class Hyperparameters:
    """A kernel, the variance of the noise, and the penalty: the negative logarithm of
    their posterior density."""

    kernel: Kernel
    noise: float
    penalty: float


class Likelihood:
    """The penalized negative log likelihood of outcomes, with its gradient.

    The parameters are the logarithms of the length scales, of the linear part's
    variance over LINEAR, and of the noise. Length scales are log-normal around 1, which
    suits coordinates of the unit cube (Rasmussen and Williams, 2006, section 5.4).
    """

    def __init__(self, features: Features, outcomes: Reals, extra: Reals) -> None:
        self.outcomes = outcomes
        self.extra = extra
        self.rows, self.columns = pairs(len(features))
        one, other = features[self.rows], features[self.columns]
        numeric = (one.coordinates - other.coordinates) ** 2
        differs = (one.categories != other.categories).astype(float)
        self.squares = np.ascontiguousarray(np.hstack([numeric, differs]).T)
        self.products = (one.linear * other.linear).sum(1)
        self.own = (features.linear**2).sum(1)
        self.axes = len(self.squares)

    def __call__(self, theta: Reals) -> tuple[float, Reals]:
        axes = self.axes
        weights = np.exp(-2.0 * theta[:axes])
        linear, noise = LINEAR * math.exp(theta[axes]), math.exp(theta[axes + 1])
        far = np.sqrt(weights @ self.squares)
        far *= ROOT5
        decay = np.exp(-far)
        slope = (1.0 + far) * decay
        above = slope + far * far * decay / 3.0 + linear * self.products
        factor = self._factor(above, 1.0 + linear * self.own + noise)
        if factor is None:
            return MAX_PENALTY, np.zeros_like(theta)
        alpha, _ = scipy.linalg.lapack.dpotrs(factor, self.outcomes, lower=1)
        value = 0.5 * self.outcomes @ alpha + np.log(np.diag(factor)).sum()
        inverse, _ = scipy.linalg.lapack.dpotri(factor, lower=1, overwrite_c=1)
        pull = inverse[self.columns, self.rows] - alpha[self.rows] * alpha[self.columns]
        own = np.diag(inverse) - alpha**2
        gradient = np.empty_like(theta)
        gradient[:axes] = (5.0 / 3.0) * weights * (self.squares @ (pull * slope))
        gradient[axes] = linear * (pull @ self.products + 0.5 * own @ self.own)
        gradient[axes + 1] = 0.5 * noise * own.sum()
        return _penalized(theta, float(value), gradient)

    def _factor(self, above: Reals, own: Reals) -> Reals | None:
        """The lower Cholesky factor; None if rounding makes it impossible."""
        count = len(self.outcomes)
        matrix = np.zeros((count, count))
        matrix[self.rows, self.columns] = above
        matrix[np.diag_indices(count)] = own + self.extra + JITTER
        factor, failed = scipy.linalg.lapack.dpotrf(
            matrix.T, lower=1, clean=1, overwrite_a=1
        )
        return None if failed else factor


def _penalized(theta: Reals, value: float, gradient: Reals) -> tuple[float, Reals]:
    """With the negative logarithm of the prior density added."""
    away = theta[-1] - LOG_NOISE
    value += 0.5 * float(theta[:-1] @ theta[:-1])
    value += 0.5 * float(away / NOISE_SPREAD) ** 2
    gradient[:-1] += theta[:-1]
    gradient[-1] += away / NOISE_SPREAD**2
    return value, gradient


@lru_cache(maxsize=256)
def pairs(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The places above the diagonal of a square matrix."""
    rows, columns = np.triu_indices(count, 1)
    return rows, columns


def fitted(features: Features, outcomes: Reals, extra: Reals) -> Hyperparameters:
    """The hyperparameters that explain the outcomes best.

    `outcomes` (n,) are standardized; `extra` (n,) is the variance of each beyond the
    noise that all share.
    """
    likelihood = Likelihood(features, outcomes, extra)
    axes = likelihood.axes
    start = np.zeros(axes + 2)
    start[-1] = LOG_NOISE
    found = scipy.optimize.minimize(
        likelihood,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[BOUNDS_LENGTH] * axes + [BOUNDS_LINEAR, BOUNDS_NOISE],
        options={
            "maxiter": MAX_ITERATIONS,
            "maxfun": MAX_EVALUATIONS,
            "ftol": MIN_GAIN,
        },
    )
    theta = np.asarray(found.x, np.float64)
    kernel = Kernel(np.exp(-2.0 * theta[:axes]), LINEAR * math.exp(theta[axes]))
    return Hyperparameters(kernel, math.exp(theta[-1]), float(found.fun))


@dataclass(frozen=True)
class SubsetSizes:
    """How many trials are used: the best, the latest, and others at random."""

    best: int
    latest: int
    others: int

    @property
    def all(self) -> int:
        return self.best + self.latest + self.others

    def chosen(self, values: Reals, rng: np.random.Generator) -> NDArray[np.int64]:
        """The rows of the chosen trials, in order; all if there are few."""
        count = len(values)
        if count <= self.all:
            return np.arange(count)
        taken = np.zeros(count, np.bool_)
        taken[_lowest(values, self.best)] = True
        taken[np.flatnonzero(~taken)[-self.latest :]] = True
        left = np.flatnonzero(~taken)
        taken[rng.choice(left, self.all - int(taken.sum()), replace=False)] = True
        return np.flatnonzero(taken)


def _lowest(values: Reals, count: int) -> NDArray[np.int64]:
    """The rows of the lowest values; the first ones of equal values."""
    rows = np.flatnonzero(values <= np.partition(values, count)[count])
    return rows[np.argsort(values[rows], kind="stable")[:count]]


CONDITIONED = SubsetSizes(best=128, latest=32, others=96)
FITTED = SubsetSizes(best=64, latest=16, others=48)
# Smaller, so that fitting two models costs about as much as one.
FITTED_TWICE = SubsetSizes(best=48, latest=12, others=36)
