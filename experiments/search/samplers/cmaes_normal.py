"""What CMA-ES adapts: a normal distribution, and the probabilities of categories."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy
from numpy.typing import NDArray


def usual_size(axes: int) -> int:
    """The usual number of trials in a generation."""
    return 4 + int(3 * math.log(max(axes, 1)))


@dataclass(frozen=True)
class Weights:
    """Hansen's (2016) settings for generations of `size` trials over d `axes`."""

    size: int
    axes: int

    @cached_property
    def recombination(self) -> NDArray[np.float64]:
        """The weights of the better half, the best first; they add up to 1."""
        parents = self.size // 2
        raw = math.log((self.size + 1) / 2) - np.log(np.arange(1, parents + 1))
        return np.asarray(raw / raw.sum())

    @cached_property
    def effective(self) -> float:
        """The number of trials that a generation's mean is worth."""
        return float(1 / (self.recombination**2).sum())

    @property
    def path_of_step(self) -> float:
        return (self.effective + 2) / (self.axes + self.effective + 5)

    @property
    def damping(self) -> float:
        excess = math.sqrt(max(0.0, (self.effective - 1) / (self.axes + 1))) - 1
        return 1 + 2 * max(0.0, excess) + self.path_of_step

    @property
    def path_of_covariance(self) -> float:
        share = self.effective / self.axes
        return (4 + share) / (self.axes + 4 + 2 * share)

    @property
    def rank_one(self) -> float:
        return 2 / ((self.axes + 1.3) ** 2 + self.effective)

    @property
    def rank_mu(self) -> float:
        worth = 2 * (self.effective - 2 + 1 / self.effective)
        rate = worth / ((self.axes + 2) ** 2 + self.effective)
        return min(1 - self.rank_one, max(0.0, rate))

    @property
    def usual_length(self) -> float:
        """The expected length of a standard normal vector."""
        d = self.axes
        return math.sqrt(d) * (1 - 1 / (4 * d) + 1 / (21 * d**2))

    @property
    def longest(self) -> float:
        """The largest distance from the mean at which a trial counts (Hansen, 2011).

        It is measured by the covariance. Without it, trials of an earlier generation or
        of people would upset the strategy.
        """
        return math.sqrt(self.axes) + 2 * self.axes / (self.axes + 2)


Reals = NDArray[np.float64]

# The first generation's standard deviation: the unit cube is within reach.
FIRST_STEP = 0.3
MAX_STEP = 1.0
MIN_EIGENVALUE = 1e-14


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
        """The distribution of a fresh start."""
        d = len(mean)
        zeros = np.zeros(d)
        return cls(mean, np.eye(d), np.ones(d), zeros, zeros)

    @cached_property
    def _axes(self) -> tuple[Reals, Reals]:
        """The roots of the eigenvalues of C, and its eigenvectors as columns."""
        values, vectors = np.linalg.eigh(self.covariance)
        return np.sqrt(np.maximum(values, MIN_EIGENVALUE)), vectors

    @property
    def deviations(self) -> Reals:
        """The standard deviation along every axis of the cube."""
        found: Reals = self.step * self.stretch * np.sqrt(np.diag(self.covariance))
        return found

    @property
    def condition(self) -> float:
        """The ratio of C's longest principal axis to its shortest."""
        lengths, _ = self._axes
        return float(lengths[-1] / lengths[0])

    def drawn(self, rng: np.random.Generator) -> Reals:
        """One point, possibly outside the cube."""
        lengths, vectors = self._axes
        normal = rng.standard_normal(len(self.mean))
        found: Reals = self.mean + self.step * self.stretch * (
            vectors @ (lengths * normal)
        )
        return found

    def after(self, points: Reals, weights: Weights) -> Gaussian:
        """The distribution after a generation with these better `points`, in order."""
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
            step=min(float(self.step * growth), MAX_STEP),
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


@dataclass(frozen=True)
class Categories:
    """The probabilities of the values of each axis without an order."""

    laws: tuple[Reals, ...]

    def drawn(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """The number of a value for each axis."""
        shares = rng.random(len(self.laws))
        return np.array(
            [
                min(int(np.searchsorted(np.cumsum(law), share)), len(law) - 1)
                for law, share in zip(self.laws, shares, strict=True)
            ],
            np.int64,
        )

    def after(
        self, digits: NDArray[np.int64], active: NDArray[np.bool_], weights: Weights
    ) -> Categories:
        """The probabilities after a generation with these better `digits`, best first.

        A step along the natural gradient (Hamano and others, 2024), from the trials in
        which the axis is active. Every value keeps some probability.
        """
        laws = []
        for axis, law in enumerate(self.laws):
            rate = weights.effective / (weights.effective + len(law) + 1)
            own = weights.recombination * active[:, axis]
            found = np.bincount(
                digits[active[:, axis], axis], own[active[:, axis]], len(law)
            )
            moved = law + rate * (found - own.sum() * law)
            least = (1 - 0.73 ** (1 / len(self.laws))) / (len(law) - 1)
            moved = np.maximum(moved, min(least, 1 / len(law)))
            laws.append(moved / moved.sum())
        return replace(self, laws=tuple(laws))


def with_margin(law: Gaussian, edges: dict[int, Reals], least: float) -> Gaussian:
    """The distribution, which leaves the value at its mean with probability `least`.

    `edges` are the inner bounds of the values' bands, by axis. The mean and the width
    along these axes are corrected (Hamano, Saito, Nomura and Shirakawa, 2022).
    """
    mean, stretch = law.mean.copy(), law.stretch.copy()
    deviations = law.deviations
    for axis, bounds in edges.items():
        place = int(np.searchsorted(bounds, mean[axis]))
        if place in (0, len(bounds)):
            bound = bounds[0 if place == 0 else -1]
            reach = -float(scipy.special.ndtri(least)) * deviations[axis]
            mean[axis] = bound + np.clip(mean[axis] - bound, -reach, reach)
            continue
        low, high = bounds[place - 1], bounds[place]
        below, above = _corrected(
            float(scipy.special.ndtr((low - mean[axis]) / deviations[axis])),
            float(scipy.special.ndtr((mean[axis] - high) / deviations[axis])),
            least,
        )
        left, right = (-float(share) for share in scipy.special.ndtri([below, above]))
        mean[axis] = (low * right + high * left) / (left + right)
        width = (high - low) / (left + right)
        stretch[axis] *= width / deviations[axis]
    return replace(law, mean=mean, stretch=stretch)


def _corrected(below: float, above: float, least: float) -> tuple[float, float]:
    """The probabilities below and above a band, raised to at least half of `least`.

    All three probabilities pay for it, in proportion to what they have above the least.
    """
    inside = 1 - below - above
    raised = max(below, least / 2), max(above, least / 2)
    excess = 1 - raised[0] - raised[1] - inside
    share = excess / (raised[0] + raised[1] + inside - 1.5 * least)
    below, above = (one + share * (one - least / 2) for one in raised)
    # Less than half each: the band's two bounds are on the two sides of the mean.
    return min(below, 0.499), min(above, 0.499)
