"""How likely a configuration is a training of its own.

A script may round a parameter, ignore it where another one has some value, or snap its
values to a list of settings: then different configurations are one and the same
training. Which of the trials so far were such is known from their reports.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy
from numpy.typing import NDArray

from experiments.search.history import OWN, REPEAT, History
from experiments.search.surrogate.columns import Mask, Points
from experiments.search.surrogate.encoding import Encoding
from experiments.search.surrogate.kernel import Reals

# The latest so many trials are what a configuration may be close to, and from so many
# of them it is learned.
MOST_COMPARED, MOST_LEARNED = 1024, 256
# Of the unit cube: nothing is closer than this.
CLOSEST = 1e-3
# The precision of the weights' prior, a normal law around 0, for standardised features.
PRIOR_PRECISION = 1.0
LEAST_SCALE = 1e-9


@dataclass(frozen=True)
class Novelty:
    """Learned from the trials that are known to repeat another one, or not to.

    A logistic regression with a normal prior (Bishop, 2006, section 4.3): on the
    logarithm of the distance to the closest earlier trial, and on the coordinates, as
    there are regions where a step of one size leads to more that is new than in others.
    """

    encoding: Encoding
    history: History

    @classmethod
    def of(cls, encoding: Encoding, history: History) -> Novelty | None:
        """None while no trial is known to repeat another: all seem to be new."""
        latest = history.origins[-MOST_COMPARED:][1:]
        return cls(encoding, history) if (latest == REPEAT).any() else None

    def log_chances(self, points: Points, active: Mask) -> Reals:
        """The logarithms of the probabilities that points are trainings of their own.

        `points` and `active` are (n, D); the answer is (n,).
        """
        places = self._placed(points, active)
        squares = _squares(places, self._known[-MOST_COMPARED:])
        inputs = self._standardised(_features(squares.min(axis=1), places))
        found: Reals = -np.logaddexp(
            0.0, -(self._weights[0] + inputs @ self._weights[1:])
        )
        return found

    @cached_property
    def _weights(self) -> Reals:
        """The constant, then the features' weights, at the posterior's maximum."""
        features, new = self._learned
        inputs = self._standardised(features)

        def penalty(weights: Reals) -> tuple[float, Reals]:
            scores = weights[0] + inputs @ weights[1:]
            value = np.logaddexp(0.0, scores).sum() - scores @ new
            value += 0.5 * PRIOR_PRECISION * (weights[1:] @ weights[1:])
            pull = scipy.special.expit(scores) - new
            slope = inputs.T @ pull + PRIOR_PRECISION * weights[1:]
            return float(value), np.append(pull.sum(), slope)

        start = np.zeros(1 + inputs.shape[1])
        found = scipy.optimize.minimize(penalty, start, jac=True, method="L-BFGS-B")
        return np.asarray(found.x, np.float64)

    def _standardised(self, features: Reals) -> Reals:
        learned, _ = self._learned
        scale = np.maximum(learned.std(axis=0), LEAST_SCALE)
        found: Reals = (features - learned.mean(axis=0)) / scale
        return found

    @cached_property
    def _learned(self) -> tuple[Reals, Reals]:
        """The features of trials as they were when chosen, and 1 for what was new."""
        origins = self.history.origins[-MOST_COMPARED:]
        rows = np.flatnonzero((origins == OWN) | (origins == REPEAT))
        rows = rows[rows > 0][-MOST_LEARNED:]
        known = self._known[-MOST_COMPARED:]
        squares = _squares(known[rows], known)
        squares[np.arange(len(known)) >= rows[:, None]] = math.inf
        new = (origins[rows] == OWN).astype(float)
        return _features(squares.min(axis=1), known[rows]), new

    @cached_property
    def _known(self) -> Reals:
        return self._placed(self.history.points, self.history.active)

    def _placed(self, points: Points, active: Mask) -> Reals:
        """Coordinates, and a corner for every category: two differ by a distance of 1.

        (n, P + the number of all categories and of their absence.)
        """
        features = self.encoding.features(points, active)
        columns = self.encoding.columns
        parts = [features.coordinates]
        for column, place in enumerate(columns.categorical):
            corners = np.zeros((len(features), 1 + (columns.all[place].size or 0)))
            rows = np.arange(len(features))
            corners[rows, features.categories[:, column]] = math.sqrt(0.5)
            parts.append(corners)
        return np.hstack(parts)


def _features(squares: Reals, places: Reals) -> Reals:
    """The logarithms of distances, given as squares, beside the places."""
    return np.column_stack([np.log(np.sqrt(squares) + CLOSEST), places])


def _squares(one: Reals, other: Reals) -> NDArray[np.float64]:
    """The squared distance of every row of one to every row of the other."""
    sums = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)
    found: Reals = np.maximum(sums - 2 * one @ other.T, 0.0)
    return found
