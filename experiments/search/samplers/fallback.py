"""What a sampler suggests when it has nothing of its own to suggest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from experiments.search.records import JSONValue
from experiments.search.samplers.distinct import DistinctDraws
from experiments.search.samplers.even_draws import EvenDraws
from experiments.search.samplers.sampler import Suggestion
from experiments.search.space import SearchSpace
from experiments.search.surrogate.tried import Tried


@dataclass
class Fallback:
    """Configurations that follow from the seed and the number, and are not tried."""

    space: SearchSpace
    seed: int

    def start(self, number: int, tried: Tried) -> Suggestion | None:
        """Trial `number` while there is nothing to go by; None: the space is exhausted.

        A scrambled Sobol sequence, as long as it leads to something new.
        """
        draw = self._even.configuration(number)
        if draw is None or tried.has(draw.params):
            return self.any(number, tried)
        return Suggestion(draw.params, "initial design")

    def any(self, number: int, tried: Tried) -> Suggestion | None:
        """Any configuration that is not tried; None: the space is exhausted."""
        params = self._any(number, tried)
        return None if params is None else Suggestion(params, "exploration")

    def _any(self, number: int, tried: Tried) -> dict[str, JSONValue] | None:
        if not self.space.is_finite:
            return self.space.sample(np.random.default_rng([self.seed, number, 1]))
        return tried.first_new(self._distinct.configuration)

    @cached_property
    def _even(self) -> EvenDraws:
        return EvenDraws(self.space, self.seed)

    @cached_property
    def _distinct(self) -> DistinctDraws:
        return DistinctDraws(self.space, self.seed)
