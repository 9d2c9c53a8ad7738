"""The bandit policy: a trial may trail the best one by a slack and no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from experiments.search.fields import Fields
from experiments.search.figures import significant
from experiments.search.problems import shown
from experiments.search.records import Rivals, Standing
from experiments.search.termination.policy import Policy, Threshold


@dataclass(frozen=True, kw_only=True)
class BanditPolicy(Policy):
    """Ends a trial whose best is worse than the best of all by more than a slack.

    With B the best value up to the same report, the slack is `slack_amount`, or for a
    `slack_factor` f it is |B| f / (1 + f) when maximising and |B| f when minimising.
    For positive metrics that is Azure's B / (1 + f) and B (1 + f); for negative ones,
    too, it never ends the leader. Exactly one of the two is above 0.
    """

    kind: ClassVar[str] = "bandit"

    slack_factor: float = 0
    slack_amount: float = 0

    @classmethod
    def read_own(cls, document: Fields) -> Mapping[str, float | bool]:
        factor = document.number("slack_factor", 0, least=0)
        amount = document.number("slack_amount", 0, least=0)
        if (factor > 0) == (amount > 0):
            document.error(
                "slack_factor",
                "Exactly one of slack_factor and slack_amount must be above 0, such as "
                f"slack_factor: 0.2; they are {shown(factor)} and {shown(amount)}.",
            )
        if factor >= 1:
            document.warn(
                "slack_factor",
                f"slack_factor {shown(factor)} allows a gap of {factor:.0%} of the "
                "best value; 0.1 would be 10%.",
            )
        return {"slack_factor": factor, "slack_amount": amount}

    def threshold(self, own: Standing, rivals: Rivals) -> Threshold | None:
        leader = int(np.lexsort((rivals.numbers, rivals.best))[0])
        best = min(own.best, float(rivals.best[leader]))
        if best == float("inf"):
            return None
        limit = best + self._gap(best)
        if own.best <= best:
            return Threshold(limit, (), "the limit beside its own best")
        number = int(rivals.numbers[leader])
        shown_best = significant(self.objective.value(best))
        words = f"the limit beside {shown_best}, the best of trial {number}"
        return Threshold(limit, (number,), words, scale=abs(best))

    def name_in_words(self) -> str:
        if self.slack_factor > 0:
            return f"bandit with slack factor {significant(self.slack_factor)}"
        return f"bandit with slack amount {significant(self.slack_amount)}"

    def _gap(self, best: float) -> float:
        if self.slack_amount > 0:
            return float(self.slack_amount)
        factor = self.slack_factor
        if self.objective.maximizes:
            factor = factor / (1 + factor)
        return abs(best) * factor
