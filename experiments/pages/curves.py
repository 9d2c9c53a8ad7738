"""Curves of metrics for charts: thinned where they are long, grouped by name, or as a
small SVG path.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.models import Metric
from experiments.tracking.codec import Records, in_order, moment
from experiments.tracking.excerpts import STRETCHES, excerpts, telling

# Longer curves are thinned.
MANY_POINTS = 300

Points = list[list[float | None]]


def envelope(
    places: NDArray[np.int64], values: NDArray[np.float64], *, span: int
) -> NDArray[np.int64]:
    """Which points to draw: both ends, and the lowest and highest value of each
    stretch, so that no peak is lost; of a stretch without a finite value the first.

    `span` is the length of the longest curve of the chart.
    """
    stretches = places // max(1, math.ceil(span / STRETCHES))
    starts = np.flatnonzero(np.diff(stretches)) + 1
    kept = {0, len(places) - 1}
    for start, end in pairwise([0, *starts.tolist(), len(places)]):
        kept.update(start + place for place in _extremes(values[start:end]))
    return np.array(sorted(kept))


def _extremes(values: NDArray[np.float64]) -> tuple[int, ...]:
    is_finite = np.isfinite(values)
    if not is_finite.any():
        return (0,)
    low = np.where(is_finite, values, math.inf).argmin()
    high = np.where(is_finite, values, -math.inf).argmax()
    return int(low), int(high)


def drawn(places: NDArray[np.int64], values: NDArray[np.float64]) -> Points:
    """Null for values that are not finite."""
    pairs = zip(places.tolist(), values.tolist(), strict=True)
    return [[place, finite(value)] for place, value in pairs]


MAX_OPTIONS = 100
SPLIT = re.compile(
    r"^(train|training|val|valid|validation|test|eval)[_/.-]"
    r"|[_/.-](train|training|val|valid|validation|test|eval)$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Group:
    """Metrics of one chart, such as loss and val_loss."""

    stem: str
    metrics: Sequence[Metric]

    @property
    def title(self) -> str:
        return " and ".join(metric.name for metric in self.metrics)


def is_series(metric: Metric) -> bool:
    """Whether a chart shows more of it than its last value does."""
    return metric.count > 1 and metric.low is not None


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


def points_of(
    metrics: Sequence[Metric], *, since: datetime | None = None
) -> dict[int, Points]:
    """Points by metric id; long curves are thinned. With ``since`` each has the seconds
    from then, too. In two queries, at most four."""
    found = excerpts([metric.pk for metric in metrics], telling)
    curves = {pk: _one_each_step(each.points) for pk, each in found.items()}
    long = [curve for curve in curves.values() if len(curve) > MANY_POINTS]
    steps = [int(curve["step"][end]) for curve in long for end in (0, -1)]
    span = max(steps) - min(steps) + 1 if steps else 0
    return {
        metric.pk: _points(curves.get(metric.pk), span, since=since)
        for metric in metrics
    }


def _one_each_step(points: Records) -> Records:
    """The first one by time."""
    ordered = in_order(points)
    is_new = np.diff(ordered["step"], prepend=ordered["step"][:1] - 1) != 0
    firsts: Records = ordered[is_new]
    return firsts


def _points(curve: Records | None, span: int, *, since: datetime | None) -> Points:
    if curve is None:
        return []
    if len(curve) > MANY_POINTS:
        curve = curve[envelope(curve["step"], curve["value"], span=span)]
    points = drawn(curve["step"], curve["value"])
    if since is not None:
        for point, time in zip(points, curve["time"].tolist(), strict=True):
            point.append(round((moment(time) - since).total_seconds(), 1))
    return points


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
