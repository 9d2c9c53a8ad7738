"""Trials as the pages and their feeds show them: one dictionary a trial, JSON-able.

A fixed number of queries, however many trials there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

import numpy as np
from django.db.models import Window
from django.db.models.functions import RowNumber
from django.urls import reverse

from experiments.models import Attempt, Decision, Report, Sweep, Trial
from experiments.models.trials import TrialState
from experiments.search.termination import Policy, make_policy
from experiments.words import metric_text

# More points than this cannot be told apart at the width of a chart.
MOST_CURVE_POINTS = 150


class TrialRow(TypedDict):
    """One trial; ``curve`` holds [report, value] pairs, null where it was not finite."""

    id: int
    number: int
    url: str
    state: str
    stopping: bool
    best: bool
    value: float | None
    value_report: int | None
    last_value: float | None
    reports: int
    params: dict[str, Any]
    curve: list[list[float | None]]
    elapsed: float | None
    started: str | None
    ended: str | None
    standing: str


def best_trial(sweep: Sweep) -> Trial | None:
    """The trial that carries the star, if any has ended with a value."""
    return sweep.trials.ranked(sweep.goal).first()


def trial_rows(
    sweep: Sweep, trials: Iterable[Trial], *, now: datetime, best_id: int | None
) -> list[TrialRow]:
    """Rows in the order of ``trials`` (with their current attempts selected)."""
    listed = list(trials)
    ids = [trial.pk for trial in listed]
    curves = report_curves(ids)
    decisions = last_decisions(ids)
    policy = make_policy(sweep.early_termination, sweep.objective)
    return [
        TrialRow(
            id=trial.pk,
            number=trial.number,
            url=reverse("trial_detail", args=(trial.pk,)),
            state=trial.state,
            stopping=trial.is_stopping,
            best=trial.pk == best_id,
            value=trial.value,
            value_report=trial.value_report,
            last_value=trial.last_value,
            reports=trial.reports,
            params=trial.params,
            curve=curves.get(trial.pk, []),
            elapsed=elapsed_seconds(trial.current_attempt, now),
            started=_iso(trial.started_at),
            ended=_iso(trial.ended_at),
            standing=standing_sentence(
                trial,
                decision=decisions.get(trial.pk),
                policy=policy,
                is_best=trial.pk == best_id,
            ),
        )
        for trial in listed
    ]


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def elapsed_seconds(attempt: Attempt | None, now: datetime) -> float | None:
    """How long the attempt's training has taken, or has taken so far."""
    if attempt is None or attempt.claimed_at is None:
        return None
    if attempt.ended_at is not None and attempt.elapsed is not None:
        return attempt.elapsed
    return max(0.0, ((attempt.ended_at or now) - attempt.claimed_at).total_seconds())


def report_curves(trial_ids: Sequence[int]) -> dict[int, list[list[float | None]]]:
    """Primary-metric curves by trial, thinned to what a chart can show."""
    curves: dict[int, list[list[float | None]]] = defaultdict(list)
    rows = Report.objects.filter(trial__in=trial_ids).order_by("trial", "n")
    for trial_id, n, value in rows.values_list("trial_id", "n", "value"):
        finite = value is not None and abs(value) != float("inf")
        curves[trial_id].append([n, value if finite else None])
    return {pk: thinned(curve) for pk, curve in curves.items()}


def thinned(curve: list[list[float | None]]) -> list[list[float | None]]:
    """At most MOST_CURVE_POINTS of the points: evenly spread, both ends kept."""
    if len(curve) <= MOST_CURVE_POINTS:
        return curve
    kept = np.linspace(0, len(curve) - 1, MOST_CURVE_POINTS).round().astype(int)
    return [curve[index] for index in kept]


def last_decisions(trial_ids: Sequence[int]) -> Mapping[int, Decision]:
    """The policy's last verdict on each trial."""
    ranked = Decision.objects.filter(trial__in=trial_ids).annotate(
        back=Window(RowNumber(), partition_by="trial", order_by=["-attempt", "-n"])
    )
    return {decision.trial_id: decision for decision in ranked.filter(back=1)}


def standing_sentence(
    trial: Trial, *, decision: Decision | None, policy: Policy | None, is_best: bool
) -> str:
    """How the trial stands, or how it ended, in one short sentence."""
    if is_best:
        return "The best so far"
    if trial.state == TrialState.TERMINATED and decision is not None:
        return f"{decision.policy_words} at report {decision.n}: {_against(decision)}"
    if trial.has_ended:
        return trial.message
    if trial.is_stopping:
        return f"Asked to stop: {trial.stop_message}"
    if trial.state == TrialState.QUEUED:
        return "Waiting for a free slot"
    return _running_sentence(trial, decision, policy)


def _running_sentence(
    trial: Trial, decision: Decision | None, policy: Policy | None
) -> str:
    if decision is not None:
        return f"Kept at report {decision.n}: {_against(decision)}"
    if not trial.reports:
        return "Started, no report yet"
    if policy is None:
        return f"Running, {trial.reports} reports"
    return f"First check at report {policy.next_check(trial.reports)}"


def _against(decision: Decision) -> str:
    if decision.threshold is None:
        return "nothing to compare with yet"
    value = metric_text(decision.value) if decision.value is not None else "no value"
    return f"{value} against {metric_text(decision.threshold)}"
