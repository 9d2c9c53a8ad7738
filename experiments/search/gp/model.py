"""The Gaussian process of a sweep: fitted to its history, it predicts outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

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
    narrows the variances. `whitening` is the inverse of the covariance's Cholesky
    factor.
    """

    hyperparameters: Hyperparameters
    known: Features
    whitening: Reals
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
        # Products of matrices are faster than solving for every configuration.
        whitening, _ = scipy.linalg.lapack.dtrtri(np.tril(factor), lower=1)
        return cls(hyperparameters, known, whitening, alpha)

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
        half = self.whitening @ cross
        explained = np.einsum("ij,ij->j", half, half)
        variances = kernel.variances(features) - explained
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
        fitting: Fitting,
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
        fits = fitting.fits(points, active, outcomes)
        view, found = choose_fit(fits, least=least, rng=rng)
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
Columns: TypeAlias = tuple[NDArray[Any], ...]


# Of many trials the latest ones do not decide the hyperparameters: they may still run.
LATEST = 16
# Then there is a new fit each time that their number has grown by an eighth or less.
EIGHTH = 4


@dataclass
class Fitting:
    """Fits the hyperparameters for each scale, and keeps the last fit.

    A fit takes about as long as the rest of a suggestion, and changes little once there
    are many trials.
    """

    encoding: Encoding
    _fits: list[Fit] = field(default_factory=list, init=False)
    # The outcomes that the last fit was asked for; of these it has used some rows, with
    # their points.
    _asked: Columns = field(default=(), init=False)
    _used: Columns = field(default=(), init=False)

    def fits(self, points: Points, active: Mask, outcomes: Outcomes) -> list[Fit]:
        sizes = FITTED_TWICE if self.encoding.cube.wide else FITTED
        count = _settled(len(outcomes), sizes.all)
        columns = outcomes.rows, outcomes.found, outcomes.spread
        asked = tuple(column[:count] for column in columns)
        if not _same(asked, self._asked) or self._moved(points, active):
            settled = outcomes.first(count)
            chosen = sizes.chosen(settled.values, np.random.default_rng(count))
            rows = settled.rows[chosen]
            self._used = rows, points[rows], active[rows]
            self._fits = self._made(settled.values[chosen], settled.extra[chosen])
            self._asked = asked
        return self._fits

    def _moved(self, points: Points, active: Mask) -> bool:
        """Whether the same rows are other configurations now."""
        rows, *before = self._used
        return not _same((points[rows], active[rows]), before)

    def _made(self, values: Reals, extra: Reals) -> list[Fit]:
        _, points, active = self._used
        views = [ScaleView(self.encoding, logarithmic=False)]
        if self.encoding.cube.wide:
            views.append(ScaleView(self.encoding, logarithmic=True))
        return [
            (view, fitted(view.features(points, active), values, extra))
            for view in views
        ]


def _same(some: Sequence[NDArray[Any]], others: Sequence[NDArray[Any]]) -> bool:
    return len(some) == len(others) and all(map(np.array_equal, some, others))


def _settled(count: int, few: int) -> int:
    """How many of the first outcomes decide the hyperparameters; all of a few."""
    if count <= few:
        return count
    step = 1 << (count.bit_length() - EIGHTH)
    return (count - LATEST) // step * step


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
