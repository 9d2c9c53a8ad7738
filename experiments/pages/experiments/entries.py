"""Sweeps and runs of an experiment or a team in one table: filters, order and pages.

A fixed number of queries, however many there are; only those of the page are read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from django.core.paginator import Page, Paginator
from django.http import QueryDict

from experiments.formatting import named_metric_text
from experiments.models import Metric, Sweep, Trial
from experiments.models.trials import TrialState
from experiments.pages.experiments.entry_filter import (
    ARCHIVE,
    LIST,
    TRASH,
    EntryFilter,
    EntryMatches,
    Owner,
    entry_counts,
    entry_keys,
    found_by,
)
from experiments.pages.experiments.run_table import (
    ListedRun,
    listed_runs,
    metric_columns,
    metrics_of,
)
from experiments.pages.experiments.sweep_table import (
    SweepRow,
    best_trials,
    sweep_rows,
)
from experiments.pages.filter_answers import chip_text, error_json
from experiments.search.filters.lexer import FilterError
from experiments.sweeps.entry_columns import ENTRY_KINDS, RUN, SWEEP, value_column
from experiments.sweeps.entry_filters import ENTRY_STATES, as_filter

PAGE_SIZE, MAX_TAGS, MAX_BEST = 50, 3, 3


@dataclass(frozen=True)
class BestTrial:
    """One of the best trials of an opened sweep."""

    trial: Trial
    values: Sequence[tuple[str, float | None]]
    is_best: bool

    @property
    def cells(self) -> list[tuple[str, float | None, str]]:
        return [(n, value, named_metric_text(value, n)) for n, value in self.values]


@dataclass(frozen=True)
class ListedEntry:
    """One row: a sweep or a run, with its values of the table's metrics."""

    sweep: SweepRow | None
    run: ListedRun | None
    values: Sequence[tuple[str, float | None]]
    last_step: int | None = None
    toggle_url: str = ""
    # The best trials of an opened sweep, with their values.
    best: Sequence[BestTrial] = ()

    @property
    def of(self) -> Any:
        """The sweep, or the run's trial."""
        return self.sweep.sweep if self.sweep else self.run and self.run.trial

    @property
    def creator(self) -> str:
        owner: Sweep | Any = self.sweep.sweep if self.sweep else self.of.run
        return str(owner.creator)

    @property
    def started(self) -> datetime:
        return self.of.started_at or self.of.created_at  # type: ignore[no-any-return]

    @property
    def tags(self) -> Sequence[tuple[str, str]]:
        tags = self.sweep.sweep.tags if self.sweep else self.of.run.visible_tags
        return list(tags.items())[:MAX_TAGS]

    @property
    def tick(self) -> int | None:
        """The trial that a tick compares: of a sweep, its best one."""
        if self.sweep:
            return self.sweep.best.trial_id if self.sweep.best else None
        return int(self.of.pk)

    @property
    def is_open(self) -> bool:
        return bool(self.best)

    @property
    def cells(self) -> list[tuple[str, float | None, str]]:
        """Metric, value and text."""
        return [(n, value, named_metric_text(value, n)) for n, value in self.values]


@dataclass(frozen=True)
class FilterChip:
    text: str
    url: str
    picked: bool
    glyph: str = ""


@dataclass(frozen=True)
class EntryTable:
    """One page of the table. ``counts``: of all by place, kind and state."""

    filter: EntryFilter
    page: Page[Any]
    rows: Sequence[ListedEntry]
    metrics: Sequence[str]
    counts: Mapping[tuple[str, str, str], int]
    found: EntryMatches | None

    @property
    def conditions(self) -> list[dict[str, str]]:
        """Chips of the filter, each with the address without it."""
        asked = self.filter
        if self.found is None:
            text = f"text contains {asked.q}"
            return [{"text": text, "url": asked.no_text_url}] if asked.q else []
        return [
            {"text": chip_text(each), "url": asked.url(q=each.without)}
            for each in self.found.conditions
        ]

    @property
    def error(self) -> FilterError | None:
        return self.found.error if self.found else None

    @property
    def problem(self) -> str:
        """The error for scripts."""
        return json.dumps(error_json(self.error, self.filter.q)) if self.error else ""

    @property
    def applied(self) -> str:
        """What scripts join another condition to."""
        return "" if self.error else as_filter(self.filter.q)

    def count(self, place: str = LIST, kind: str = "", state: str = "") -> int:
        return sum(
            number
            for (own_place, own_kind, own_state), number in self.counts.items()
            if own_place == place
            and kind in ("", own_kind)
            and state in ("", own_state)
        )

    @cached_property
    def in_list(self) -> Mapping[str, int]:
        return {kind: self.count(kind=kind) for kind in ENTRY_KINDS}

    @property
    def archived(self) -> int:
        return self.count(ARCHIVE)

    @property
    def trashed(self) -> int:
        return self.count(TRASH)

    @property
    def running(self) -> int:
        """Running runs."""
        return self.count(kind=RUN, state=TrialState.RUNNING)

    @property
    def has_sparks(self) -> bool:
        return any(row.sweep for row in self.rows)

    @property
    def chips(self) -> list[FilterChip]:
        """Filters by kind and by state, with what each would leave."""
        return [*self._chips("kind", ENTRY_KINDS), *self._chips("state", ENTRY_STATES)]

    def _chips(self, field: str, values: Sequence[str]) -> Iterator[FilterChip]:
        asked = self.filter
        picked = getattr(asked, field)
        others = {"kind": asked.kind, "state": asked.state}
        for value in values:
            count = self.count(asked.place, **(others | {field: value}))
            if not count and value != picked:
                continue
            change = {field: "" if value == picked else value}
            text = f"{value}s {count:,}" if field == "kind" else f"{count:,} {value}"
            glyph = value if field == "state" else ""
            yield FilterChip(text, asked.url(**change), value == picked, glyph)

    @property
    def heads(self) -> Iterator[tuple[str, str, str]]:
        """Metrics, each with the address that sorts by it, and their order.
        Highest first, then lowest first, then newest first."""
        now = self.filter.sort
        for name in self.metrics:
            following, order = {
                f"-{name}": (name, "descending"),
                name: ("", "ascending"),
            }.get(now, (f"-{name}", ""))
            yield name, self.filter.url(sort=following), order

    @property
    def newest_url(self) -> str:
        return self.filter.url(sort="")

    @property
    def newer_url(self) -> str:
        if not self.page.has_previous():
            return ""
        return self.filter.url(page=self.page.previous_page_number())

    @property
    def older_url(self) -> str:
        if not self.page.has_next():
            return ""
        return self.filter.url(page=self.page.next_page_number())


def entry_table(
    owner: Owner,
    query: QueryDict,
    *,
    sweeps: Sequence[SweepRow] = (),
    goals: Mapping[str, str] | None = None,
) -> EntryTable:
    """``sweeps``: rows that are known already, the newest first. Their metrics get the
    first columns and show the best value, as do those of ``goals``; others show the
    last one."""
    asked = EntryFilter.read(query, owner)
    own = {row.sweep.primary_metric: row.sweep.goal for row in reversed(sweeps)}
    goals = {**(goals or {}), **own}
    found = found_by(owner, asked)
    keys = entry_keys(owner, asked, goals, found)
    page = Paginator(keys, PAGE_SIZE).get_page(query.get("page"))
    primary = list(dict.fromkeys(row.sweep.primary_metric for row in sweeps))
    first = [asked.sort.removeprefix("-")] if asked.sort else []
    wanted = [*primary[:1], *first, *primary[1:]]
    names, rows = _entries(list(page.object_list), sweeps, wanted, goals)
    counts = entry_counts(owner)
    rows = _with_best(rows, names, asked, goals)
    return EntryTable(asked, page, rows=rows, metrics=names, counts=counts, found=found)


def _with_best(
    rows: Sequence[ListedEntry],
    names: Sequence[str],
    asked: EntryFilter,
    goals: Mapping[str, str],
) -> list[ListedEntry]:
    """Opened sweeps with their best trials."""
    shown = [row.sweep.sweep for row in rows if row.sweep]
    opened = [sweep for sweep in shown if sweep.pk in asked.opened]
    trials = best_trials(opened, MAX_BEST) if opened else {}
    metrics = metrics_of([trial for own in trials.values() for trial in own])
    found = []
    for row in rows:
        own = trials.get(row.sweep.sweep.pk, []) if row.sweep else []
        best = [
            BestTrial(
                trial,
                _values(metrics.get(trial.current_attempt_id or 0, {}), names, goals),
                is_best=place == 0,
            )
            for place, trial in enumerate(own)
        ]
        url = asked.toggle_url(row.sweep.sweep.pk) if row.sweep else ""
        found.append(replace(row, best=best, toggle_url=url))
    return found


def _entries(
    keys: Sequence[tuple[Any, ...]],
    known: Sequence[SweepRow],
    wanted: Sequence[str],
    goals: Mapping[str, str],
) -> tuple[list[str], list[ListedEntry]]:
    """The metrics of the columns, and the rows in the order of the keys."""
    ids = {kind: [key[1] for key in keys if key[0] == kind] for kind in ENTRY_KINDS}
    sweeps = {row.sweep.pk: row for row in known}
    others = Sweep.objects.filter(pk__in=[pk for pk in ids[SWEEP] if pk not in sweeps])
    joined = others.select_related("experiment", "created_by")
    sweeps |= {row.sweep.pk: row for row in sweep_rows(list(joined))}
    # Sweeps alone that are about one metric have no other columns.
    leaders = [sweeps[pk].best for pk in ids[SWEEP] if ids[RUN] or len({*wanted}) > 1]
    best = [leader.trial_id for leader in leaders if leader]
    trials = Trial.objects.filter(pk__in=[*ids[RUN], *best])
    trials = trials.select_related("run__created_by", "current_attempt", "experiment")
    both = list(trials)
    runs = [trial for trial in both if trial.sweep_id is None]
    metrics = metrics_of(both)
    of_best = {
        trial.sweep_id: metrics.get(trial.current_attempt_id or 0, {})
        for trial in both
        if trial.sweep_id
    }
    by_run = [metrics.get(run.current_attempt_id or 0, {}) for run in runs]
    counts = Counter(name for own in by_run for name in own)
    counts.update(sweeps[pk].sweep.primary_metric for pk in ids[SWEEP])
    counts.update(n for own in of_best.values() for n in own if n in wanted)
    names = metric_columns(counts, wanted)
    entries: dict[tuple[str, int], ListedEntry] = {
        (SWEEP, pk): ListedEntry(
            sweeps[pk],
            None,
            _sweep_values(sweeps[pk], _values(of_best.get(pk, {}), names, goals)),
        )
        for pk in ids[SWEEP]
    }
    for row, own in zip(listed_runs(runs), by_run, strict=True):
        values = _values(own, names, goals)
        entries[RUN, row.trial.pk] = ListedEntry(None, row, values, _last_step(own))
    return names, [entries[kind, pk] for kind, pk, *_ in keys if (kind, pk) in entries]


def _values(
    own: Mapping[str, Metric], names: Sequence[str], goals: Mapping[str, str]
) -> list[tuple[str, float | None]]:
    return [
        (n, getattr(own[n], value_column(goals.get(n))) if n in own else None)
        for n in names
    ]


def _sweep_values(
    row: SweepRow, of_best: Sequence[tuple[str, float | None]]
) -> list[tuple[str, float | None]]:
    """The best value of the primary metric, and the best trial's other metrics."""
    best = row.best.value if row.best else None
    own = row.sweep.primary_metric
    return [(name, best if name == own else value) for name, value in of_best]


def _last_step(metrics: Mapping[str, Metric]) -> int | None:
    return max((m.last_step or 0 for m in metrics.values()), default=None)
