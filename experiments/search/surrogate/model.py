"""The model of a sweep: fitted to its history, and ready to be asked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from experiments.search.history import History
from experiments.search.surrogate.columns import Mask, Points
from experiments.search.surrogate.encoding import Encoding, Features
from experiments.search.surrogate.fit import Hyperparameters, fitted
from experiments.search.surrogate.kernel import Reals
from experiments.search.surrogate.outcomes import Outcomes
from experiments.search.surrogate.posterior import Posterior
from experiments.search.surrogate.subset import CONDITIONED, FITTED

# The latest so many pending trials are believed in.
MOST_PENDING = 128


@dataclass(frozen=True)
class Model:
    """A Gaussian process over configurations.

    `points` and `active` are those of the finished trials that it is conditioned on,
    and `means` what it expects of them. `best` is the lowest expectation of any trial,
    the pending ones included.
    """

    encoding: Encoding
    sensed: bool
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
    ) -> Model:
        """The model of what a history says; it says something of at least one trial."""
        points, active = history.points, history.active
        sensed, found = best_fit(encoding, points, active, outcomes, rng)
        chosen = CONDITIONED.chosen(outcomes.values, rng)
        rows, pending = outcomes.rows[chosen], outcomes.pending[-MOST_PENDING:]
        all_rows = np.concatenate([rows, pending])
        known = encoding.features(points[all_rows], active[all_rows], sensed=sensed)
        posterior = Posterior.given(
            found, known, outcomes.values[chosen], outcomes.extra[chosen]
        )
        means = posterior.means(known)
        count = len(rows)
        return cls(
            encoding=encoding,
            sensed=sensed,
            posterior=posterior,
            points=points[rows],
            active=active[rows],
            means=means[:count],
            best=float(means.min()),
        )

    def features(self, points: Points, active: Mask) -> Features:
        """Points as this model sees them."""
        return self.encoding.features(points, active, sensed=self.sensed)

    def predicted(self, points: Points, active: Mask) -> tuple[Reals, Reals]:
        """The expected standardised outcomes of points, and the deviations."""
        return self.posterior.predicted(self.features(points, active))


def best_fit(
    encoding: Encoding,
    points: Points,
    active: Mask,
    outcomes: Outcomes,
    rng: np.random.Generator,
) -> tuple[bool, Hyperparameters]:
    """The hyperparameters, and whether wide axes are seen on a logarithmic scale.

    Where there are such axes both ways are fitted, and the likelier one is taken.
    """
    chosen = FITTED.chosen(outcomes.values, rng)
    rows = outcomes.rows[chosen]
    fits = []
    for sensed in (False, True) if encoding.wide else (False,):
        features = encoding.features(points[rows], active[rows], sensed=sensed)
        found = fitted(features, outcomes.values[chosen], outcomes.extra[chosen])
        fits.append((sensed, found))
    return min(fits, key=lambda fit: fit[1].penalty)
