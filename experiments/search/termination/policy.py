"""The contract of an early-termination policy: pure, asked after a report."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, Self

from experiments.search.fields import Fields
from experiments.search.figures import counted, ordinal, significant, told_apart
from experiments.search.records import JSONValue, Objective, Rivals, Standing, Verdict

# Sums in another order may differ in the last bits. Two numbers that close count as
# equal, and equality survives.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Threshold:
    """The LOSS that a trial's best must not exceed, who set it, and what it is.

    `scale` is the size of the largest number that it was computed from.
    """

    loss: float
    setters: tuple[int, ...]
    words: str
    scale: float = 0.0

    def passed_by(self, loss: float) -> bool:
        """Whether a loss is no worse than the threshold, rounding forgiven."""
        if loss <= self.loss:
            return True
        size = max(abs(loss), abs(self.loss), self.scale)
        return math.isfinite(size) and loss - self.loss <= ROUNDING * size


@dataclass(frozen=True, kw_only=True)
class Policy(ABC):
    """Decides after a report whether a trial should end early.

    Let n be the number of times that the trial has reported the primary metric. The
    policy is asked when n is at least `delay_evaluation` and a multiple of
    `evaluation_interval`. With fewer than `min_rivals` other trials that have come as
    far, every trial goes on. Comparisons are strict: equality survives.
    """

    kind: ClassVar[str]

    objective: Objective
    evaluation_interval: int = 1
    delay_evaluation: int = 0
    min_rivals: int = 1

    @classmethod
    def read(cls, document: Fields, objective: Objective) -> Self:
        """A policy from the fields of a document; problems are noted there."""
        interval = document.integer("evaluation_interval", 1, least=0, most=10**9)
        return cls(
            objective=objective,
            evaluation_interval=interval or 1,
            delay_evaluation=document.integer(
                "delay_evaluation", 0, least=0, most=10**9
            ),
            min_rivals=document.integer("min_rivals", 1, least=1, most=100_000),
            **cls.read_own(document),
        )

    @classmethod
    @abstractmethod
    def read_own(cls, document: Fields) -> Mapping[str, float | bool]:
        """This policy's own constructor arguments, read from a document."""

    @abstractmethod
    def threshold(self, own: Standing, rivals: Rivals) -> Threshold | None:
        """What the trial is held against; None when nothing can end it."""

    @abstractmethod
    def name_in_words(self) -> str:
        """The rule and its own settings, without the schedule."""

    def considered(self, rivals: Rivals) -> Rivals:
        """The rivals that count."""
        return rivals

    def due(self, report: int) -> bool:
        """Whether the policy is asked after this many reports."""
        return (
            report >= max(self.delay_evaluation, 1)
            and report % self.evaluation_interval == 0
        )

    def next_check(self, report: int) -> int:
        """The number of the next report, after this one, at which it is asked."""
        earliest = max(report + 1, self.delay_evaluation)
        return -(-earliest // self.evaluation_interval) * self.evaluation_interval

    def judge(self, own: Standing, rivals: Rivals) -> Verdict:
        """The verdict after `own.report` reports, against rivals cut there."""
        rivals = self.considered(rivals)
        if len(rivals) < self.min_rivals:
            return self._verdict(own, rivals, None, self._too_few(own, rivals))
        threshold = self.threshold(own, rivals)
        if threshold is None:
            return self._verdict(own, rivals, None, self._unopposed(own, rivals))
        return self._verdict(own, rivals, threshold, self._sentence(own, threshold))

    def settings(self) -> dict[str, JSONValue]:
        """The canonical mapping of the policy, every field with its value."""
        own = {
            item.name: getattr(self, item.name)
            for item in fields(self)
            if item.name != "objective"
        }
        return {"type": self.kind, **own}

    def in_words(self) -> str:
        """The policy in a few words: `median stopping after report 5`."""
        words = self.name_in_words()
        if self.evaluation_interval > 1:
            words += f" at every {ordinal(self.evaluation_interval)} report"
        if self.delay_evaluation > 1:
            words += f" after report {self.delay_evaluation}"
        return words

    def _verdict(
        self, own: Standing, rivals: Rivals, threshold: Threshold | None, reason: str
    ) -> Verdict:
        limit = math.inf if threshold is None else threshold.loss
        return Verdict(
            stop=threshold is not None and not threshold.passed_by(own.best),
            report=own.report,
            value=self._own_sign(own.best),
            threshold=self._own_sign(limit),
            rivals=len(rivals),
            setters=() if threshold is None else threshold.setters,
            reason=reason,
        )

    def _own_sign(self, loss: float) -> float | None:
        return self.objective.value(loss) if math.isfinite(loss) else None

    def _sentence(self, own: Standing, threshold: Threshold) -> str:
        if math.isinf(threshold.loss):
            return f"Kept at report {own.report}: the others have no finite value yet."
        best, limit = told_apart(
            self.objective.value(own.best), self.objective.value(threshold.loss)
        )
        held = f"{limit}, {threshold.words}."
        if threshold.passed_by(own.best):
            return f"Kept at report {own.report}: {best} against {held}"
        if own.silent:
            return f"Ended after report {own.report}: no finite value against {held}"
        side = "below" if self.objective.maximizes else "above"
        return f"Ended after report {own.report}: its best {best} was {side} {held}"

    def _too_few(self, own: Standing, rivals: Rivals) -> str:
        need = counted(self.min_rivals, "other trial")
        have = len(rivals) or "none"
        return (
            f"Kept at report {own.report}: a comparison needs {need} with as many "
            f"reports, and there {'is' if have == 1 else 'are'} {have}."
        )

    def _unopposed(self, own: Standing, rivals: Rivals) -> str:
        best = significant(self.objective.value(own.best))
        return f"Kept at report {own.report} with {best}: no trial ends at this point."
