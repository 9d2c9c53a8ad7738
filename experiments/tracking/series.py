"""Reading the points of metrics: in the order of arrival, or by step and time.

A metric's row has the newest points, in its tail, and its segments have the others. The
row is read first: points that become a segment meanwhile are then in both, never in
neither, and the metric's count tells which those are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from django.db.models import F, QuerySet

from experiments.models import Metric, Segment, Trial
from experiments.tracking import codec
from experiments.tracking.codec import MAX_SEGMENT, Records

# Metrics in one query; some databases limit the values of IN.
BATCH = 500
# Points of a few series that are in memory at once, of 32 bytes each.
MAX_POINTS = 1_000_000

T = TypeVar("T")


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


class PrimarySeries(NamedTuple):
    """A trial with the series of its primary metric; the first points are reports."""

    trial: int
    reports: int
    stored: Stored


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

    By id; two queries for a few hundred trials, more if they have very many.
    """
    last: int | None = 0
    rows = trials.filter(reports__gt=start).order_by("pk")
    while last is not None:
        batch = primary_series(rows.filter(pk__gt=last), most=BATCH)
        last = batch[-1].trial if len(batch) == BATCH else None
        for part in in_parts(batch, lambda row: _least(row.reports, stop) - start):
            # After a lost attempt its points are still there, but no longer count.
            stops = {row.stored.pk: _least(row.reports, stop) for row in part}
            known = _read([row.stored for row in part], start, stops)
            yield from ((row.trial, known[row.stored.pk]) for row in part)


def in_parts(rows: Sequence[T], points: Callable[[T], int]) -> Iterator[list[T]]:
    """As many rows at once as memory is to hold the points of."""
    part: list[T] = []
    total = 0
    for row in rows:
        if part and total + points(row) > MAX_POINTS:
            yield part
            part, total = [], 0
        part.append(row)
        total += points(row)
    if part:
        yield part


def primary_series(
    trials: QuerySet[Trial], *, most: int | None = None, metric: str = ""
) -> list[PrimarySeries]:
    """The series of their reports, or of another metric, in the order of the trials."""
    name = metric or F("sweep__primary_metric")
    named = trials.filter(current_attempt__metrics__name=name)
    columns = (f"current_attempt__metrics__{name}" for name in Stored._fields)
    rows = named.values_list("pk", "reports", *columns)[:most]
    return [PrimarySeries(pk, count, Stored(*row)) for pk, count, *row in rows]


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
