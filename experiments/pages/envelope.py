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
    end: int
    low: float | None
    high: float | None


class Envelopes:
    """Curves by what they belong to: the extremes of every stretch and both ends, at
    their places.

    In three queries, of which two read all of ``rows``. ``owner`` and ``axis`` are the
    columns that tell curves and places apart, ``span`` the length of the longest curve
    on that axis.
    """

    def __init__(
        self, rows: QuerySet[Any], *, owner: str, axis: str, span: int
    ) -> None:
        width = max(1, math.ceil(span / STRETCHES))
        self._rows = rows.order_by()
        self._parted = self._rows.annotate(stretch=F(axis) / Value(width))
        self._owner, self._axis = owner, axis

    def curves(self) -> dict[int, Points]:
        """Places and values as they are stored; a stretch without a finite value is a
        gap."""
        stretches = self._stretches()
        places = self._places(stretches)
        curves: dict[int, dict[int, float | None]] = {}
        for stretch in stretches:
            curves.setdefault(stretch.owner, {}).update(_extremes(stretch, places))
        for owner, place, value in self._ends(stretches):
            curves[owner][place] = value
        return {
            owner: [[place, curve[place]] for place in sorted(curve)]
            for owner, curve in curves.items()
        }

    def _stretches(self) -> list[Stretch]:
        finite = Q(value__gt=-math.inf, value__lt=math.inf)
        found = self._parted.values(self._owner, "stretch").annotate(
            start=Min(self._axis),
            end=Max(self._axis),
            low=Min("value", filter=finite),
            high=Max("value", filter=finite),
        )
        names = (self._owner, "stretch", "start", "end", "low", "high")
        return [Stretch(*row) for row in found.order_by().values_list(*names)]

    def _places(self, stretches: Sequence[Stretch]) -> Places:
        """Where each value that is lowest or highest somewhere comes first."""
        extremes = {value for each in stretches for value in (each.low, each.high)}
        found = self._parted.filter(value__in=extremes - {None})
        grouped = found.values(self._owner, "stretch", "value")
        names = (self._owner, "stretch", "value", "place")
        rows = grouped.annotate(place=Min(self._axis)).values_list(*names)
        return {(owner, number, value): place for owner, number, value, place in rows}

    def _ends(
        self, stretches: Sequence[Stretch]
    ) -> Iterator[tuple[int, int, float | None]]:
        """The first and the last point of each curve: what people read off it."""
        ends: dict[int, tuple[int, int]] = {}
        for each in stretches:
            first, last = ends.get(each.owner, (each.start, each.end))
            ends[each.owner] = (min(first, each.start), max(last, each.end))
        places = {place for pair in ends.values() for place in pair}
        rows = self._rows.filter(**{f"{self._axis}__in": places})
        for owner, place, value in rows.values_list(self._owner, self._axis, "value"):
            if place in ends[owner]:
                finite = value is not None and math.isfinite(value)
                yield owner, place, value if finite else None


Places = dict[tuple[int, int, float | None], int]


def _extremes(stretch: Stretch, places: Places) -> dict[int, float | None]:
    """The lowest and the highest point by place; where they are equal, one."""
    if stretch.low is None:
        return {stretch.start: None}
    # A value that came in between may not be found where it is looked for.
    return {
        places.get((stretch.owner, stretch.number, value), stretch.start): value
        for value in (stretch.low, stretch.high)
    }
