"""The bandit policy: a trial may trail the best one by a slack and no more."""

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

# A slack factor is doubted from so many values on, when its gap is so small a share of
# what lies between the best and the median.
MIN_VALUES = 3
SMALL_SHARE = 0.05


@dataclass(frozen=True, kw_only=True)
class BanditPolicy(ComparingPolicy):
    """Ends a trial whose best is worse than the best of all by more than a slack.

    With B the best value up to the same report, the slack is `slack_amount`, or for a
    `slack_factor` f it is |B| f / (1 + f) when maximising and |B| f when minimising.
    For positive metrics that is Azure's B / (1 + f) and B (1 + f); for negative ones,
    too, it never ends the leader. Exactly one of the two is above 0.
    """

    kind: ClassVar[str] = "bandit"
    title: ClassVar[str] = "Bandit"
    use: ClassVar[str] = "too far from the best"
    advice: ClassVar[str] = "Ends what is far from the best. Needs a known slack."

    slack_factor: float = declared(
        NumberSetting(
            label="Slack, as a share of the best",
            default=0,
            minimum=0,
            help="Allowed distance from the best, as a share of it.",
            example="0.2",
            phrase="slack {}",
            slider=(0.0, 1.0, 0.01),
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
            return "the limit beside its own best"
        best = significant(self.objective.value(leader.loss))
        return f"the limit beside {best}, the best of {trial_mark(leader.number)}"

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
    """A sentence when a slack factor does not fit a metric; None when it does.

    `values` are the trials' bests in the metric's own sign. A share of the best value
    says nothing where the metric is near zero or negative: beside the differences
    between the trials it may be next to nothing.
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
    if gap < SMALL_SHARE * usual:
        return (
            f"slack_factor {significant(policy.slack_factor)} of the best value "
            f"{significant(best)} is a gap of {significant(gap)}, and the middle trial "
            f"is {significant(usual)} behind: almost every trial would end. For a "
            "metric near zero take slack_amount, in the metric's own units."
        )
    if best < 0:
        return (
            f"The best value, {significant(best)}, is negative: slack_factor "
            f"{significant(policy.slack_factor)} allows a gap of {significant(gap)}, a "
            "share of its size. Take slack_amount, in the metric's own units."
        )
    return None
