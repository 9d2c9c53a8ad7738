"""Single runs as an experiment's page lists them, in a fixed number of queries."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.db.models import Count, F, Max, OuterRef, Q, Subquery
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
    sort: str
    in_trash: bool
    running: int
    trashed: int

    @property
    def is_shown(self) -> bool:
        return bool(self.rows or self.text or self.in_trash)

    def _url(self, **changes: Any) -> str:
        trash = "1" if self.in_trash else ""
        query = {"q": self.text, "trash": trash, "sort": self.sort} | changes
        kept = {name: value for name, value in query.items() if value}
        return f"?{urlencode(kept)}#runs"

    @property
    def heads(self) -> Sequence[tuple[str, str, str]]:
        """Metrics, each with the address that sorts by it, and their order.
        Highest first, then lowest first, then newest first."""
        following = {name: f"-{name}" for name in self.metrics}
        return [
            (
                name,
                self._url(
                    sort={f"-{name}": name, name: ""}.get(self.sort, following[name])
                ),
                {f"-{name}": "descending", name: "ascending"}.get(self.sort, ""),
            )
            for name in self.metrics
        ]

    @property
    def newer_url(self) -> str:
        if not self.page.has_previous():
            return ""
        return self._url(page=self.page.previous_page_number())

    @property
    def older_url(self) -> str:
        if not self.page.has_next():
            return ""
        return self._url(page=self.page.next_page_number())


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
    sort = query.get("sort", "")[:250]
    joined = shown.select_related("run__created_by", "current_attempt")
    ordered = _ordered(joined, sort)
    page = Paginator(ordered, PAGE_SIZE).get_page(query.get("page"))
    first = [sort.removeprefix("-")] if sort else []
    names, rows = _rows(list(page.object_list), [*primary[:1], *first, *primary[1:]])
    counts = every.aggregate(
        running=Count(
            "pk",
            filter=Q(state=TrialState.RUNNING, run__deleted_at=None, run__parent=None),
        ),
        trashed=Count("run__deleted_at"),
    )
    return RunTable(
        page=page,
        rows=rows,
        metrics=names,
        text=text,
        sort=sort,
        in_trash=in_trash,
        **counts,
    )


def child_table(parent: Trial, *, most: int) -> tuple[list[str], list[ListedRun]]:
    """The nested runs that its program logged, the oldest first, and the metrics of
    their columns."""
    own = Trial.objects.kept().filter(run__parent=parent.pk, sweep=None)
    nested = own.select_related("run", "current_attempt").order_by("pk")
    return _rows(list(nested[:most]), ())


def _ordered(runs: TrialQuerySet, sort: str) -> TrialQuerySet:
    """By a metric's last value; a minus: the highest first. Else the newest first."""
    if not sort:
        return runs.order_by("-number")
    own = Metric.objects.filter(
        attempt=OuterRef("current_attempt"), name=sort.removeprefix("-")
    )
    key = F("key").desc if sort.startswith("-") else F("key").asc
    values = runs.annotate(key=Subquery(own.values("last_value")[:1]))
    return values.order_by(key(nulls_last=True), "-number")


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
