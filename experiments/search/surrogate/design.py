"""Trials before there is a model: evenly spread over the space."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import qmc

from experiments.search.records import JSONValue
from experiments.search.surrogate.columns import Columns
from experiments.search.surrogate.tried import Tried

# So many points of the sequence are looked at for one that may be tried.
MOST_SKIPPED = 256


@dataclass(frozen=True)
class Design:
    """A scrambled Sobol sequence over the axes (Owen, 1998), the same for one seed."""

    columns: Columns
    seed: int

    def suggestion(self, number: int, tried: Tried) -> dict[str, JSONValue] | None:
        """The number-th point, or the first after it that may be tried."""
        for point in self._points(number):
            params = tried.admits(point)
            if params is not None:
                return params
        return None

    def _points(self, number: int) -> Iterator[np.ndarray]:
        axes = len(self.columns.all)
        sequence = qmc.Sobol(axes, scramble=True, rng=np.random.default_rng(self.seed))
        if number:
            sequence.fast_forward(number)
        for _ in range(MOST_SKIPPED):
            yield sequence.random(1)[0]
