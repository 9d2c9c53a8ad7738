"""Bayesian optimization with a Gaussian process (Jones, Schonlau and Welch, 1998)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from experiments.search.gp.encoding import Encoding
from experiments.search.gp.model import Fitting, GaussianProcess
from experiments.search.gp.outcomes import Outcomes, outcomes_of
from experiments.search.gp.proposal import FEW_DRAWS, AcquisitionSearch
from experiments.search.gp.tried import Tried
from experiments.search.history import History
from experiments.search.samplers.sampler import Sampler, Suggestion
from experiments.search.samplers.sobol import Fallback, InitialDesign

# The model needs this many trials with a value.
MIN_FINITE = 4
# A proposal with a higher expected outcome, standardized, is made to learn from it: the
# best quarter of a normal distribution is below this.
MAX_EXPLOITING = -0.674
# While many trials end early, the first ones cover the space and most of the later ones
# are the best of a few draws: these are in the model's good region, but do not
# polish its best trial over and over.
FIRST_SPREAD, DRAWN = 8, 0.75
# If the LATEST proposals are worse than evenly spread trials, the model knows no better
# than chance: then this share of the trials is spread evenly too.
LATEST, MIN_EVEN, EVEN_SHARE = 16, 4, 0.5
# Only this many of the first and of the last trials are compared.
EARLY, LATE = 64, 256


@dataclass(frozen=True, kw_only=True)
class BayesianSampler(Sampler):
    """Proposes what a Gaussian process expects to improve most on the best so far.

    The first trials are a scrambled Sobol sequence. Trial k follows from the seed, k
    and the history alone. Running trials count as if they ended as expected, and failed
    ones as the worst. A finite space is searched without repeating, and ends.
    """

    kind: ClassVar[str] = "bayesian"
    title: ClassVar[str] = "Bayesian"
    advice: ClassVar[str] = (
        "A model of all results proposes each trial. Best for 20 to 1,000 trials."
    )
    needs_history: ClassVar[bool] = True

    def propose(self, number: int, history: History) -> Suggestion | None:
        tried = Tried(self._encoding.cube, history)
        found = self._suggestion(number, history, tried)
        return found or self._fallback.any(number, tried)

    def describe(self, history: History) -> str:
        finite = outcomes_of(history).finite
        if finite < MIN_FINITE:
            return (
                "First trials cover the space until four have a value; then a model "
                "learns from the results."
            )
        words = (
            f"A model of {finite:,} results proposes what it expects to improve most"
        )
        if self.explores:
            words += (
                f", {DRAWN:.0%} of the time among {FEW_DRAWS} draws, as early "
                "termination makes trials short"
            )
        if self._falls_behind(history, outcomes_of(history)):
            words += (
                f"; its last {LATEST} proposals were worse than evenly spread "
                f"trials, so {EVEN_SHARE:.0%} of the trials are spread evenly again"
            )
        return f"{words}."

    def _suggestion(
        self, number: int, history: History, tried: Tried
    ) -> Suggestion | None:
        outcomes = outcomes_of(history)
        begins = self.explores and number < FIRST_SPREAD
        if outcomes.finite < MIN_FINITE or begins:
            params = self._design.suggestion(number, tried)
            return None if params is None else Suggestion(params, "initial design")
        if self._happens(number, 10, EVEN_SHARE) and self._falls_behind(
            history, outcomes
        ):
            params = self._design.suggestion(number, tried)
            if params is not None:
                return Suggestion(params, "exploration")
        rng = np.random.default_rng([self.seed, number])
        model = GaussianProcess.of(self._fitting, history, outcomes, rng)
        pending = history.points[history.pending], history.active[history.pending]
        search = AcquisitionSearch(model, tried, pending, rng)
        drawn = search.best_drawn() if self._draws(number) else None
        proposal = drawn or search.best()
        if proposal is None:
            return None
        exploring = proposal.mean > MAX_EXPLOITING
        return Suggestion(proposal.params, "exploration" if exploring else "model")

    def _draws(self, number: int) -> bool:
        """Whether to take the best of a few draws, and not to climb."""
        return self.explores and self._happens(number, 9, DRAWN)

    def _falls_behind(self, history: History, outcomes: Outcomes) -> bool:
        """Whether the latest proposals are worse than evenly spread trials.

        They are if one of the former beats one of the latter less than half of the time
        (the statistic of Mann and Whitney, 1947). Full results soon correct a model,
        but forecasts of trials that ended early may not.
        """
        if not self.explores or len(outcomes) < LATEST + MIN_EVEN:
            return False
        rows, values = (
            np.concatenate([each[:EARLY], each[EARLY:][-LATE:]])
            for each in (outcomes.rows, outcomes.values)
        )
        even = self._design.includes(
            history.numbers[rows], history.points[rows], history.active[rows]
        )
        spread, proposed = np.sort(values[even]), values[~even][-LATEST:]
        if len(spread) < MIN_EVEN or len(proposed) < LATEST:
            return False
        better = [np.searchsorted(spread, proposed, side) for side in ("left", "right")]
        return bool(np.mean(better) > len(spread) / 2)

    def _happens(self, number: int, purpose: int, share: float) -> bool:
        """What is decided for this share of the trials, by the seed and the number."""
        drawn = np.random.default_rng([self.seed, number, purpose]).random()
        return bool(drawn < share)

    @cached_property
    def _encoding(self) -> Encoding:
        return Encoding(self.space)

    @cached_property
    def _fitting(self) -> Fitting:
        return Fitting(self._encoding)

    @cached_property
    def _design(self) -> InitialDesign:
        return InitialDesign(self._encoding.cube, self.seed)

    @cached_property
    def _fallback(self) -> Fallback:
        return Fallback(self.space, self.seed)
