"""Policies that do not compare trials: fixed bounds, and patience."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from experiments.search.fields import Fields, shown
from experiments.search.termination.evidence import (
    Evidence,
    Grounds,
    Rivals,
    best_mark,
)
from experiments.search.termination.policy import Policy, Ruling, min_rivals
from experiments.search.termination.settings import (
    METRIC_UNITS,
    NTH_REPORT,
    IntegerSetting,
    NumberSetting,
    declared,
)
from experiments.search.wording import counted, distinct_texts, significant

CONTINUES = Ruling(stop=False)


def bound(label: str, *, phrase: str) -> NumberSetting:
    """The setting of a fixed bound."""
    return NumberSetting(
        label=label,
        default=None,
        help="The latest report, in units of the metric.",
        example="no bound",
        phrase=phrase,
    )


@dataclass(frozen=True, kw_only=True)
class ThresholdPolicy(Policy):
    """Ends a trial that misses fixed bounds, in the metric's own sign.

    The best report up to `by_report` must reach `value`. The latest report must not be
    below `lower` or above `upper`. A report of NaN or infinity is worse than any bound.
    At least one of the three must be set. Even the leader ends, and other trials do not
    matter unless `min_rivals` is set.
    """

    kind: ClassVar[str] = "threshold"
    title: ClassVar[str] = "Threshold"
    use: ClassVar[str] = "misses a fixed value"
    advice: ClassVar[str] = (
        "Ends trials that miss a value you know, such as a baseline, or that diverge."
    )

    min_rivals: int = min_rivals(0)
    value: float | None = declared(
        NumberSetting(
            label="Value to reach",
            default=None,
            help=METRIC_UNITS,
            example="0.5",
            phrase="reach {}",
        )
    )
    by_report: int = declared(
        IntegerSetting(
            label="by report",
            default=1,
            help=f"Counted as {NTH_REPORT}.",
            phrase="by report {}",
            trial_share=1.0,
        )
    )
    lower: float | None = declared(bound("Never below", phrase="never below {}"))
    upper: float | None = declared(bound("Never above", phrase="never above {}"))

    @classmethod
    def read_settings(cls, document: Fields) -> dict[str, Any]:
        values = super().read_settings(document)
        value, lower, upper = (values[name] for name in ("value", "lower", "upper"))
        if value is None and lower is None and upper is None:
            document.error(
                "value",
                "One of value, lower and upper must be set, such as value: 0.5 with "
                "by_report: 10.",
            )
        if lower is not None and upper is not None and lower >= upper:
            document.error(
                "upper",
                f"upper must be above lower, {shown(lower)}, not {shown(upper)}.",
            )
        return values

    def ruling(self, evidence: Evidence, rivals: Rivals) -> Ruling:
        own, worst, best = evidence.own, self._worst(), self._best()
        if self._judges_value(evidence) and own.best > self._goal():
            return Ruling(stop=True, limit=self._goal())
        if worst is not None and own.last > worst:
            return Ruling(stop=True, limit=worst)
        if best is not None and own.last < best:
            return Ruling(stop=True, limit=best)
        return CONTINUES

    def grounds(self, evidence: Evidence, rivals: Rivals, ruling: Ruling) -> Grounds:
        own = evidence.own
        if not ruling.stop:
            last = significant(self.objective.value(own.last))
            return Grounds(f"its last value {last} misses no bound")
        limit = self.objective.value(ruling.limit)
        if self._judges_value(evidence) and own.best > self._goal():
            best, goal = distinct_texts(self.objective.value(own.best), limit)
            best = "no finite value" if own.silent else f"its best {best_mark(best)}"
            return Grounds(
                f"{best} has not reached {goal}, "
                f"which was required by report {self.by_report:,}"
            )
        if math.isinf(own.last):
            last, bound = "a report without a finite value", significant(limit)
        else:
            last, bound = distinct_texts(self.objective.value(own.last), limit)
            last = f"its last value {last}"
        name = "lower" if limit == self.lower else "upper"
        return Grounds(f"{last} is beyond the {name} bound, {bound}")

    def name_in_words(self) -> str:
        words = []
        if self.value is not None:
            words.append(f"{significant(self.value)} by report {self.by_report}")
        if self.lower is not None:
            words.append(f"never below {significant(self.lower)}")
        if self.upper is not None:
            words.append(f"never above {significant(self.upper)}")
        return f"threshold: {', '.join(words)}"

    def _judges_value(self, evidence: Evidence) -> bool:
        return self.value is not None and evidence.report >= self.by_report

    def _goal(self) -> float:
        return math.inf if self.value is None else self.objective.loss(self.value)

    def _worst(self) -> float | None:
        """The highest loss that is allowed."""
        bound = self.lower if self.objective.maximizes else self.upper
        return None if bound is None else self.objective.loss(bound)

    def _best(self) -> float | None:
        """The lowest loss that is allowed: a better one is too good to be true."""
        bound = self.upper if self.objective.maximizes else self.lower
        return None if bound is None else self.objective.loss(bound)


@dataclass(frozen=True, kw_only=True)
class PatiencePolicy(Policy):
    """Ends a trial that has not improved for a while (early stopping, Prechelt, 1998).

    A trial ends if its best has not improved by more than `min_delta` in the last
    `patience` reports. Even the leader ends, and other trials do not matter unless
    `min_rivals` is set.
    """

    kind: ClassVar[str] = "patience"
    title: ClassVar[str] = "Patience"
    use: ClassVar[str] = "does not improve"
    advice: ClassVar[str] = (
        "Ends trials that no longer improve, good or bad. For trials without a fixed"
        " length."
    )

    min_rivals: int = min_rivals(0)
    patience: int = declared(
        IntegerSetting(
            label="Reports without improvement",
            help=f"In a row. A report is {NTH_REPORT}.",
            example="10",
            phrase="patience {}",
            trial_share=1.0,
        )
    )
    min_delta: float = declared(
        NumberSetting(
            label="What counts as better, more than",
            default=0,
            minimum=0,
            help=METRIC_UNITS,
            rare=True,
        )
    )

    def ruling(self, evidence: Evidence, rivals: Rivals) -> Ruling:
        if evidence.report <= self.patience:
            return CONTINUES
        before = evidence.best_at(evidence.report - self.patience)
        if math.isinf(before):
            return Ruling(stop=evidence.own.silent)
        limit = before - self.min_delta
        return Ruling(stop=evidence.own.best >= limit, limit=limit)

    def grounds(self, evidence: Evidence, rivals: Rivals, ruling: Ruling) -> Grounds:
        report, own = evidence.report, evidence.own
        span = counted(self.patience, "report")
        best = significant(self.objective.value(own.best))
        if report <= self.patience:
            return Grounds(f"patience lasts for {span}", best)
        if own.silent:
            return Grounds(f"no finite value in {report:,} reports")
        by = f" by more than {significant(self.min_delta)}" if self.min_delta else ""
        verb = "has not improved" if ruling.stop else "has improved"
        return Grounds(f"its best {best_mark(best)} {verb}{by} in the last {span}")

    def name_in_words(self) -> str:
        words = f"patience of {counted(self.patience, 'report')}"
        if self.min_delta:
            words += f" for a gain of {significant(self.min_delta)}"
        return words
