"""Several policies as one: a trial ends when any of them, or all of them, end it."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from experiments.search.fields import Fields, join, listed
from experiments.search.records import JSONValue, Objective
from experiments.search.termination.evidence import Evidence, Grounds, Rivals, Verdict
from experiments.search.termination.policy import Policy, Ruling, min_rivals, read_kind
from experiments.search.termination.settings import PoliciesSetting, declared

# A combination may contain combinations, at most this deep.
MAX_DEPTH = 2
TOO_DEEP = f"Combinations may be nested at most {MAX_DEPTH} deep."
# Schedules that have not met after this many steps never meet, or too late to matter.
MAX_STEPS = 10_000


@dataclass(frozen=True, kw_only=True)
class Combination(Policy):
    """Several policies, each with its own settings, judge the same report.

    Its own schedule, `min_rivals` and `on_missing` are checked first.
    """

    min_rivals: int = min_rivals(0)
    policies: tuple[Policy, ...] = declared(
        PoliciesSetting(
            label="The rules, one per line",
            minimum=2,
            maximum=8,
            help="Each as early_termination in a document, 2 to 8 of them.",
            example="- {type: median_stopping, delay_evaluation: 5}\n"
            "- {type: patience, patience: 10}",
            required="[{type: median_stopping}, {type: patience, patience: 10}]",
        )
    )

    @classmethod
    def read(
        cls,
        document: Fields,
        objective: Objective,
        kinds: Mapping[str, type[Policy]] | None = None,
    ) -> Self:
        values = cls.read_settings(document)
        entries = values.pop("policies")
        if document.path.count("policies.") >= MAX_DEPTH:
            document.error("policies", TOO_DEEP)
            entries = []
        path = join(document.path, "policies")
        read = [
            read_kind(
                entry,
                objective,
                document.diagnostics,
                path=join(path, place),
                kinds=kinds or {},
            )
            for place, entry in enumerate(entries)
        ]
        policies = tuple(policy for policy in read if policy is not None)
        return cls(objective=objective, **values, policies=policies)

    @property
    def explores(self) -> bool:
        return any(policy.explores for policy in self.policies)

    @abstractmethod
    def together(self, answers: Iterable[bool]) -> bool:
        """One answer from those of the policies: any of them, or all."""

    @abstractmethod
    def earliest(self, reports: Sequence[int]) -> int:
        """The first report that can count, each policy having named one."""

    @abstractmethod
    def deciding(self, verdicts: Sequence[Verdict]) -> list[Verdict]:
        """The verdicts that explain the outcome; the first has the threshold."""

    def due(self, report: int) -> bool:
        return super().due(report) and self.together(
            policy.due(report) for policy in self.policies
        )

    def next_check(self, report: int) -> int | None:
        for _ in range(MAX_STEPS):
            own = super().next_check(report)
            if own is None:
                return None
            following = [policy.next_check(own - 1) for policy in self.policies]
            if not self.together(after is not None for after in following):
                return None
            report = self.earliest([after for after in following if after is not None])
            if self.due(report):
                return report
        return None

    def would_end(self, evidence: Evidence, rivals: Rivals) -> bool:
        return self.together(
            policy.due(evidence.report) and policy.ends(evidence)
            for policy in self.policies
        )

    def ruling(self, evidence: Evidence, rivals: Rivals) -> Ruling:
        deciding = self._deciding(evidence)
        if not deciding:
            return Ruling(stop=False)
        first = deciding[0]
        limit = (
            math.inf
            if first.threshold is None
            else self.objective.loss(first.threshold)
        )
        own = math.inf if first.value is None else self.objective.loss(first.value)
        stop = self.would_end(evidence, rivals)
        return Ruling(stop, limit, first.setters, first.facts, own)

    def grounds(self, evidence: Evidence, rivals: Rivals, ruling: Ruling) -> Grounds:
        clauses = [verdict.grounds.clause for verdict in self._deciding(evidence)]
        return Grounds("; ".join(clauses) or "no rule applies at this report")

    def settings(self) -> dict[str, JSONValue]:
        inner: list[JSONValue] = [policy.settings() for policy in self.policies]
        return {**super().settings(), "policies": inner}

    def _deciding(self, evidence: Evidence) -> list[Verdict]:
        return self.deciding(
            [
                policy.judge(evidence)
                for policy in self.policies
                if policy.due(evidence.report)
            ]
        )


@dataclass(frozen=True, kw_only=True)
class AnyOf(Combination):
    """Ends a trial as soon as one of several policies does."""

    kind: ClassVar[str] = "any_of"
    title: ClassVar[str] = "Any of several"
    advice: ClassVar[str] = "Ends a trial as soon as one of several rules does."

    def together(self, answers: Iterable[bool]) -> bool:
        return any(answers)

    def earliest(self, reports: Sequence[int]) -> int:
        return min(reports)

    def deciding(self, verdicts: Sequence[Verdict]) -> list[Verdict]:
        ending = [verdict for verdict in verdicts if verdict.stop]
        return ending[:1] or list(verdicts)

    def name_in_words(self) -> str:
        return listed([policy.in_words() for policy in self.policies], last="or")


@dataclass(frozen=True, kw_only=True)
class AllOf(Combination):
    """Ends a trial when several policies all end it at the same report."""

    kind: ClassVar[str] = "all_of"
    title: ClassVar[str] = "All of several"
    advice: ClassVar[str] = "Ends a trial only when several rules agree."

    def together(self, answers: Iterable[bool]) -> bool:
        return all(answers)

    def earliest(self, reports: Sequence[int]) -> int:
        return max(reports)

    def deciding(self, verdicts: Sequence[Verdict]) -> list[Verdict]:
        keeping = [verdict for verdict in verdicts if not verdict.stop]
        return keeping[:1] or list(verdicts)

    def name_in_words(self) -> str:
        return listed([policy.in_words() for policy in self.policies])
