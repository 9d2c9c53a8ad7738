"""What the templates of a single run's page show, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Exists, OuterRef
from django.http import QueryDict
from django.urls import reverse

from experiments.formatting import number_text
from experiments.models import Metric, Sweep, Trial
from experiments.models.trials import IS_RANKED, TrialState
from experiments.pages.curves import (
    Group,
    Points,
    groups_of,
    is_series,
    matching,
    points_of,
)
from experiments.pages.outputs.files import outputs_context
from experiments.pages.trial.page import (
    children_context,
    missing_words,
)
from experiments.search.records import goal_of
from experiments.tracking.spaces import trial_params
from experiments.tracking.training_time import attempt_seconds

# More charts than this load slowly; a text in the name picks others.
MAX_CHARTS = 12
# After these times without a report the page says so, and that it probably has ended.
SILENT_AFTER, ENDED_AFTER = timedelta(minutes=5), timedelta(hours=24)
SOURCES = {
    "mlflow.source.name": "source",
    "mlflow.source.git.commit": "commit",
    "mlflow.source.branch": "branch",
    "mlflow.user": "user",
}

# The parts of the page that its feed may replace, each with its own template.
PARTS = ("head", "tiles", "metrics", "parameters", "source")
SHARED_PARTS = ("children", "outputs")


START_LINES = """import mlflow
with mlflow.start_run(run_id="{:032x}"):
    mlflow.log_metric("accuracy", 0.93, step=1)"""


@dataclass(frozen=True)
class RunParameter:
    """``best``: the value of the best trial; None where it is not set."""

    name: str
    value: str | None
    best: Any

    @property
    def differs(self) -> bool:
        return self.best is not None and str(self.best) != self.value


@dataclass(frozen=True)
class RunChart:
    """One chart; its model is in the page's models under ``id``."""

    id: str
    title: str
    last: Sequence[Metric]


@dataclass(frozen=True)
class RunStanding:
    """The run beside the trials of its experiment's sweeps, by the metric of the newest
    one whose metric the run reports. ``ahead`` of the ``ranked`` trials are better."""

    sweep: Sweep
    value: float
    best: Trial
    ahead: int
    ranked: int

    @property
    def words(self) -> tuple[str, str]:
        """``0.0125``, ``worse than``: the run beside the best trial."""
        gap = self.value - (self.best.value or 0.0)
        if not gap:
            return "", "Equal to"
        better = (gap > 0) == (self.sweep.goal == "maximize")
        return number_text(abs(gap)), f"{'better' if better else 'worse'} than"


def standing_of(run: Trial, metrics: Sequence[Metric]) -> RunStanding | None:
    """In at most three queries."""
    by_name = {metric.name: metric for metric in metrics}
    ranked = Trial.objects.filter(IS_RANKED, sweep=OuterRef("pk"))
    sweeps = Sweep.objects.filter(
        Exists(ranked),
        experiment=run.experiment_id,
        primary_metric__in=by_name,
        deletion_requested_at=None,
        archived_at=None,
    )
    newest = sweeps.select_related("experiment").order_by("-number")
    sweep = newest.first() if by_name else None
    value = best_value(by_name[sweep.primary_metric], sweep.goal) if sweep else None
    if sweep is None or value is None:
        return None
    alike = sweeps.filter(primary_metric=sweep.primary_metric, goal=sweep.goal)
    trials = Trial.objects.filter(sweep__in=alike).ranked(sweep.goal)
    trials = trials.select_related("sweep__experiment")
    best = trials.first()
    if best is None:
        return None
    better = "value__gt" if sweep.goal == "maximize" else "value__lt"
    ahead = trials.filter(**{better: value}).count()
    return RunStanding(sweep, value, best, ahead, trials.count())


def best_value(metric: Metric, goal: str) -> float | None:
    return metric.high if goal == "maximize" else metric.low


@dataclass(frozen=True)
class RunWords:
    """What a run does or how it ended, in a sentence. ``is_silent``: it may have ended
    without a word."""

    lead: str
    note: str
    since: datetime | None = None
    is_silent: bool = False


def words_of(run: Trial, now: datetime) -> RunWords:
    attempt = run.current_attempt
    seen = attempt.heartbeat_at if attempt else None
    if run.state != TrialState.RUNNING:
        leads = {TrialState.FAILED: "It failed", TrialState.CANCELLED: "It was ended"}
        lead = leads.get(TrialState(run.state), "It completed")
        return RunWords(lead, run.message, run.ended_at)
    silence = now - seen if seen else timedelta()
    if silence < SILENT_AFTER:
        return RunWords("It is running", "Last sign", seen)
    if silence < ENDED_AFTER:
        note = "Its program sends nothing, or has ended. Points that come are stored."
        return RunWords("No sign for a while", note, seen, is_silent=True)
    note = (
        "Its program has probably ended without saying so. Mark the run as ended if you"
        " know how it went; what it logged is kept."
    )
    return RunWords("No sign for over a day", note, seen, is_silent=True)


def run_context(
    run: Trial, query: QueryDict, now: datetime
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the page shows, and the models of its charts by id."""
    attempt = run.current_attempt
    reported = Metric.objects.of_training().filter(attempt=attempt, count__gt=0)
    metrics = list(reported.order_by("name"))
    wanted = query.get("metric", "")
    groups = groups_of(list(filter(is_series, metrics)))
    singles = [metric for metric in metrics if not is_series(metric)]
    shown = (matching(groups, wanted) if wanted else groups)[:MAX_CHARTS]
    models = chart_models(shown, run.started_at or run.created_at)
    standing = standing_of(run, metrics)
    context = {
        "trial": run,
        "run": run.run,
        "attempt": attempt,
        "creator": run.run.created_by,
        "elapsed": attempt_seconds(attempt, now),
        "words": words_of(run, now),
        "standing": standing,
        "main": main_metric(metrics, standing),
        "last_step": max((m.last_step or 0 for m in metrics), default=0),
        "point_count": sum(metric.count for metric in metrics),
        "metric_count": len(metrics),
        "group_count": len(groups),
        "chart_selects": CHART_SELECTS,
        "singles": [m for m in singles if wanted.lower() in m.name.lower()],
        "charts": [
            RunChart(name, group.title, group.metrics)
            for name, group in zip(models, shown, strict=True)
        ],
        "wanted": wanted,
        "parameters": parameter_rows(run, standing.best if standing else None),
        "tags": run.run.visible_tags.items(),
        "sources": source_rows(run),
        **children_context(run),
        "compare_url": compare_url(run, standing),
        "missing": missing_words(attempt),
        **outputs_context(run, attempt, query),
        "start_tabs": start_tabs(run),
    }
    return context, models


def main_metric(
    metrics: Sequence[Metric], standing: RunStanding | None
) -> Mapping[str, Any] | None:
    """The metric that the first tile shows: the sweep's, else the first by name."""
    wanted = standing.sweep.primary_metric if standing else ""
    named = (metric for metric in metrics if metric.name == wanted)
    metric = next(named, next(iter(metrics), None))
    if metric is None:
        return None
    goal = standing.sweep.goal if standing else goal_of(metric.name)
    return {"metric": metric, "best": best_value(metric, goal)}


def chart_models(groups: Sequence[Group], start: datetime) -> dict[str, Any]:
    """Models of static/js/charts/lines.js by the chart's id."""
    metrics = [metric for group in groups for metric in group.metrics]
    points = points_of(metrics, since=start)
    since = start.timestamp()
    return {
        f"run-chart-{place}": {
            "xLabel": "step",
            "since": since,
            "series": _series(group, points),
        }
        for place, group in enumerate(groups)
    }


def _select(name: str, label: str, options: Mapping[str, str]) -> dict[str, Any]:
    pairs = [{"value": value, "text": text} for value, text in options.items()]
    return {"name": name, "label": label, "options": pairs}


CHART_SELECTS = (
    _select("x", "X axis", {"": "step", "relative": "since start", "time": "time"}),
    _select("smooth", "Smoothing", {"": "raw", "0.6": "smooth", "0.9": "smoother"}),
    _select("y", "Y axis", {"": "linear", "log": "log"}),
)


def _series(group: Group, points: Mapping[int, Points]) -> list[dict[str, Any]]:
    return [{"name": each.name, "points": points[each.pk]} for each in group.metrics]


def parameter_rows(run: Trial, best: Trial | None) -> list[RunParameter]:
    """As they were logged; then those that only the best trial has."""
    own: Mapping[str, str] = run.run.params
    others = trial_params(best) if best else {}
    return [
        RunParameter(name, own.get(name), others.get(name))
        for name in dict.fromkeys([*own, *others])
    ]


def source_rows(run: Trial) -> list[tuple[str, str]]:
    """Where it ran, as its program says."""
    tags: Mapping[str, str] = run.run.tags
    client = run.current_attempt.client if run.current_attempt else ""
    said = [(words, tags[name]) for name, words in SOURCES.items() if tags.get(name)]
    return [*([("logged through", client)] if client else []), *said]


def compare_url(run: Trial, standing: RunStanding | None) -> str:
    ids = [*([standing.best.pk] if standing else []), run.pk]
    query = urlencode({"trials": ",".join(map(str, ids))}, safe=",")
    return f"{reverse('compare')}?{query}"


def start_tabs(run: Trial) -> list[dict[str, str]]:
    """The lines of Python that log to the run."""
    code = START_LINES.format(run.pk)
    return [{"id": "mlflow", "name": "MLflow", "code": code}]
