"""Trials in the API with their metrics and verdicts, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from django.db.models import Count
from ninja import Schema
from pydantic import Field

from experiments.api.points import RefusedOut
from experiments.api.schemas import (
    AttemptOut,
    Number,
    TrialRowOut,
    page_url,
    reported_number,
)
from experiments.models import Attempt, Decision, Metric, Trial
from experiments.models.missing import MissingData
from experiments.models.trials import TrialState
from experiments.search.fields import DefinitionError
from experiments.search.records import Objective
from experiments.search.termination import Policy, make_policy
from experiments.tracking.training_time import earlier_by_trial, measured_seconds
from experiments.tracking.verdicts import Checks, checks_of, margin_of, verdict_sample

# Fields that are answered as they are stored.
COPIED = (
    *("policy", "settings", "value", "threshold", "rivals", "setters", "facts"),
    *("stop", "reason", "created_at"),
)
NOT_YET = "It has not been checked yet."
NO_POLICY = "No policy ends trials of this sweep early."


class SetterOut(Schema):
    """A trial that set the threshold."""

    id: int
    number: int
    url: str


class DecisionOut(Schema):
    """One verdict of the early termination policy, with all that it rests on."""

    interval: Annotated[int, Field(description="the report at which it was asked")]
    attempt: int
    policy: str
    settings: dict[str, Any]
    value: Annotated[
        float | None,
        Field(description="what was compared, most often the trial's own best so far"),
    ]
    threshold: float | None
    margin: Annotated[
        float | None,
        Field(description="how much better the value was; below 0: worse"),
    ]
    rivals: Annotated[int, Field(description="how many trials it was compared with")]
    setters: Annotated[
        list[int], Field(description="numbers of the trials that set the threshold")
    ]
    setter_trials: list[SetterOut]
    facts: Annotated[
        dict[str, float],
        Field(
            description="numbers of the policy's own, by name; of a prediction"
            " gain_needed to beat the best, gain_expected, the chance of that, the"
            " chance_asked, and the share_better of the trials at this report"
        ),
    ]
    stop: bool
    reason: str
    created_at: datetime


class WhyRunningOut(Schema):
    """Why a running trial has not been ended early."""

    reason: Annotated[str, Field(description="the last verdict, as a sentence")]
    last_check: Annotated[int | None, Field(description="the report it came at")]
    next_check: Annotated[
        int | None, Field(description="the next report at which it is judged")
    ]


class ClosestOut(Schema):
    """The check that a trial passed with the least to spare."""

    interval: int
    value: float | None
    threshold: float | None
    margin: Annotated[
        float | None,
        Field(description="to spare; null where a chance decided"),
    ]
    chance: Annotated[
        float | None,
        Field(description="of still becoming the best; null for other policies"),
    ]


class TrialOut(TrialRowOut):
    """A trial with its sweep and every attempt at running it."""

    sweep: int | None
    experiment: int
    stop_reason: str
    stop_message: str
    why_running: Annotated[
        WhyRunningOut | None, Field(description="null unless it runs in a sweep")
    ]
    closest: Annotated[
        ClosestOut | None, Field(description="null when no check can be told apart")
    ]
    attempt_history: list[AttemptOut]
    refused: Annotated[
        list[RefusedOut],
        Field(
            description="points of its last attempt that were not stored; the last"
            " entry, without a name, is for all further names"
        ),
    ]
    lost: Annotated[
        list[str], Field(description="what of its results did not arrive, and why")
    ]
    not_kept: Annotated[str, Field(description="output files that are not kept, why")]
    tags: dict[str, str]
    note: Annotated[str, Field(description="Markdown")]
    archived: bool


def decision_rows(decisions: Sequence[Decision]) -> list[DecisionOut]:
    """One trial's decisions in the same order, with ``attempt`` joined. One query."""
    if not decisions:
        return []
    trial = decisions[0].trial
    objective = trial.sweep.objective if trial.sweep else Objective("", "minimize")
    setters = _setters(trial, decisions)
    return [_decision(decision, objective, setters) for decision in decisions]


def _setters(trial: Trial, decisions: Sequence[Decision]) -> dict[int, SetterOut]:
    numbers = {number for decision in decisions for number in decision.setters}
    trials = Trial.objects.filter(sweep=trial.sweep_id, number__in=numbers)
    return {
        each.number: SetterOut(id=each.pk, number=each.number, url=page_url(each))
        for each in trials
    }


def _decision(
    decision: Decision, objective: Objective, setters: Mapping[int, SetterOut]
) -> DecisionOut:
    return DecisionOut(
        **{name: getattr(decision, name) for name in COPIED},
        interval=decision.n,
        attempt=decision.attempt.n,
        margin=margin_of(decision, objective),
        setter_trials=[setters[n] for n in decision.setters if n in setters],
    )


def early_termination_fields(trial: Trial) -> dict[str, Any]:
    """Why the trial runs, and how close it came."""
    sweep = trial.sweep
    if sweep is None:
        return {"why_running": None, "closest": None}
    found = verdict_sample(trial.current_attempt, sweep.objective)
    checks = checks_of(found.decisions, sweep.objective, passed=found.passed)
    runs = trial.state == TrialState.RUNNING and not trial.is_stopping
    return {
        "why_running": _why_running(trial, checks.last) if runs else None,
        "closest": _closest(checks),
    }


def _why_running(trial: Trial, last: Decision | None) -> WhyRunningOut:
    policy = _policy(trial)
    reason = last.reason if last else NOT_YET if policy else NO_POLICY
    # Verdicts are read after the trial, which may have reported in between.
    seen = max(trial.reports, last.n if last else 0)
    return WhyRunningOut(
        reason=reason,
        last_check=last.n if last else None,
        next_check=policy.next_check(seen) if policy else None,
    )


def _policy(trial: Trial) -> Policy | None:
    if trial.sweep is None or trial.runs_to_end:
        return None
    try:
        return make_policy(trial.sweep.early_termination, trial.sweep.objective)
    except DefinitionError:
        return None


def _closest(checks: Checks) -> ClosestOut | None:
    decision = checks.closest
    if decision is None:
        return None
    return ClosestOut(
        interval=decision.n,
        value=decision.value,
        threshold=decision.threshold,
        margin=checks.spare,
        chance=checks.chance,
    )


def trial_rows(trials: Sequence[Trial]) -> list[TrialRowOut]:
    """In the same order. Wants ``sweep__experiment`` and ``current_attempt`` joined."""
    metrics, attempts = last_metrics(trials), _attempt_counts(trials)
    earlier = earlier_by_trial(trial.pk for trial in trials)
    return [
        TrialRowOut(
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
        **_missing_fields(trial.current_attempt),
        **_words(trial),
    )


def _words(trial: Trial) -> dict[str, Any]:
    run = getattr(trial, "run", None)
    return {
        "tags": run.tags if run else {},
        "note": run.note if run else "",
        "archived": is_archived(trial),
    }


def is_archived(trial: Trial) -> bool:
    run = None if trial.sweep_id else trial.run
    return (run or trial).archived_at is not None


def _missing_fields(attempt: Attempt | None) -> dict[str, Any]:
    missing = MissingData.of(attempt.missing if attempt else None)
    return {
        "refused": RefusedOut.of(missing.names()),
        "lost": list(missing.lost),
        "not_kept": attempt.not_kept if attempt else "",
    }


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


def last_metrics(trials: Sequence[Trial]) -> dict[int | None, dict[str, Number]]:
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
