"""Long curves for charts: of every stretch the lowest and the highest value, so that no
peak is lost however many points there are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from django.db.models import F, Max, Min, Q, QuerySet, Value

# A curve with no more points than this is drawn as it is.
MANY_POINTS = 300
STRETCHES = 150

Points = list[list[float | None]]


class Stretch(NamedTuple):
    """Some neighbouring points; ``low`` and ``high`` of the finite values, if any."""

    owner: int
    start: int
    end: int
    low: float | None
    high: float | None

    def points(self) -> Iterator[list[float | None]]:
        """The highest stands in the middle: where exactly it was nobody sees."""
        yield [self.start, self.low]
        if self.end > self.start:
            yield [(self.start + self.end) // 2, self.high]


def envelopes(
    rows: QuerySet[Any], *, owner: str, axis: str, span: int
) -> dict[int, Points]:
    """Curves by what they belong to, in one query that reads all of ``rows``.

    ``owner`` and ``axis`` are the columns that tell curves and places apart, ``span``
    the length of the longest curve on that axis. Where a curve ends is not in it: the
    last point may be neither the lowest nor the highest, see `with_end`.
    """
    width = max(1, math.ceil(span / STRETCHES))
    finite = Q(value__gt=-math.inf, value__lt=math.inf)
    stretches = (
        rows.annotate(stretch=F(axis) / Value(width))
        .values(owner, "stretch")
        .annotate(start=Min(axis), end=Max(axis))
        .annotate(low=Min("value", filter=finite), high=Max("value", filter=finite))
        .order_by(owner, "stretch")
    )
    names = (owner, "start", "end", "low", "high")
    return _joined(Stretch(*row) for row in stretches.values_list(*names))


def _joined(stretches: Iterable[Stretch]) -> dict[int, Points]:
    curves: dict[int, Points] = {}
    for stretch in stretches:
        curves.setdefault(stretch.owner, []).extend(stretch.points())
    return curves


def with_end(curve: Points, place: float | None, value: float | None) -> Points:
    """The curve to its last point, which is what people read off it first."""
    if place is None or (curve and curve[-1][0] == place):
        return curve
    return [*curve, [place, value]]
