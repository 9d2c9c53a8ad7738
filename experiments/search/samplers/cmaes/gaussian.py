"""The normal law over the ordered axes that the strategy adapts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments.search.samplers.cmaes.weights import Weights

Reals = NDArray[np.float64]

# The first generation's standard deviation: the unit cube is within reach.
FIRST_STEP = 0.3
LARGEST_STEP = 1.0
SMALLEST_EIGENVALUE = 1e-14


@dataclass(frozen=True)
class Gaussian:
    """N(mean, step^2 S C S) over d axes, S the diagonal matrix of `stretch`.

    `step_path` and `path` are the two evolution paths, `age` counts generations.
    """

    mean: Reals
    covariance: Reals
    stretch: Reals
    step_path: Reals
    path: Reals
    step: float = FIRST_STEP
    age: int = 0

    @classmethod
    def around(cls, mean: Reals) -> Gaussian:
        """The law of a fresh start."""
        d = len(mean)
        zeros = np.zeros(d)
        return cls(mean, np.eye(d), np.ones(d), zeros, zeros)

    @cached_property
    def _axes(self) -> tuple[Reals, Reals]:
        """The roots of the eigenvalues of C, and its eigenvectors as columns."""
        values, vectors = np.linalg.eigh(self.covariance)
        return np.sqrt(np.maximum(values, SMALLEST_EIGENVALUE)), vectors

    @property
    def deviations(self) -> Reals:
        """The standard deviation along every axis of the cube."""
        found: Reals = self.step * self.stretch * np.sqrt(np.diag(self.covariance))
        return found

    @property
    def condition(self) -> float:
        """By what the longest of C's principal axes is longer than the shortest."""
        lengths, _ = self._axes
        return float(lengths[-1] / lengths[0])

    def drawn(self, rng: np.random.Generator) -> Reals:
        """One point, not bounded."""
        lengths, vectors = self._axes
        normal = rng.standard_normal(len(self.mean))
        found: Reals = self.mean + self.step * self.stretch * (
            vectors @ (lengths * normal)
        )
        return found

    def after(self, points: Reals, weights: Weights) -> Gaussian:
        """The law after a generation: the points of its better half, the best first."""
        lengths, vectors = self._axes
        steps = (points - self.mean) / (self.step * self.stretch)
        white = steps @ vectors / lengths
        norms = np.sqrt((white**2).sum(axis=1))
        cut = np.minimum(1.0, weights.longest / np.maximum(norms, 1e-300))[:, None]
        steps, white = steps * cut, white * cut
        shift = weights.recombination @ steps
        rate = weights.path_of_step
        push = np.sqrt(rate * (2 - rate) * weights.effective)
        step_path = (1 - rate) * self.step_path
        step_path = step_path + push * (vectors @ (weights.recombination @ white))
        length = float(np.sqrt((step_path**2).sum())) / weights.usual_length
        growth = np.exp(min(1.0, rate / weights.damping * (length - 1)))
        moved = replace(
            self,
            mean=np.clip(self.mean + self.step * self.stretch * shift, 0.0, 1.0),
            step_path=step_path,
            step=min(float(self.step * growth), LARGEST_STEP),
            age=self.age + 1,
        )
        settled = length / np.sqrt(1 - (1 - rate) ** (2 * moved.age))
        stalls = settled >= 1.4 + 2 / (len(self.mean) + 1)
        return moved._adapted(steps, shift, weights, stalls=bool(stalls))

    def _adapted(
        self, steps: Reals, shift: Reals, weights: Weights, *, stalls: bool
    ) -> Gaussian:
        """With the covariance of the generation's steps."""
        rate = weights.path_of_covariance
        path = (1 - rate) * self.path
        if not stalls:
            path = path + np.sqrt(rate * (2 - rate) * weights.effective) * shift
        one, many = weights.rank_one, weights.rank_mu
        kept = 1 - one - many
        if stalls:
            kept += one * rate * (2 - rate)
        spread = (steps.T * weights.recombination) @ steps
        covariance = kept * self.covariance + one * np.outer(path, path) + many * spread
        return replace(self, path=path, covariance=(covariance + covariance.T) / 2)
