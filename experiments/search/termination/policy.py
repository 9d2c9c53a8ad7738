"""The contract of an early-termination policy: pure, asked after a report."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, NamedTuple, Self, TypeAlias

from experiments.search.fields import Fields
from experiments.search.figures import counted, ordinal
from experiments.search.records import JSONValue, Objective
from experiments.search.termination.evidence import Evidence, Rivals, Verdict

OnMissing: TypeAlias = Literal["worst", "stop", "ignore"]
ON_MISSING: tuple[OnMissing, ...] = ("worst", "stop", "ignore")
MOST_REPORTS = 10**9


class Ruling(NamedTuple):
    """What a policy decided, before it is put into words.

    `limit` is the LOSS that the trial is held against, infinity for none; `facts` are
    the policy's own numbers.
    """

    stop: bool
    limit: float = math.inf
    setters: tuple[int, ...] = ()
    facts: Mapping[str, float] = {}


@dataclass(frozen=True, kw_only=True)
class Policy(ABC):
    """Decides after a report whether a trial should end early.

    Let n be the number of times that the trial has reported the primary metric. The
    policy is asked when n is at least `delay_evaluation` and a multiple of
    `evaluation_interval`. With fewer than `min_rivals` other trials that have come as
    far, every trial goes on. `on_missing` tells what a report of NaN or an infinity
    means at a check: `worst`, the trial is judged by its finite reports, and without
    any it is worse than every other; `stop`, it ends; `ignore`, it goes on unjudged.
    """

    kind: ClassVar[str]
    fewest_rivals: ClassVar[int] = 1

    objective: Objective
    evaluation_interval: int = 1
    delay_evaluation: int = 0
    min_rivals: int = 1
    on_missing: OnMissing = "worst"

    @classmethod
    def read(
        cls,
        document: Fields,
        objective: Objective,
        kinds: Mapping[str, type[Policy]] | None = None,
    ) -> Self:
        """A policy from the fields of a document; problems are noted there.

        `kinds` are the policies that may stand inside this one.
        """
        return cls(**cls.read_common(document, objective), **cls.read_own(document))

    @classmethod
    def read_common(cls, document: Fields, objective: Objective) -> dict[str, Any]:
        """The constructor arguments that every policy has."""
        most, least = MOST_REPORTS, cls.fewest_rivals
        interval = document.integer("evaluation_interval", 1, least=0, most=most)
        delay = document.integer("delay_evaluation", 0, least=0, most=most)
        return {
            "objective": objective,
            "evaluation_interval": interval or 1,
            "delay_evaluation": delay,
            "min_rivals": document.integer(
                "min_rivals", least, least=least, most=100_000
            ),
            "on_missing": document.option("on_missing", "worst", ON_MISSING),
        }

    @classmethod
    def read_own(cls, document: Fields) -> Mapping[str, Any]:
        """This policy's own constructor arguments, read from a document."""
        return {}

    @abstractmethod
    def ruling(self, evidence: Evidence, rivals: Rivals) -> Ruling:
        """What is decided about a trial that has enough rivals."""

    @abstractmethod
    def sentence(self, evidence: Evidence, rivals: Rivals, ruling: Ruling) -> str:
        """A ruling in words: one sentence that names the report."""

    @abstractmethod
    def name_in_words(self) -> str:
        """The rule and its own settings, without the schedule."""

    def considered(self, rivals: Rivals) -> Rivals:
        """The rivals that count."""
        return rivals

    def due(self, report: int) -> bool:
        """Whether the policy is asked after this many reports."""
        return (
            report >= self.delay_evaluation
            and report > 0
            and report % self.evaluation_interval == 0
        )

    def next_check(self, report: int) -> int | None:
        """The number of the next report, after this one, at which it is asked.

        None when it will not be asked again.
        """
        earliest = max(report + 1, self.delay_evaluation)
        return -(-earliest // self.evaluation_interval) * self.evaluation_interval

    def ends(self, evidence: Evidence) -> bool:
        """Whether the trial ends: `judge(evidence).stop` without the words."""
        if self.on_missing != "worst" and math.isinf(evidence.own.last):
            return self.on_missing == "stop"
        rivals = self.considered(evidence.rivals)
        return len(rivals) >= self.min_rivals and self.would_end(evidence, rivals)

    def would_end(self, evidence: Evidence, rivals: Rivals) -> bool:
        """Whether a trial that has enough rivals ends, as `ruling` says."""
        return self.ruling(evidence, rivals).stop

    def judge(self, evidence: Evidence) -> Verdict:
        """The verdict after the report that the evidence is about."""
        rivals = self.considered(evidence.rivals)
        if self.on_missing != "worst" and math.isinf(evidence.own.last):
            ruling = Ruling(stop=self.on_missing == "stop")
            words = _missing(evidence.report, self.on_missing)
        elif len(rivals) < self.min_rivals:
            ruling = Ruling(stop=False)
            words = _too_few(evidence.report, self.min_rivals, len(rivals))
        else:
            ruling = self.ruling(evidence, rivals)
            words = self.sentence(evidence, rivals, ruling)
        return Verdict(
            stop=ruling.stop,
            report=evidence.report,
            value=self.own_sign(evidence.own.best),
            threshold=self.own_sign(ruling.limit),
            rivals=len(rivals),
            setters=ruling.setters,
            reason=words,
            facts=ruling.facts,
        )

    def settings(self) -> dict[str, JSONValue]:
        """The canonical mapping of the policy, every field with its value."""
        own = {
            item.name: getattr(self, item.name)
            for item in fields(self)
            if item.name != "objective"
        }
        return {"type": self.kind, **own}

    def in_words(self) -> str:
        """The policy in a few words: `median stopping from report 5 on`."""
        words = self.name_in_words()
        if self.evaluation_interval > 1:
            words += f" at every {ordinal(self.evaluation_interval)} report"
        if self.delay_evaluation > 1:
            words += f" from report {self.delay_evaluation} on"
        return words

    def own_sign(self, loss: float) -> float | None:
        """A loss in the metric's own sign; None for none."""
        return self.objective.value(loss) if math.isfinite(loss) else None


def _missing(report: int, on_missing: OnMissing) -> str:
    if on_missing == "stop":
        return (
            f"Ended after report {report}: it was no finite number, and on_missing is "
            "stop."
        )
    return (
        f"Kept at report {report}: it was no finite number, and on_missing is ignore."
    )


def _too_few(report: int, need: int, have: int) -> str:
    return (
        f"Kept at report {report}: a comparison needs {counted(need, 'other trial')} "
        f"with as many reports, and there {'is' if have == 1 else 'are'} "
        f"{have or 'none'}."
    )
