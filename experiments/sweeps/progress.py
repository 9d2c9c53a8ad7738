"""The progress of sweeps: counts, best trial, compute spent and saved.

For many sweeps at once, in a fixed number of queries.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from django.db.models import Case, Count, F, FloatField, Sum, When, Window
from django.db.models.functions import RowNumber

from experiments.lru_cache import LruCache
from experiments.models import Attempt, Sweep, Trial
from experiments.models.sweeps import SweepState
from experiments.models.trials import IS_RANKED, TRIAL_ENDS, TRIAL_LIVE, TrialState
from experiments.sweeps import savings
from experiments.sweeps.trial_data import TrialData
from experiments.tracking.spaces import search_space
from experiments.tracking.training_time import trained

NOTHING = savings.Saving()


@dataclass(frozen=True)
class Compute:
    """Training time in seconds: ``used``, by lost attempts too, and ``saved``.

    ``saved`` is an estimate (see savings.py): for each trial that the policy ended, the
    median time of the sweep's completed trials minus its own time, and never less
    than nothing. ``saving`` has reports, GPU time and money of it, likewise.
    """

    used: float = 0.0
    saving: savings.Saving = NOTHING

    @property
    def saved(self) -> float:
        return self.saving.seconds

    @property
    def share(self) -> float:
        """Saved, as a share of what would have been used."""
        return self.saved / (self.used + self.saved) if self.saved else 0.0

    def __add__(self, other: Compute) -> Compute:
        return Compute(self.used + other.used, self.saving + other.saving)

    def of(self, sweep: Sweep) -> Compute:
        """The same with the GPUs of the sweep's trials counted."""
        return Compute(self.used, savings.with_gpus(self.saving, sweep))


@dataclass(frozen=True)
class Progress:
    """One sweep's progress; ``share`` is from 0 to 1."""

    counts: Mapping[str, int]
    share: float
    best: Trial | None
    compute: Compute

    @property
    def spent(self) -> float:
        return self.compute.used

    @property
    def saved(self) -> float:
        return self.compute.saved

    @property
    def ended(self) -> int:
        return _ended(self.counts)


def progress_of(sweeps: Sequence[Sweep]) -> dict[int, Progress]:
    """The progress of each sweep by its id, in four queries."""
    ids = [sweep.pk for sweep in sweeps]
    counts, best = counts_by_sweep(ids), _best_trials(ids)
    computes = compute_of(ids)
    return {
        sweep.pk: Progress(
            counts=counts[sweep.pk],
            share=share_of(sweep, counts[sweep.pk]),
            best=best.get(sweep.pk),
            compute=computes[sweep.pk].of(sweep),
        )
        for sweep in sweeps
    }


def share_of(sweep: Sweep, counts: Mapping[str, int]) -> float:
    """The share of trials that have ended; 1 for a completed sweep."""
    if sweep.state == SweepState.COMPLETED:
        return 1.0
    return min(1.0, _ended(counts) / max(1, sweep.max_total_trials))


def _ended(counts: Mapping[str, int]) -> int:
    return sum(n for state, n in counts.items() if state not in TRIAL_LIVE)


def counts_by_sweep(ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """By sweep: the number of trials in each state, zeros included."""
    counts = {pk: dict.fromkeys(TrialState.values, 0) for pk in ids}
    rows = Trial.objects.filter(sweep__in=ids).order_by().values("sweep_id", "state")
    for row in rows.annotate(count=Count("pk")):
        counts[row["sweep_id"]][row["state"]] = row["count"]
    return counts


def planned_trials(sweep: Sweep, tried: int, combinations: int | None) -> int:
    """How many trials there will be: the budget, or the space where it is less."""
    if sweep.exhausted:
        return tried
    most = sweep.max_total_trials
    if combinations is not None:
        most = min(most, combinations)
    return max(most, tried)


def combinations(sweep: Sweep) -> int | None:
    """How many configurations the space has. None for infinitely many, where it is not
    known, and after a change of the space: some trials are from another one."""
    if sweep.space_version > 1:
        return None
    space = search_space(sweep)
    return space.count() if len(space) else None


def not_started(sweep: Sweep) -> int:
    """How many of its planned trials were not started."""
    tried = sum(counts_by_sweep([sweep.pk])[sweep.pk].values())
    return planned_trials(sweep, tried, combinations(sweep)) - tried


def _best_trials(ids: Sequence[int]) -> dict[int, Trial]:
    """The best trial of each sweep that has one; at a tie the lower number."""
    loss = Case(
        When(sweep__goal="maximize", then=-F("value")),
        default=F("value"),
        output_field=FloatField(),
    )
    ranked = Trial.objects.filter(IS_RANKED, sweep__in=ids).annotate(
        place=Window(
            RowNumber(),
            partition_by=F("sweep"),
            order_by=[loss.asc(), F("number").asc()],
        )
    )
    best = ranked.filter(place=1).select_related("sweep__experiment")
    return {trial.sweep_id: trial for trial in best if trial.sweep_id is not None}


def compute_of(ids: Sequence[int]) -> dict[int, Compute]:
    """Training time by sweep without GPU time, in two queries."""
    spent, saved = _spent(ids), savings.saved_by_sweep(ids)
    return {pk: Compute(spent.get(pk) or 0.0, saved.get(pk, NOTHING)) for pk in ids}


# What a sweep spent and saved changes when trials end, and with a price of its pool.
MAX_COMPUTES, MAX_COMPUTE_AGE = 1_000, 60.0
_computes: LruCache[int, tuple[object, float, Compute]] = LruCache(MAX_COMPUTES)


def compute_of_trials(sweep: Sweep, trials: TrialData) -> Compute:
    """The sweep's compute_of(), which is read again after a trial has ended or trained,
    and each minute: their medians are long queries."""
    has_ended = trials.are_in(TRIAL_ENDS)
    ends = float(trials.changed[has_ended].sum())
    reports, took = int(trials.reports[has_ended].sum()), float(np.nansum(trials.took))
    price = sweep.pool.price_per_hour
    mark = (sweep.created_at, int(has_ended.sum()), ends, reports, took, price)
    known, now = _computes.get(sweep.pk), time.monotonic()
    if known is None or known[0] != mark or now - known[1] > MAX_COMPUTE_AGE:
        known = (mark, now, compute_of([sweep.pk])[sweep.pk])
        _computes.put(sweep.pk, known)
    return known[2].of(sweep)


def saved_by(trial: Trial, elapsed: float | None, usual: float | None) -> float | None:
    """What ending one trial early saved, given the ``usual`` time of a completed trial;
    None if nothing."""
    if trial.state != TrialState.TERMINATED or elapsed is None or usual is None:
        return None
    return usual - elapsed if usual > elapsed else None


def _spent(ids: Sequence[int]) -> dict[int, float]:
    attempts = Attempt.objects.filter(trial__sweep__in=ids).order_by()
    rows = attempts.values_list("trial__sweep").annotate(total=Sum("elapsed"))
    return dict(rows)


def usual_times(ids: Sequence[int]) -> dict[int, float]:
    """The median training time of each sweep's completed trials, in seconds."""
    completed = Trial.objects.filter(sweep__in=ids, state=TrialState.COMPLETED)
    placed = (
        completed.annotate(took=trained())
        .filter(took__gte=0)
        .annotate(
            place=Window(
                RowNumber(), partition_by=F("sweep"), order_by=F("took").asc()
            ),
            twice=Window(Count("pk"), partition_by=F("sweep")) - 2 * F("place"),
        )
    )
    # The median of n values is at n/2 <= place <= n/2 + 1.
    middle = placed.filter(twice__gte=-2, twice__lte=0).order_by()
    times: dict[int, list[float]] = {}
    for sweep_id, took in middle.values_list("sweep", "took"):
        times.setdefault(sweep_id, []).append(took)
    return {pk: fmean(values) for pk, values in times.items()}
