"""Policies that compare a trial's best with one limit."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

from experiments.search.termination.evidence import (
    Evidence,
    Grounds,
    Rivals,
    best_mark,
)
from experiments.search.termination.policy import Policy, Ruling
from experiments.search.wording import distinct_texts, significant

# Sums in another order may differ in the last bits. Numbers this close count as equal,
# and a trial that is equal to the limit continues.
ROUNDING = 1e-12
UNOPPOSED = Ruling(stop=False)


class LossLimit(NamedTuple):
    """The LOSS that a trial's best must not exceed, and the trials that set it.

    `scale` is the size of the largest number that it was computed from.
    """

    loss: float
    setters: tuple[int, ...]
    scale: float = 0.0

    def passed_by(self, loss: float) -> bool:
        """Whether a loss is at most the limit, apart from rounding."""
        if loss <= self.loss:
            return True
        size = max(abs(loss), abs(self.loss), self.scale)
        return math.isfinite(size) and loss - self.loss <= ROUNDING * size


@dataclass(frozen=True, kw_only=True)
class ComparingPolicy(Policy):
    """Ends a trial whose best is worse than a limit. An equal one continues."""

    def compared(self, evidence: Evidence) -> float:
        """The trial's LOSS that must not exceed the limit: its best."""
        return evidence.own.best

    def compared_in_words(self, evidence: Evidence, text: str) -> str:
        """What is compared, with its value as a text."""
        return f"its best {best_mark(text)}"

    @abstractmethod
    def limit(self, evidence: Evidence, rivals: Rivals) -> LossLimit | None:
        """The limit for the trial; None if nothing can end it."""

    @abstractmethod
    def limit_in_words(self, evidence: Evidence, rivals: Rivals, ruling: Ruling) -> str:
        """What the limit is, as in `the average of trial 3`."""

    def ruling(self, evidence: Evidence, rivals: Rivals) -> Ruling:
        limit = self.limit(evidence, rivals)
        if limit is None:
            return UNOPPOSED
        own = self.compared(evidence)
        return Ruling(not limit.passed_by(own), limit.loss, limit.setters, own=own)

    def would_end(self, evidence: Evidence, rivals: Rivals) -> bool:
        limit = self.limit(evidence, rivals)
        return limit is not None and not limit.passed_by(self.compared(evidence))

    def grounds(self, evidence: Evidence, rivals: Rivals, ruling: Ruling) -> Grounds:
        if ruling is UNOPPOSED:
            best = significant(self.objective.value(evidence.own.best))
            return Grounds("no trial ends at this point", best)
        if math.isinf(ruling.limit):
            return Grounds("too few others have a finite value")
        loss = self.compared(evidence)
        own, limit = distinct_texts(
            self.objective.value(loss), self.objective.value(ruling.limit)
        )
        side = "below" if self.objective.maximizes else "above"
        compared = self.compared_in_words(evidence, own)
        compared += f" was {side}" if ruling.stop else " against"
        if math.isinf(loss):
            compared = "no finite value against"
        words = self.limit_in_words(evidence, rivals, ruling)
        return Grounds(f"{compared} {limit}, {words}", limit=words)
