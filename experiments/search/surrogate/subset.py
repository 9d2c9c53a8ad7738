"""Which of many trials the model is conditioned on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.search.surrogate.kernel import Reals


@dataclass(frozen=True)
class Share:
    """How many trials are taken: the best, the latest, and others at random."""

    best: int
    latest: int
    others: int

    @property
    def all(self) -> int:
        return self.best + self.latest + self.others

    def chosen(self, values: Reals, rng: np.random.Generator) -> NDArray[np.int64]:
        """The rows of the chosen ones of n trials in order; all where they suffice."""
        count = len(values)
        if count <= self.all:
            return np.arange(count)
        taken = np.zeros(count, np.bool_)
        taken[np.argsort(values, kind="stable")[: self.best]] = True
        taken[np.flatnonzero(~taken)[-self.latest :]] = True
        left = np.flatnonzero(~taken)
        taken[rng.choice(left, self.all - int(taken.sum()), replace=False)] = True
        return np.flatnonzero(taken)


CONDITIONED = Share(best=128, latest=32, others=96)
FITTED = Share(best=64, latest=16, others=48)
# Where two models are fitted, so that both together cost about as much.
FITTED_TWICE = Share(best=48, latest=12, others=36)
