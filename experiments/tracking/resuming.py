"""What an attempt takes over of the one that it resumes: points and verdicts.

So the curve is whole, and its reports are compared with the same ones of others.
"""

from __future__ import annotations

from operator import itemgetter

from django.db.models import F, Min, Q

from experiments.models import Decision, Metric
from experiments.tracking import series
from experiments.tracking.arriving import Sent
from experiments.tracking.held import HeldAttempt

# Points that an attempt takes over.
MAX_CARRIED = 100_000


def points_before(attempt: HeldAttempt, *, step: int) -> list[Sent]:
    """The resumed attempt's points before a step, in the order of arrival."""
    earlier = Metric.objects.filter(
        attempt__trial=attempt.trial, attempt__n=attempt.resumed_from or 0
    )
    names = dict(earlier.values_list("pk", "name"))
    found = [
        (arrived, Sent(names[pk], at, value, time))
        for pk, points in series.read(names).items()
        for at, time, arrived, value in points[points["step"] < step].tolist()
    ]
    found.sort(key=itemgetter(0))
    return [point for _, point in found[:MAX_CARRIED]]


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
