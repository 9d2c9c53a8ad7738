"""The completed trials of a sweep, with their curves."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple, TypeVar, cast

import numpy as np
from django.db.models import TextField
from django.db.models.functions import Cast
from numpy.typing import NDArray

from experiments.db.prepared import Placeholder, Select
from experiments.lru_cache import LruCache
from experiments.models import Trial
from experiments.models.trials import TrialState
from experiments.search.records import Objective
from experiments.search.simulation.recording import losses_of
from experiments.search.termination.evidence import MAX_FINISHED, Finished
from experiments.tracking import series

T = TypeVar("T")
Curve = NDArray[np.float64]


class Completed(NamedTuple):
    """A completed trial. It no longer changes, so it is the key of its curve; the time
    tells apart rows that got the same id after a restore."""

    pk: int
    number: int
    reports: int
    value: float
    ended_at: str | None


COMPLETED = Select(
    lambda: (
        Trial.objects.filter(
            sweep=Placeholder("sweep"),
            state=TrialState.COMPLETED,
            value__isnull=False,
            reports__gt=0,
        )
        .order_by("-number")
        # The time is only a part of the key, so it is not parsed.
        .values_list("pk", "number", "reports", "value", Cast("ended_at", TextField()))[
            :MAX_FINISHED
        ]
    )
)


def _best_first(order: str) -> Select:
    # Imported trials have no curves.
    own = Trial.objects.own().filter(sweep=Placeholder("sweep"), value__isnull=False)
    others = own.exclude(pk=Placeholder("trial")).order_by(order)
    return Select(lambda: others.values_list("value")[:1])


HIGHEST, LOWEST = _best_first("-value"), _best_first("value")


class Derived(NamedTuple):
    """What was computed from some curves, and how many numbers these have."""

    answer: object
    numbers: int


# Numbers, of 8 bytes each: 256 curves of 10,000 reports fit.
CURVES: LruCache[Completed, Curve] = LruCache(4_000_000, size=len)
# An answer holds once or twice as many numbers as its curves.
DERIVED: LruCache[Hashable, Derived] = LruCache(8_000_000, size=attrgetter("numbers"))


class StoredFinished(Finished):
    """The completed trials, to be compared with one that is judged."""

    def __init__(self, trial: Trial, objective: Objective) -> None:
        self._trial = trial
        self._objective = objective

    @cached_property
    def _rows(self) -> Sequence[Completed]:
        rows = COMPLETED.rows(sweep=self._trial.sweep_id)
        return [Completed(*row) for row in reversed(rows)]

    @property
    def numbers(self) -> NDArray[np.int64]:
        return np.array([row.number for row in self._rows], np.int64)

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.array([row.reports for row in self._rows], np.int64)

    @cached_property
    def _curves(self) -> list[Curve]:
        found = {row: CURVES.get(row) for row in self._rows}
        missing = [row for row, curve in found.items() if curve is None]
        found.update(read_curves(missing, self._objective))
        return [cast(Curve, curve) for curve in found.values()]

    def curves(self) -> list[Curve]:
        return self._curves

    @cached_property
    def _best_of_all(self) -> float:
        best = HIGHEST if self._objective.maximizes else LOWEST
        row = best.first(sweep=self._trial.sweep_id, trial=self._trial.pk)
        return math.inf if row is None else self._objective.loss(row[0])

    def best_of_all(self) -> float:
        return self._best_of_all

    def derived(self, make: Callable[[Finished], T]) -> T:
        key = (make, self._objective, tuple(self._rows))
        kept = DERIVED.get(key)
        if kept is None:
            kept = Derived(make(self), 1 + sum(row.reports for row in self._rows))
            DERIVED.put(key, kept)
        return cast("T", kept.answer)


def read_curves(
    trials: Sequence[Completed], objective: Objective
) -> dict[Completed, Curve]:
    """The losses of completed trials, read in two queries and cached."""
    if not trials:
        return {}
    rows = Trial.objects.filter(pk__in=[trial.pk for trial in trials])
    found = {pk: points["value"] for pk, points in series.reported(rows)}
    curves: dict[Completed, Curve] = {}
    for trial in trials:
        curve = losses_of(found.get(trial.pk, np.empty(0)), objective)
        curve.flags.writeable = False
        curves[trial] = curve
        CURVES.put(trial, curve)
    return curves
