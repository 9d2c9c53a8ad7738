"""A trial's points as a listing: metric by metric, by step and time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any

from django.db.models import QuerySet
from ninja import Schema

from experiments.api.pagination import Listing
from experiments.api.schemas import Number, reported_number
from experiments.models import Metric
from experiments.tracking import codec, excerpts
from experiments.tracking.excerpts import Cursor

# Metrics that are read at once.
BATCH = 100


class PointOut(Schema):
    name: str
    step: int
    value: Number
    time: datetime


Place = tuple[int, ...]


def point_listing(metrics: QuerySet[Metric], downsample: int | None) -> Listing:
    """The points of these metrics; of each at most `downsample`, evenly spread."""
    return Listing("metric,step,time,same", partial(_page, metrics, downsample))


def _page(
    metrics: QuerySet[Metric], most: int | None, after: Place | None, limit: int
) -> Sequence[tuple[Place, dict[str, Any]]]:
    first, *place = after or (0,)
    rows = metrics.filter(pk__gte=first, count__gt=0).order_by("pk")
    found = list(rows.values_list("pk", "name", "count"))
    cursors = {first: Cursor(*place)} if after else {}
    points = (
        point
        for batch in _batches(found, most, limit)
        for point in _points(batch, most, cursors, limit)
    )
    return list(islice(points, limit))


def _batches(
    metrics: Iterable[tuple[int, str, int]], most: int | None, limit: int
) -> Iterator[dict[int, str]]:
    """The names of metrics by id, of as many as are enough for a page."""
    batch: dict[int, str] = {}
    points = 0
    for pk, name, count in metrics:
        batch[pk] = name
        points += count if most is None else min(count, most)
        if points >= limit or len(batch) == BATCH:
            yield batch
            batch, points = {}, 0
    if batch:
        yield batch


def _points(
    names: Mapping[int, str],
    most: int | None,
    cursors: Mapping[int, Cursor],
    limit: int,
) -> Iterator[tuple[Place, dict[str, Any]]]:
    places = {pk: cursors.get(pk) for pk in names}
    found = excerpts.pages(places, limit=limit, most=most)
    for pk, name in names.items():
        last = places[pk]
        for step, time, _, value in found.get(pk, codec.empty()).tolist():
            again = last is not None and last[:2] == (step, time)
            last = Cursor(step, time, last.same + 1 if last and again else 1)
            number, moment = reported_number(value), codec.moment(time)
            point = {"name": name, "step": step, "value": number, "time": moment}
            yield (pk, *last), point
