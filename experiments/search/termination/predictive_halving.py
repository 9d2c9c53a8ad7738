"""Predictive halving: survivors are judged after each report, and by a forecast."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from experiments.search.forecasts import gain_model_of
from experiments.search.termination.comparison import UNOPPOSED
from experiments.search.termination.evidence import (
    Evidence,
    Grounds,
    Rivals,
    trial_mark,
)
from experiments.search.termination.halving import HalvingPolicy, first_rung
from experiments.search.termination.policy import Policy, Ruling, min_rivals
from experiments.search.termination.predictive import (
    CHANCE,
    gain_words,
    outlook_among,
    percent,
    spread_of,
)
from experiments.search.termination.settings import ShareSetting, declared
from experiments.search.wording import counted, significant

# A forecast needs as many completed trials.
MIN_COMPLETED = 2
# A trial that beats as many trials before it at a rung passes the rung in any case.
RECORD_AT_FIRST, RECORD_LATER = 8, 3
# A gain below this share of the spread of the trials does not count as one.
MIN_LEAD = 0.01
# The facts that say which rule decided: the rung, or the length of a record.
RUNG, RECORD = "rung", "record"


@dataclass(frozen=True, kw_only=True)
class PredictiveHalvingPolicy(HalvingPolicy):
    """Successive halving that also judges between the rungs.

    At a rung the best share of the trials continues, as in ASHA; of equal trials half
    count as better. Between two rungs a trial ends as soon as it is worse than that
    share was at the rung before. Once two trials have run to their end, a trial also
    ends if its forecast (`experiments.search.forecasts`) gives it less than a `chance`
    of beating the best. A trial that was a record at its last rung, better than the
    trials with the next lower numbers, is exempt from rung and forecast until the next
    one: so some trials always complete, and their forecasts can be corrected.
    """

    kind: ClassVar[str] = "predictive_halving"
    title: ClassVar[str] = "Predictive halving"
    use: ClassVar[str] = "survivors likely to win"
    advice: ClassVar[str] = (
        "ASHA, and survivors must be likely to win. For a fixed time and a model."
    )

    # Between the rungs a trial may be the only one that came so far.
    min_rivals: int = min_rivals(0)
    min_resource: int = first_rung(3)
    chance: float = declared(
        ShareSetting(
            label="Minimum chance to become the best",
            default=0.3,
            help="Between the rungs, a trial with a smaller chance ends.",
            phrase="below {} chance",
            slider=(0.01, 0.5, 0.01),
            usual=(0.05, 0.1, 0.2, 0.3, 0.4),
        )
    )

    @property
    def explores(self) -> bool:
        return True

    def due(self, report: int) -> bool:
        return report >= self.min_resource and Policy.due(self, report)

    def next_check(self, report: int) -> int | None:
        return Policy.next_check(self, max(report, self.min_resource - 1))

    def ruling(self, evidence: Evidence, rivals: Rivals) -> Ruling:
        rung, best = self._rung(evidence.report), evidence.own.best
        at_rung = rung == evidence.report
        there = rivals if at_rung else evidence.rivals_at(rung)
        record = self._record(evidence, there, rung)
        compared = UNOPPOSED
        kept = self._kept(there) if at_rung else self._kept_later(there)
        if kept and math.isfinite((last := there.ranked(kept - 1)).loss):
            behind = _rank(best, there) if at_rung else there.better_than(best)
            facts = {RUNG: float(rung)}
            compared = Ruling(behind >= kept, last.loss, (last.number,), facts)
        if compared.stop and not (at_rung and record):
            return compared
        if record:
            facts = {RUNG: float(rung), RECORD: float(record)}
            passed = UNOPPOSED if compared.stop else compared
            return passed._replace(facts=facts)
        return self._foreseen(evidence, rivals) or compared

    def grounds(self, evidence: Evidence, rivals: Rivals, ruling: Ruling) -> Grounds:
        facts, best = ruling.facts, self.objective.value(evidence.own.best)
        if CHANCE in facts:
            required = f"{percent(self.chance)} was required"
            return Grounds(f"{gain_words(facts)}, and {required}", significant(best))
        if RECORD in facts:
            beaten = counted(int(facts[RECORD]), "trial")
            rung = int(facts[RUNG])
            clause = (
                f"at report {rung:,} it was better than the {beaten} before it, so it "
                f"continues to report {rung * self.reduction_factor:,}"
            )
            return Grounds(clause, significant(best))
        return super().grounds(evidence, rivals, ruling)

    def limit_in_words(self, evidence: Evidence, rivals: Rivals, ruling: Ruling) -> str:
        rung = int(ruling.facts[RUNG])
        if rung == evidence.report:
            return super().limit_in_words(evidence, rivals, ruling)
        there = evidence.rivals_at(rung)
        return (
            f"the best of {trial_mark(ruling.setters[0])} at report {rung:,}: the last "
            f"of the best {self._kept(there):,} of {len(there):,} others there"
        )

    def name_in_words(self) -> str:
        return (
            f"predictive halving, one in {self.reduction_factor} continues after "
            f"{self.rungs_in_words()}, and a chance of {percent(self.chance)} to "
            "become the best is required"
        )

    def would_end(self, evidence: Evidence, rivals: Rivals) -> bool:
        return self.ruling(evidence, rivals).stop

    def _rung(self, report: int) -> int:
        """The last rung up to a report."""
        rung = self.min_resource
        while rung * self.reduction_factor <= report:
            rung *= self.reduction_factor
        return rung

    def _kept_later(self, rivals: Rivals) -> int:
        """How many trials at the rung before are the standard; 0 if they are few."""
        if len(rivals) + 1 < 2 * self.reduction_factor:
            return 0
        return self._kept(rivals)

    def _record(self, evidence: Evidence, rivals: Rivals, rung: int) -> int:
        """The number of trials that it beat at the rung if it was a record, else 0."""
        count = RECORD_AT_FIRST if rung == self.min_resource else RECORD_LATER
        before = rivals.before(count)
        best = evidence.best_at(rung)
        return len(before) if all(best < each.loss for each in before) else 0

    def _foreseen(self, evidence: Evidence, rivals: Rivals) -> Ruling | None:
        """What the forecast says; None without one."""
        gain_model = evidence.finished.derived(gain_model_of)
        if len(gain_model) < MIN_COMPLETED or evidence.report >= gain_model.longest:
            return None
        spread = spread_of(rivals)
        outlook = outlook_among(evidence, gain_model, spread)
        if outlook is None:
            return None
        lead = MIN_LEAD * spread if math.isfinite(spread) else 0.0
        chance = outlook.gain.chance(outlook.needed + lead)
        leader = rivals.leader()
        return Ruling(
            stop=chance < self.chance,
            limit=outlook.goal,
            setters=() if leader is None else (leader.number,),
            facts={
                CHANCE: chance,
                "chance_asked": self.chance,
                "gain_needed": max(outlook.needed + lead, 0.0),
                "gain_expected": outlook.gain.amount(0.0),
            },
        )


def _rank(best: float, rivals: Rivals) -> float:
    """How many rivals are better; equal ones count half, unless they all lead."""
    better = rivals.better_than(best)
    if not better or math.isinf(best):
        return better
    return (better + rivals.better_than(math.nextafter(best, math.inf))) / 2
