"""Early termination of live trials: the policy judges each report."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from experiments import lifecycle
from experiments.models import Decision, ReportVersion, Trial
from experiments.models.metrics import next_version
from experiments.search.rungs import LearningCurve, Rung, RungRivals
from experiments.search.standings import StandingEvidence
from experiments.search.termination import Policy
from experiments.search.termination.evidence import Rivals, Verdict
from experiments.tracking import sql
from experiments.tracking.completed_curves import StoredFinished
from experiments.tracking.held import HeldAttempt, HeldTrial
from experiments.tracking.memory import MEMORIES, JudgedSweep, SweepMemory


class LiveRivals(RungRivals):
    """The sweep's other trials; which of them run is asked of the database."""

    __slots__ = ("_memory", "_only_running")

    def __init__(self, memory: SweepMemory, rung: Rung, own: LearningCurve) -> None:
        super().__init__(rung, own)
        self._memory = memory
        self._only_running: Rivals | None = None

    def only_running(self) -> Rivals:
        if self._only_running is None:
            running = sql.RUNNING.rows(self._memory.sweep.pk)
            own = self._own
            rung = self._rung.only({number for (number,) in running} | {own.number})
            self._only_running = RungRivals(rung, own)
        return self._only_running


class LiveFinished(StoredFinished):
    """The sweep's completed trials, seen from one that runs."""

    def __init__(self, memory: SweepMemory, number: int) -> None:
        sweep = memory.sweep
        super().__init__(Trial(sweep_id=sweep.pk, number=number), sweep.objective)
        self._memory = memory

    def best_of_all(self) -> float:
        return self._memory.best_besides(self._trial.number)


logger = logging.getLogger(__name__)


class NewReport(NamedTuple):
    """The n-th report of a trial; a carried one was judged in an earlier attempt."""

    trial: HeldTrial
    attempt: HeldAttempt
    n: int
    loss: float
    carried: bool


class OutOfStep(Exception):
    """A memory differs from the database, and is dropped."""


class Judging:
    """The new reports of a group of requests, in order, and the verdicts on them."""

    def __init__(self, *, anew: bool = False) -> None:
        self._anew = anew
        self._new: list[NewReport] = []
        self._trials: dict[int, HeldTrial] = {}
        self._decisions: list[Sequence[Any]] = []
        self._versions: dict[int, int] = {}
        self._memories: dict[int, SweepMemory] = {}
        # Sweeps whose reports every process has to read again.
        self._outdated: set[int | None] = set()
        # Sweeps whose memory was read in this transaction.
        self._fresh: set[int] = set()

    def add(
        self, trial: HeldTrial, attempt: HeldAttempt, value: float, *, carried: bool
    ) -> None:
        """Count a report. It is judged later: until then the sweep is not locked."""
        loss = trial.report(value)
        self._trials[trial.pk] = trial
        self._new.append(NewReport(trial, attempt, trial.reports, loss, carried))

    def start_over(self, trial: HeldTrial, attempt: HeldAttempt) -> None:
        """Forget the trial's reports so far, as if there had never been any."""
        trial.start_over()
        self._new = [new for new in self._new if new.trial is not trial]
        Decision.objects.filter(attempt=attempt.pk).delete()
        sql.UPDATE_TRIAL.run([trial.row()])
        self._outdated.add(trial.sweep)

    def judge(self) -> None:
        """Judge all new reports, each trial's until one ends it."""
        sweeps = {s.pk: s for new in self._new if (s := new.trial.judged_sweep)}
        if sweeps:
            self._lock(sweeps)
        for new in self._new:
            memory = self._memories.get(new.trial.sweep or 0)
            if memory is not None:
                self._judge(new, memory)
        for memory in self._memories.values():
            MEMORIES.keep(memory)

    def _lock(self, sweeps: dict[int, JudgedSweep]) -> None:
        found = sql.VERSIONS.rows(sql.ids(sweeps))
        if outdated := self._outdated.intersection(sweeps):
            # All are locked by now, in their order.
            ReportVersion.objects.filter(sweep__in=outdated).delete()
        if outdated or len(found) < len(sweeps):
            ReportVersion.objects.bulk_create(
                [ReportVersion(sweep_id=pk) for pk in sorted(sweeps)],
                ignore_conflicts=True,
            )
            found = sql.VERSIONS.rows(sql.ids(sweeps))
        for pk, row, version in found:
            known = None if self._anew else MEMORIES.get(sweeps[pk])
            memory = known or SweepMemory(sweeps[pk])
            self._memories[pk] = memory
            if memory.row != row:
                self._fresh.add(pk)
            memory.catch_up(row, version)
            memory.version = next_version(version)
            self._versions[pk] = memory.version

    def _judge(self, new: NewReport, memory: SweepMemory) -> None:
        trial, policy = new.trial, new.trial.policy
        report = memory.report(trial.number, new.attempt.pk, new.loss)
        trial.stamp = memory.version
        if report != new.n:
            self._differs(new, memory, report)
            return
        if policy is None or new.carried or not trial.may_end or not policy.due(new.n):
            return
        verdict = policy.judge(_evidence(memory, trial.number))
        self._decisions.append(
            _decision(verdict, policy, trial=trial.pk, attempt=new.attempt.pk)
        )
        if verdict.stop:
            _stop(trial, verdict.reason)

    def _differs(self, new: NewReport, memory: SweepMemory, report: int) -> None:
        """Read the memory anew, once: a trial without verdicts is better than one that
        cannot report."""
        words = f"trial {new.trial.pk}: report {new.n} is number {report} of its points"
        if memory.sweep.pk not in self._fresh:
            raise OutOfStep(words)
        logger.error("%s, so it was not judged", words)

    def store(self) -> None:
        sql.INSERT_DECISION.run(self._decisions)
        sql.UPDATE_TRIAL.run([self._trials[pk].row() for pk in sorted(self._trials)])
        sql.UPDATE_VERSION.run([(new, pk) for pk, new in self._versions.items()])

    def forget(self) -> None:
        """Nothing was stored, so memories of it are wrong."""
        MEMORIES.drop(self._memories)


def _stop(trial: HeldTrial, reason: str) -> None:
    row = Trial(pk=trial.pk)
    lifecycle.request_stop(row, reason=lifecycle.POLICY, message=reason)
    trial.stop_reason, trial.stop_message = row.stop_reason, row.stop_message


def _evidence(memory: SweepMemory, number: int) -> StandingEvidence:
    return StandingEvidence(
        memory.curves[number],
        lambda curve, report: LiveRivals(memory, memory.rung(report), curve),
        lambda number: LiveFinished(memory, number),
    )


@lru_cache(maxsize=64)
def _settings(policy: Policy) -> tuple[str, str]:
    """The policy's name and its settings as JSON."""
    settings = policy.settings()
    return str(settings["type"]), json.dumps(settings)


def _decision(
    verdict: Verdict, policy: Policy, *, trial: int, attempt: int
) -> Sequence[Any]:
    """The columns of sql.INSERT_DECISION."""
    kind, settings = _settings(policy)
    grounds = verdict.grounds
    return (
        *(trial, attempt, kind, settings, verdict.report, verdict.value),
        *(verdict.threshold, verdict.rivals, json.dumps(verdict.setters)),
        *(json.dumps(stored_facts(verdict)), verdict.stop, verdict.reason),
        *(grounds.clause, grounds.best, grounds.limit),
    )


def stored_facts(verdict: Verdict) -> dict[str, float]:
    """The policy's own numbers; JSON has only finite ones."""
    return {name: fact for name, fact in verdict.facts.items() if math.isfinite(fact)}
