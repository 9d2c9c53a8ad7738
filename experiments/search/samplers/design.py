"""Trials before there is a model: evenly spread over the space."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from experiments.search.records import JSONValue
from experiments.search.samplers.sequence import SobolSequence
from experiments.search.surrogate.columns import Columns
from experiments.search.surrogate.novelty import Novelty
from experiments.search.surrogate.tried import Tried

# So many points of the sequence are looked at for one that may be tried.
MOST_SKIPPED = 256
# Where trainings turn out to be there twice, one is chosen of so many points.
LOOKED_AT = 128


@dataclass(frozen=True)
class Design:
    """A scrambled Sobol sequence over the axes (Owen, 1998), the same for one seed."""

    columns: Columns
    seed: int

    def suggestion(self, number: int, tried: Tried) -> dict[str, JSONValue] | None:
        """The number-th point, or the first after it that may be tried."""
        for place in range(number, number + MOST_SKIPPED):
            params = tried.admits(self._sequence.point(place))
            if params is not None:
                return params
        return None

    def freshest(
        self, number: int, tried: Tried, novelty: Novelty
    ) -> dict[str, JSONValue] | None:
        """Of the points from the number-th on the likeliest training of its own."""
        points = np.array([self._sequence.point(number + k) for k in range(LOOKED_AT)])
        chances = novelty.log_chances(*self.columns.snapped(points))
        for row in np.argsort(-chances, kind="stable"):
            params = tried.admits(points[row])
            if params is not None:
                return params
        return None

    @cached_property
    def _sequence(self) -> SobolSequence:
        return SobolSequence(len(self.columns.all), self.seed)
