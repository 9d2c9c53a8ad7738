"""Policies that need no other trial: fixed bounds, and patience."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from experiments.search.fields import Fields
from experiments.search.figures import counted, significant, told_apart
from experiments.search.problems import shown
from experiments.search.termination.evidence import Evidence, Rivals
from experiments.search.termination.policy import MOST_REPORTS, Policy, Ruling

GOES_ON = Ruling(stop=False)


@dataclass(frozen=True, kw_only=True)
class ThresholdPolicy(Policy):
    """Ends a trial that misses fixed bounds, in the metric's own sign.

    `value` must be reached by the best of the reports up to `by_report`. The latest
    report must be neither below `lower` nor above `upper`. A report that is no finite
    number is worse than any bound. At least one of the three must be set. Other trials
    do not matter, unless `min_rivals` says so: even the leader ends.
    """

    kind: ClassVar[str] = "threshold"
    fewest_rivals: ClassVar[int] = 0

    min_rivals: int = 0
    value: float | None = None
    by_report: int = 1
    lower: float | None = None
    upper: float | None = None

    @classmethod
    def read_own(cls, document: Fields) -> Mapping[str, Any]:
        value = document.number("value", None)
        lower, upper = document.number("lower", None), document.number("upper", None)
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
        by_report = document.integer("by_report", 1, least=1, most=MOST_REPORTS)
        return {"value": value, "by_report": by_report, "lower": lower, "upper": upper}

    def ruling(self, evidence: Evidence, rivals: Rivals) -> Ruling:
        own, worst, best = evidence.own, self._worst(), self._best()
        if self._judges_value(evidence) and own.best > self._goal():
            return Ruling(stop=True, limit=self._goal())
        if worst is not None and own.last > worst:
            return Ruling(stop=True, limit=worst)
        if best is not None and own.last < best:
            return Ruling(stop=True, limit=best)
        return GOES_ON

    def sentence(self, evidence: Evidence, rivals: Rivals, ruling: Ruling) -> str:
        own = evidence.own
        if not ruling.stop:
            last = significant(self.objective.value(own.last))
            return f"Kept at report {own.report}: with {last} it misses no bound."
        limit = self.objective.value(ruling.limit)
        if self._judges_value(evidence) and own.best > self._goal():
            best, goal = told_apart(self.objective.value(own.best), limit)
            best = "no finite value" if own.silent else f"its best {best}"
            return (
                f"Ended after report {own.report}: {best} has not reached {goal}, "
                f"which was asked for by report {self.by_report:,}."
            )
        if math.isinf(own.last):
            last, bound = "a report without a finite value", significant(limit)
        else:
            last, bound = told_apart(self.objective.value(own.last), limit)
        name = "lower" if limit == self.lower else "upper"
        return (
            f"Ended after report {own.report}: {last} is beyond the {name} bound, "
            f"{bound}."
        )

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
        """The lowest loss that is allowed: what is better is too good to be true."""
        bound = self.upper if self.objective.maximizes else self.lower
        return None if bound is None else self.objective.loss(bound)


@dataclass(frozen=True, kw_only=True)
class PatiencePolicy(Policy):
    """Ends a trial that has not improved for a while (early stopping, Prechelt, 1998).

    A trial ends when its best is not better, by more than `min_delta`, than it was
    `patience` reports ago. Other trials do not matter, unless `min_rivals` says so:
    even the leader ends.
    """

    kind: ClassVar[str] = "patience"
    fewest_rivals: ClassVar[int] = 0

    min_rivals: int = 0
    patience: int
    min_delta: float = 0

    @classmethod
    def read_own(cls, document: Fields) -> Mapping[str, Any]:
        return {
            "patience": document.integer(
                "patience", 10, least=1, most=MOST_REPORTS, required="10"
            ),
            "min_delta": document.number("min_delta", 0, least=0),
        }

    def ruling(self, evidence: Evidence, rivals: Rivals) -> Ruling:
        if evidence.report <= self.patience:
            return GOES_ON
        before = float(np.min(evidence.losses()[: -self.patience]))
        if math.isinf(before):
            return Ruling(stop=evidence.own.silent)
        limit = before - self.min_delta
        return Ruling(stop=evidence.own.best >= limit, limit=limit)

    def sentence(self, evidence: Evidence, rivals: Rivals, ruling: Ruling) -> str:
        report, own = evidence.report, evidence.own
        span = counted(self.patience, "report")
        best = significant(self.objective.value(own.best))
        if report <= self.patience:
            return f"Kept at report {report} with {best}: patience lasts for {span}."
        if own.silent:
            return (
                f"Ended after report {report}: no finite value in {report:,} reports."
            )
        by = f" by more than {significant(self.min_delta)}" if self.min_delta else ""
        if ruling.stop:
            return (
                f"Ended after report {report}: its best {best} has not improved{by} in "
                f"the last {span}."
            )
        return (
            f"Kept at report {report}: its best {best} has improved{by} in the last "
            f"{span}."
        )

    def name_in_words(self) -> str:
        words = f"patience of {counted(self.patience, 'report')}"
        if self.min_delta:
            words += f" for a gain of {significant(self.min_delta)}"
        return words
