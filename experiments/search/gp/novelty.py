"""The probability that a configuration leads to a new training.

A script may round a parameter, ignore it depending on another one, or snap its values
to a list. Then different configurations are the same training. Equal reports show which
trials repeated others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy
from numpy.typing import NDArray

from experiments.search.gp.cube import Mask, Points
from experiments.search.gp.encoding import Encoding
from experiments.search.gp.kernel import Reals
from experiments.search.history import UNKNOWN, History

# A configuration is compared with this many of the latest trials, and the model learns
# from this many.
MAX_COMPARED, MAX_LEARNED = 1024, 256
# Distances in the unit cube count as at least this.
CLOSEST = 1e-2
# The precision of the weights' normal prior around 0, for standardized features.
PRIOR_PRECISION = 1.0
# Features that vary less are not scaled up.
MIN_SCALE = 0.1


@dataclass(frozen=True)
class Novelty:
    """A model of which trials repeat another one.

    It is a logistic regression with a normal prior (Bishop, 2006, section 4.3) on the
    logarithms of two distances, to the closest earlier trial and to the closest box
    around all trials of one training, and on the coordinates, because in some regions
    the same step leads to new trainings more often.
    """

    encoding: Encoding
    history: History

    @classmethod
    def of(cls, encoding: Encoding, history: History) -> Novelty | None:
        """None if no trial is known to repeat another."""
        repeats = history.repeats[-MAX_COMPARED:][1:]
        return cls(encoding, history) if repeats.any() else None

    def log_chances(self, points: Points, active: Mask) -> Reals:
        """The logarithms of the probabilities that points are new trainings.

        `points` and `active` are (n, D), the result is (n,).
        """
        places = self._placed(points, active)
        closest = _squares(places, self._known).min(axis=1)
        boxed = self._boxes.squares(places).min(axis=1)
        inputs = self._standardized(_features(closest, boxed, places))
        scores = self._weights[0] + inputs @ self._weights[1:]
        found: Reals = -np.logaddexp(0.0, -scores)
        return found

    @cached_property
    def _weights(self) -> Reals:
        """The constant, then the features' weights, at the posterior's maximum."""
        features, new = self._learned
        inputs = self._standardized(features)

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

    def _standardized(self, features: Reals) -> Reals:
        learned, _ = self._learned
        scale = np.maximum(learned.std(axis=0), MIN_SCALE)
        found: Reals = (features - learned.mean(axis=0)) / scale
        return found

    @cached_property
    def _learned(self) -> tuple[Reals, Reals]:
        """The features of trials when they were chosen, and 1 for the new ones."""
        window = slice(-MAX_COMPARED, None)
        known = self.history.trainings[window] != UNKNOWN
        rows = np.flatnonzero(known)
        rows = rows[rows > 0][-MAX_LEARNED:]
        squares = _squares(self._known[rows], self._known)
        squares[np.arange(len(known)) >= rows[:, None]] = math.inf
        new = ~self.history.repeats[window][rows]
        features = _features(
            squares.min(axis=1), self._boxes.before[rows], self._known[rows]
        )
        return features, new.astype(float)

    @cached_property
    def _boxes(self) -> Boxes:
        return Boxes.around(self._known, self.history.trainings[-MAX_COMPARED:])

    @cached_property
    def _known(self) -> Reals:
        latest = slice(-MAX_COMPARED, None)
        return self._placed(self.history.points[latest], self.history.active[latest])

    def _placed(self, points: Points, active: Mask) -> Reals:
        """Coordinates, and a column per category; two categories have distance 1."""
        features = self.encoding.features(points, active)
        cube = self.encoding.cube
        parts = [features.coordinates]
        for column, place in enumerate(cube.categorical):
            corners = np.zeros((len(features), 1 + (cube.axes[place].size or 0)))
            rows = np.arange(len(features))
            corners[rows, features.categories[:, column]] = math.sqrt(0.5)
            parts.append(corners)
        return np.hstack(parts)


@dataclass(frozen=True)
class Boxes:
    """The smallest boxes around the trials of each training: `low` and `high` (G, F).

    `before` (n,) is the squared distance of each trial to the closest box of the trials
    before it, infinite for the first.
    """

    low: Reals
    high: Reals
    before: Reals

    @classmethod
    def around(cls, places: Reals, trainings: NDArray[np.int64]) -> Boxes:
        """`places` (n, F) of trials of known or UNKNOWN `trainings` (n,)."""
        boxes = cls(places.copy(), places.copy(), np.full(len(places), math.inf))
        numbers: dict[int, int] = {}
        count = 0
        for row, (place, training) in enumerate(zip(places, trainings, strict=True)):
            known = cls(boxes.low[:count], boxes.high[:count], boxes.before)
            squares = known.squares(place[None])[0]
            boxes.before[row] = squares.min(initial=math.inf)
            key = -1 - row if training == UNKNOWN else int(training)
            box = numbers.setdefault(key, count)
            if box == count:
                boxes.low[box] = boxes.high[box] = place
                count += 1
            boxes.low[box] = np.minimum(boxes.low[box], place)
            boxes.high[box] = np.maximum(boxes.high[box], place)
        return cls(boxes.low[:count], boxes.high[:count], boxes.before)

    def squares(self, places: Reals) -> Reals:
        """The squared distance of every one of n places to every box: (n, G)."""
        found = np.zeros((len(places), len(self.low)))
        # An axis at a time: all at once would be a large array.
        for own, low, high in zip(places.T, self.low.T, self.high.T, strict=True):
            away = np.maximum(low - own[:, None], own[:, None] - high)
            found += np.maximum(away, 0.0) ** 2
        return found


def _features(closest: Reals, boxed: Reals, places: Reals) -> Reals:
    """The logarithms of two distances, given as squares, and the places."""
    logs = (np.log(np.sqrt(squares) + CLOSEST) for squares in (closest, boxed))
    return np.column_stack([*logs, places])


def _squares(one: Reals, other: Reals) -> NDArray[np.float64]:
    """The squared distance of every row of one to every row of the other."""
    sums = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)
    found: Reals = np.maximum(sums - 2 * one @ other.T, 0.0)
    return found
