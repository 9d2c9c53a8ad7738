"""What every early-termination policy does: after a report it decides on a trial."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple, Self

from experiments.search.fields import Diagnostics, Fields, join, unknown_name
from experiments.search.records import JSONValue, Objective
from experiments.search.termination.evidence import Evidence, Grounds, Rivals, Verdict
from experiments.search.termination.settings import (
    NTH_REPORT,
    IntegerSetting,
    OptionSetting,
    Setting,
    declared,
)
from experiments.search.wording import counted, ordinal

MISSING_WORDS: Mapping[str, str] = {
    "worst": "counts as worse than any number",
    "stop": "ends the trial",
    "ignore": "is skipped",
}


class Ruling(NamedTuple):
    """What a policy decided.

    `limit` is the LOSS that the trial is compared with, infinity for none; `facts` are
    further numbers of the policy. `own` is the trial's LOSS that was compared, None for
    its best.
    """

    stop: bool
    limit: float = math.inf
    setters: tuple[int, ...] = ()
    facts: Mapping[str, float] = {}
    own: float | None = None


def min_rivals(least: int) -> Any:
    """The setting `min_rivals`; its default is also its minimum."""
    return declared(
        IntegerSetting(
            label="Against at least … other trials",
            default=least,
            minimum=least,
            maximum=100_000,
            help="With fewer trials at this report, every trial continues.",
            phrase="against {} or more",
            usual=(1, 2, 3, 5, 10, 20, 50),
            rare=True,
        )
    )


@dataclass(frozen=True, kw_only=True)
class Policy(ABC):
    """Decides after a report whether a trial should end early.

    Let n be the number of times that the trial has reported the primary metric. The
    policy checks it if n is at least `delay_evaluation` and a multiple of
    `evaluation_interval`. With fewer than `min_rivals` other trials that have n
    reports, every trial continues. `on_missing` says what a report of NaN or infinity
    means at a check: with `worst` the trial is judged by its finite reports, and
    without any it is worse than every other; with `stop` it ends; with `ignore` it
    continues.

    `title` is the policy's name; `use` and `advice` say when to pick it, in a few words
    and in a sentence. A policy with `has_rungs` does not need the schedule.
    """

    SCHEDULE: ClassVar[tuple[str, ...]] = ("delay_evaluation", "evaluation_interval")

    kind: ClassVar[str]
    title: ClassVar[str]
    use: ClassVar[str] = ""
    advice: ClassVar[str]
    has_rungs: ClassVar[bool] = False

    objective: Objective
    evaluation_interval: int = declared(
        IntegerSetting(
            label="Then every … reports",
            default=1,
            minimum=0,
            help=f"A report is {NTH_REPORT}.",
            phrase="every {} reports",
            trial_share=1 / 3,
            says_when=True,
        )
    )
    delay_evaluation: int = declared(
        IntegerSetting(
            label="First check at report",
            default=0,
            minimum=0,
            help=f"Counted as {NTH_REPORT}, whatever step it names.",
            phrase="from report {}",
            trial_share=0.5,
            says_when=True,
        )
    )
    min_rivals: int = min_rivals(1)
    on_missing: str = declared(
        OptionSetting(
            label="A report of NaN or infinity",
            default="worst",
            options=MISSING_WORDS,
            help="What such a report means at a check.",
            rare=True,
        )
    )

    @classmethod
    def declarations(cls) -> dict[str, Setting]:
        """The settings by name, in the order of a document."""
        return {
            each.name: each.metadata["setting"]
            for each in fields(cls)
            if "setting" in each.metadata
        }

    @classmethod
    def read(
        cls,
        document: Fields,
        objective: Objective,
        kinds: Mapping[str, type[Policy]] | None = None,
    ) -> Self:
        """A policy from the fields of a document; problems are noted there.

        `kinds` are the policies that this one may contain.
        """
        return cls(objective=objective, **cls.read_settings(document))

    @classmethod
    def read_settings(cls, document: Fields) -> dict[str, Any]:
        """Every declared setting, read from a document and checked against others."""
        settings = cls.declarations()
        values = {name: each.read(document, name) for name, each in settings.items()}
        if values["evaluation_interval"] == 0:
            every = "0 means every report, as in Azure ML. Enter 1 for the same."
            document.warn("evaluation_interval", every)
            values["evaluation_interval"] = 1
        return values

    @property
    def explores(self) -> bool:
        """Whether it gives many configurations a few reports each, so that samplers
        should propose varied ones."""
        return False

    @abstractmethod
    def ruling(self, evidence: Evidence, rivals: Rivals) -> Ruling:
        """What is decided about a trial that has enough rivals."""

    @abstractmethod
    def grounds(self, evidence: Evidence, rivals: Rivals, ruling: Ruling) -> Grounds:
        """Why a ruling was made, in words."""

    @abstractmethod
    def name_in_words(self) -> str:
        """The rule and its own settings, without the schedule."""

    def considered(self, rivals: Rivals) -> Rivals:
        """The rivals that count."""
        return rivals

    def due(self, report: int) -> bool:
        """Whether the policy checks a trial at this report."""
        return (
            report >= self.delay_evaluation
            and report > 0
            and report % self.evaluation_interval == 0
        )

    def next_check(self, report: int) -> int | None:
        """The next report at which it checks a trial; None if there is none."""
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
        """The verdict after a report."""
        rivals = self.considered(evidence.rivals)
        if self.on_missing != "worst" and math.isinf(evidence.own.last):
            ruling = Ruling(stop=self.on_missing == "stop")
            grounds = _missing(self.on_missing)
        elif len(rivals) < self.min_rivals:
            ruling = Ruling(stop=False)
            grounds = _too_few(self.min_rivals, len(rivals))
        else:
            ruling = self.ruling(evidence, rivals)
            grounds = self.grounds(evidence, rivals, ruling)
        return Verdict(
            stop=ruling.stop,
            report=evidence.report,
            value=self.own_sign(
                evidence.own.best if ruling.own is None else ruling.own
            ),
            threshold=self.own_sign(ruling.limit),
            rivals=len(rivals),
            setters=ruling.setters,
            reason=grounds.sentence(evidence.report, stop=ruling.stop),
            facts=ruling.facts,
            grounds=grounds,
        )

    def settings(self) -> dict[str, JSONValue]:
        """The canonical mapping of the policy, every field with its value."""
        own = {name: getattr(self, name) for name in self.declarations()}
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


def _missing(on_missing: str) -> Grounds:
    return Grounds(f"it is not a finite number, and on_missing is {on_missing}")


def _too_few(need: int, have: int) -> Grounds:
    return Grounds(
        f"a comparison needs {counted(need, 'other trial')} with as many reports, and "
        f"there {'is' if have == 1 else 'are'} {have or 'none'}"
    )


def read_kind(
    value: object,
    objective: Objective,
    diagnostics: Diagnostics,
    *,
    path: str,
    kinds: Mapping[str, type[Policy]],
) -> Policy | None:
    """A policy from a document's mapping or bare name, among some kinds.

    None, with the problem noted in `diagnostics`, if there is no such kind.
    """
    document = Fields.of(
        {"type": value} if isinstance(value, str) else value, path, diagnostics
    )
    if document is None:
        return None
    policy = _named(document, kinds)
    if policy is None:
        return None
    read = policy.read(document, objective, kinds)
    document.close()
    return read


def _named(document: Fields, kinds: Mapping[str, type[Policy]]) -> type[Policy] | None:
    name = document.text("type", None, required="median_stopping")
    if name is None:
        return None
    plain = {kind.replace("_", ""): policy for kind, policy in kinds.items()}
    policy = plain.get(name.lower().replace("_", ""))
    if policy is None:
        document.diagnostics.error(
            join(document.path, "type"), unknown_name(name, kinds, kind="policy")
        )
    return policy
