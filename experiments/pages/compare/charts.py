"""Models of the curves that the compare page draws: the primary metric's, and those of
chosen metrics. Points are [report or step, value, step, seconds since the start].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from experiments.models import Metric
from experiments.pages.compare.comparison import Comparison, Entrant
from experiments.pages.curves import Points, points_of
from experiments.pages.trial_rows import report_curves
from experiments.search.records import goal_of

# Charts of other metrics on one page.
MAX_CHARTS = 6


def chosen_metrics(comparison: Comparison, wanted: Sequence[str]) -> list[str]:
    """Those of the wanted ones that are there, else the most common one."""
    names = comparison.common_metrics
    found = [name for name in dict.fromkeys(wanted) if name in names]
    return found[:MAX_CHARTS] or names[:1]


def primary_model(comparison: Comparison) -> dict[str, Any] | None:
    """By report; None where there is no common objective."""
    objective = comparison.objective
    if objective is None:
        return None
    ids = [entrant.trial.pk for entrant in comparison.entrants]
    curves = report_curves(ids, wide=True) | _run_curves(comparison)
    return {
        "objective": {"metric": objective.primary_metric, "goal": objective.goal},
        "xLabel": "report",
        "turned": True,
        "trials": chart_trials(comparison, curves),
    }


def metric_models(comparison: Comparison, names: Sequence[str]) -> list[dict[str, Any]]:
    """By step, in a fixed number of queries."""
    curves = _curves(comparison.entrants, names)
    return [
        {
            "objective": {"metric": name, "goal": goal_of(name)},
            "xLabel": "step",
            "turned": False,
            "trials": chart_trials(comparison, curves[name]),
        }
        for name in names
    ]


def chart_trials(
    comparison: Comparison, curves: Mapping[int, Any]
) -> list[dict[str, Any]]:
    """The trials of a chart's model, with the curves by trial id."""
    return [
        {
            "id": entrant.trial.pk,
            "number": entrant.trial.number,
            "name": entrant.name,
            "state": entrant.trial.state,
            "best": entrant.is_best,
            "value": entrant.trial.value,
            "reports": entrant.trial.reports,
            "params": entrant.params,
            "curve": curves.get(entrant.trial.pk, []),
        }
        for entrant in comparison.entrants
    ]


def _run_curves(comparison: Comparison) -> dict[int, Any]:
    """Curves of the primary metric, by report: those of runs, and for imported trials
    those of what they were made from."""
    objective = comparison.objective
    logged = [
        entrant
        for entrant in comparison.entrants
        if entrant.trial.sweep_id is None or entrant.trial.pk in comparison.sources
    ]
    if objective is None:
        return {}
    name = objective.primary_metric
    counts = {e.trial.pk: e.metrics[name].count for e in logged if name in e.metrics}
    curves = _curves(logged, [name])[name]
    return {pk: by_report(points, counts[pk]) for pk, points in curves.items()}


def by_report(points: Points, count: int) -> Points:
    """Points by step as points by report; of a curve that was thinned, the reports are
    as far apart as the steps."""
    if not points or len(points) == count:
        return [[n, *rest] for n, (_, *rest) in enumerate(points, 1)]
    steps = [point[0] or 0 for point in points]
    scale = (count - 1) / ((steps[-1] - steps[0]) or 1)
    return [
        [1 + round((step - steps[0]) * scale), *rest]
        for step, (_, *rest) in zip(steps, points, strict=True)
    ]


def _curves(
    entrants: Sequence[Entrant], names: Sequence[str]
) -> dict[str, dict[int, Points]]:
    """By metric and trial."""
    series = [
        (name, entrant, entrant.metrics[name])
        for name in names
        for entrant in entrants
        if name in entrant.metrics
    ]
    starts = [start for _, entrant, _ in series if (start := _start(entrant))]
    since = min(starts, default=None)
    points = points_of([metric for *_, metric in series], since=since)
    found: dict[str, dict[int, Points]] = {name: {} for name in names}
    for name, entrant, metric in series:
        found[name][entrant.trial.pk] = _wide(points, metric, _start(entrant), since)
    return found


def _start(entrant: Entrant) -> datetime | None:
    attempt = entrant.trial.current_attempt
    return attempt.claimed_at if attempt else None


def _wide(
    points: Mapping[int, Points],
    metric: Metric,
    start: datetime | None,
    since: datetime | None,
) -> Points:
    """Step, value, step, and seconds since its own start instead of ``since``."""
    own = points[metric.pk]
    if start is None or since is None:
        return [[step, value, step, None] for step, value, *_ in own]
    # An imported trial starts after the points of what it was made from.
    late = min([(start - since).total_seconds(), *(p[2] or 0.0 for p in own[:1])])
    return [
        [step, value, step, round((seconds or 0.0) - late, 1)]
        for step, value, seconds in own
    ]
