"""Series of a trial's metrics for charts: grouped by name, thinned for the width."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Window
from django.db.models.functions import Mod, RowNumber

from experiments.models import Metric, MetricPoint
from experiments.pages.rows import thinned

# Beyond this many points the database already leaves some out.
MANY_POINTS = 600
MOST_OPTIONS = 100
SPLIT = re.compile(
    r"^(train|training|val|valid|validation|test|eval)[_/.-]"
    r"|[_/.-](train|training|val|valid|validation|test|eval)$",
    re.IGNORECASE,
)
LOWER_IS_BETTER = re.compile(r"loss|err|mae|mse|rmse|nll|perplexity|wer|cer|time|fid")

Points = list[list[float | None]]


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
    """Points by metric id in one query, non-finite ones null, thinned."""
    if not metrics:
        return {}
    most = max(metric.count for metric in metrics)
    stride = max(1, math.ceil(most / MANY_POINTS))
    rows = MetricPoint.objects.filter(
        metric__in=[metric.pk for metric in metrics], ordinal=0
    )
    if stride > 1:
        place = Window(RowNumber(), partition_by=F("metric"), order_by=F("step").desc())
        rows = rows.annotate(place=place).annotate(kept=Mod("place", stride))
        rows = rows.filter(kept=1)
    curves: dict[int, Points] = {metric.pk: [] for metric in metrics}
    for metric_id, step, value in rows.order_by("metric", "step").values_list(
        "metric_id", "step", "value"
    ):
        finite = value is not None and math.isfinite(value)
        curves[metric_id].append([step, value if finite else None])
    return {pk: thinned(curve) for pk, curve in curves.items()}


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
