"""Successive halving: at each rung only the best share of the trials continues."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any, ClassVar, Self

from experiments.search.fields import Fields
from experiments.search.records import Objective
from experiments.search.termination.comparison import ComparingPolicy, LossLimit
from experiments.search.termination.evidence import (
    Evidence,
    Grounds,
    Rivals,
    trial_mark,
)
from experiments.search.termination.policy import Policy, Ruling
from experiments.search.termination.settings import (
    MAX_REPORTS,
    NTH_REPORT,
    IntegerSetting,
    declared,
)
from experiments.search.wording import significant

# The terms of number * GOLDEN, modulo 1, are spread evenly between 0 and 1.
GOLDEN = (math.sqrt(5) - 1) / 2
MAX_NAMED = 3


def first_rung(default: int) -> Any:
    """The setting `min_resource`."""
    return declared(
        IntegerSetting(
            label="First rung at report",
            default=default,
            help=f"Counted as {NTH_REPORT}, whatever step it names.",
            phrase="first rung {}",
            trial_share=0.5,
            says_when=True,
        )
    )


@dataclass(frozen=True, kw_only=True)
class HalvingPolicy(ComparingPolicy):
    """What both forms of asynchronous successive halving share.

    The rungs are the reports m, m r, m r^2, ... with m = `min_resource` and
    r = `reduction_factor`. Of k trials that have reached a rung, including the judged
    one, the best floor(k / r), but at least one, continue; with fewer than r trials all
    do. A trial is judged once at each rung, when it gets there, by its best.
    """

    has_rungs: ClassVar[bool] = True

    min_resource: int = first_rung(1)
    reduction_factor: int = declared(
        IntegerSetting(
            label="One in … continues",
            default=3,
            minimum=2,
            maximum=100,
            help="Also the ratio of the rungs: with 3, and the first at 1, they are 1, "
            "3, 9, 27.",
            phrase="one in {} continues",
            slider=(2, 10, 1),
            usual=(2, 3, 4, 6, 8),
            says_when=True,
            named=True,
        )
    )

    @classmethod
    def read(
        cls,
        document: Fields,
        objective: Objective,
        kinds: Mapping[str, type[Policy]] | None = None,
    ) -> Self:
        policy = super().read(document, objective, kinds)
        if policy.next_check(0) is None:
            document.warn(
                "evaluation_interval",
                f"No rung ({policy.rungs_in_words()}) is a multiple of "
                f"{policy.evaluation_interval}, so no trial would be judged. Use an "
                "interval of 1.",
            )
        return policy

    def rungs(self) -> Iterator[int]:
        """The reports at which trials are judged, up to MAX_REPORTS."""
        rung = self.min_resource
        while rung <= MAX_REPORTS:
            yield rung
            rung *= self.reduction_factor

    def due(self, report: int) -> bool:
        return super().due(report) and report in self.rungs()

    def next_check(self, report: int) -> int | None:
        later = (rung for rung in self.rungs() if rung > report and self.due(rung))
        return next(later, None)

    def limit(self, evidence: Evidence, rivals: Rivals) -> LossLimit | None:
        kept = self._kept(rivals)
        if kept == 0:
            return None
        last = rivals.ranked(kept - 1)
        return LossLimit(last.loss, (last.number,))

    def limit_in_words(self, evidence: Evidence, rivals: Rivals, ruling: Ruling) -> str:
        kept = self._kept(rivals)
        rank = "the best" if kept == 1 else f"the last of the best {kept:,}"
        return (
            f"the best of {trial_mark(ruling.setters[0])}: {rank} of the "
            f"{len(rivals):,} others at this report; one in "
            f"{self.reduction_factor} continues"
        )

    def name_in_words(self) -> str:
        return (
            f"successive halving (ASHA), one in {self.reduction_factor} continues "
            f"after {self.rungs_in_words()}"
        )

    def rungs_in_words(self) -> str:
        """The first rungs: `1, 3, 9 … reports`."""
        first = list(islice(self.rungs(), MAX_NAMED + 1))
        named = ", ".join(f"{rung:,}" for rung in first[:MAX_NAMED])
        return f"{named}{' …' * (len(first) > MAX_NAMED)} reports"

    def _kept(self, rivals: Rivals) -> int:
        """How many of the trials at a rung continue; 0 if there are too few to say."""
        field = len(rivals) + 1
        if field < self.reduction_factor:
            return 0
        return field // self.reduction_factor


@dataclass(frozen=True, kw_only=True)
class AshaPolicy(HalvingPolicy):
    """The stopping form of ASHA (Li et al., 2020)."""

    kind: ClassVar[str] = "asha"
    title: ClassVar[str] = "ASHA"
    use: ClassVar[str] = "survivors get more"
    advice: ClassVar[str] = (
        "At each stage only the best continue. For many trials and little compute."
    )

    last_rung: int = declared(
        IntegerSetting(
            label="Last rung up to report",
            default=0,
            minimum=0,
            help="Trials that pass it run to their end. With 0, each rung that a trial "
            "reaches counts.",
            phrase="last rung up to {}",
            rare=True,
        )
    )

    @classmethod
    def read_settings(cls, document: Fields) -> dict[str, Any]:
        values = super().read_settings(document)
        first, last = values["min_resource"], values["last_rung"]
        if 0 < last < first:
            document.error(
                "last_rung",
                f"last_rung must be 0, or at least min_resource, {first:,}, not "
                f"{last:,}.",
            )
        return values

    def rungs(self) -> Iterator[int]:
        last = self.last_rung or MAX_REPORTS
        return takewhile(lambda rung: rung <= last, super().rungs())


@dataclass(frozen=True, kw_only=True)
class HyperbandPolicy(HalvingPolicy):
    """Successive halving in brackets, each of which begins later (Li et al., 2018).

    Bracket b leaves out the first b rungs below `max_resource`, the number of reports
    of a whole trial. The share of the trials in a bracket is such that every bracket
    costs about the same, and a trial's number decides its bracket. The brackets share
    their rungs: a trial is compared with all that reached the same report.
    """

    kind: ClassVar[str] = "hyperband"
    title: ClassVar[str] = "Hyperband"
    use: ClassVar[str] = "survivors, in brackets"
    advice: ClassVar[str] = (
        "ASHA, but some trials are judged later. For curves that start slowly."
    )

    max_resource: int = declared(
        IntegerSetting(
            label="Reports of a whole trial",
            minimum=2,
            help="How often a trial that runs to its end reports the primary metric.",
            example="81",
            phrase="of {} reports",
        )
    )

    @classmethod
    def read_settings(cls, document: Fields) -> dict[str, Any]:
        values = super().read_settings(document)
        first, last = values["min_resource"], values["max_resource"]
        if last <= first:
            document.error(
                "max_resource",
                "max_resource, the reports of a whole trial, must be above "
                f"min_resource, {first:,}, not {last:,}.",
            )
        return values

    def rungs(self) -> Iterator[int]:
        return takewhile(lambda rung: rung < self.max_resource, super().rungs())

    def bracket(self, number: int) -> int:
        """The bracket of a trial, from 0: the one that begins at the first rung."""
        place = (number * GOLDEN + 0.5) % 1 * sum(self._shares())
        for bracket, share in enumerate(self._shares()):
            place -= share
            if place < 0:
                return bracket
        return len(list(self.rungs()))

    def first_rung(self, number: int) -> int:
        """The report at which a trial is judged first.

        For the last bracket that is `max_resource`: its trials run to their end.
        """
        rungs = [*self.rungs(), self.max_resource]
        return rungs[self.bracket(number)]

    def limit(self, evidence: Evidence, rivals: Rivals) -> LossLimit | None:
        if evidence.report < self.first_rung(evidence.number):
            return None
        return super().limit(evidence, rivals)

    def grounds(self, evidence: Evidence, rivals: Rivals, ruling: Ruling) -> Grounds:
        first = self.first_rung(evidence.number)
        if evidence.report >= first:
            return super().grounds(evidence, rivals, ruling)
        best = significant(self.objective.value(evidence.own.best))
        then = (
            "which runs to its end"
            if first >= self.max_resource
            else f"which is judged from report {first:,} on"
        )
        bracket = self.bracket(evidence.number) + 1
        clause = f"trial {evidence.number} belongs to bracket {bracket}, {then}"
        return Grounds(clause, best)

    def name_in_words(self) -> str:
        brackets = len(list(self.rungs())) + 1
        return (
            f"hyperband in {brackets} brackets, one in {self.reduction_factor} "
            f"continues after {self.rungs_in_words()}"
        )

    def _shares(self) -> list[float]:
        """The relative number of trials in each bracket, so that all cost the same.

        With s halvings left, a trial costs about (s + 1) times as much as its first
        rung, and the first rung of the next bracket is r times later.
        """
        last = len(list(self.rungs()))
        return [
            float(self.reduction_factor) ** (last - b) / (last - b + 1)
            for b in range(last + 1)
        ]
