"""Early termination of live trials: ask the policy at a report, keep its verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from experiments import lifecycle
from experiments.models import Attempt, Decision, Report, Trial
from experiments.models.trials import TrialState
from experiments.search.columns import Column, ColumnRivals
from experiments.search.records import Objective
from experiments.search.standings import Standings
from experiments.search.termination import Policy, make_policy
from experiments.search.termination.evidence import (
    Evidence,
    Finished,
    Rivals,
    Standing,
    Verdict,
)


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
        verdict = policy.judge(StoredEvidence(report, trial, sweep.objective))
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


class StoredEvidence(Evidence):
    """A stored report among those of the sweep's other trials."""

    def __init__(self, report: Report, trial: Trial, objective: Objective) -> None:
        self._stored = report
        self._trial = trial
        self._objective = objective

    @property
    def number(self) -> int:
        return self._trial.number

    @property
    def report(self) -> int:
        return self._stored.n

    @property
    def own(self) -> Standing:
        return Standing(
            report=self._stored.n,
            best=_loss(self._stored.best, self._objective),
            mean=_loss(self._stored.mean, self._objective),
            last=_loss(self._stored.value, self._objective),
        )

    def losses(self) -> NDArray[np.float64]:
        return _losses(self._trial, self._objective, self._stored.n)

    @property
    def rivals(self) -> Rivals:
        """One row of each trial, by an index."""
        running: set[int] = set()
        column = Column(running)
        rows = Report.objects.filter(sweep_id=self._stored.sweep_id, n=self._stored.n)
        for number, best, mean, state in rows.values_list(
            "trial__number", "best", "mean", "trial__state"
        ):
            if state == TrialState.RUNNING:
                running.add(number)
            column.add(
                number, _loss(best, self._objective), _loss(mean, self._objective)
            )
        return ColumnRivals(column, self.number, self.own)

    @property
    def finished(self) -> Finished:
        standings = Standings()
        others = Trial.objects.filter(sweep_id=self._stored.sweep_id)
        for trial in others.exclude(pk=self._trial.pk).order_by("number"):
            number = trial.number
            standings.start(number)
            for loss in _losses(trial, self._objective):
                standings.report(number, loss)
            completed = trial.state == TrialState.COMPLETED
            standings.finish(number, completed=completed)
        return standings.finished(self.number)


def _losses(
    trial: Trial, objective: Objective, most: int | None = None
) -> NDArray[np.float64]:
    values = trial.report_set.order_by("n").values_list("value", flat=True)[:most]
    return np.array([_loss(value, objective) for value in values], dtype=float)
