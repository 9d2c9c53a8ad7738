"""Single runs as an experiment's page lists them, in a fixed number of queries."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.db.models import Count, Max, Q
from django.http import QueryDict
from django.utils import timezone

from experiments.models import Attempt, Experiment, Metric, Team, Trial
from experiments.models.trials import AttemptState, TrialQuerySet, TrialState
from experiments.tracking.training_time import attempt_seconds

PAGE_SIZE, MAX_RECENT = 50, 8
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


@dataclass(frozen=True)
class RunTable:
    """One page of runs, the newest first; nested runs are on their parents' pages."""

    page: Page[Trial]
    rows: Sequence[ListedRun]
    metrics: Sequence[str]
    text: str
    in_trash: bool
    running: int
    trashed: int

    @property
    def is_shown(self) -> bool:
        return bool(self.rows or self.text or self.in_trash)

    def _url(self, number: int) -> str:
        query: dict[str, Any] = {"q": self.text} if self.text else {}
        trash = {"trash": "1"} if self.in_trash else {}
        return f"?{urlencode({**query, **trash, 'page': number})}"

    @property
    def newer_url(self) -> str:
        if not self.page.has_previous():
            return ""
        return self._url(self.page.previous_page_number())

    @property
    def older_url(self) -> str:
        return self._url(self.page.next_page_number()) if self.page.has_next() else ""


def runs_of(experiment: Experiment) -> TrialQuerySet:
    return Trial.objects.filter(experiment=experiment, sweep=None)


def runs_of_team(team: Team) -> TrialQuerySet:
    own = Experiment.objects.filter(team=team).values("pk")
    return Trial.objects.kept().filter(experiment__in=own, sweep=None)


def recent_runs(team: Team) -> list[ListedRun]:
    """The team's newest runs, without metrics and nested runs."""
    runs = runs_of_team(team).filter(run__parent=None).order_by("-pk")
    joined = runs.select_related("run__created_by", "current_attempt", "experiment")
    return [_listed(trial, (), timezone.now()) for trial in joined[:MAX_RECENT]]


def run_table(
    experiment: Experiment, query: QueryDict, *, primary: Sequence[str]
) -> RunTable:
    """``primary``: metrics that get a column first."""
    every = runs_of(experiment)
    in_trash, text = "trash" in query, query.get("q", "").strip()[:200]
    trash = every.filter(run__deleted_at__isnull=False)
    shown = trash if in_trash else every.kept().filter(run__parent=None)
    if text:
        shown = shown.filter(run__name__icontains=text)
    joined = shown.select_related("run__created_by", "current_attempt")
    page = Paginator(joined.order_by("-number"), PAGE_SIZE).get_page(query.get("page"))
    names, rows = _rows(list(page.object_list), primary)
    counts = every.aggregate(
        running=Count("pk", filter=Q(state=TrialState.RUNNING, run__deleted_at=None)),
        trashed=Count("run__deleted_at"),
    )
    return RunTable(
        page=page,
        rows=rows,
        metrics=names,
        text=text,
        in_trash=in_trash,
        **counts,
    )


def _rows(
    trials: Sequence[Trial], primary: Sequence[str]
) -> tuple[list[str], list[ListedRun]]:
    metrics = _metrics(trials)
    names, now = _columns(metrics, primary), timezone.now()
    rows = []
    for trial in trials:
        own = metrics.get(trial.current_attempt_id or 0, {})
        rows.append(_listed(trial, [own.get(name) for name in names], now))
    return names, rows


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


def _metrics(trials: Sequence[Trial]) -> Mapping[int, Mapping[str, Metric]]:
    """By attempt and name; not those of the machine."""
    ids = [trial.current_attempt_id for trial in trials if trial.current_attempt_id]
    found: dict[int, dict[str, Metric]] = defaultdict(dict)
    metrics = Metric.objects.of_training().filter(attempt__in=ids, count__gt=0)
    for metric in metrics.order_by("name"):
        found[metric.attempt_id][metric.name] = metric
    return found


def _columns(
    metrics: Mapping[int, Mapping[str, Metric]], primary: Sequence[str]
) -> list[str]:
    """Those of the experiment's sweeps, then those that most runs report."""
    counts = Counter(name for own in metrics.values() for name in own)
    first = [name for name in dict.fromkeys(primary) if name in counts]
    others = (name for name, _ in counts.most_common() if name not in first)
    return [*first, *others][:MAX_COLUMNS]


def run_facts(experiment: Experiment) -> tuple[Any, ...]:
    """They change whenever one of its runs changes or reports."""
    runs = runs_of(experiment)
    live = Attempt.objects.filter(
        trial__experiment=experiment, trial__sweep=None, state=AttemptState.RUNNING
    )
    changes = (Count("pk"), Max("updated_at"), Count("run__deleted_at"))
    return runs.aggregate(*changes), live.aggregate(Max("heartbeat_at"))
