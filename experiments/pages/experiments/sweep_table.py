"""Sweeps as lists show them: counts, best trial, compute and a sparkline.

A fixed number of queries, however many sweeps and trials there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import F, Window
from django.db.models.functions import RowNumber

from experiments.models import Sweep, Trial
from experiments.models.sweeps import SweepState
from experiments.models.trials import IS_RANKED, TrialState
from experiments.pages.curves import Sparkline, step_line
from experiments.sweeps.progress import (
    Compute,
    combinations,
    compute_of,
    counts_by_sweep,
    planned_trials,
)

SPELLED = {
    "bayesian": "Bayesian",
    "tpe": "TPE",
    "cmaes": "CMA-ES",
    "sobol": "Sobol",
    "asha": "ASHA",
    "wandb_hyperband": "W&B Hyperband",
}


@dataclass(frozen=True)
class Improvement:
    """A trial that was better than every ended trial before it."""

    trial_id: int
    number: int
    value: float


@dataclass(frozen=True)
class SweepRow:
    """One sweep of a list. ``counts`` is what components/state_bar.html reads."""

    sweep: Sweep
    counts: Mapping[str, int]
    steps: Sequence[Improvement]
    compute: Compute
    spark: Sparkline | None

    @property
    def best(self) -> Improvement | None:
        return self.steps[-1] if self.steps else None

    def is_ticked(self, trials: Container[int]) -> bool:
        """A tick names the best trial."""
        return self.best is not None and self.best.trial_id in trials

    @property
    def ended(self) -> int:
        live = self.counts["left"] + self.counts["running"]
        return self.planned - live

    @property
    def planned(self) -> int:
        return sum(self.counts.values())

    @property
    def took(self) -> timedelta | None:
        ended = self.sweep.ended_at
        return self.sweep.took(ended) if ended else None

    @property
    def how(self) -> str:
        """Sampler and policy in a few words, such as ``random, median stopping``."""
        sampler = self.sweep.definition.get("sampling_algorithm", {}).get("type", "")
        policy = (self.sweep.early_termination or {}).get("type", "")
        kinds = (sampler, policy)
        words = (SPELLED.get(kind, kind).replace("_", " ") for kind in kinds)
        return ", ".join(filter(None, words))


def sweep_rows(sweeps: Sequence[Sweep], *, one_scale: bool = False) -> list[SweepRow]:
    """Rows in the order of ``sweeps``. With ``one_scale`` the sparklines of sweeps with
    the same metric share a scale."""
    ids = [sweep.pk for sweep in sweeps]
    counts, computes = counts_by_sweep(ids), compute_of(ids)
    steps = best_so_far(sweeps)
    scales = _common_scales(sweeps, steps) if one_scale else {}
    return [
        SweepRow(
            sweep=sweep,
            counts=(bar := _bar_counts(sweep, counts[sweep.pk])),
            steps=steps[sweep.pk],
            compute=computes[sweep.pk].of(sweep),
            spark=_spark(sweep, steps[sweep.pk], bar, scales.get(sweep.primary_metric)),
        )
        for sweep in sweeps
    ]


def _bar_counts(sweep: Sweep, counts: Mapping[str, int]) -> dict[str, int]:
    """Counts for the state bar: queued and untried trials together are left."""
    tried = sum(counts.values())
    # Counting a space takes time, and only a running sweep forecasts its end.
    most = combinations(sweep) if sweep.state == SweepState.RUNNING else None
    untried = planned_trials(sweep, tried, most) - tried
    shown = (
        TrialState.COMPLETED,
        TrialState.TERMINATED,
        TrialState.FAILED,
        TrialState.RUNNING,
        TrialState.CANCELLED,
    )
    bar = {str(state): counts[state] for state in shown}
    return bar | {"left": untried + counts[TrialState.QUEUED]}


def best_so_far(sweeps: Sequence[Sweep]) -> dict[int, list[Improvement]]:
    """For each sweep its improvements in the order of trials; the last is the best."""
    steps: dict[int, list[Improvement]] = defaultdict(list)
    for goal in ("maximize", "minimize"):
        ids = [sweep.pk for sweep in sweeps if sweep.goal == goal]
        if not ids:
            continue
        leaders = Trial.objects.filter(sweep__in=ids).leaders(goal)
        columns = ("sweep", "pk", "number", "value")
        for pk, *step in leaders.order_by("sweep", "number").values_list(*columns):
            steps[pk].append(Improvement(*step))
    return steps


def best_trials(sweeps: Sequence[Sweep], most: int) -> dict[int, list[Trial]]:
    """The best trials of each sweep, the best first."""
    found: dict[int, list[Trial]] = defaultdict(list)
    for goal, order in (("maximize", F("value").desc()), ("minimize", F("value"))):
        ids = [sweep.pk for sweep in sweeps if sweep.goal == goal]
        place = Window(RowNumber(), partition_by="sweep", order_by=[order, "number"])
        ranked = Trial.objects.filter(IS_RANKED, sweep__in=ids).annotate(place=place)
        joined = ranked.select_related("sweep__experiment", "current_attempt")
        for trial in joined.filter(place__lte=most).order_by("sweep", "place"):
            found[trial.sweep_id or 0].append(trial)
    return found


def _common_scales(
    sweeps: Sequence[Sweep], steps: Mapping[int, Sequence[Improvement]]
) -> Mapping[str, tuple[float, float]]:
    """The lowest and the highest value by metric."""
    values: dict[str, list[float]] = defaultdict(list)
    for sweep in sweeps:
        values[sweep.primary_metric] += [step.value for step in steps[sweep.pk]]
    return {metric: (min(v), max(v)) for metric, v in values.items() if v}


def _spark(
    sweep: Sweep,
    steps: Sequence[Improvement],
    bar: Mapping[str, int],
    scale: tuple[float, float] | None,
) -> Sparkline | None:
    planned = sum(bar.values())
    if not steps or not planned:
        return None
    tried = planned - bar["left"]
    return step_line(
        [(step.number / planned, step.value) for step in steps],
        end=min(1.0, tried / planned),
        scale=scale,
        down_is_better=sweep.goal == "minimize",
    )
