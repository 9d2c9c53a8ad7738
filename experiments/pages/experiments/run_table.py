"""Single runs as tables list them, in a fixed number of queries."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max
from django.utils import timezone

from experiments.models import Attempt, Experiment, Metric, Team, Trial
from experiments.models.trials import AttemptState, TrialQuerySet
from experiments.tracking.training_time import attempt_seconds

MAX_RECENT = 8
# Columns of metrics, and parameters of one row.
MAX_COLUMNS, MAX_PARAMS = 3, 4
# As on a run's own page.
SILENT_AFTER = timedelta(minutes=5)


@dataclass(frozen=True)
class ListedRun:
    """``values``: the last ones of the table's metrics, in their order."""

    trial: Trial
    values: Sequence[Metric | None]
    seconds: float | None
    is_silent: bool

    @property
    def params(self) -> str:
        pairs = list(self.trial.run.params.items())[:MAX_PARAMS]
        return ", ".join(f"{name} {value[:30]}" for name, value in pairs)


def runs_of(experiment: Experiment) -> TrialQuerySet:
    return Trial.objects.filter(experiment=experiment, sweep=None)


def runs_of_team(team: Team) -> TrialQuerySet:
    own = Experiment.objects.filter(team=team).values("pk")
    return Trial.objects.kept().filter(experiment__in=own, sweep=None)


def recent_runs(team: Team) -> list[ListedRun]:
    """The team's newest runs, without metrics and nested runs."""
    runs = runs_of_team(team).filter(run__parent=None, run__archived_at=None)
    joined = runs.order_by("-pk").select_related(
        "run__created_by", "current_attempt", "experiment"
    )
    return listed_runs(joined[:MAX_RECENT])


def child_table(parent: Trial, *, most: int) -> tuple[list[str], list[ListedRun]]:
    """The nested runs that its program logged, the oldest first, and the metrics of
    their columns."""
    own = Trial.objects.kept().filter(run__parent=parent.pk, sweep=None)
    joined = own.select_related("run", "current_attempt").order_by("pk")
    nested, now = list(joined[:most]), timezone.now()
    metrics = metrics_of(nested)
    names = metric_columns(Counter(name for each in metrics.values() for name in each))
    by_run = [metrics.get(run.current_attempt_id or 0, {}) for run in nested]
    return names, [
        _listed(run, [reported.get(name) for name in names], now)
        for run, reported in zip(nested, by_run, strict=True)
    ]


def listed_runs(trials: Iterable[Trial]) -> list[ListedRun]:
    """Without metrics."""
    now = timezone.now()
    return [_listed(trial, (), now) for trial in trials]


def _listed(trial: Trial, values: Sequence[Metric | None], now: datetime) -> ListedRun:
    attempt = trial.current_attempt
    seen = attempt.heartbeat_at if attempt else None
    silent = seen is not None and now - seen > SILENT_AFTER
    return ListedRun(
        trial,
        values=values,
        seconds=attempt_seconds(attempt, now),
        is_silent=silent and not trial.has_ended,
    )


def metrics_of(trials: Sequence[Trial]) -> Mapping[int, Mapping[str, Metric]]:
    """By attempt and name; not those of the machine."""
    ids = [trial.current_attempt_id for trial in trials if trial.current_attempt_id]
    found: dict[int, dict[str, Metric]] = defaultdict(dict)
    metrics = Metric.objects.of_training().filter(attempt__in=ids, count__gt=0)
    for metric in metrics.order_by("name"):
        found[metric.attempt_id][metric.name] = metric
    return found


def metric_columns(counts: Counter[str], first: Sequence[str] = ()) -> list[str]:
    """Those of ``first`` that are there, then those that most rows have."""
    wanted = [name for name in dict.fromkeys(first) if name in counts]
    others = (name for name, _ in counts.most_common() if name not in wanted)
    return [*wanted, *others][:MAX_COLUMNS]


def run_facts(experiment: Experiment) -> tuple[Any, ...]:
    """They change whenever one of its runs changes or reports."""
    runs = runs_of(experiment)
    live = Attempt.objects.filter(
        trial__experiment=experiment, trial__sweep=None, state=AttemptState.RUNNING
    )
    changes = (Count("pk"), Max("updated_at"), Count("run__deleted_at"))
    return runs.aggregate(*changes), live.aggregate(Max("heartbeat_at"))
