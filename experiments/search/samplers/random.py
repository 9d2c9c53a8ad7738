"""Random search (Bergstra and Bengio, 2012)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from experiments.search.fields import Fields, is_number, shown
from experiments.search.history import History
from experiments.search.records import JSONValue
from experiments.search.samplers.grid import DistinctDraws
from experiments.search.samplers.sampler import Sampler, Suggestion
from experiments.search.samplers.sobol import SobolSampler


@dataclass(frozen=True, kw_only=True)
class RandomSampler(Sampler):
    """Independent draws from the space's distributions.

    A finite space is drawn from without replacement: trial k is the k-th distinct
    configuration of a stream that follows from the seed, until none is left. Draws that
    do not meet the constraints are rejected.

    With the rule `sobol` it draws what the sampler `sobol` draws. The setting `logbase`
    is the base in which the space's log types are given; the space already uses it.
    """

    kind: ClassVar[str] = "random"
    title: ClassVar[str] = "Random"
    advice: ClassVar[str] = (
        "Independent draws. A baseline, and good for very many trials."
    )
    needs_history: ClassVar[bool] = False

    rule: str = "random"

    @classmethod
    def read_own(cls, document: Fields) -> Mapping[str, JSONValue]:
        own: dict[str, JSONValue] = {
            "rule": document.option("rule", "random", ("random", "sobol"))
        }
        base = _read_log_base(document)
        if base != math.e:
            own["logbase"] = base
        return own

    def propose(self, number: int, history: History) -> Suggestion | None:
        if self.rule == "sobol":
            return self._sobol.suggest(number)
        if not self.space.is_finite:
            rng = np.random.default_rng([self.seed, number])
            return Suggestion(self.space.sample(rng), self.kind)
        params = self._distinct.configuration(number)
        return None if params is None else Suggestion(params, self.kind)

    def describe(self, history: History) -> str:
        if self.rule == "sobol":
            return self._sobol.in_words()
        return "Independent draws from the space: no trial depends on another."

    @cached_property
    def _sobol(self) -> SobolSampler:
        return SobolSampler(space=self.space, seed=self.seed)

    @cached_property
    def _distinct(self) -> DistinctDraws:
        return DistinctDraws(self.space, self.seed)


def _read_log_base(document: Fields) -> float:
    base = document.raw("logbase")
    if base is None or base == "e":
        return math.e
    if is_number(base) and 1 < base <= 1e6:
        return base
    document.error(
        "logbase",
        f'logbase must be "e" or a number above 1, such as 10, not {shown(base)}.',
    )
    return math.e
