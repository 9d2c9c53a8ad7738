"""Sweeps or runs as a table for filters. A column is read when a filter names it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db.models import (
    Case,
    Count,
    Max,
    Min,
    OuterRef,
    QuerySet,
    Subquery,
    Sum,
    When,
)

from experiments.models import Attempt, Metric, Sweep, Trial
from experiments.models.trials import IS_RANKED
from experiments.search.filters.columns import AnyColumn, FilterColumn, SeveralColumn
from experiments.search.records import JSONValue
from experiments.sweeps.trial_columns import IS, METRIC, PARAMETER, tag_words

SWEEP, RUN = ENTRY_KINDS = ("sweep", "run")
# Names of metrics are looked up in this many of the newest rows, and of the oldest.
MAX_NAMING = 50
GOALS = ("minimize", "maximize")

# Columns of the database, of sweeps and of runs.
SOURCES: Mapping[str, Mapping[str, str]] = {
    SWEEP: {
        **{name: name for name in ("state", "number", "name", "goal", "priority")},
        **{name: f"{name}_at" for name in ("created", "started", "ended", "archived")},
        "note": "notes",
        "tags": "tags",
        "by": "created_by__username",
        "experiment": "experiment__slug",
        "team": "experiment__team__slug",
        "metric": "primary_metric",
        "sampler": "definition",
        "policy": "early_termination__type",
        "pool": "pool__name",
    },
    RUN: {
        **{name: name for name in ("state", "number", "reports")},
        **{name: f"{name}_at" for name in ("created", "started", "ended")},
        "archived": "run__archived_at",
        "name": "run__name",
        "note": "run__note",
        "tags": "run__tags",
        "by": "run__created_by__username",
        "experiment": "experiment__slug",
        "team": "experiment__team__slug",
    },
}


@dataclass(frozen=True)
class EntryColumns:
    """`rows`: sweeps, or trials that are runs."""

    kind: str
    rows: QuerySet[Any]
    now: datetime

    @cached_property
    def keys(self) -> list[int]:
        return list(self.rows.order_by("pk").values_list("pk", flat=True))

    @property
    def size(self) -> int:
        return len(self.keys)

    @cached_property
    def _read(self) -> dict[str, AnyColumn]:
        return {}

    def column(self, key: str) -> AnyColumn:
        if key not in self._read:
            self._read[key] = self._column(key)
        return self._read[key]

    def _column(self, key: str) -> AnyColumn:
        if key.startswith(IS):
            return self._condition(key.removeprefix(IS))
        if key.startswith(PARAMETER):
            name = key.removeprefix(PARAMETER)
            return FilterColumn.of([each.get(name) for each in self.parameters])
        if key.startswith(METRIC):
            name = key.removeprefix(METRIC)
            return FilterColumn.of(self._values(self._metric(name)))
        match key:
            case "tags":
                tags = self._values(SOURCES[self.kind]["tags"])
                return SeveralColumn.of([tag_words(each or {}) for each in tags])
            case "kind":
                return FilterColumn.of([self.kind] * self.size)
            case "text":
                return FilterColumn.of(self._texts())
            case "took" | "age":
                return FilterColumn.of(self._durations(key))
            case "value" | "trials" | "compute":
                return FilterColumn.of(self._of_trials(key))
        source = SOURCES[self.kind].get(key)
        values = self._values(source) if source else [None] * self.size
        if key == "sampler":
            # The database keeps a definition as text.
            samplers = ((v or {}).get("sampling_algorithm", {}) for v in values)
            values = [sampler.get("type") for sampler in samplers]
        return FilterColumn.of([_plain(value) for value in values])

    def _values(self, source: Any) -> list[Any]:
        """By id: rows may come and go between two queries."""
        found = dict(self.rows.order_by().values_list("pk", source))
        return [found.get(key) for key in self.keys]

    def _condition(self, name: str) -> FilterColumn:
        archived = name == "archived"
        values = self._values(SOURCES[self.kind]["archived" if archived else "state"])
        met = [value is not None if archived else value == name for value in values]
        return FilterColumn.of(met)

    def _texts(self) -> list[str]:
        """What a search for a text looks at: label, name, tags and note."""
        sources = SOURCES[self.kind]
        columns = [self._values(sources[name]) for name in ("name", "note")]
        tags = self._values(sources["tags"])
        if self.kind == SWEEP:
            slugs, numbers = map(self._values, ("experiment__slug", "number"))
            columns.append([f"{s}-{n}" for s, n in zip(slugs, numbers, strict=True)])
        words = ["\n".join(tag_words(each or {})) for each in tags]
        return [
            "\n".join(filter(None, row)) for row in zip(*columns, words, strict=True)
        ]

    def _durations(self, key: str) -> list[float | None]:
        starts = self._values("created_at" if key == "age" else "started_at")
        ends = [None] * self.size if key == "age" else self._values("ended_at")
        return [
            ((end or self.now) - start).total_seconds() if start else None
            for start, end in zip(starts, ends, strict=True)
        ]

    def _of_trials(self, key: str) -> list[float | None]:
        """Of sweeps: the best value, the number of trials, the training time."""
        if self.kind == RUN:
            return self._durations("took") if key == "compute" else [None] * self.size
        if key == "value":
            return self._values(Case(*(When(goal=g, then=_best(g)) for g in GOALS)))
        if key == "trials":
            return self._values(Count("trials"))
        spent = Attempt.objects.filter(trial__sweep__in=self.rows.values("pk"))
        each = spent.order_by().values_list("trial__sweep").annotate(Sum("elapsed"))
        found = dict(each)
        return [found.get(key) or 0.0 for key in self.keys]

    # --- parameters and metrics -----------------------------------------------------

    @cached_property
    def parameters(self) -> Sequence[Mapping[str, JSONValue]]:
        """Of runs, and of the best trials of sweeps."""
        if self.kind == RUN:
            return [_read_texts(each or {}) for each in self._values("run__params")]
        ranked = {goal: _ranked(goal).values("pk")[:1] for goal in GOALS}
        best = Case(*(When(goal=g, then=Subquery(own)) for g, own in ranked.items()))
        ids = self._values(best)
        known = Trial.objects.filter(sweep__in=self.rows.values("pk"), pk__in=ids)
        params = dict(known.order_by().values_list("pk", "params"))
        return [params.get(pk) or {} for pk in ids]

    @cached_property
    def goals(self) -> Mapping[str, str]:
        """The goals of primary metrics, as the newest sweeps have them."""
        sweeps = self.rows
        if self.kind == RUN:
            same = self.rows.order_by().values("experiment")
            sweeps = Sweep.objects.filter(experiment__in=same)
        return dict(sweeps.order_by("pk").values_list("primary_metric", "goal"))

    def metric_names(self) -> set[str]:
        ids = [*self.keys[:MAX_NAMING], *self.keys[-MAX_NAMING:]]
        rows = Trial.objects.filter(pk__in=ids)
        if self.kind == SWEEP:
            own = Trial.objects.filter(sweep=OuterRef("pk"), reports__gt=0)
            some = Sweep.objects.filter(pk__in=ids)
            last = own.order_by("-number").values("pk")[:1]
            rows = Trial.objects.filter(pk__in=some.values_list(Subquery(last)))
        attempts = rows.values("current_attempt")
        found = Metric.objects.of_training().filter(attempt__in=attempts)
        return {*found.order_by().values_list("name", flat=True), *self.goals}

    def _metric(self, name: str) -> Any:
        goal = self.goals.get(name)
        value = value_of_sweep if self.kind == SWEEP else value_of_run
        return value(name, goal)


def _plain(value: Any) -> JSONValue | None:
    """Moments as seconds since 1970. An empty text is no value."""
    if isinstance(value, datetime):
        return value.timestamp()
    return None if value == "" else value


def _read_texts(params: Mapping[str, str]) -> dict[str, JSONValue]:
    """Parameters of a run, which are texts, as what they say."""
    return {name: _read_text(text) for name, text in params.items()}


def _read_text(text: str) -> JSONValue:
    """True or false, a finite number, or the text."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    with suppress(ValueError):
        number = float(text)
        return number if math.isfinite(number) else text
    return text


def kinds_of_values(columns: Iterable[EntryColumns]) -> Mapping[str, list[JSONValue]]:
    """The values of each parameter."""
    found: dict[str, list[JSONValue]] = {}
    for each in columns:
        for params in each.parameters:
            for name, value in params.items():
                found.setdefault(name, []).append(value)
    return found


# --- values of metrics in the database ----------------------------------------------


def _ranked(goal: str) -> Any:
    return Trial.objects.filter(sweep=OuterRef("pk")).ranked(goal)


def _best(goal: str | None) -> Subquery:
    own = Trial.objects.filter(IS_RANKED, sweep=OuterRef("pk")).order_by()
    best = Min("value") if goal == "minimize" else Max("value")
    return Subquery(own.values("sweep").annotate(best=best).values("best"))


def value_of_sweep(name: str, goal: str | None) -> Case:
    """The best value, if the sweep is about this metric, else the best trial's."""
    attempts = {
        own: Trial.objects.filter(sweep=OuterRef(OuterRef("pk")))
        .ranked(own)
        .values("current_attempt")[:1]
        for own in GOALS
    }
    metrics = Metric.objects.filter(name=name).order_by()
    minimized, maximized = (
        metrics.filter(attempt=Subquery(attempt)).values(value_column(goal))[:1]
        for attempt in attempts.values()
    )
    return Case(
        *(When(primary_metric=name, goal=own, then=_best(own)) for own in GOALS),
        When(goal="minimize", then=Subquery(minimized)),
        default=Subquery(maximized),
    )


def value_of_run(name: str, goal: str | None) -> Subquery:
    own = Metric.objects.filter(attempt=OuterRef("current_attempt"), name=name)
    return Subquery(own.values(value_column(goal))[:1])


def value_column(goal: str | None) -> str:
    return {"maximize": "high", "minimize": "low"}.get(goal or "", "last_value")
