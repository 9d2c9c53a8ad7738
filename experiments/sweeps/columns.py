"""The trials of a sweep as columns for a browser: typed, rounded, and sampled if many.

A page sends back the ``mark`` of the last answer as ``?since=``, and gets the rows that
changed. Above MAX_ROWS trials it gets a fair sample by a hash of the number, so that
polls show the same trials, beside the best ones and those that run.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.lru_cache import LruCache
from experiments.models import Sweep
from experiments.models.trials import TRIAL_LIVE
from experiments.search.filters.columns import numbers_of
from experiments.sweeps.news import start_of_news
from experiments.sweeps.parameter_columns import (
    Mask,
    ParameterColumn,
    rounded,
)
from experiments.sweeps.trial_arrays import ARRAYS, Floats, Integers
from experiments.sweeps.trial_columns import METRIC, TrialColumns, tags_by_number
from experiments.sweeps.trial_data import (
    ORIGINS,
    STATES,
    TrialData,
    ranked_states,
    scores,
    trial_data,
)
from experiments.tracking.spaces import search_space

MAX_ROWS = 20_000
BEST_ROWS = 100
# Seconds by which clocks may be set back.
TOLERANCE = 2.0


def evenly_spread(numbers: Integers) -> Integers:
    """A hash of 32 bits: multiples of the golden ratio."""
    return (numbers * 2_654_435_761) % 2**32


@dataclass(frozen=True)
class Drawn:
    """Which trials a browser gets: all except archived ones, or one of
    2 ** ``halvings`` and ``always``. The best one is never left out."""

    halvings: int
    shown: Mask
    always: Mask
    archived: Mask

    @classmethod
    def of(cls, data: TrialData, score: Floats) -> Drawn:
        best = np.argsort(score)[:BEST_ROWS]
        best = best[np.isfinite(score[best])]
        archived = np.isfinite(data.archived)
        archived[best[:1]] = False
        count = int((~archived).sum())
        if count <= MAX_ROWS:
            return cls(0, ~archived, np.zeros(len(data), bool), archived)
        halvings = math.ceil(math.log2(count / MAX_ROWS))
        always = data.are_in(TRIAL_LIVE)
        always[best] = True
        sampled = evenly_spread(data.numbers) >> (32 - halvings) == 0
        always &= ~archived
        return cls(halvings, always | sampled & ~archived, always, archived)

    @property
    def sampled(self) -> bool:
        return self.halvings > 0

    @cached_property
    def total(self) -> int:
        """How many trials are not archived."""
        return int((~self.archived).sum())

    @cached_property
    def weight(self) -> float:
        """How many trials each row of the sample represents."""
        others = self.total - int(self.always.sum())
        return others / max(1, int((self.shown & ~self.always).sum()))

    @property
    def sentence(self) -> str:
        total, rows = self.total, int(self.shown.sum())
        if not self.sampled:
            drawn = "1 trial." if total == 1 else f"All {total:,} trials."
        else:
            drawn = (
                f"A fair sample of {rows:,} of {total:,} trials, with the best"
                f" {BEST_ROWS} and all that run."
            )
        hidden = int(self.archived.sum())
        return f"{drawn} {hidden:,} archived, not drawn." if hidden else drawn


@dataclass(frozen=True)
class ColumnsMark:
    """What a browser has: as of when (seconds since 1970), what the codes mean, how
    many trials there were, and the highest number."""

    time: float
    look: str
    count: int
    last: int

    @classmethod
    def read(cls, text: str) -> ColumnsMark | None:
        parts = text.split("~")
        with suppress(ValueError):
            if len(parts) == 4:
                return cls(float(parts[0]), parts[1], int(parts[2]), int(parts[3]))
        return None

    def __str__(self) -> str:
        return f"{self.time:.3f}~{self.look}~{self.count}~{self.last}"

    def continues(self, seen: ColumnsMark, data: TrialData, archived: Mask) -> bool:
        """Whether rows that changed since ``seen`` are enough: no trial was deleted
        or archived, and codes mean the same."""
        came = int((data.numbers[~archived] > seen.last).sum())
        same = seen.look == self.look and seen.time <= self.time + TOLERANCE
        return same and seen.count + came == self.count


class SweepColumns:
    """The columns of one sweep now. ``metric``: the one that is drawn in place of the
    primary metric."""

    def __init__(
        self,
        sweep: Sweep,
        data: TrialData,
        *,
        metric: str = "",
        before: SweepColumns | None = None,
    ) -> None:
        """``before``: of earlier data of the same sweep."""
        self.sweep, self.data, self.metric = sweep, data, metric
        self._seen = sweep.updated_at, sweep.state
        self.score = scores(sweep, data)
        self.drawn = Drawn.of(data, self.score)
        self.epoch = math.floor(sweep.created_at.timestamp())
        same = before is not None and before.data.has_parameters_of(data)
        self._before = before.parameters if before and same else None

    @cached_property
    def parameters(self) -> Sequence[ParameterColumn]:
        """Those of earlier data if nothing has changed in them."""
        return self._before or [
            ParameterColumn.of(name, self.data, self.parents.get(name))
            for name in self.data.labels
        ]

    @cached_property
    def by_name(self) -> Mapping[str, ParameterColumn]:
        return {each.name: each for each in self.parameters}

    @cached_property
    def parents(self) -> Mapping[str, str]:
        """The parameter on which a conditional one depends."""
        axes = search_space(self.sweep).axes
        return {name: axis.gates[0].axis for name, axis in axes.items() if axis.gates}

    def only(self, numbers: Sequence[int]) -> SweepColumns:
        """The columns of these trials alone."""
        kept = np.isin(self.data.numbers, numbers)
        arrays = {name: getattr(self.data, name)[kept] for name in ARRAYS}
        data = replace(self.data, **arrays)
        return SweepColumns(self.sweep, data, metric=self.metric)

    def is_of(self, sweep: Sweep, data: TrialData) -> bool:
        return self.data is data and self._seen == (sweep.updated_at, sweep.state)

    @cached_property
    def _tags(self) -> Mapping[int, Sequence[str]]:
        return tags_by_number(self.sweep)

    @cached_property
    def _mark(self) -> ColumnsMark:
        """Without a time."""
        count = self.drawn.total
        last = int(self.data.numbers[-1]) if len(self.data) else -1
        axes = [each.axis for each in self.parameters]
        meanings = [(axis["name"], axis["kind"], axis["values"]) for axis in axes]
        # One archived and another restored leave the count as it was.
        hidden = self.data.numbers[self.drawn.archived].tobytes()
        states, metric = ranked_states(self.sweep), self.sweep.primary_metric
        text = repr((meanings, self.drawn.halvings, states, hidden, metric))
        look = hashlib.sha256(text.encode()).hexdigest()[:12]
        return ColumnsMark(0.0, look, count, last)

    @property
    def best(self) -> int | None:
        """The number of the best trial; at a tie the lowest."""
        if not np.isfinite(self.score).any():
            return None
        return int(self.data.numbers[np.nanargmin(self.score)])

    @property
    def etag(self) -> str:
        """Changes with the whole answer, but not with time."""
        newest = self.data.changed.max(initial=0.0)
        return f'"{self._mark}~{newest}~{self.sweep.updated_at.timestamp()}"'

    def answer(self, since: str, *, now: float, planned: int) -> dict[str, Any]:
        """The whole, or what changed since a mark. ``now``: seconds since 1970, from
        before the data was read."""
        mark, seen = replace(self._mark, time=now), ColumnsMark.read(since)
        if seen is None or not mark.continues(seen, self.data, self.drawn.archived):
            state = self._state(mark, whole=True, changed=True)
            return state | self._head(now, planned) | self._rows(self.drawn.shown)
        start = start_of_news(seen.time, now, ended=self.sweep.has_ended)
        late = self.drawn.shown & (self.data.changed >= start)
        changed = bool(late.any()) or self.sweep.updated_at.timestamp() >= start
        state = self._state(mark, whole=False, changed=changed)
        return state | self._head(now, planned) | self._rows(late) if changed else state

    def _state(
        self, mark: ColumnsMark, *, whole: bool, changed: bool
    ) -> dict[str, Any]:
        live = bool(self.data.are_in(TRIAL_LIVE).any())
        return {
            "mark": str(mark),
            "whole": whole,
            "changed": changed,
            "final": self.sweep.has_ended and not live,
        }

    def _head(self, now: float, planned: int) -> dict[str, Any]:
        return {
            "now": round(now, 1),
            "epoch": self.epoch,
            "metric": self.sweep.primary_metric,
            "goal": self.sweep.goal,
            "chosen": bool(self.metric),
            "planned": planned,
            "total": self.drawn.total,
            "best": self.best,
            "states": STATES,
            "ranked": ranked_states(self.sweep),
            "sample": self._sample(),
            "drawn": self.drawn.sentence,
        }

    def _sample(self) -> dict[str, Any] | None:
        if not self.drawn.sampled:
            return None
        return {
            "of": self.drawn.total,
            "rows": int(self.drawn.shown.sum()),
            "weight": round(self.drawn.weight, 3),
            "always": f"the best {BEST_ROWS} and those that run",
        }

    def _rows(self, shown: Mask) -> dict[str, Any]:
        places = np.flatnonzero(shown)
        rows: dict[str, Any] = {
            "rows": len(places),
            "columns": self._columns(places),
            "parameters": [each.document(places) for each in self.parameters],
        }
        if self.drawn.sampled:
            weights = np.where(self.drawn.always[places], 1, self.drawn.weight)
            rows["weights"] = np.round(weights, 3).tolist()
        return rows

    def _columns(self, places: NDArray[np.intp]) -> dict[str, Sequence[Any]]:
        data = self.data
        reasons, origins = data.reasons[places], data.origins[places]
        return {
            "number": data.numbers[places].tolist(),
            "id": data.ids[places].tolist(),
            "state": data.states[places].tolist(),
            "value": rounded(data.value[places]).tolist(),
            "last": rounded(data.last[places]).tolist(),
            "reports": data.reports[places].tolist(),
            **{
                name: np.round(times[places] - self.epoch, 1).tolist()
                for name, times in (
                    ("created", data.created),
                    ("started", data.started),
                    ("ended", data.ended),
                )
            },
            "took": np.round(data.took[places], 2).tolist(),
            "reason": [data.reason_words[code] for code in reasons],
            "origin": [ORIGINS[code] for code in origins],
            "repeats": _or_none(data.repeats[places]),
            "group": data.groups[places].tolist(),
            "tags": [self._tags.get(n, []) for n in data.numbers[places].tolist()],
        }


def _or_none(numbers: NDArray[np.int64]) -> list[int | None]:
    return [None if number < 0 else number for number in numbers.tolist()]


# A few hundred kB each.
MAX_KEPT = 8
_cached: LruCache[int, SweepColumns] = LruCache(MAX_KEPT)


# The goal of a metric whose least or greatest value is drawn.
GOALS = {"min": "minimize", "max": "maximize"}


def metric_choices(sweep: Sweep) -> list[str]:
    """What can be drawn in place of the primary metric, such as ``loss.min``."""
    names = TrialColumns(sweep).metric_names
    others = (name for name in names if name != sweep.primary_metric)
    return [f"{name}.{part}" for name in others for part in GOALS]


def chosen_columns(sweep: Sweep, chosen: str) -> SweepColumns:
    """The columns with a chosen metric as the value that is drawn and analyzed."""
    if not chosen or chosen not in metric_choices(sweep):
        return sweep_columns(sweep)
    data = trial_data(sweep)
    values = numbers_of(TrialColumns(sweep, data).column(f"{METRIC}{chosen}"))
    known = data.extra.get(("chosen", chosen))
    if known is not None and known[0] is values:
        kept: SweepColumns = known[1]
        return kept
    name, _, part = chosen.rpartition(".")
    seen = copy(sweep)
    seen.primary_metric, seen.goal = chosen, GOALS[part]
    found = SweepColumns(seen, replace(data, value=values), metric=name)
    data.extra["chosen", chosen] = values, found
    return found


def sweep_columns(sweep: Sweep) -> SweepColumns:
    """The columns of the sweep, up to date."""
    data = trial_data(sweep)
    found = _cached.get(sweep.pk)
    if found is None or not found.is_of(sweep, data):
        found = SweepColumns(sweep, data, before=found)
        _cached.put(sweep.pk, found)
    return found
