"""A sampler that goes by numbers alone, in a space where some was tried before."""

from __future__ import annotations

from dataclasses import dataclass, field

from experiments.search.samplers.sampler import Sampler, Suggestion
from experiments.search.values import identity


@dataclass
class Untried:
    """The choices of a sampler in their order, without configurations tried before.

    `tried` holds their `identity`. What follows from a number is the same at any time;
    how far the sampler's choices were looked through is remembered.
    """

    sampler: Sampler
    tried: frozenset[str]
    _places: list[int] = field(default_factory=list, init=False)
    _next: int = field(default=0, init=False)

    def suggest(self, number: int) -> Suggestion | None:
        """The number-th choice that was not tried, from 0; None: there are no more."""
        while len(self._places) <= number:
            suggestion = self.sampler.suggest(self._next)
            if suggestion is None:
                return None
            if identity(suggestion.params) not in self.tried:
                self._places.append(self._next)
            self._next += 1
        return self.sampler.suggest(self._places[number])
