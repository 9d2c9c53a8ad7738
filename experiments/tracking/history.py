"""The trials of sweeps as samplers see them, cached between suggestions.

Reading and encoding all trials takes longer than a suggestion. So each process caches a
few sweeps, and before each use reads only new rows, rows that were live, and rows that
changed later. Then it compares, for each state, the number of rows and the sum of their
ids with the database. On any difference, such as a deleted row, it reads everything.
"""

from __future__ import annotations

import json
import math
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, NamedTuple

from django.db.models import Count, Q, Sum, TextField
from django.db.models.functions import Cast

from experiments.lru_cache import LruCache
from experiments.models import Sweep, Trial
from experiments.models.trials import TRIAL_LIVE, TrialQuerySet
from experiments.search.document.definition import parse_document
from experiments.search.forecasts import (
    Cut,
    Expectations,
    gain_model_of,
    later_half,
)
from experiments.search.history import CUT_SHORT, History
from experiments.search.records import Objective
from experiments.search.samplers import Sampler, Suggestion, make_sampler
from experiments.search.samplers.grid import Untried
from experiments.search.simulation.recording import losses_of
from experiments.search.space.changes import known_params
from experiments.search.termination import make_policy
from experiments.tracking import series
from experiments.tracking.codec import Records
from experiments.tracking.completed_curves import StoredFinished
from experiments.tracking.spaces import untried

# A transaction may commit a little later than the time in its rows.
OVERLAP = timedelta(seconds=2)
# Sweeps that one process caches.
MAX_KEPT = 16
# Trials in one query: SQLite limits them.
BATCH = 200
# A trial may change between the two queries, but rarely twice.
ATTEMPTS = 3
# The params as text: those of known rows are not parsed again.
COLUMNS = (
    *("pk", "number", "state", "value", "reports"),
    Cast("params", TextField()),
    "updated_at",
)


class HistoryRow(NamedTuple):
    """A trial as last read, with a hash of its params."""

    number: int
    state: str
    value: float | None
    reports: int
    params: int


class Outdated(Exception):
    """The cache cannot be updated: everything has to be read again."""


class KnownRows:
    """The trials as last read, with totals that show whether any is missing.

    `last` is the highest number, `stamp` the time of the latest change.
    """

    def __init__(self) -> None:
        self.rows: dict[int, HistoryRow] = {}
        self.live: set[int] = set()
        self.last = -1
        self.stamp: datetime | None = None
        self._counts: Counter[str] = Counter()
        self._sums: Counter[str] = Counter()

    def keep(self, pk: int, row: HistoryRow) -> None:
        before = self.rows.get(pk)
        self.rows[pk] = row
        self.last = max(self.last, row.number)
        if row.state in TRIAL_LIVE:
            self.live.add(pk)
        else:
            self.live.discard(pk)
        for change, state in ((-1, before and before.state), (1, row.state)):
            if state:
                self._counts[state] += change
                self._sums[state] += change * pk

    def tallies(self) -> dict[str, tuple[int, int]]:
        """The number of rows in each state, and the sum of their ids."""
        return {s: (n, self._sums[s]) for s, n in self._counts.items() if n}


class Forecasts:
    """Gives a history forecasts for trials that ended early or still run."""

    def __init__(self, sweep: Sweep, history: History) -> None:
        self._sweep = sweep
        self._objective = sweep.objective
        self._history = history
        self._expectations = Expectations(history)
        self._cuts: dict[int, Cut] = {}

    def refresh(self, rows: Mapping[int, HistoryRow]) -> None:
        cut = {
            pk: row
            for pk, row in rows.items()
            if row.state in CUT_SHORT and row.reports and row.value is not None
        }
        kept = {row.number for row in cut.values()}
        for number in self._cuts.keys() - kept:
            del self._cuts[number]
        self._read_cuts({pk: row for pk, row in cut.items() if self._outdated(row)})
        if not self._cuts:
            # A trial that starts over may be cut again where it was before.
            self._expectations = Expectations(self._history)
            return
        finished = StoredFinished(Trial(sweep=self._sweep), self._objective)
        gain_model = finished.derived(gain_model_of)
        self._expectations.refresh(gain_model, self._cuts)

    def _outdated(self, row: HistoryRow) -> bool:
        cut = self._cuts.get(row.number)
        return cut is None or (cut.report, cut.best) != (row.reports, self._best(row))

    def _best(self, row: HistoryRow) -> float:
        return self._objective.loss(math.nan if row.value is None else row.value)

    def _read_cuts(self, rows: Mapping[int, HistoryRow]) -> None:
        """Read the losses of these trials, by id, now and at half of their reports."""
        halves = {pk: later_half(row.reports) for pk, row in rows.items()}
        before = _best_losses(halves, self._objective)
        for pk, row in rows.items():
            loss = before.get(pk, math.inf)
            self._cuts[row.number] = Cut(row.reports, self._best(row), loss)


class TrialHistory:
    """One sweep's definition, sampler and trials. Only one thread uses it at a time.

    `kept` caches what is computed from ended trials; it is cleared when these change.
    """

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self.definition = parse_document(sweep.definition)
        self.kept: dict[str, Any] = {}
        self._mark = _mark_of(sweep)
        self._samplers: dict[tuple[int, bool], Sampler] = {}
        self._untried: Untried | None = None
        self._clear()

    def is_of(self, sweep: Sweep) -> bool:
        """Whether this is the sweep, with the same objective and search space."""
        return self._mark == _mark_of(sweep)

    @property
    def sampler(self) -> Sampler:
        """The sampler, for the sweep's present budget and policy."""
        sweep, definition = self.sweep, self.definition
        policy = make_policy(sweep.early_termination, sweep.objective)
        explores = policy is not None and policy.explores
        key = sweep.max_total_trials, explores
        if key not in self._samplers:
            made = make_sampler(
                definition.sampling_algorithm,
                definition.search_space,
                budget=sweep.max_total_trials,
                explores=explores,
            )
            self._samplers = {key: made}
        return self._samplers[key]

    @property
    def begins_anew(self) -> bool:
        """Whether its sampler starts over in a changed space: one that enumerates a
        finite space, and skips what was tried."""
        changed = self.sweep.space_version > 1 and not self.sampler.needs_history
        return changed and self.definition.search_space.is_finite

    def untried(self, number: int, *, before: int) -> Suggestion | None:
        """The number-th choice, from 0, that no trial below `before` has tried."""
        if self._untried is None:
            self._untried = untried(self.sweep, self.sampler, before=before)
        return self._untried.suggest(number)

    def refresh(self) -> None:
        """Bring the history up to date."""
        self._read_trials()
        if self.sampler.needs_history:
            self._forecasts.refresh(self._known.rows)

    def _read_trials(self) -> None:
        for _ in range(ATTEMPTS):
            try:
                self._take(self._changed())
            except Outdated:
                break
            if self._known.tallies() == self._stored_tallies():
                return
        self._clear()
        self._take(_read(self.sweep.trials.order_by("number")))

    def _clear(self) -> None:
        self.history = History(self.definition.search_space, self.sweep.objective)
        self.kept.clear()
        self._known = KnownRows()
        self._forecasts = Forecasts(self.sweep, self.history)

    def _changed(self) -> Iterable[tuple[Any, ...]]:
        """Rows that may have changed, some of them twice."""
        trials = self.sweep.trials.order_by()
        if self._known.stamp is None:
            return _read(trials.order_by("number"))
        live = [*self._known.live]
        later, new, lived = (
            trials.filter(condition).values_list(*COLUMNS)
            for condition in (
                Q(updated_at__gte=self._known.stamp - OVERLAP),
                Q(number__gt=self._known.last),
                Q(pk__in=live),
            )
        )
        # With OR the database would scan all trials of the sweep.
        parts = (new, lived) if live else (new,)
        return sorted(later.union(*parts, all=True), key=itemgetter(1))

    def _take(self, rows: Iterable[tuple[Any, ...]]) -> None:
        known = self._known
        for pk, number, state, value, reports, params, stamp in rows:
            row = HistoryRow(number, state, value, reports, hash(params))
            before = known.rows.get(pk)
            if before is None:
                self._start(number, json.loads(params))
            elif (before.number, before.params) != (row.number, row.params):
                raise Outdated
            if before != row:
                self.history.update(number, state=state, value=value, reports=reports)
                known.keep(pk, row)
                if state not in TRIAL_LIVE:
                    self.kept.clear()
            known.stamp = max(stamp, known.stamp or stamp)

    def _start(self, number: int, params: dict[str, Any]) -> None:
        """After a change of the space, only trials inside the new one count."""
        if self.sweep.space_version > 1:
            space = self.definition.search_space
            params = known_params(space, params)
            if not space.contains(params):
                self.history.outside += 1
                return
        self.history.start(number, params)

    def _stored_tallies(self) -> dict[str, tuple[int, int]]:
        found = self.sweep.trials.order_by().values_list("state")
        tallies = found.annotate(count=Count("pk"), total=Sum("pk"))
        return {state: (count, int(total)) for state, count, total in tallies}


def _best_losses(reports: Mapping[int, int], objective: Objective) -> dict[int, float]:
    """The best loss of each trial, by id, up to the given report; in batches."""
    found: dict[int, float] = {}
    by_report = sorted(reports.items(), key=itemgetter(1))
    for start in range(0, len(by_report), BATCH):
        part = dict(by_report[start : start + BATCH])
        for pk, points in _reported(part, stop=max(part.values())):
            losses = losses_of(points["value"][: part[pk]], objective)
            if len(losses) == part[pk]:
                found[pk] = float(losses.min(initial=math.inf))
    return found


def _reported(pks: Iterable[int], stop: int) -> Iterator[tuple[int, Records]]:
    return series.reported(Trial.objects.filter(pk__in=list(pks)), stop=stop)


def _read(trials: TrialQuerySet) -> Iterable[tuple[Any, ...]]:
    return trials.values_list(*COLUMNS).iterator(chunk_size=2000)


def _mark_of(sweep: Sweep) -> tuple[Any, ...]:
    """Identifies a sweep, and changes with its objective, space or document."""
    return sweep.created_at, sweep.space_version, sweep.objective, sweep.definition


_searches: LruCache[int, tuple[threading.Lock, TrialHistory]] = LruCache(MAX_KEPT)


def _kept_search(sweep: Sweep) -> tuple[threading.Lock, TrialHistory]:
    found = _searches.get(sweep.pk)
    if found is None or not found[1].is_of(sweep):
        found = threading.Lock(), TrialHistory(sweep)
        _searches.put(sweep.pk, found)
    return found


@contextmanager
def search_of(sweep: Sweep) -> Iterator[TrialHistory]:
    """The sweep's history, up to date and locked, for a with statement.

    Raises DefinitionError for a document that can no longer be parsed.
    """
    lock, search = _kept_search(sweep)
    with lock:
        search.sweep = sweep
        search.refresh()
        yield search


def forget_all() -> None:
    """Clear the cache."""
    _searches.clear()
