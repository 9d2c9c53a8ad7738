"""Early termination of live trials: ask the policy at a report, keep its verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from experiments import lifecycle
from experiments.models import Attempt, Decision, Report, Trial
from experiments.models.trials import TrialState
from experiments.search.records import Objective, Rivals, Standing, Verdict
from experiments.search.termination import Policy, make_policy


def judge(trial: Trial, attempt: Attempt, reports: Iterable[Report]) -> None:
    """Judge new reports of a trial in their order, until one ends it.

    Runs in the transaction that stores the reports, so the reply can say stop.
    """
    sweep = trial.sweep
    if sweep is None or trial.stop_reason:
        return
    policy = make_policy(sweep.early_termination, sweep.objective)
    if policy is None:
        return
    for report in reports:
        if not policy.due(report.n):
            continue
        verdict = policy.judge(
            _standing(report, sweep.objective), _rivals(report, sweep.objective)
        )
        _keep(verdict, trial=trial, attempt=attempt, policy=policy)
        if verdict.stop:
            lifecycle.request_stop(
                trial, reason=lifecycle.POLICY, message=verdict.reason
            )
            return


def _keep(verdict: Verdict, *, trial: Trial, attempt: Attempt, policy: Policy) -> None:
    settings = policy.settings()
    Decision.objects.create(
        trial=trial,
        attempt=attempt,
        policy=str(settings["type"]),
        settings=settings,
        n=verdict.report,
        value=verdict.value,
        threshold=verdict.threshold,
        rivals=verdict.rivals,
        setters=list(verdict.setters),
        stop=verdict.stop,
        reason=verdict.reason,
    )


def _loss(value: float | None, objective: Objective) -> float:
    return math.inf if value is None else objective.loss(value)


def _standing(report: Report, objective: Objective) -> Standing:
    return Standing(
        report=report.n,
        best=_loss(report.best, objective),
        mean=_loss(report.mean, objective),
    )


def _rivals(report: Report, objective: Objective) -> Rivals:
    """The sweep's other trials at the same report: one row each, by an index."""
    rows = list(
        Report.objects.filter(sweep_id=report.sweep_id, n=report.n)
        .exclude(trial_id=report.trial_id)
        .values_list("trial__number", "best", "mean", "trial__state")
    )
    return Rivals(
        numbers=np.array([row[0] for row in rows], dtype=np.int64),
        best=np.array([_loss(row[1], objective) for row in rows], dtype=float),
        mean=np.array([_loss(row[2], objective) for row in rows], dtype=float),
        running=np.array([row[3] == TrialState.RUNNING for row in rows], dtype=bool),
    )
