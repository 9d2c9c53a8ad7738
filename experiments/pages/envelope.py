"""Long curves for charts: of every stretch the lowest and the highest value, so that no
peak is lost however many points there are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from django.db.models import F, Max, Min, Q, QuerySet, Value

# A curve with no more points than this is drawn as it is.
MANY_POINTS = 300
STRETCHES = 150

Points = list[list[float | None]]


class Stretch(NamedTuple):
    """Some neighbouring points; ``low`` and ``high`` of the finite values, if any."""

    owner: int
    number: int
    start: int
    low: float | None
    high: float | None


class Envelopes:
    """Curves by what they belong to, in two queries that read all of ``rows``.

    ``owner`` and ``axis`` are the columns that tell curves and places apart, ``span``
    the length of the longest curve on that axis. Where a curve ends is not in it: the
    last point may be neither the lowest nor the highest, see `with_end`.
    """

    def __init__(
        self, rows: QuerySet[Any], *, owner: str, axis: str, span: int
    ) -> None:
        width = max(1, math.ceil(span / STRETCHES))
        self._rows = rows.order_by().annotate(stretch=F(axis) / Value(width))
        self._owner, self._axis = owner, axis

    def curves(self) -> dict[int, Points]:
        """Places and values as they are stored; a stretch without a finite value is a
        gap."""
        stretches = self._stretches()
        places = self._places(stretches)
        curves: dict[int, Points] = {}
        for stretch in stretches:
            curve = curves.setdefault(stretch.owner, [])
            curve += _points(stretch, places)
        return curves

    def _stretches(self) -> list[Stretch]:
        finite = Q(value__gt=-math.inf, value__lt=math.inf)
        found = self._rows.values(self._owner, "stretch").annotate(
            start=Min(self._axis),
            low=Min("value", filter=finite),
            high=Max("value", filter=finite),
        )
        names = (self._owner, "stretch", "start", "low", "high")
        in_order = found.order_by(self._owner, "stretch")
        return [Stretch(*row) for row in in_order.values_list(*names)]

    def _places(self, stretches: Sequence[Stretch]) -> Places:
        """Where each value that is lowest or highest somewhere comes first."""
        extremes = {value for stretch in stretches for value in stretch[3:]} - {None}
        found = self._rows.filter(value__in=extremes)
        grouped = found.values(self._owner, "stretch", "value")
        names = (self._owner, "stretch", "value", "place")
        rows = grouped.annotate(place=Min(self._axis)).values_list(*names)
        return {(owner, number, value): place for owner, number, value, place in rows}


Places = dict[tuple[int, int, float | None], int]


def _points(stretch: Stretch, places: Places) -> Iterator[list[float | None]]:
    if stretch.low is None:
        yield [stretch.start, None]
        return
    # A point that came in between may have a value that was not there before.
    found = {
        places.get((stretch.owner, stretch.number, value), stretch.start): value
        for value in (stretch.low, stretch.high)
    }
    for place in sorted(found):
        yield [place, found[place]]


def with_end(curve: Points, place: float | None, value: float | None) -> Points:
    """The curve to its last point, which is what people read off it first.

    It may be further already: what is known of the end can be older than the rows.
    """
    last = curve[-1][0] if curve else None
    if place is None or (last is not None and last >= place):
        return curve
    return [*curve, [place, value]]
