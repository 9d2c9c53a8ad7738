"""The model of a sweep: fitted to its history, and ready to be asked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from experiments.search.history import History
from experiments.search.surrogate.columns import Mask, Points
from experiments.search.surrogate.encoding import Encoding, Features
from experiments.search.surrogate.fit import Hyperparameters, fitted
from experiments.search.surrogate.kernel import Reals
from experiments.search.surrogate.outcomes import Outcomes
from experiments.search.surrogate.posterior import Posterior
from experiments.search.surrogate.subset import CONDITIONED, FITTED, FITTED_TWICE

Rows = NDArray[np.int64]

# The least probability of either way of seeing wide axes.
LEAST_SHARE = 0.15
# The latest so many pending trials are believed in.
MOST_PENDING = 128


@dataclass(frozen=True)
class View:
    """A way of seeing the space: wide axes on a logarithmic scale, or as they are."""

    encoding: Encoding
    sensed: bool

    def features(self, points: Points, active: Mask) -> Features:
        return self.encoding.features(points, active, sensed=self.sensed)


@dataclass(frozen=True)
class TrainingSet:
    """What a model is conditioned on: `rows` of a history with an outcome each, and the
    `pending` ones."""

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
            outcomes.pending[-MOST_PENDING:],
        )

    def with_reached(self, reached: Reals, ahead: Mask) -> TrainingSet:
        """With pending trials that are ahead counted as what they have reached.

        They have done better than expected already, and can only end lower.
        """
        return TrainingSet(
            np.append(self.rows, self.pending[ahead]),
            np.append(self.values, reached[ahead]),
            np.append(self.extra, np.zeros(int(ahead.sum()))),
            self.pending[~ahead],
        )

    def posterior(
        self, view: View, found: Hyperparameters, points: Points, active: Mask
    ) -> Posterior:
        known = np.concatenate([self.rows, self.pending])
        features = view.features(points[known], active[known])
        return Posterior.given(found, features, self.values, self.extra)


@dataclass(frozen=True)
class Model:
    """A Gaussian process over configurations.

    `points` and `active` are those of the trials whose outcomes it is conditioned on,
    and `means` what it expects of them. `best` is the lowest expectation of any trial,
    the pending ones included.
    """

    view: View
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
    ) -> Model:
        """The model of what a history says; it says something of at least one trial.

        Where there are two ways of seeing the space it is the `likeliest`, or either.
        """
        points, active = history.points, history.active
        least = 0.0 if likeliest else LEAST_SHARE
        view, found = chosen_fit(
            fits(encoding, points, active, outcomes, rng), least=least, rng=rng
        )
        training = TrainingSet.of(outcomes, rng)
        posterior = training.posterior(view, found, points, active)
        means = posterior.means(posterior.known)
        reached = outcomes.standardised(history.losses[training.pending])
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
        """The expected standardised outcomes of points, and the deviations."""
        return self.posterior.predicted(self.view.features(points, active))

    def expected(self, points: Points, active: Mask) -> Reals:
        """The expected standardised outcomes of points."""
        return self.posterior.means(self.view.features(points, active))


Fit = tuple[View, Hyperparameters]


def fits(
    encoding: Encoding,
    points: Points,
    active: Mask,
    outcomes: Outcomes,
    rng: np.random.Generator,
) -> list[Fit]:
    """The hyperparameters for every way of seeing the space."""
    share = FITTED_TWICE if encoding.wide else FITTED
    chosen = share.chosen(outcomes.values, rng)
    rows = outcomes.rows[chosen]
    found = []
    for sensed in (False, True) if encoding.wide else (False,):
        view = View(encoding, sensed)
        features = view.features(points[rows], active[rows])
        fit = fitted(features, outcomes.values[chosen], outcomes.extra[chosen])
        found.append((view, fit))
    return found


def chosen_fit(fits: list[Fit], *, least: float, rng: np.random.Generator) -> Fit:
    """One of at most two fits: each as often as it is likely, but at least `least`.

    A model that is never used would never see the trials that speak for it: one that
    takes all small values of a wide axis for one value tries none but the smallest.
    With `least` 0 it is the likeliest.
    """
    if len(fits) == 1:
        return fits[0]
    lead = fits[0][1].penalty - fits[1][1].penalty
    if not least:
        return fits[int(lead > 0)]
    share = np.clip(scipy.special.expit(lead), least, 1 - least)
    return fits[int(rng.random() < share)]
