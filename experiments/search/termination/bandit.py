"""The bandit policy: a trial may be worse than the best one by a slack."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from experiments.search.fields import Fields, shown
from experiments.search.termination.comparison import ComparingPolicy, LossLimit
from experiments.search.termination.evidence import Evidence, Rivals, trial_mark
from experiments.search.termination.policy import Policy, Ruling
from experiments.search.termination.settings import NumberSetting, declared
from experiments.search.wording import significant

# A slack factor is too small if its gap is a smaller share of the distance between the
# best value and the median. Fewer values do not tell.
MIN_VALUES = 3
MIN_GAP_SHARE = 0.05


@dataclass(frozen=True, kw_only=True)
class BanditPolicy(ComparingPolicy):
    """Ends a trial whose best is worse than the best of all by more than a slack.

    B is the best value up to the same report. The slack is `slack_amount`, or with a
    `slack_factor` f it is |B| f / (1 + f) when maximizing and |B| f when minimizing.
    For positive metrics that is Azure's B / (1 + f) and B (1 + f); with negative ones
    it never ends the leader either. Exactly one of the two settings is above 0.
    """

    kind: ClassVar[str] = "bandit"
    title: ClassVar[str] = "Bandit"
    use: ClassVar[str] = "too far from the best"
    advice: ClassVar[str] = "Ends trials far from the best. You choose how far."

    slack_factor: float = declared(
        NumberSetting(
            label="Slack, as a share of the best",
            default=0,
            minimum=0,
            help="Allowed distance from the best, as a share of it.",
            example="0.2",
            phrase="slack {}",
            slider=(0.0, 1.0, 0.01),
            usual=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
        )
    )
    slack_amount: float = declared(
        NumberSetting(
            label="or slack, in units of the metric",
            default=0,
            minimum=0,
            help="Set one of the two.",
            example="0.05",
            phrase="slack {}",
        )
    )

    @classmethod
    def read_settings(cls, document: Fields) -> dict[str, Any]:
        values = super().read_settings(document)
        factor, amount = values["slack_factor"], values["slack_amount"]
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
        return values

    def limit(self, evidence: Evidence, rivals: Rivals) -> LossLimit | None:
        own, leader = evidence.own.best, rivals.leader()
        if leader is None or own <= leader.loss:
            return None if math.isinf(own) else LossLimit(own + self.gap(own), ())
        best = leader.loss
        return LossLimit(best + self.gap(best), (leader.number,), scale=abs(best))

    def limit_in_words(self, evidence: Evidence, rivals: Rivals, ruling: Ruling) -> str:
        leader = rivals.leader()
        if leader is None or not ruling.setters:
            return "the limit for its own best"
        best = significant(self.objective.value(leader.loss))
        return f"the limit for {best}, the best of {trial_mark(leader.number)}"

    def name_in_words(self) -> str:
        if self.slack_factor > 0:
            return f"bandit with slack factor {significant(self.slack_factor)}"
        return f"bandit with slack amount {significant(self.slack_amount)}"

    def gap(self, best: float) -> float:
        """How far behind a best LOSS a trial may be."""
        if self.slack_amount > 0:
            return float(self.slack_amount)
        factor = self.slack_factor
        if self.objective.maximizes:
            factor = factor / (1 + factor)
        return abs(best) * factor


def slack_warning(policy: Policy, values: Iterable[float]) -> str | None:
    """A sentence if a slack factor does not fit the metric; None if it does.

    `values` are the trials' bests in the metric's own sign. If the metric is near zero
    or negative, a share of the best value may be tiny compared with the differences
    between trials.
    """
    if not isinstance(policy, BanditPolicy) or policy.slack_factor <= 0:
        return None
    losses = sorted(
        policy.objective.loss(value) for value in values if math.isfinite(value)
    )
    if len(losses) < MIN_VALUES:
        return None
    best = policy.objective.value(losses[0])
    gap, usual = policy.gap(losses[0]), losses[len(losses) // 2] - losses[0]
    if gap < MIN_GAP_SHARE * usual:
        return (
            f"slack_factor {significant(policy.slack_factor)} of the best value "
            f"{significant(best)} is a gap of {significant(gap)}, and the median trial "
            f"is {significant(usual)} worse: almost every trial would end. For a "
            "metric near zero use slack_amount, in the metric's own units."
        )
    if best < 0:
        return (
            f"The best value, {significant(best)}, is negative: slack_factor "
            f"{significant(policy.slack_factor)} allows a gap of {significant(gap)}, a "
            "share of its size. Use slack_amount, in the metric's own units."
        )
    return None
