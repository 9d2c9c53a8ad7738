"""Parts of series: a page by step and time, some places, or what a chart shows.

Shorter series are read whole. Of a very long one a first query reads what its segments
hold, without their points, and a second one the few segments that are needed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.models import Segment
from experiments.tracking import codec
from experiments.tracking.codec import MIN_SEGMENT, Records
from experiments.tracking.series import Stored, read_rows, stored_rows

# Of a longer series only some segments are read, of which there may be this many.
MAX_WHOLE = 300 * MIN_SEGMENT
# A chart shows the extremes of so many stretches.
STRETCHES = 150


class Cursor(NamedTuple):
    """The step and the time, in microseconds, of the last point of a page."""

    step: int
    time: int


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


Choice = Callable[[Sequence[Summary]], Iterable[Summary]]


def excerpts(metrics: Iterable[int], choose: Choice) -> dict[int, Excerpt]:
    """By metric, its points; of a very long one those of the segments that `choose`
    picks, and the newest. At most four queries."""
    rows = stored_rows(metrics)
    short = [row for row in rows if row.count <= MAX_WHOLE]
    found = {pk: _whole(points) for pk, points in read_rows(short).items()}
    long = [row for row in rows if row.count > MAX_WHOLE]
    return found | (_chosen(long, choose) if long else {})


def page(metric: int, *, after: Cursor | None = None, limit: int) -> Records:
    """Points by step and time, from the one after the cursor."""
    least = Cursor(-(2**63), -(2**63)) if after is None else after
    found = excerpts([metric], lambda known: _page(known, least, limit))
    points = codec.in_order(found[metric].points) if found else codec.empty()
    if after is not None:
        steps, times = points["step"], points["time"]
        same = (steps == least.step) & (times > least.time)
        points = points[(steps > least.step) | same]
    return points[:limit]


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

    def choose(known: Sequence[Summary]) -> Iterable[Summary]:
        kept = np.linspace(0, len(known) - 1, min(places, len(known)))
        return [known[index] for index in np.unique(kept.round().astype(int))]

    return choose


def telling(known: Sequence[Summary]) -> Iterable[Summary]:
    """The segments with the lowest and the highest value of each stretch of the series,
    and both ends of it."""
    edges = np.linspace(0, len(known), min(STRETCHES, len(known)) + 1).round()
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
        row.pk: [each.pk for each in choose(known[row.pk])] if known[row.pk] else []
        for row in rows
    }
    pks = [pk for some in chosen.values() for pk in some]
    loaded = Segment.objects.filter(pk__in=pks).order_by("first")
    parts: dict[int, list[tuple[int, Records]]] = defaultdict(list)
    for metric, first, data in loaded.values_list("metric", "first", "data"):
        parts[metric].append((first, codec.decode(data)))
    # Segments may be put together between the queries.
    changed = [row for row in rows if len(parts[row.pk]) < len(chosen[row.pk])]
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
