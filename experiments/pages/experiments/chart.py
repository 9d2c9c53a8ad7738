"""What each sweep of an experiment had found for the compute it had used."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Case, F, Max, Min, Q, RowRange, Sum, Value, When, Window
from django.db.models.functions import Coalesce

from experiments.models import Trial
from experiments.models.trials import TRIAL_ENDS, TRIAL_RANKED
from experiments.pages.experiments.sweep_table import SweepRow
from experiments.training_time import trained
from experiments.words import metric_text

# More lines than this cannot be told apart.
MOST_LINES = 6
Point = tuple[float, float]


def chart_model(
    rows: Sequence[SweepRow], *, best: SweepRow | None
) -> dict[str, Any] | None:
    """The model of a "lines" chart for sweeps of one metric, the first ones of
    ``rows``, with a star for ``best``; None when none of them has a value yet."""
    drawn = [row for row in rows if row.best][:MOST_LINES]
    if not drawn:
        return None
    goal = drawn[0].sweep.goal
    found = best_by_compute([row.sweep.pk for row in drawn], goal=goal)
    unit, seconds = _unit(max(row.compute.used for row in drawn))
    series = [
        {
            "name": f"{row.sweep.label} {metric_text(found[row.sweep.pk][-1][1])}",
            "points": _stairs(found[row.sweep.pk], row.compute.used, seconds),
            "best": row is best,
        }
        for row in drawn
        if found[row.sweep.pk]
    ]
    return {
        "xLabel": f"compute used by the sweep, {unit}",
        "xMin": 0,
        "goal": goal,
        "series": series,
    }


def _unit(longest: float) -> tuple[str, float]:
    """A unit in which the longest sweep takes some tens: its name and its seconds."""
    if longest < 180:
        return "slot-seconds", 1.0
    if longest < 3 * 3600:
        return "slot-minutes", 60.0
    return "slot-hours", 3600.0


def _stairs(steps: Sequence[Point], end: float, unit: float) -> list[list[float]]:
    """Corners of the step line: each value holds until the next, the last to the
    end."""
    corners: list[list[float]] = []
    for used, value in steps:
        if corners:
            corners.append([used / unit, corners[-1][1]])
        corners.append([used / unit, value])
    last, value = steps[-1]
    corners.append([max(end, last) / unit, value])
    return corners


def best_by_compute(ids: Sequence[int], *, goal: str) -> Mapping[int, list[Point]]:
    """(seconds used until then, new best value) by sweep, in the order in which trials
    ended. Windows keep all other trials in the database; failed ones cost, and never
    are the best."""
    best = Max if goal == "maximize" else Min
    order: dict[str, Any] = {"partition_by": "sweep", "order_by": ["ended_at", "pk"]}
    seconds = Coalesce(trained(), Value(0.0))
    trials = (
        Trial.objects.filter(sweep__in=ids, state__in=TRIAL_ENDS)
        .annotate(score=Case(When(state__in=TRIAL_RANKED, then=F("value"))))
        .annotate(
            used=Window(Sum(seconds), frame=RowRange(end=0), **order),
            before=Window(best("score"), frame=RowRange(end=-1), **order),
        )
    )
    beats = "score__gt" if goal == "maximize" else "score__lt"
    better = trials.filter(
        Q(before=None, score__isnull=False) | Q(**{beats: F("before")})
    )
    points: dict[int, list[Point]] = defaultdict(list)
    rows = better.order_by("sweep", "used").values_list("sweep", "used", "score")
    for pk, used, score in rows:
        points[pk].append((used, score))
    return points
