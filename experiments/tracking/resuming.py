"""What an attempt takes over of the one that it resumes: points and verdicts.

So the curve is whole, and its reports are compared with the same ones of others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from django.db.models import F, Min, Q

from experiments.models import Decision, Metric
from experiments.models.missing import RefusedPoint
from experiments.tracking import series
from experiments.tracking.arriving import Sent
from experiments.tracking.held import HeldAttempt

# Points that an attempt takes over, besides those of the primary metric.
MAX_CARRIED = 100_000
LEFT_OUT = (
    "a resumed attempt takes over all points of the primary metric, and the first"
    f" {MAX_CARRIED:,} of other metrics; the attempt before it has them all"
)


class EarlierPoints(NamedTuple):
    """In the order of arrival. ``collected``: the script did not report them itself."""

    points: list[Sent]
    collected: bool


class TakenOver(NamedTuple):
    parts: Sequence[EarlierPoints]
    left_out: Sequence[RefusedPoint]


def points_before(attempt: HeldAttempt, *, step: int, primary: str | None) -> TakenOver:
    """The resumed attempt's points before a step."""
    earlier = Metric.objects.filter(
        attempt__trial=attempt.trial, attempt__n=attempt.resumed_from or 0
    )
    rows = earlier.values_list("pk", "name", "collected")
    known = {pk: (name, collected) for pk, name, collected in rows}
    found = [
        (arrived, known[pk][1], Sent(known[pk][0], at, value, time))
        for pk, points in series.read(known).items()
        for at, time, arrived, value in points[points["step"] < step].tolist()
    ]
    # Verdicts count the primary metric's points, so none of those may be missing.
    found.sort(key=lambda row: (row[2].name != primary, row[0]))
    room = MAX_CARRIED + sum(point.name == primary for _, _, point in found)
    parts = EarlierPoints([], False), EarlierPoints([], True)
    for _, collected, point in found[:room]:
        parts[collected].points.append(point)
    left = Counter(point.name for _, _, point in found[room:])
    return TakenOver(
        parts,
        [RefusedPoint(name, "points", LEFT_OUT, points=left[name]) for name in left],
    )


def take_over_verdicts(attempt: HeldAttempt, *, reports: int) -> None:
    """Take over the verdicts on the first reports.

    Another attempt may have resumed the same one and was lost: then the first verdict
    for each n counts.
    """
    start = attempt.resumed_from or 0
    taken = Q(attempt__n__gt=start, created_at__lt=F("attempt__claimed_at"))
    judged = Decision.objects.filter(
        Q(attempt__n=start) | taken, attempt__trial=attempt.trial, n__lte=reports
    )
    firsts = judged.order_by().values("n").annotate(first=Min("pk")).values("first")
    Decision.objects.filter(pk__in=firsts).update(attempt=attempt.pk)
