"""Rewrites the points of attempts that have ended as full segments.

While an attempt runs, its points are in many small segments and in tails. Afterwards
they take less space, and less time to read, in segments of the largest size. The order
stays the same. This may be killed at any moment, and run again.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from django.db import transaction
from django.db.models import Count, Min, QuerySet, Sum
from django.db.models.functions import Now

from experiments.models import Attempt, Metric, Segment
from experiments.models.trials import AttemptState
from experiments.queues import site_jobs
from experiments.tracking import codec, series
from experiments.tracking.codec import MAX_SEGMENT, SegmentRow

logger = logging.getLogger(__name__)

# The scheduler looks for ended attempts this often, in seconds.
EVERY = 60
# Attempts that one query finds, and segments that one stores.
BATCH = 200
# So few points take less space in the tail.
MAX_TAIL = 16
SMALL = ("metric", "start", "segments")


def start_compaction() -> None:
    """Enqueue the job if there is something to do; the scheduler calls this regularly.
    A busy queue has it later."""
    if _waiting() or _long_series():
        site_jobs.ensure_later(site_jobs.COMPACT, job_id="compaction", every=EVERY)


def compact_ended() -> None:
    """The job: the attempts that have ended, oldest first, then long series. It makes
    way for other jobs of the site after each."""
    failed: set[int] = set()
    while attempts := [pk for pk in _waiting() if pk not in failed]:
        for pk in attempts:
            try:
                compact(pk)
            except Exception:
                logger.exception("the points of attempt %s cannot be rewritten", pk)
                failed.add(pk)
            if site_jobs.makes_way():
                return
    _merge_running()


def _merge_running() -> None:
    for pk, attempt in _long_series():
        while _merge(pk, attempt):
            if site_jobs.makes_way():
                return


def _long_series() -> list[tuple[int, int]]:
    """Metrics and attempts that run and have many small segments."""
    small = _small().filter(
        metric__count__gte=2 * MAX_SEGMENT,
        metric__attempt__state=AttemptState.RUNNING,
    )
    found = small.order_by().values("metric").annotate(points=Sum("count"))
    long = found.filter(points__gte=MAX_SEGMENT)
    return list(long.values_list("metric", "metric__attempt"))


def _small() -> QuerySet[Segment]:
    return Segment.objects.filter(count__lt=MAX_SEGMENT)


def _merge(metric: int, attempt_id: int) -> bool:
    """Rewrite the first small segment with those after it. False: these were all."""
    small = _small().filter(metric=metric).order_by("first")
    start = small.values_list("first", flat=True).first()
    if start is None:
        return False
    following = Segment.objects.filter(metric=metric, first__gte=start)
    rows = list(following.order_by("first").values_list("pk", "data")[:BATCH])
    points = np.concatenate([codec.decode(data) for _, data in rows])
    with transaction.atomic():
        # Reports lock it as well.
        list(Attempt.objects.select_for_update().filter(pk=attempt_id).values("pk"))
        old = Segment.objects.filter(pk__in=[pk for pk, _ in rows])
        if old.count() == len(rows):
            old.delete()
            Segment.objects.bulk_create(_segments({metric: codec.cut(points, start)}))
    return len(rows) == BATCH


def _waiting() -> list[int]:
    ended = Attempt.objects.filter(ended_at__isnull=False, compacted_at=None)
    return list(ended.order_by("ended_at").values_list("pk", flat=True)[:BATCH])


def compact(attempt_id: int) -> None:
    """Rewrite the attempt's series, each from its first small segment. One that runs
    again meanwhile is left as it is."""
    metrics = Metric.objects.filter(attempt=attempt_id, count__gt=MAX_TAIL)
    rows = series.stored_rows(metrics.order_by("pk").values_list("pk", flat=True))
    for start, some in sorted(_by_start(attempt_id, rows).items()):
        for part in series.in_parts(some, lambda row: row.count):
            found = series.read_rows(part, start)
            cuts = {pk: list(codec.cut(points, start)) for pk, points in found.items()}
            counts = {row.pk: row.count for row in part}
            if not replace_points(attempt_id, counts, cuts, start=start):
                return
    ended = Attempt.objects.filter(pk=attempt_id, ended_at__isnull=False)
    ended.update(compacted_at=Now())


def _by_start(
    attempt_id: int, rows: Iterable[series.Stored]
) -> dict[int, list[series.Stored]]:
    """The series that are to be rewritten, by the place from which: a point that comes
    after the end does not cost the whole series again."""
    small = _small().filter(metric__attempt=attempt_id).order_by().values("metric")
    known = small.annotate(start=Min("first"), segments=Count("pk"))
    firsts = {pk: (start, n) for pk, start, n in known.values_list(*SMALL)}
    found: dict[int, list[series.Stored]] = defaultdict(list)
    for row in rows:
        start, segments = firsts.get(row.pk, (row.in_segments, 0))
        if row.tail or segments > 1:
            found[start].append(row)
    return found


def replace_points(
    attempt_id: int,
    counts: Mapping[int, int],
    cuts: Mapping[int, Sequence[SegmentRow]],
    *,
    start: int,
) -> bool:
    """Store these segments in place of the points from ``start`` on. False: the attempt
    runs, or has got points since they were read."""
    with transaction.atomic():
        ended = Attempt.objects.select_for_update().filter(pk=attempt_id)
        if not ended.filter(ended_at__isnull=False).exists():
            return False
        metrics = Metric.objects.filter(pk__in=counts)
        if dict(metrics.values_list("pk", "count")) != counts:
            return False
        Segment.objects.filter(metric__in=counts, first__gte=start).delete()
        Segment.objects.bulk_create(_segments(cuts), batch_size=BATCH)
        metrics.update(tail=b"")
        for pk, some in cuts.items():
            count = start + sum(segment.count for segment in some)
            if count != counts[pk]:
                metrics.filter(pk=pk).update(count=count)
    return True


def _segments(cuts: Mapping[int, Iterable[SegmentRow]]) -> Iterator[Segment]:
    for pk, some in cuts.items():
        yield from (Segment(metric_id=pk, **row._asdict()) for row in some)
