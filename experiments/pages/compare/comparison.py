"""The trials of a comparison, the reference first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from experiments.models import Metric, Sweep, Trial
from experiments.models.environments import whole_environments
from experiments.models.trials import TrialState
from experiments.search.records import Objective, goal_of
from experiments.sweeps.progress import progress_of, saved_by, usual_times
from experiments.sweeps.warm_start import sources_of
from experiments.tracking.axes import axes_of
from experiments.tracking.spaces import trial_params
from experiments.tracking.training_time import seconds_by_trial


@dataclass(frozen=True)
class Entrant:
    """One compared trial. ``name``: ``23``, or ``digits-3/23`` where they are from
    several sweeps."""

    trial: Trial
    name: str
    is_best: bool
    elapsed: float | None
    saved: float | None
    metrics: Mapping[str, Metric]

    @property
    def glyph(self) -> str:
        return "best" if self.is_best else self.trial.state

    @property
    def words(self) -> str:
        """``trial 23``, for a sentence."""
        return f"{'trial' if self.trial.sweep_id else 'run'} {self.name}"

    @cached_property
    def params(self) -> Mapping[str, Any]:
        """Its values by axis, with those of nested choices."""
        return trial_params(self.trial)

    @property
    def per_report(self) -> float | None:
        if not self.elapsed or not self.trial.reports:
            return None
        return self.elapsed / self.trial.reports


class Comparison:
    """The trials and runs in order, the reference first: the best, or the first one
    named where their sweeps have different objectives. Runs are measured by the
    objective of the trials' sweeps."""

    def __init__(self, trials: Sequence[Trial], now: datetime) -> None:
        self.objective = shared_measure(
            [t.sweep for t in trials if t.sweep is not None]
        )
        self.sources = sources_of(trials)
        self.metrics = _metrics([*trials, *self.sources.values()])
        if self.objective is not None:
            self._measure_runs(trials, self.objective)
        self.now = now
        sweeps = {t.sweep.pk: t.sweep for t in trials if t.sweep is not None}
        self.sweeps = list(sweeps.values())
        self.entrants = self._entrants(ordered(trials, self.objective))
        self.axes = axes_of(self.sweeps[0] if self.sweeps else None)

    def _measure_runs(self, trials: Sequence[Trial], objective: Objective) -> None:
        """Give runs the values that trials have, in memory alone."""
        for run in trials:
            own = self.metrics.get(run.current_attempt_id or 0, {})
            metric = own.get(objective.primary_metric)
            if run.sweep_id is None and metric is not None:
                highest = objective.goal == "maximize"
                run.value = metric.high if highest else metric.low
                run.last_value, run.reports = metric.last_value, metric.count

    @cached_property
    def environments(self) -> Sequence[Mapping[str, Any]]:
        """The document of each entrant's run; empty where it has none."""
        runs = [getattr(entrant.trial, "run", None) for entrant in self.entrants]
        return whole_environments(*runs)

    @property
    def noun(self) -> str:
        """What is compared, in the plural."""
        runs = sum(entrant.trial.sweep_id is None for entrant in self.entrants)
        if not runs:
            return "trials"
        return "runs" if runs == len(self.entrants) else "trials and runs"

    @property
    def reference(self) -> Entrant:
        return self.entrants[0]

    @property
    def others(self) -> Sequence[Entrant]:
        return self.entrants[1:]

    @property
    def common_metrics(self) -> list[str]:
        """Other metrics, first those that most of the trials have reported."""
        primary = self.objective.primary_metric if self.objective else None
        names: dict[str, int] = {}
        for entrant in self.entrants:
            for name in entrant.metrics:
                names[name] = names.get(name, 0) + 1
        return sorted(names.keys() - {primary}, key=lambda name: (-names[name], name))

    def _entrants(self, trials: Sequence[Trial]) -> list[Entrant]:
        best = {pk: p.best for pk, p in progress_of(self.sweeps).items()}
        usual = usual_times([sweep.pk for sweep in self.sweeps])
        seconds = seconds_by_trial(trials, self.now)
        alike = len({trial.sweep_id for trial in trials}) == 1 and bool(self.sweeps)
        first = trials[0] if self.objective is not None else None
        entrants = []
        for trial in trials:
            elapsed = seconds[trial.pk]
            leader = best.get(trial.sweep_id or 0)
            entrants.append(
                Entrant(
                    trial,
                    name=str(trial.number) if alike else trial.label,
                    # Of several sweeps' best trials only one is the best of all.
                    is_best=leader is not None
                    and leader.pk == trial.pk
                    and (len(self.sweeps) == 1 or trial == first),
                    elapsed=elapsed,
                    saved=saved_by(trial, elapsed, usual.get(trial.sweep_id or 0)),
                    metrics=self.metrics.get(
                        self.sources.get(trial.pk, trial).current_attempt_id or 0, {}
                    ),
                )
            )
        return entrants


def shared_measure(sweeps: Sequence[Sweep]) -> Objective | None:
    """The objective, or None where they have several or none."""
    found = {(sweep.primary_metric, sweep.goal) for sweep in sweeps}
    return sweeps[0].objective if len(found) == 1 else None


def ordered(trials: Sequence[Trial], objective: Objective | None) -> Sequence[Trial]:
    """The best first, the others in the order in which they were named."""
    if objective is None:
        return trials
    able = [t for t in trials if t.value is not None and t.state != TrialState.FAILED]
    if not able:
        return trials
    best = min(able, key=lambda trial: (objective.loss(trial.value or 0), trial.number))
    return [best, *(trial for trial in trials if trial.pk != best.pk)]


def _metrics(trials: Sequence[Trial]) -> dict[int, dict[str, Metric]]:
    """The series of the current attempts, by attempt and name."""
    rows = Metric.objects.of_training().filter(
        attempt__in=[t.current_attempt_id for t in trials if t.current_attempt_id]
    )
    found: dict[int, dict[str, Metric]] = {}
    for metric in rows.order_by("name"):
        found.setdefault(metric.attempt_id, {})[metric.name] = metric
    return found


def best_of_metric(metric: Metric) -> float | None:
    """The lowest or highest value, by what its name suggests."""
    return metric.low if goal_of(metric.name) == "minimize" else metric.high
