"""Quasi-random search: points that fill the space evenly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from experiments.search.history import History
from experiments.search.samplers.even_draws import EvenDraws
from experiments.search.samplers.sampler import Sampler, Suggestion


@dataclass(frozen=True, kw_only=True)
class SobolSampler(Sampler):
    """A scrambled Sobol sequence (Sobol, 1967; Bergstra and Bengio, 2012, compare it).

    Trial k is the k-th point of the sequence that the seed has scrambled; each
    parameter is reached through its inverse distribution function. Points that do not
    meet the constraints are passed over, and a finite space is gone through without
    repeating and ends.
    """

    kind: ClassVar[str] = "sobol"
    needs_history: ClassVar[bool] = False

    def suggest(self, number: int, history: History | None = None) -> Suggestion | None:
        draw = self._draws.configuration(number)
        if draw is None:
            return None
        return Suggestion(draw.params, "sobol" if draw.even else "random")

    def in_words(self, history: History | None = None) -> str:
        return (
            "A scrambled Sobol sequence spreads the trials evenly over the space: no "
            "trial depends on another."
        )

    @cached_property
    def _draws(self) -> EvenDraws:
        return EvenDraws(self.space, self.seed)
