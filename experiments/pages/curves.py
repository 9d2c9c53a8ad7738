"""Curves of metrics for charts: thinned where they are long, grouped by name, or as a
small SVG path.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import F, Max, Min, Q, QuerySet, Value

from experiments.models import Metric, MetricPoint

# Longer curves are thinned.
MANY_POINTS = 300
STRETCHES = 150

Points = list[list[float | None]]


class Stretch(NamedTuple):
    """Neighboring points, with the lowest and highest finite value, if any."""

    owner: int
    number: int
    start: int
    end: int
    low: float | None
    high: float | None


class Envelopes:
    """Curves by owner: both ends, and the lowest and highest point of each stretch, so
    that no peak is lost. In three queries.

    ``owner`` and ``axis`` are the columns of curves and places, ``span`` is the length
    of the longest curve.
    """

    def __init__(
        self, rows: QuerySet[Any], *, owner: str, axis: str, span: int
    ) -> None:
        width = max(1, math.ceil(span / STRETCHES))
        self._rows = rows.order_by()
        self._parted = self._rows.annotate(stretch=F(axis) / Value(width))
        self._owner, self._axis = owner, axis

    def curves(self) -> dict[int, Points]:
        """Places and values; a stretch without a finite value is a gap."""
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
        """The first place of each lowest or highest value."""
        extremes = {value for each in stretches for value in (each.low, each.high)}
        found = self._parted.filter(value__in=extremes - {None})
        grouped = found.values(self._owner, "stretch", "value")
        names = (self._owner, "stretch", "value", "place")
        rows = grouped.annotate(place=Min(self._axis)).values_list(*names)
        return {(owner, number, value): place for owner, number, value, place in rows}

    def _ends(
        self, stretches: Sequence[Stretch]
    ) -> Iterator[tuple[int, int, float | None]]:
        """The first and the last point of each curve."""
        ends: dict[int, tuple[int, int]] = {}
        for each in stretches:
            first, last = ends.get(each.owner, (each.start, each.end))
            ends[each.owner] = (min(first, each.start), max(last, each.end))
        places = {place for pair in ends.values() for place in pair}
        rows = self._rows.filter(**{f"{self._axis}__in": places})
        for owner, place, value in rows.values_list(self._owner, self._axis, "value"):
            if place in ends[owner]:
                yield owner, place, finite(value)


Places = dict[tuple[int, int, float | None], int]


def _extremes(stretch: Stretch, places: Places) -> dict[int, float | None]:
    """The lowest and the highest point by place; where they are equal, one."""
    if stretch.low is None:
        return {stretch.start: None}
    # Points may arrive between the queries.
    return {
        places.get((stretch.owner, stretch.number, value), stretch.start): value
        for value in (stretch.low, stretch.high)
    }


MAX_OPTIONS = 100
SPLIT = re.compile(
    r"^(train|training|val|valid|validation|test|eval)[_/.-]"
    r"|[_/.-](train|training|val|valid|validation|test|eval)$",
    re.IGNORECASE,
)
LOWER_IS_BETTER = re.compile(r"loss|err|mae|mse|rmse|nll|perplexity|wer|cer|time|fid")


@dataclass(frozen=True)
class Group:
    """Metrics of one chart, such as loss and val_loss."""

    stem: str
    metrics: Sequence[Metric]

    @property
    def title(self) -> str:
        return " and ".join(metric.name for metric in self.metrics)


def stem_of(name: str) -> str:
    """The name without the split of the data: ``loss`` for ``val_loss``."""
    return SPLIT.sub("", name) or name


def groups_of(metrics: Sequence[Metric]) -> list[Group]:
    """The metrics by stem, at most two in a group; m2 comes before m10."""
    by_stem: dict[str, list[Metric]] = {}
    for metric in sorted(metrics, key=lambda metric: _in_numbers(metric.name)):
        by_stem.setdefault(stem_of(metric.name), []).append(metric)
    groups: list[Group] = []
    for stem, members in by_stem.items():
        for start in range(0, len(members), 2):
            pair = members[start : start + 2]
            groups.append(Group(stem if not start else pair[0].name, pair))
    return groups


def _in_numbers(name: str) -> list[tuple[int, str]]:
    return [(len(p) if p.isdigit() else 0, p) for p in re.split(r"(\d+)", name)]


def picked_group(groups: Sequence[Group], wanted: str) -> Group | None:
    """The group of that stem or with that metric, else one with this text in a name,
    else the first."""
    for group in groups:
        if wanted == group.stem or any(m.name == wanted for m in group.metrics):
            return group
    return next(iter([*matching(groups, wanted), *groups]), None)


def matching(groups: Sequence[Group], wanted: str) -> list[Group]:
    """Those with this text in a name."""
    text = wanted.lower()
    return [group for group in groups if text in group.title.lower()]


def points_of(metrics: Sequence[Metric]) -> dict[int, Points]:
    """Points by metric id, with null for non-finite values; long curves are thinned. In
    one query for short ones, four for long ones."""
    long = [metric for metric in metrics if metric.count > MANY_POINTS]
    short = [metric for metric in metrics if metric.count <= MANY_POINTS]
    curves = _whole(short) | _envelopes(long)
    return {metric.pk: curves[metric.pk] for metric in metrics}


def _points(metrics: Sequence[Metric]) -> QuerySet[MetricPoint]:
    ids = [metric.pk for metric in metrics]
    return MetricPoint.objects.filter(metric__in=ids, ordinal=0)


def _whole(metrics: Sequence[Metric]) -> dict[int, Points]:
    curves: dict[int, Points] = {metric.pk: [] for metric in metrics}
    if metrics:
        rows = _points(metrics).order_by("metric", "step")
        for metric_id, step, value in rows.values_list("metric_id", "step", "value"):
            curves[metric_id].append([step, finite(value)])
    return curves


def _envelopes(metrics: Sequence[Metric]) -> dict[int, Points]:
    if not metrics:
        return {}
    rows = _points(metrics)
    ends = rows.aggregate(first=Min("step"), last=Max("step"))
    span = (ends["last"] or 0) - (ends["first"] or 0) + 1
    curves = Envelopes(rows, owner="metric", axis="step", span=span).curves()
    return {metric.pk: curves.get(metric.pk, []) for metric in metrics}


def finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def lines_model(group: Group | None) -> dict[str, Any]:
    """The model of static/js/charts/lines.js."""
    if group is None:
        return {"xLabel": "step", "series": []}
    points = points_of(group.metrics)
    return {
        "xLabel": "step",
        "series": [
            {"name": metric.name, "points": points[metric.pk]}
            for metric in group.metrics
        ],
    }


def goal_of(name: str) -> str:
    """A guess by the metric's name."""
    return "minimize" if LOWER_IS_BETTER.search(name.lower()) else "maximize"


WIDTH, HEIGHT = 96, 24
# Room for the mark at the line's end.
LEFT, RIGHT, TOP, FLOOR = 2, 92, 4, 20


@dataclass(frozen=True)
class Sparkline:
    """``path`` is an SVG path; the line ends at (``x``, ``y``)."""

    path: str
    x: float
    y: float


def step_line(
    points: Sequence[tuple[float, float]],
    *,
    end: float,
    scale: tuple[float, float] | None = None,
    down_is_better: bool = False,
) -> Sparkline:
    """A step line through (position from 0 to 1, value), up to ``end``. Better is up.

    ``scale``: the values of the floor and the top; else those of the line.
    """
    values = [value for _, value in points]
    low, high = scale or (min(values), max(values))
    if down_is_better:
        low, high = high, low
    parts: list[str] = []
    for position, value in points:
        x, y = _across(position), _up(value, low, high)
        parts.append(f"H{x:g}V{y:g}" if parts else f"M{x:g} {y:g}")
    x = _across(max(end, points[-1][0]))
    return Sparkline(f"{''.join(parts)}H{x:g}", x, _up(values[-1], low, high))


def _across(position: float) -> float:
    return round(LEFT + (RIGHT - LEFT) * position, 1)


def _up(value: float, low: float, high: float) -> float:
    """Pixels from the top; a flat line is at three quarters of the height."""
    share = (value - low) / (high - low) if high != low else 0.75
    return round(FLOOR - (FLOOR - TOP) * share, 1)
