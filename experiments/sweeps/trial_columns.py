"""Columns of a sweep's trials, for filters and the order of tables: those in memory,
and others that are read when an expression or a table names them."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar, cast

import numpy as np
from django.db.models import Count, F, QuerySet

from experiments.models import Attempt, Metric, Run, Sweep, Trial
from experiments.models.runs import MLFLOW_PREFIX
from experiments.models.trials import TRIAL_ENDS
from experiments.search.filters.columns import (
    NONE,
    AnyColumn,
    FilterColumn,
    Numbers,
    RowMask,
    SeveralColumn,
)
from experiments.sweeps.trial_data import (
    ORIGINS,
    STATES,
    TrialData,
    ranked_states,
    trial_data,
)

PARAMETER, METRIC, IS = "p.", "m.", "is."
RANKED = frozenset({"rank", f"{IS}best"})
AGGREGATES: Mapping[str, str] = {
    "last": "last_value",
    "min": "low",
    "max": "high",
}
# Names of metrics are looked up in this many of the first and of the last trials.
MAX_NAMING = 50
# Seconds.
MAX_METRIC_AGE = 5.0
T = TypeVar("T")


class TrialColumns:
    """The trials of a sweep as a table, in order of number."""

    def __init__(self, sweep: Sweep, data: TrialData | None = None) -> None:
        self.sweep = sweep
        self.data = trial_data(sweep) if data is None else data

    @property
    def size(self) -> int:
        return len(self.data)

    @cached_property
    def now(self) -> float:
        return time.time()

    def column(self, key: str) -> AnyColumn:
        """Read once for each state of the trials. KeyError for an unknown key."""
        if key == "age":
            # It changes all the time.
            return self._read(key)
        if key.startswith(METRIC):
            return self._recent(key, lambda: self._read(key))
        found: dict[Hashable, AnyColumn] = self.data.extra
        # Ranks depend on the sweep's state too.
        kept = (key, self.sweep.state) if key in RANKED else key
        if kept not in found:
            found[kept] = self._read(key)
        return found[kept]

    def _read(self, key: str) -> AnyColumn:
        if key.startswith(PARAMETER):
            values = self.data.parameters.get(key.removeprefix(PARAMETER))
            if values is None:
                return FilterColumn(np.full(self.size, np.nan))
            return FilterColumn(values.numbers, values.codes, values.labels)
        if key.startswith(METRIC):
            name, _, aggregate = key.removeprefix(METRIC).rpartition(".")
            return FilterColumn(self.metric(name, aggregate))
        if key.startswith(IS):
            return _condition(self.mask(key.removeprefix(IS)))
        return READERS[key](self)

    def mask(self, name: str) -> RowMask:
        """Which trials are in a state, or archived, repeated, ended or the best."""
        data = self.data
        match name:
            case "archived":
                return ~np.isnan(data.archived)
            case "repeated":
                return np.asarray(data.repeats >= 0)
            case "best":
                return np.asarray(self.ranks == 1)
            case "ended":
                return data.are_in(TRIAL_ENDS)
        return np.asarray(data.states == STATES.index(name))

    @cached_property
    def ranked(self) -> RowMask:
        """Those whose value counts; see IS_RANKED."""
        codes = ranked_states(self.sweep)
        found: RowMask = np.isin(self.data.states, codes) & ~np.isnan(self.data.value)
        return found

    @cached_property
    def ranks(self) -> Numbers:
        """From 1, the best; NaN where the value does not count."""
        found = np.full(self.size, np.nan)
        places = np.flatnonzero(self.ranked)
        values = self.data.value[places]
        best_first = -values if self.sweep.goal == "maximize" else values
        order = places[np.argsort(best_first, kind="stable")]
        found[order] = np.arange(1, len(order) + 1)
        return found

    @property
    def best(self) -> int | None:
        """The place of the best trial."""
        places = np.flatnonzero(self.ranks == 1)
        return int(places[0]) if len(places) else None

    # --- metrics --------------------------------------------------------------------

    @property
    def metric_names(self) -> list[str]:
        """Those of some of the trials, the machine's last."""
        return self._recent(METRIC, self._metric_names)

    def _metric_names(self) -> list[str]:
        ids = self.data.ids[self.data.reports > 0]
        some = {*ids[:MAX_NAMING].tolist(), *ids[-MAX_NAMING:].tolist()}
        rows = Metric.objects.filter(attempt__trial__in=some)
        names = rows.order_by("name").values_list("name", flat=True).distinct()
        return sorted(names, key=lambda name: name.startswith("system/"))

    def _recent(self, key: str, read: Callable[[], T]) -> T:
        """What is read of metrics. Only reports of the primary metric change a trial,
        so while some run others are read again after a few seconds."""
        found = self.data.metrics.get(key)
        now = time.monotonic()
        if found is not None:
            read_at, value = found
            if now - read_at < MAX_METRIC_AGE or not self.data.counts["running"]:
                return cast(T, value)
        made = read()
        self.data.metrics.put(key, (now, made))
        return made

    def metric(self, name: str, aggregate: str) -> Numbers:
        """A metric of each trial's last attempt: last, best, min or max."""
        if name == self.sweep.primary_metric and aggregate in ("best", "last"):
            return self.data.value if aggregate == "best" else self.data.last
        rows = Metric.objects.filter(
            name=name,
            attempt__trial__sweep=self.sweep,
            attempt=F("attempt__trial__current_attempt"),
        )
        found = rows.order_by().values_list(
            "attempt__trial__number", AGGREGATES[aggregate]
        )
        return self.spread(found)

    def spread(self, found: QuerySet[Any, Any]) -> Numbers:
        """Pairs of a trial's number and a number, as a column."""
        numbers = np.full(self.size, np.nan)
        pairs = np.array(list(found), np.float64).reshape(-1, 2)
        places, known = self._places(pairs[:, 0])
        numbers[places] = pairs[known, 1]
        return numbers

    def _places(self, numbers: Numbers) -> tuple[Any, RowMask]:
        """The places of trials by number, and which are known."""
        places = np.searchsorted(self.data.numbers, numbers)
        places = np.minimum(places, max(0, self.size - 1))
        known: RowMask = (
            self.data.numbers[places] == numbers
            if self.size
            else np.zeros(len(numbers), np.bool_)
        )
        return places[known], known

    # --- what is read beside --------------------------------------------------------

    def texts(self, field: str) -> FilterColumn:
        """Texts of trials; an empty one is none."""
        rows = self.sweep.trials.order_by().values_list("number", field)
        found = {number: text for number, text in rows if text}
        return FilterColumn.of([found.get(n) for n in self.data.numbers.tolist()])

    def tags(self) -> SeveralColumn:
        """A tag's name; with its value, if it has one, also ``name=value``."""
        tags = tags_by_number(self.sweep)
        numbers = self.data.numbers.tolist() if tags else ()
        found = SeveralColumn.of([tags.get(n, ()) for n in numbers])
        return replace(found, size=self.size)


def tags_by_number(sweep: Sweep) -> Mapping[int, Sequence[str]]:
    """The words of trials' tags, by number, of those that have any."""
    runs = Run.objects.filter(trial__sweep=sweep).exclude(tags={})
    rows = runs.order_by().values_list("trial__number", "tags")
    return {number: words for number, tags in rows if (words := tag_words(tags))}


def tag_words(tags: Mapping[str, str]) -> list[str]:
    """The words of a trial's tags for filters, without those of MLflow itself."""
    found: list[str] = []
    for name, value in tags.items():
        if not name.startswith(MLFLOW_PREFIX):
            found += [name, f"{name}={value}"] if value else [name]
    return found


def _condition(mask: RowMask) -> FilterColumn:
    return FilterColumn(codes=mask.astype(np.int32), labels=(False, True))


def _known(codes: Any, labels: tuple[str, ...]) -> FilterColumn:
    """Without the empty text, which is no value."""
    empty = labels.index("") if "" in labels else NONE
    return FilterColumn(codes=np.where(codes == empty, NONE, codes), labels=labels)


def _attempts(columns: TrialColumns) -> FilterColumn:
    rows = Attempt.objects.filter(trial__sweep=columns.sweep).order_by()
    return FilterColumn(
        columns.spread(rows.values_list("trial__number").annotate(n=Count("pk")))
    )


def _numbers(of: Callable[[TrialData], Any]) -> Callable[[TrialColumns], FilterColumn]:
    return lambda columns: FilterColumn(np.asarray(of(columns.data), np.float64))


READERS: Mapping[str, Callable[[TrialColumns], AnyColumn]] = {
    "number": _numbers(lambda data: data.numbers),
    "value": _numbers(lambda data: data.value),
    "reports": _numbers(lambda data: data.reports),
    "took": _numbers(lambda data: data.took),
    "created": _numbers(lambda data: data.created),
    "started": _numbers(lambda data: data.started),
    "ended": _numbers(lambda data: data.ended),
    "queued_for": _numbers(lambda data: data.started - data.created),
    "age": lambda columns: FilterColumn(columns.now - columns.data.created),
    "group": _numbers(lambda data: data.groups),
    "repeats": _numbers(lambda data: np.where(data.repeats < 0, np.nan, data.repeats)),
    "rank": lambda columns: FilterColumn(columns.ranks),
    "state": lambda columns: FilterColumn(codes=columns.data.states, labels=STATES),
    "origin": lambda columns: _known(columns.data.origins, ORIGINS),
    "reason": lambda columns: _known(columns.data.reasons, columns.data.reason_words),
    "attempts": _attempts,
    "slot": lambda columns: FilterColumn(
        columns.spread(
            columns.sweep.trials.order_by()
            .exclude(current_attempt__slot=None)
            .values_list("number", "current_attempt__slot")
        )
    ),
    "host": lambda columns: columns.texts("current_attempt__worker__name"),
    "message": lambda columns: columns.texts("message"),
    "note": lambda columns: columns.texts("run__note"),
    "tags": lambda columns: columns.tags(),
}


def trials_at(columns: TrialColumns, places: Any) -> list[Trial]:
    """The trials at places, in their order, with what rows need."""
    ids = columns.data.ids[places].tolist()
    found = columns.sweep.trials.select_related("current_attempt").in_bulk(ids)
    return [found[pk] for pk in ids if pk in found]
