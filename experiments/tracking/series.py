"""Reading the points of metrics: in the order of arrival, or by step and time.

A metric's row has the newest points, in its tail, and its segments have the others. The
row is read first: points that become a segment meanwhile are then in both, never in
neither, and the metric's count tells which those are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from django.db.models import F, QuerySet

from experiments.models import Metric, Segment, Trial
from experiments.tracking import codec
from experiments.tracking.codec import MAX_SEGMENT, Records

# Metrics in one query; some databases limit the values of IN.
BATCH = 500


class Stored(NamedTuple):
    """A metric's row: how many points there are, and the newest."""

    pk: int
    count: int  # type: ignore[assignment]  # the column, not the method
    tail: bytes

    @property
    def newest(self) -> Records:
        return codec.from_tail(self.tail)

    @property
    def in_segments(self) -> int:
        return self.count - len(self.newest)


def read(
    metrics: Iterable[int], *, start: int = 0, stop: int | None = None
) -> dict[int, Records]:
    """The points of metrics, by id, in the order of arrival; only those with places
    from `start` and below `stop`. In two queries for a few hundred metrics."""
    asked = list(metrics)
    found: dict[int, Records] = {}
    for batch in range(0, len(asked), BATCH):
        found |= read_rows(stored_rows(asked[batch : batch + BATCH]), start, stop)
    return found


def read_rows(
    rows: Sequence[Stored], start: int = 0, stop: int | None = None
) -> dict[int, Records]:
    """The points of metrics whose rows were just read, in one query."""
    return _read(rows, start, {row.pk: stop for row in rows}) if rows else {}


def reported(
    trials: QuerySet[Trial], *, start: int = 0, stop: int | None = None
) -> Iterator[tuple[int, Records]]:
    """(Trial's id, its reports): the n-th report is the n-th point of the primary
    metric that arrived in the current attempt. Trials without any are left out.

    By id; two queries for a few hundred trials.
    """
    last = 0
    rows = _primary(trials).filter(reports__gt=start).order_by("pk")
    while batch := list(rows.filter(pk__gt=last)[:BATCH]):
        last = batch[-1][0]
        # After a lost attempt its points are still there, but no longer count.
        stops = {pk: _least(reports, stop) for _, reports, pk, *_ in batch}
        known = _read([Stored(*row[2:]) for row in batch], start, stops)
        yield from ((trial, known[metric]) for trial, _, metric, *_ in batch)


def primary_metrics(trials: QuerySet[Trial]) -> dict[int, int]:
    """The ids of the series of their reports, by trial."""
    return {trial: metric for trial, _, metric, *_ in _primary(trials)}


def _primary(trials: QuerySet[Trial]) -> QuerySet[Trial, tuple[Any, ...]]:
    named = trials.filter(current_attempt__metrics__name=F("sweep__primary_metric"))
    columns = (f"current_attempt__metrics__{name}" for name in Stored._fields)
    return named.order_by().values_list("pk", "reports", *columns)


def _least(count: int, other: int | None) -> int:
    return count if other is None else min(count, other)


def stored_rows(metrics: Iterable[int]) -> list[Stored]:
    rows = Metric.objects.filter(pk__in=list(metrics)).order_by()
    return [Stored(*row) for row in rows.values_list(*Stored._fields)]


def _read(
    rows: Sequence[Stored], start: int, stops: Mapping[int, int | None]
) -> dict[int, Records]:
    segments = Segment.objects.filter(
        metric__in=[row.pk for row in rows if row.in_segments > start],
        first__gt=start - MAX_SEGMENT,
    )
    highest = [stop for stop in stops.values() if stop is not None]
    if len(highest) == len(stops) and highest:
        segments = segments.filter(first__lt=max(highest))
    parts: dict[int, list[tuple[int, Records]]] = defaultdict(list)
    segments = segments.order_by("metric", "first")
    for metric, first, data in segments.values_list("metric", "first", "data"):
        parts[metric].append((first, codec.decode(data)))
    return {
        row.pk: np.concatenate(
            [*_parts(row, parts[row.pk], start, _least(row.count, stops[row.pk]))]
        )
        for row in rows
    }


def _parts(
    row: Stored, segments: Iterable[tuple[int, Records]], start: int, stop: int
) -> Iterator[Records]:
    """What the segments and the tail have between two places."""
    end = row.in_segments
    for first, points in segments:
        yield points[max(0, start - first) : max(0, min(stop, end) - first)]
    yield row.newest[max(0, start - end) : max(0, stop - end)]
