"""Parts of series: a page by step and time, some places, or what a chart shows.

Shorter series are read whole. Of a very long one a first query reads what its segments
hold, without their points, and a second one the few segments that are needed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple

import numpy as np
from django.db.models import QuerySet
from numpy.typing import NDArray

from experiments.models import Segment, Trial
from experiments.tracking import codec
from experiments.tracking.codec import MAX_SEGMENT, MIN_SEGMENT, Records
from experiments.tracking.series import Stored, primary_series, read_rows, stored_rows

# Points that are read whole. Of longer series only some segments are read.
MAX_WHOLE = 300 * MIN_SEGMENT
# The number of parts of which a chart shows the extremes.
STRETCHES = 150
# The number of points that it reads for that: two segments of each part.
MAX_DRAWN = 400_000


class Cursor(NamedTuple):
    """The step and the time, in microseconds, of the last point of a page, and how many
    points with both are up to there."""

    step: int
    time: int
    same: int = 1


FIRST = Cursor(-(2**63), -(2**63))


class Summary(NamedTuple):
    """A segment without its points."""

    pk: int
    first: int
    count: int  # type: ignore[assignment]  # the column, not the method
    low_step: int
    high_step: int
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Excerpt:
    """Some points of a series with their places in it, from 0, as they arrived."""

    places: NDArray[np.int64]
    points: Records

    def thinned(self, most: int) -> Excerpt:
        """At most this many points: evenly spread, with both ends."""
        kept = _spread(len(self.places), most)
        return Excerpt(self.places[kept], self.points[kept])

    def before(self, place: int) -> Excerpt:
        kept = self.places < place
        return Excerpt(self.places[kept], self.points[kept])


# Of a metric, by id, all segments in their order.
Choice = Callable[[int, Sequence[Summary]], Iterable[Summary]]


def excerpts(metrics: Iterable[int], choose: Choice) -> dict[int, Excerpt]:
    """By metric, its points; of a very long one those of the segments that `choose`
    picks, and the newest. At most four queries."""
    return _excerpts(stored_rows(metrics), choose)


def reports(
    trials: QuerySet[Trial], choose: Choice, *, metric: str = ""
) -> dict[int, Excerpt]:
    """By trial, such a part of its reports, or of another metric; without trials that
    have none."""
    rows = primary_series(trials, metric=metric)
    found = _excerpts([row.stored for row in rows], choose)
    if metric:
        return {row.trial: found[row.stored.pk] for row in rows}
    return {row.trial: found[row.stored.pk].before(row.reports) for row in rows}


def _excerpts(rows: Sequence[Stored], choose: Choice) -> dict[int, Excerpt]:
    most = max(MAX_SEGMENT, MAX_WHOLE // max(1, len(rows)))
    short = [row for row in rows if row.count <= most]
    found = {pk: _whole(points) for pk, points in read_rows(short).items()}
    long = [row for row in rows if row.count > most]
    return found | (_chosen(long, choose) if long else {})


def page(metric: int, *, after: Cursor | None = None, limit: int) -> Records:
    """Points by step and time, from the one after the cursor."""
    return pages({metric: after}, limit=limit).get(metric, codec.empty())


def pages(
    metrics: Mapping[int, Cursor | None], *, limit: int, most: int | None = None
) -> dict[int, Records]:
    """Such a page of each metric, by id; with `most`, of that many points."""

    def choose(pk: int, known: Sequence[Summary]) -> Iterable[Summary]:
        if most is not None:
            return spread(most)(pk, known)
        return _page(known, metrics[pk] or FIRST, limit)

    found: dict[int, Records] = {}
    for pk, each in excerpts(metrics, choose).items():
        points = codec.in_order(each.points)
        if most is not None:
            points = points[_spread(len(points), most)]
        found[pk] = _after(points, metrics[pk])[:limit]
    return found


def _after(points: Records, cursor: Cursor | None) -> Records:
    if cursor is None:
        return points
    steps, times = points["step"], points["time"]
    before = (steps < cursor.step) | (steps == cursor.step) & (times < cursor.time)
    same = (steps == cursor.step) & (times == cursor.time)
    start = before.sum() + min(max(0, cursor.same), same.sum())
    return points[start:]


def _page(known: Sequence[Summary], after: Cursor, limit: int) -> Iterable[Summary]:
    """The segments that may have one of the next points."""
    rest = [each for each in known if each.high_step >= after.step]
    rest.sort(key=lambda each: each.low_step)
    # Of the others, which have the cursor's step, nothing may be left.
    sure = [each for each in rest if each.low_step > after.step]
    total, last = 0, after.step
    for each in sure:
        if total >= limit:
            break
        total, last = total + each.count, max(last, each.high_step)
    return takewhile(lambda each: each.low_step <= last, rest)


def spread(places: int) -> Choice:
    """The segments with this many places, evenly spread, and both ends."""

    def choose(_: int, known: Sequence[Summary]) -> Iterable[Summary]:
        return [known[index] for index in _spread(len(known), places).tolist()]

    return choose


def _spread(count: int, most: int) -> NDArray[np.int64]:
    """At most `most` of `count` indexes."""
    if count <= most:
        return np.arange(count)
    return np.linspace(0, count - 1, most).round().astype(np.int64)


def telling(_: int, known: Sequence[Summary]) -> Iterable[Summary]:
    """The segments with the lowest and the highest value of each stretch of the series,
    and both ends of it."""
    points = sum(each.count for each in known) / len(known)
    count = min(STRETCHES, len(known), max(10, int(MAX_DRAWN / points / 2)))
    edges = np.linspace(0, len(known), count + 1).round()
    chosen = {known[0].pk: known[0], known[-1].pk: known[-1]}
    for start, stop in zip(edges[:-1].astype(int), edges[1:].astype(int), strict=True):
        for each in _extremes(known[start:stop]):
            chosen[each.pk] = each
    return chosen.values()


def _extremes(stretch: Sequence[Summary]) -> Iterator[Summary]:
    finite = [each for each in stretch if each.low is not None]
    yield min(finite, key=lambda each: each.low or 0.0) if finite else stretch[0]
    yield max(finite, key=lambda each: each.high or 0.0) if finite else stretch[0]


def _whole(points: Records) -> Excerpt:
    return Excerpt(np.arange(len(points)), points)


def _chosen(rows: Sequence[Stored], choose: Choice) -> dict[int, Excerpt]:
    known = _summaries(rows)
    chosen = {
        row.pk: [each.pk for each in choose(row.pk, known[row.pk])]
        if known[row.pk]
        else []
        for row in rows
    }
    pks = [pk for some in chosen.values() for pk in some]
    loaded = Segment.objects.filter(pk__in=pks).order_by("first")
    parts: dict[int, list[tuple[int, Records]]] = defaultdict(list)
    for metric, first, data in loaded.values_list("metric", "first", "data"):
        parts[metric].append((first, codec.decode(data)))
    # Segments may be put together between the queries.
    changed = [row for row in rows if len(parts[row.pk]) < len(chosen.get(row.pk, ()))]
    found = {row.pk: _excerpt(row, parts[row.pk]) for row in rows}
    return found | {pk: _whole(points) for pk, points in read_rows(changed).items()}


def _summaries(rows: Sequence[Stored]) -> dict[int, list[Summary]]:
    """By metric and place, without points that were in the tail when that was read."""
    found = Segment.objects.filter(metric__in=[row.pk for row in rows])
    ends = {row.pk: row.in_segments for row in rows}
    summaries: dict[int, list[Summary]] = defaultdict(list)
    columns = found.order_by("first").values_list("metric", *Summary._fields)
    for metric, *row in columns:
        summary = Summary(*row)
        if summary.first < ends[metric]:
            summaries[metric].append(summary)
    return summaries


def _excerpt(row: Stored, parts: Sequence[tuple[int, Records]]) -> Excerpt:
    end = row.in_segments
    kept = [(first, points[: end - first]) for first, points in parts]
    kept.append((end, row.newest))
    places = [np.arange(first, first + len(points)) for first, points in kept]
    return Excerpt(np.concatenate(places), np.concatenate([p for _, p in kept]))
