"""The Gaussian process of a sweep: fitted to its history, it predicts outcomes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from experiments.search.gp.cube import Mask, Points
from experiments.search.gp.encoding import Encoding, Features
from experiments.search.gp.fit import (
    CONDITIONED,
    FITTED,
    FITTED_TWICE,
    JITTER,
    Hyperparameters,
    fitted,
)
from experiments.search.gp.kernel import Reals
from experiments.search.gp.outcomes import Outcomes
from experiments.search.history import History

MIN_VARIANCE = 1e-12


@dataclass(frozen=True)
class Posterior:
    """A Gaussian process given outcomes (Rasmussen and Williams, 2006, algorithm 2.1).

    The last of `known` may be pending: each counts with its expected outcome (the
    kriging believer of Ginsbourger et al., 2010), which does not change the means and
    narrows the variances.
    """

    hyperparameters: Hyperparameters
    known: Features
    factor: Reals
    alpha: Reals

    @classmethod
    def given(
        cls,
        hyperparameters: Hyperparameters,
        known: Features,
        outcomes: Reals,
        extra: Reals,
    ) -> Posterior:
        """`outcomes` and `extra` belong to the first of `known`."""
        kernel = hyperparameters.kernel
        matrix = kernel.between(known, known)
        matrix[np.diag_indices(len(matrix))] += hyperparameters.noise + JITTER
        finished = np.arange(len(outcomes))
        matrix[finished, finished] += extra
        factor, _ = scipy.linalg.cho_factor(matrix, lower=True, overwrite_a=True)
        top = factor[: len(outcomes), : len(outcomes)]
        alpha = scipy.linalg.cho_solve((top, True), outcomes)
        return cls(hyperparameters, known, factor, alpha)

    def means(self, features: Features) -> Reals:
        """The expected outcomes."""
        count = len(self.alpha)
        kernel = self.hyperparameters.kernel
        found: Reals = kernel.between(features, self.known[:count]) @ self.alpha
        return found

    def predicted(self, features: Features) -> tuple[Reals, Reals]:
        """The expected outcomes, and the standard deviations without the noise."""
        kernel = self.hyperparameters.kernel
        cross = kernel.between(self.known, features)
        means = self.alpha @ cross[: len(self.alpha)]
        half = scipy.linalg.solve_triangular(
            self.factor, cross, lower=True, overwrite_b=True, check_finite=False
        )
        variances = kernel.variances(features) - (half * half).sum(0)
        return means, np.sqrt(np.maximum(variances, MIN_VARIANCE))


Rows = NDArray[np.int64]

# The least probability of each scale for wide axes.
MIN_SHARE = 0.15
# Only this many of the latest pending trials are used.
MAX_PENDING = 128


@dataclass(frozen=True)
class ScaleView:
    """The scale of wide axes: logarithmic, or as they are."""

    encoding: Encoding
    logarithmic: bool

    def features(self, points: Points, active: Mask) -> Features:
        return self.encoding.features(points, active, logarithmic=self.logarithmic)


@dataclass(frozen=True)
class TrainingSet:
    """The conditions of a Gaussian process: `rows` of a history with outcomes, and the
    `pending` rows."""

    rows: Rows
    values: Reals
    extra: Reals
    pending: Rows

    @classmethod
    def of(cls, outcomes: Outcomes, rng: np.random.Generator) -> TrainingSet:
        chosen = CONDITIONED.chosen(outcomes.values, rng)
        return cls(
            outcomes.rows[chosen],
            outcomes.values[chosen],
            outcomes.extra[chosen],
            outcomes.pending[-MAX_PENDING:],
        )

    def with_reached(self, reached: Reals, ahead: Mask) -> TrainingSet:
        """With the outcome that they have reached for pending trials that are `ahead`.

        They are better than expected already, and their loss can only become lower.
        """
        return TrainingSet(
            np.append(self.rows, self.pending[ahead]),
            np.append(self.values, reached[ahead]),
            np.append(self.extra, np.zeros(int(ahead.sum()))),
            self.pending[~ahead],
        )

    def posterior(
        self, view: ScaleView, found: Hyperparameters, points: Points, active: Mask
    ) -> Posterior:
        known = np.concatenate([self.rows, self.pending])
        features = view.features(points[known], active[known])
        return Posterior.given(found, features, self.values, self.extra)


@dataclass(frozen=True)
class GaussianProcess:
    """A Gaussian process over configurations.

    `points` and `active` belong to the trials with outcomes, and `means` are their
    expected outcomes. `best` is the lowest expected outcome of any trial, including the
    pending ones.
    """

    view: ScaleView
    posterior: Posterior
    points: Points
    active: Mask
    means: Reals
    best: float

    @classmethod
    def of(
        cls,
        encoding: Encoding,
        history: History,
        outcomes: Outcomes,
        rng: np.random.Generator,
        *,
        likeliest: bool = False,
    ) -> GaussianProcess:
        """The Gaussian process of a history with at least one outcome.

        If there are two scales, it takes the `likeliest`, or draws one.
        """
        points, active = history.points, history.active
        least = 0.0 if likeliest else MIN_SHARE
        view, found = choose_fit(
            fits(encoding, points, active, outcomes, rng), least=least, rng=rng
        )
        training = TrainingSet.of(outcomes, rng)
        posterior = training.posterior(view, found, points, active)
        means = posterior.means(posterior.known)
        reached = outcomes.standardized(history.losses[training.pending])
        ahead = reached < means[len(training.rows) :]
        if ahead.any():
            training = training.with_reached(reached, ahead)
            posterior = training.posterior(view, found, points, active)
            means = posterior.means(posterior.known)
        rows = training.rows
        return cls(
            view=view,
            posterior=posterior,
            points=points[rows],
            active=active[rows],
            means=means[: len(rows)],
            best=float(means.min()),
        )

    def predicted(self, points: Points, active: Mask) -> tuple[Reals, Reals]:
        """The expected standardized outcomes of points, and the deviations."""
        return self.posterior.predicted(self.view.features(points, active))

    def expected(self, points: Points, active: Mask) -> Reals:
        """The expected standardized outcomes of points."""
        return self.posterior.means(self.view.features(points, active))


Fit = tuple[ScaleView, Hyperparameters]


def fits(
    encoding: Encoding,
    points: Points,
    active: Mask,
    outcomes: Outcomes,
    rng: np.random.Generator,
) -> list[Fit]:
    """The hyperparameters for each scale."""
    share = FITTED_TWICE if encoding.cube.wide else FITTED
    chosen = share.chosen(outcomes.values, rng)
    rows = outcomes.rows[chosen]
    found = []
    for logarithmic in (False, True) if encoding.cube.wide else (False,):
        view = ScaleView(encoding, logarithmic)
        features = view.features(points[rows], active[rows])
        fit = fitted(features, outcomes.values[chosen], outcomes.extra[chosen])
        found.append((view, fit))
    return found


def choose_fit(fits: list[Fit], *, least: float, rng: np.random.Generator) -> Fit:
    """One of at most two fits, drawn with its probability, but at least `least`.

    A scale that is never used never gets the trials that would support it: on a linear
    scale all small values of a wide axis look the same, and only the smallest is tried.
    With `least` 0 it is the likeliest.
    """
    if len(fits) == 1:
        return fits[0]
    lead = fits[0][1].penalty - fits[1][1].penalty
    if not least:
        return fits[int(lead > 0)]
    share = np.clip(scipy.special.expit(lead), least, 1 - least)
    return fits[int(rng.random() < share)]
