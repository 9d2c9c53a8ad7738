"""Early termination of live trials: the policy judges each report."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments import lifecycle
from experiments.db.prepared import Insert, Placeholder, Select
from experiments.models import Attempt, Decision, Report, Trial
from experiments.search.records import Objective
from experiments.search.termination import Policy, make_policy
from experiments.search.termination.evidence import (
    Evidence,
    Finished,
    Rivals,
    Standing,
    Verdict,
)
from experiments.tracking.completed_curves import StoredFinished
from experiments.tracking.rivals import StoredRivals

NEW_DECISION = Insert(
    Decision,
    *("trial", "attempt", "policy", "settings", "n", "value", "threshold"),
    *("rivals", "setters", "facts", "stop", "reason"),
    *("clause", "named_best", "limit_words"),
)
OWN_VALUES = Select(
    lambda: (
        Report.objects.filter(trial=Placeholder("trial"), n__lte=Placeholder("n"))
        .order_by("n")
        .values_list("value")
    )
)


def judge(trial: Trial, attempt: Attempt, reports: Iterable[Report]) -> None:
    """Judge new reports of a trial in order, until one ends it.

    Runs in the transaction that stores the reports, so the reply can say stop, and
    before ranks.py counts them: until then it counts only rivals.
    """
    sweep = trial.sweep
    if sweep is None or trial.stop_reason or trial.runs_to_end:
        return
    objective = sweep.objective
    policy = make_policy(sweep.early_termination, objective)
    if policy is None:
        return
    for report in reports:
        if not policy.due(report.n):
            continue
        verdict = policy.judge(StoredEvidence(report, trial, objective))
        _keep(verdict, trial=trial, attempt=attempt, policy=policy)
        if verdict.stop:
            lifecycle.request_stop(
                trial, reason=lifecycle.POLICY, message=verdict.reason
            )
            return


def _keep(verdict: Verdict, *, trial: Trial, attempt: Attempt, policy: Policy) -> None:
    settings = policy.settings()
    decision = Decision(
        trial=trial,
        attempt=attempt,
        policy=str(settings["type"]),
        settings=settings,
        n=verdict.report,
        value=verdict.value,
        threshold=verdict.threshold,
        rivals=verdict.rivals,
        setters=list(verdict.setters),
        facts=stored_facts(verdict),
        stop=verdict.stop,
        reason=verdict.reason,
        clause=verdict.grounds.clause,
        named_best=verdict.grounds.best,
        limit_words=verdict.grounds.limit,
    )
    NEW_DECISION.run(decision)


def stored_facts(verdict: Verdict) -> dict[str, float]:
    """The policy's own numbers; JSON has only finite ones."""
    return {name: fact for name, fact in verdict.facts.items() if math.isfinite(fact)}


class StoredEvidence(Evidence):
    """A stored report, to be compared with those of other trials."""

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

    @cached_property
    def own(self) -> Standing:
        stored = self._stored
        return Standing(
            report=stored.n,
            best=stored.best_loss,
            last=self._loss(stored.value),
        )

    @cached_property
    def _losses(self) -> NDArray[np.float64]:
        values = OWN_VALUES.rows(trial=self._trial.pk, n=self._stored.n)
        return np.array([self._loss(value) for (value,) in values], dtype=float)

    def losses(self) -> NDArray[np.float64]:
        return self._losses

    @cached_property
    def rivals(self) -> Rivals:
        return StoredRivals(self._stored)

    @cached_property
    def finished(self) -> Finished:
        return StoredFinished(self._trial, self._objective)

    def _loss(self, value: float | None) -> float:
        return math.inf if value is None else self._objective.loss(value)
