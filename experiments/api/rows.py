"""Rows of trials with what belongs to them, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Count

from experiments.api.schemas import (
    AttemptOut,
    Number,
    TrialRow,
    page_url,
    reported_number,
)
from experiments.api.verdicts import TrialOut, early_termination_fields
from experiments.models import Attempt, Metric, Trial
from experiments.training_time import earlier_by_trial, measured_seconds


def trial_rows(trials: Sequence[Trial]) -> list[TrialRow]:
    """In the same order. Wants ``sweep__experiment`` and ``current_attempt`` joined."""
    metrics, attempts = _last_metrics(trials), _attempt_counts(trials)
    earlier = earlier_by_trial(trial.pk for trial in trials)
    return [
        TrialRow(
            **_own_fields(trial),
            elapsed=_elapsed(trial, earlier),
            metrics=metrics.get(trial.current_attempt_id, {}),
            attempts=attempts.get(trial.pk, 0),
        )
        for trial in trials
    ]


def trial_out(trial: Trial) -> TrialOut:
    history = trial.attempts.select_related("worker").order_by("n")
    row = trial_rows([trial])[0]
    return TrialOut(
        **row.dict(),
        sweep=trial.sweep_id,
        experiment=trial.experiment_id,
        stop_reason=trial.stop_reason,
        stop_message=trial.stop_message,
        **early_termination_fields(trial),
        attempt_history=[AttemptOut.of(attempt) for attempt in history],
    )


def _own_fields(trial: Trial) -> dict[str, Any]:
    own = (
        "number state reason message params value reports created_at"
        " started_at ended_at"
    )
    return {
        **{name: getattr(trial, name) for name in own.split()},
        "id": trial.pk,
        "origin": trial.origin_text,
        "name": trial.label,
        "url": page_url(trial),
        "stopping": trial.is_stopping,
        "last_value": reported_number(trial.last_value) if trial.reports else None,
    }


def _elapsed(trial: Trial, earlier: Mapping[int, float]) -> float | None:
    """As the runners measured it; else, for an ended trial, between start and end."""
    measured = measured_seconds(trial, earlier)
    if measured is not None:
        return measured
    if trial.started_at is None or trial.ended_at is None:
        return None
    return max(0.0, (trial.ended_at - trial.started_at).total_seconds())


def _last_metrics(trials: Sequence[Trial]) -> dict[int | None, dict[str, Number]]:
    """By attempt: the last value of each of its metrics."""
    current = [trial.current_attempt_id for trial in trials]
    found: dict[int | None, dict[str, Number]] = {}
    rows = Metric.objects.filter(attempt__in=current, count__gt=0).order_by("name")
    for attempt, name, value in rows.values_list("attempt", "name", "last_value"):
        found.setdefault(attempt, {})[name] = reported_number(value)
    return found


def _attempt_counts(trials: Sequence[Trial]) -> dict[int, int]:
    attempts = Attempt.objects.filter(trial__in=[trial.pk for trial in trials])
    return dict(attempts.order_by().values_list("trial").annotate(n=Count("pk")))
