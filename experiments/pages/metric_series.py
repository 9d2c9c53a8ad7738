"""Series of a trial's metrics for charts, grouped by name."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Max, Min, QuerySet

from experiments.models import Metric, MetricPoint
from experiments.pages.envelope import MANY_POINTS, Envelopes, Points

MOST_OPTIONS = 100
SPLIT = re.compile(
    r"^(train|training|val|valid|validation|test|eval)[_/.-]"
    r"|[_/.-](train|training|val|valid|validation|test|eval)$",
    re.IGNORECASE,
)
LOWER_IS_BETTER = re.compile(r"loss|err|mae|mse|rmse|nll|perplexity|wer|cer|time|fid")


@dataclass(frozen=True)
class Group:
    """Metrics that belong into one picture, such as loss and val_loss."""

    stem: str
    metrics: Sequence[Metric]

    @property
    def title(self) -> str:
        return " and ".join(metric.name for metric in self.metrics)


def stem_of(name: str) -> str:
    """The name without the split of the data: ``loss`` for ``val_loss``."""
    return SPLIT.sub("", name) or name


def groups_of(metrics: Sequence[Metric]) -> list[Group]:
    """The metrics by stem; at most two of a stem share a picture."""
    by_stem: dict[str, list[Metric]] = {}
    for metric in metrics:
        by_stem.setdefault(stem_of(metric.name), []).append(metric)
    groups: list[Group] = []
    for stem, members in by_stem.items():
        for start in range(0, len(members), 2):
            pair = members[start : start + 2]
            groups.append(Group(stem if not start else pair[0].name, pair))
    return groups[:MOST_OPTIONS]


def picked_group(groups: Sequence[Group], wanted: str) -> Group | None:
    """The group of that stem or with that metric, else the first."""
    for group in groups:
        if wanted == group.stem or any(m.name == wanted for m in group.metrics):
            return group
    return groups[0] if groups else None


def points_of(metrics: Sequence[Metric]) -> dict[int, Points]:
    """Points by metric id, non-finite ones null; of long curves their envelopes.

    One query for the short ones together, four for the long ones.
    """
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
            curves[metric_id].append([step, _finite(value)])
    return curves


def _envelopes(metrics: Sequence[Metric]) -> dict[int, Points]:
    if not metrics:
        return {}
    rows = _points(metrics)
    ends = rows.aggregate(first=Min("step"), last=Max("step"))
    span = (ends["last"] or 0) - (ends["first"] or 0) + 1
    curves = Envelopes(rows, owner="metric", axis="step", span=span).curves()
    return {metric.pk: curves.get(metric.pk, []) for metric in metrics}


def _finite(value: float | None) -> float | None:
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
    """A guess at which way is better, by the name."""
    return "minimize" if LOWER_IS_BETTER.search(name.lower()) else "maximize"
