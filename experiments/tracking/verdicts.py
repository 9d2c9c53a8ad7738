"""The policy's verdicts on an attempt, and how close the trial came to its end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from django.db.models import Count, F, FloatField, Q, QuerySet, Value, Window
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Mod, RowNumber

from experiments.models import Attempt, Decision
from experiments.search.records import Objective

# The fact of policies that judge by the chance that the trial becomes the best.
CHANCE = "chance"
# The chance that was required of it, which depends on its rank.
REQUIRED = "chance_asked"
# Of more verdicts than this, half are spread evenly and half are the last ones.
MAX_READ = 1_000


@dataclass(frozen=True)
class VerdictSample:
    """``decisions`` in the order of reports, with the first, the last, the closest and
    the one that ended the trial. ``count`` and ``passed`` are of all."""

    decisions: Sequence[Decision]
    count: int
    passed: int


def verdict_sample(attempt: Attempt | None, objective: Objective) -> VerdictSample:
    """One query, and a few more for an attempt with more than MAX_READ verdicts."""
    own = Decision.objects.filter(attempt=attempt)
    found = list(own.order_by("n")[: MAX_READ + 1])
    if len(found) <= MAX_READ:
        passed = sum(not decision.stop for decision in found)
        return VerdictSample(found, len(found), passed)
    counts = own.aggregate(all=Count("pk"), passed=Count("pk", filter=Q(stop=False)))
    stride = -(-2 * counts["all"] // MAX_READ)
    last = own.order_by("-n")[: MAX_READ // 2]
    ended = own.filter(stop=True)[:1]
    rows: Iterable[Decision] = chain(
        _spread(own, stride), last, ended, _closest(own, objective)
    )
    kept = {decision.n: decision for decision in rows}
    return VerdictSample(
        [kept[n] for n in sorted(kept)], counts["all"], counts["passed"]
    )


def _spread(own: QuerySet[Decision], stride: int) -> QuerySet[Decision]:
    """The first decision and every ``stride``-th after it."""
    numbered = own.annotate(place=Window(RowNumber(), order_by="n"))
    return numbered.annotate(off=Mod(F("place") - 1, Value(stride))).filter(off=0)


def _closest(own: QuerySet[Decision], objective: Objective) -> Sequence[Decision]:
    """The passed verdict with the smallest margin, or else the smallest chance."""
    passed = own.filter(stop=False)
    by_chance = passed.filter(facts__has_key=CHANCE)
    gap = F("threshold") - F("value")
    spare = -gap if objective.maximizes else gap
    by_margin = passed.filter(value__isnull=False, threshold__isnull=False)
    by_margin = by_margin.exclude(facts__has_key=CHANCE)
    chance = Cast(KT(f"facts__{CHANCE}"), FloatField())
    least = list(by_margin.order_by(spare, "-n")[:1])
    return least or list(by_chance.order_by(chance, "-n")[:1])


def margin_of(decision: Decision, objective: Objective) -> float | None:
    """How much better the trial's best was than the threshold; below 0 it ended there.

    None if the policy compared something else: a chance, or the latest report.
    """
    if decision.value is None or decision.threshold is None or CHANCE in decision.facts:
        return None
    margin = objective.loss(decision.threshold) - objective.loss(decision.value)
    return None if decision.stop and margin > 0 else margin


@dataclass(frozen=True)
class Checks:
    """The verdicts in sum. ``passed`` of them did not end the trial; ``closest`` is the
    passed one with the smallest margin ``spare``, or the smallest ``chance``."""

    passed: int
    closest: Decision | None
    spare: float | None
    ended: Decision | None
    last: Decision | None
    chance: float | None = None


def checks_of(
    decisions: Sequence[Decision], objective: Objective, *, passed: int
) -> Checks:
    """``decisions`` may be a sample; ``passed`` of all did not end the trial."""
    those = [decision for decision in decisions if not decision.stop]
    margins = [
        (margin, -decision.n, decision)
        for decision in those
        if (margin := margin_of(decision, objective)) is not None
    ]
    spare, _, closest = min(margins, key=lambda row: row[:2], default=(None, 0, None))
    chances = [
        (decision.facts[CHANCE], -decision.n, decision)
        for decision in those
        if CHANCE in decision.facts
    ]
    chance = None
    if closest is None and chances:
        chance, _, closest = min(chances, key=lambda row: row[:2])
    ended = next((decision for decision in decisions if decision.stop), None)
    return Checks(
        passed=passed,
        closest=closest,
        spare=spare,
        ended=ended,
        last=decisions[-1] if decisions else None,
        chance=chance,
    )
