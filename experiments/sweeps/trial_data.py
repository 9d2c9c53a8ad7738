"""The trials of a sweep as arrays in memory, for charts, filters and analysis.

Reading 10,000 trials takes a good part of a second. So each process caches the arrays
of some sweeps, and before each use reads only trials that changed. Then it compares the
number of trials in each state with the database; on a difference it reads all again.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from django.db.models import Count, TextField
from django.db.models.functions import Cast
from numpy.typing import NDArray

from experiments.db.clock import Epoch, database_now
from experiments.lru_cache import LruCache
from experiments.models import Sweep
from experiments.models.sweeps import SweepState
from experiments.models.trials import TRIAL_RANKED, Origin, TrialQuerySet, TrialState
from experiments.search.fields import is_number
from experiments.search.records import JSONValue
from experiments.search.space.distribution import identity
from experiments.sweeps.trial_arrays import (
    ARRAYS,
    Codes,
    Floats,
    Integers,
    TrialArrays,
    known_places,
    merged,
    replaced,
)
from experiments.tracking.axes import UNSET, ParameterAxis, axes_of
from experiments.tracking.spaces import flat_configurations, search_space
from experiments.tracking.training_time import trained

STATES = tuple(TrialState.values)
ORIGINS = ("", *Origin.values)
# A transaction may commit a few seconds later than the time in its rows.
OVERLAP = timedelta(seconds=5)
# Trials of all sweeps that one process caches.
MAX_KEPT = 300_000
# Of one sweep; 800 kB each at 100,000 trials.
MAX_METRIC_COLUMNS = 64

NUMBERS = ("number", "pk", "reports", "source_number")
SECONDS = ("created_at", "started_at", "ended_at", "updated_at", "archived_at")
COLUMNS: tuple[Any, ...] = (
    *NUMBERS,
    *("state", "origin", "reason", "value", "last_value"),
    trained(),
    *map(Epoch, SECONDS),
    # As text: msgspec parses it more quickly.
    Cast("params", TextField()),
)


@dataclass(frozen=True)
class Column:
    """One parameter's values by trial: numbers, and codes of values that are none.

    A value of a choice always has a code, a place in ``labels``. Where ``numbers`` is
    NaN and ``codes`` is -1 the parameter is not set.
    """

    numbers: Floats
    codes: Codes
    labels: tuple[JSONValue, ...]


@dataclass(frozen=True)
class TrialData(TrialArrays):
    """A snapshot. ``version`` is higher after each change, in one process."""

    labels: Mapping[str, tuple[JSONValue, ...]]
    reason_words: tuple[str, ...]
    axes: Mapping[str, ParameterAxis]
    version: int

    def __len__(self) -> int:
        return len(self.numbers)

    @cached_property
    def parameters(self) -> Mapping[str, Column]:
        return {
            name: Column(self.cells[:, k], self.codes[:, k], self.labels[name])
            for k, name in enumerate(self.labels)
        }

    def has_parameters_of(self, other: TrialData) -> bool:
        """Whether the other's parameters are the same arrays; false if in doubt."""
        same = self.cells is other.cells and self.codes is other.codes
        return same and self.axes is other.axes and self.labels == other.labels

    @cached_property
    def counts(self) -> dict[str, int]:
        """The number of trials in each state, zeros included."""
        return state_counts(self.states)

    def are_in(self, states: Collection[str]) -> NDArray[np.bool_]:
        """Which trials are in one of these states."""
        return np.isin(self.states, [STATES.index(state) for state in states])

    @cached_property
    def extra(self) -> dict[Any, Any]:
        """What is read beside and holds as long as this snapshot."""
        return {}

    @cached_property
    def metrics(self) -> LruCache[str, tuple[float, Any]]:
        """The last used columns of metrics, and when each was read."""
        return LruCache(MAX_METRIC_COLUMNS)

    @cached_property
    def groups(self) -> Integers:
        """The number of the first trial with the same configuration."""
        _, first, place = np.unique(self.keys, return_index=True, return_inverse=True)
        found: Integers = self.numbers[first][place]
        return found

    @cached_property
    def repeats(self) -> Integers:
        """The number of the trial that it runs again with the same values, or -1."""
        again = [ORIGINS.index(origin) for origin in (Origin.RERUN, Origin.RETRY)]
        found: Integers = np.where(np.isin(self.origins, again), self.sources, -1)
        return found

    def place(self, number: int) -> int | None:
        """The place of the trial with that number."""
        at = int(np.searchsorted(self.numbers, number))
        return at if at < len(self) and self.numbers[at] == number else None


def state_counts(codes: Codes) -> dict[str, int]:
    counts = np.bincount(codes, minlength=len(STATES)).tolist()
    return dict(zip(STATES, counts, strict=True))


def ranked_states(sweep: Sweep) -> list[int]:
    """The codes of states whose values count. The same as IS_RANKED."""
    failed = sweep.state == SweepState.FAILED
    left_out = {TrialState.CANCELLED} if failed else set()
    return [k for k, state in enumerate(STATES) if state in TRIAL_RANKED - left_out]


def scores(sweep: Sweep, data: TrialData) -> Floats:
    """The value of each trial that can be the best, lower is better; else NaN."""
    counts = np.isin(data.states, ranked_states(sweep)) & np.isfinite(data.value)
    sign = -1.0 if sweep.goal == "maximize" else 1.0
    found: Floats = np.where(counts, sign * data.value, np.nan)
    return found


def _float(value: Any) -> float:
    """NaN for what is no number."""
    return float(value) if is_number(value) else math.nan


def _floats(values: Sequence[Any]) -> Floats:
    """Of numbers and UNSET."""
    try:
        known = [math.nan if value is UNSET else value for value in values]
        return np.array(known, np.float64)
    except OverflowError:
        return np.array([_float(value) for value in values])


class _Labels:
    """Gives values codes, always the same ones; -1 to UNSET."""

    def __init__(self, values: Iterable[JSONValue] = ()) -> None:
        self.values: list[JSONValue] = []
        self._codes: dict[Hashable, int] = {}
        for value in values:
            self.code(value)

    def code(self, value: Any) -> int:
        if value is UNSET:
            return -1
        # As 1, 1.0 and True are equal.
        plain = value is None or isinstance(value, str | int | float)
        key = (type(value), value) if plain else identity(value)
        if key not in self._codes:
            self._codes[key] = len(self.values)
            self.values.append(value)
        return self._codes[key]

    @property
    def numbers(self) -> Floats:
        """By code; the last one, for -1, is NaN."""
        return np.array([*map(_float, self.values), math.nan])


class _CachedTrials:
    """The trials of one sweep. Only one thread uses it at a time."""

    def __init__(self, sweep: Sweep) -> None:
        self.lock = threading.Lock()
        self.mark = _mark_of(sweep)
        self.size = 1
        self._axes = axes_of(sweep)
        self._space = search_space(sweep)
        self._labels = {name: _Labels(a.choices) for name, a in self._axes.items()}
        self._reasons = _Labels()
        self._data: TrialData | None = None
        self._read_at = database_now()
        self._version = 0

    def refreshed(self, sweep: Sweep) -> TrialData:
        now = database_now()
        if self._data is not None:
            late = sweep.trials.filter(updated_at__gte=self._read_at - OVERLAP)
            self._data = self._updated(self._data, late)
        if self._data is None or _counts(sweep) != _known_counts(self._data):
            self._data = self._snapshot(self._arrays(_rows(sweep.trials.all())))
        self.size = max(1, len(self._data))
        self._read_at = now
        return self._data

    def _updated(self, data: TrialData, late: TrialQuerySet) -> TrialData:
        """The same object if nothing has changed."""
        rows = _rows(late)
        if not rows:
            return data
        news = self._arrays(rows)
        if (places := known_places(data, news)) is None:
            return self._snapshot(merged(data, news))
        now = replaced(data, news, places)
        same = all(getattr(data, name) is getattr(now, name) for name in ARRAYS)
        return data if same else self._snapshot(now)

    def _snapshot(self, arrays: TrialArrays) -> TrialData:
        self._version += 1
        return TrialData(
            **{name: getattr(arrays, name) for name in ARRAYS},
            labels={name: tuple(each.values) for name, each in self._labels.items()},
            reason_words=tuple(map(str, self._reasons.values)),
            axes=self._axes,
            version=self._version,
        )

    def _arrays(self, rows: Sequence[tuple[Any, ...]]) -> TrialArrays:
        columns = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
        numbers, ids, reports, sources, states, origins, reasons, *floats = columns
        value, last, took, created, started, ended, changed, archived, texts = floats
        cells, codes = self._cells(texts)
        return TrialArrays(
            numbers=np.array(numbers, np.int64),
            ids=np.array(ids, np.int64),
            reports=np.array(reports, np.int64),
            sources=np.array([-1 if n is None else n for n in sources], np.int64),
            states=np.array(list(map(STATES.index, states)), np.int32),
            origins=np.array(list(map(_origin_code, origins)), np.int32),
            reasons=np.array(list(map(self._reasons.code, reasons)), np.int32),
            value=np.array(value, np.float64),
            last=np.array(last, np.float64),
            took=np.array(took, np.float64),
            created=np.array(created, np.float64),
            started=np.array(started, np.float64),
            ended=np.array(ended, np.float64),
            changed=np.array(changed, np.float64),
            archived=np.array(archived, np.float64),
            keys=np.array(list(map(hash, texts)), np.int64),
            cells=cells,
            codes=codes,
        )

    def _cells(self, texts: Sequence[str]) -> tuple[Floats, Codes]:
        """The values of parameters, a column for each."""
        decode = msgspec.json.Decoder().decode
        flat = flat_configurations(self._space, map(decode, texts))
        for name in sorted({name for params in flat for name in params}):
            self._labels.setdefault(name, _Labels())
        cells = np.full((len(texts), len(self._labels)), np.nan)
        codes = np.full((len(texts), len(self._labels)), -1, np.int32)
        for column, (name, labels) in enumerate(self._labels.items()):
            values = [params.get(name, UNSET) for params in flat]
            if name in self._axes and self._axes[name].choices:
                codes[:, column] = list(map(labels.code, values))
                cells[:, column] = labels.numbers[codes[:, column]]
            elif set(map(type, values)) <= {float, int, object}:
                cells[:, column] = _floats(values)
            else:
                alike = [value if not is_number(value) else UNSET for value in values]
                codes[:, column] = list(map(labels.code, alike))
                cells[:, column] = [_float(value) for value in values]
        return cells, codes


def _origin_code(origin: str) -> int:
    return ORIGINS.index(origin) if origin in ORIGINS else 0


def _rows(trials: TrialQuerySet) -> list[tuple[Any, ...]]:
    return list(trials.order_by("number").values_list(*COLUMNS))


def _counts(sweep: Sweep) -> Counter[str]:
    counts = sweep.trials.order_by().values_list("state").annotate(count=Count("pk"))
    return Counter(dict(counts))


def _known_counts(data: TrialData) -> Counter[str]:
    return Counter({state: n for state, n in data.counts.items() if n})


def _mark_of(sweep: Sweep) -> tuple[Any, ...]:
    """Identifies a sweep, and changes with its document."""
    return sweep.created_at, sweep.space_version, sweep.definition


_cached: LruCache[int, _CachedTrials] = LruCache(MAX_KEPT, size=lambda c: c.size)


def trial_data(sweep: Sweep) -> TrialData:
    """The sweep's trials, up to date, in three queries or less."""
    cached = _cached.get(sweep.pk)
    if cached is None or cached.mark != _mark_of(sweep):
        cached = _CachedTrials(sweep)
    with cached.lock:
        data = cached.refreshed(sweep)
    # Again, with its present size.
    _cached.put(sweep.pk, cached)
    return data
