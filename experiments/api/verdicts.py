"""One trial as it is answered, with what early termination makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from ninja import Schema
from pydantic import Field

from experiments.api.schemas import AttemptOut, TrialRow, page_url
from experiments.models import Decision, Trial
from experiments.models.trials import TrialState
from experiments.search.problems import DefinitionError
from experiments.search.records import Objective
from experiments.search.termination import Policy, make_policy
from experiments.verdicts import Checks, checks_of, margin_of, verdict_sample

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
    value: Annotated[float | None, Field(description="the trial's own best so far")]
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


class TrialOut(TrialRow):
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


def decision_rows(trial: Trial, decisions: Sequence[Decision]) -> list[DecisionOut]:
    """In the same order; in one query for all trials that set thresholds. Wants
    ``attempt`` joined."""
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
