"""The verdicts on an attempt that its page is made of: all of them or, of very many, as
many as there is something to see in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from django.db.models import Count, F, FloatField, Q, QuerySet, Value, Window
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Mod, RowNumber

from experiments.models import Attempt, Decision
from experiments.pages.trial.verdicts import CHANCE
from experiments.search.records import Objective

# Above so many not all are read: half of these spread evenly, and the last ones.
MOST = 1_000


@dataclass(frozen=True)
class VerdictSample:
    """``decisions`` in the order of reports; always with the first, the last ones, what
    ended the trial and where it was closest. ``count``, ``passed``: of all."""

    decisions: Sequence[Decision]
    count: int
    passed: int


def verdict_sample(attempt: Attempt | None, objective: Objective) -> VerdictSample:
    """One query, and a few more for an attempt with more than MOST verdicts."""
    own = Decision.objects.filter(attempt=attempt)
    found = list(own.order_by("n")[: MOST + 1])
    if len(found) <= MOST:
        passed = sum(not decision.stop for decision in found)
        return VerdictSample(found, len(found), passed)
    counts = own.aggregate(all=Count("pk"), passed=Count("pk", filter=Q(stop=False)))
    stride = -(-2 * counts["all"] // MOST)
    last = own.order_by("-n")[: MOST // 2]
    ended = own.filter(stop=True)[:1]
    rows: Iterable[Decision] = chain(
        _spread(own, stride), last, ended, _closest(own, objective)
    )
    kept = {decision.n: decision for decision in rows}
    return VerdictSample(
        [kept[n] for n in sorted(kept)], counts["all"], counts["passed"]
    )


def _spread(own: QuerySet[Decision], stride: int) -> QuerySet[Decision]:
    """Every so many-th, from the first on: however often the policy looked."""
    numbered = own.annotate(place=Window(RowNumber(), order_by="n"))
    return numbered.annotate(off=Mod(F("place") - 1, Value(stride))).filter(off=0)


def _closest(own: QuerySet[Decision], objective: Objective) -> Sequence[Decision]:
    """The passed verdict with the least to spare, else that with the least chance."""
    passed = own.filter(stop=False)
    by_chance = passed.filter(facts__has_key=CHANCE)
    gap = F("threshold") - F("value")
    spare = -gap if objective.maximizes else gap
    by_margin = passed.filter(value__isnull=False, threshold__isnull=False)
    by_margin = by_margin.exclude(facts__has_key=CHANCE)
    chance = Cast(KT(f"facts__{CHANCE}"), FloatField())
    least = list(by_margin.order_by(spare, "-n")[:1])
    return least or list(by_chance.order_by(chance, "-n")[:1])
