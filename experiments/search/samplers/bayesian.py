"""Bayesian optimisation with a Gaussian process (Jones, Schonlau and Welch, 1998)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from experiments.search.history import History, empty
from experiments.search.samplers.design import Design
from experiments.search.samplers.fallback import Fallback
from experiments.search.samplers.sampler import Sampler, Suggestion
from experiments.search.surrogate.encoding import Encoding
from experiments.search.surrogate.model import Model
from experiments.search.surrogate.outcomes import Outcomes, outcomes_of
from experiments.search.surrogate.proposal import Proposal, Search
from experiments.search.surrogate.tried import Tried

# From so many trials with a value on there is a model.
LEAST_FINITE = 4
# A proposal that is expected to end above this standardised outcome is made for what
# can be learned from it: the best quarter of a normal law lies below.
EXPLORING = -0.674


@dataclass(frozen=True, kw_only=True)
class BayesianSampler(Sampler):
    """Proposes what a Gaussian process expects to improve most on the best so far.

    The first trials are a scrambled Sobol sequence. The k-th trial follows from the
    seed, k and the history alone; the model is fitted anew each time. Trials that run
    are taken to end as expected, and failed ones to be as bad as the worst. When its
    proposals turn out to be trainings that were there before, as where a script rounds
    a parameter, as many of the next trials go on with the sequence instead. A finite
    space is gone through without repeating, and ends.
    """

    kind: ClassVar[str] = "bayesian"
    needs_history: ClassVar[bool] = True

    def suggest(self, number: int, history: History | None = None) -> Suggestion | None:
        history = empty(self.space) if history is None else history
        tried = Tried(self._encoding.columns, history)
        outcomes = outcomes_of(history)
        begins = outcomes.finite < LEAST_FINITE
        if begins or self._looks_elsewhere(number, history):
            params = self._design.suggestion(number, tried)
            if params is not None:
                origin = "initial design" if begins else "exploration"
                return Suggestion(params, origin)
        else:
            proposal = self._proposal(number, history, tried, outcomes)
            if proposal is not None:
                exploring = proposal.mean > EXPLORING
                origin = "exploration" if exploring else "model"
                return Suggestion(proposal.params, origin)
        return self._fallback.any(number, tried)

    def in_words(self, history: History | None = None) -> str:
        finite = 0 if history is None else outcomes_of(history).finite
        if finite < LEAST_FINITE:
            return (
                "Spread evenly over the space until four trials have a value; then a "
                "model of the results proposes."
            )
        return (
            f"A model of {finite:,} results proposes what is expected to improve most."
        )

    def _looks_elsewhere(self, number: int, history: History) -> bool:
        """As often as the latest trials only repeated others, report by report."""
        if not history.repeating:
            return False
        chance = np.random.default_rng([self.seed, number, 1]).random()
        return bool(chance < history.repeating)

    def _proposal(
        self, number: int, history: History, tried: Tried, outcomes: Outcomes
    ) -> Proposal | None:
        rng = np.random.default_rng([self.seed, number])
        model = Model.of(self._encoding, history, outcomes, rng)
        pending = history.points[history.pending], history.active[history.pending]
        return Search(model, tried, pending, rng).best()

    @cached_property
    def _encoding(self) -> Encoding:
        return Encoding(self.space)

    @cached_property
    def _design(self) -> Design:
        return Design(self._encoding.columns, self.seed)

    @cached_property
    def _fallback(self) -> Fallback:
        return Fallback(self.space, self.seed)
