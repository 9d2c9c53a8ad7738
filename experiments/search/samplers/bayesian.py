"""Bayesian optimisation with a Gaussian process (Jones, Schonlau and Welch, 1998)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from experiments.search.gp.candidates import Tried
from experiments.search.gp.encoding import Encoding
from experiments.search.gp.model import GaussianProcess
from experiments.search.gp.novelty import Novelty
from experiments.search.gp.outcomes import outcomes_of
from experiments.search.gp.proposal import AcquisitionSearch
from experiments.search.history import History, empty
from experiments.search.samplers.sampler import Sampler, Suggestion
from experiments.search.samplers.sobol import Fallback, InitialDesign

# From so many trials with a value on there is a model.
MIN_FINITE = 4
# A proposal that is expected to end above this standardised outcome is made for what
# can be learned from it: the best quarter of a normal law lies below.
EXPLORING = -0.674
# If all of the latest trials repeat others, this share leaves the model.
ELSEWHERE = 0.3


@dataclass(frozen=True, kw_only=True)
class BayesianSampler(Sampler):
    """Proposes what a Gaussian process expects to improve most on the best so far.

    The first trials are a scrambled Sobol sequence. The k-th trial follows from the
    seed, k and the history alone; the model is fitted anew each time. Trials that run
    are taken to end as expected, and failed ones to be as bad as the worst. Where
    trials turn out to be trainings that were there before, as where a script rounds a
    parameter, it goes where a training of its own is likely, and now and then on with
    the sequence. A finite space is gone through without repeating, and ends.
    """

    kind: ClassVar[str] = "bayesian"
    needs_history: ClassVar[bool] = True

    def suggest(self, number: int, history: History | None = None) -> Suggestion | None:
        history = empty(self.space) if history is None else history
        tried = Tried(self._encoding.cube, history)
        found = self._suggestion(number, history, tried)
        return found or self._fallback.any(number, tried)

    def in_words(self, history: History | None = None) -> str:
        finite = 0 if history is None else outcomes_of(history).finite
        if finite < MIN_FINITE:
            return (
                "Spread evenly over the space until four trials have a value; then a "
                "model of the results proposes."
            )
        model = f"A model of {finite:,} results proposes what is expected to improve"
        repeats = 0 if history is None else int(history.repeats.sum())
        if not repeats:
            return f"{model} most."
        return (
            f"{model} most and is likely to be new: {repeats:,} of the trials so far "
            "only repeated another one, report by report, as where a script rounds or "
            "ignores a parameter."
        )

    def _suggestion(
        self, number: int, history: History, tried: Tried
    ) -> Suggestion | None:
        outcomes = outcomes_of(history)
        if outcomes.finite < MIN_FINITE:
            params = self._design.suggestion(number, tried)
            return None if params is None else Suggestion(params, "initial design")
        novelty = Novelty.of(self._encoding, history)
        if novelty is not None and self._looks_elsewhere(number, history):
            params = self._design.freshest(number, tried, novelty)
            return None if params is None else Suggestion(params, "exploration")
        rng = np.random.default_rng([self.seed, number])
        model = GaussianProcess.of(self._encoding, history, outcomes, rng)
        pending = history.points[history.pending], history.active[history.pending]
        proposal = AcquisitionSearch(model, tried, pending, novelty, rng).best()
        if proposal is None:
            return None
        exploring = proposal.mean > EXPLORING
        return Suggestion(proposal.params, "exploration" if exploring else "model")

    def _looks_elsewhere(self, number: int, history: History) -> bool:
        """Now and then, the oftener the latest trials only repeated others."""
        chance = np.random.default_rng([self.seed, number, 1]).random()
        return bool(chance < ELSEWHERE * history.repeating)

    @cached_property
    def _encoding(self) -> Encoding:
        return Encoding(self.space)

    @cached_property
    def _design(self) -> InitialDesign:
        return InitialDesign(self._encoding.cube, self.seed)

    @cached_property
    def _fallback(self) -> Fallback:
        return Fallback(self.space, self.seed)
