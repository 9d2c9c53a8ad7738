"""Sweeps of synthetic trials, for demonstrations and tests: no script runs.

Their rows are those that real trials leave, without logs and outputs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import OuterRef, Subquery

from experiments import lifecycle
from experiments.db.clock import database_now
from experiments.models import (
    Attempt,
    Decision,
    Metric,
    Pool,
    Segment,
    Sweep,
    Team,
    Trial,
    User,
    Worker,
)
from experiments.models.trials import AttemptState, Origin, TrialState
from experiments.search.document.definition import parse_document
from experiments.search.wording import counted
from experiments.sweeps import synthetic_trials
from experiments.sweeps.creation import create_sweep
from experiments.sweeps.synthetic_trials import (
    LOG_BASE,
    METRIC,
    Floats,
    SyntheticTrials,
)
from experiments.tracking import codec
from experiments.tracking.spaces import search_space

Progress = Callable[[str, int, int], None]

BATCH = 1_000
HOSTS, SLOTS = 2, 8
POLICY: dict[str, Any] = {
    "type": "median_stopping",
    "evaluation_interval": 1,
    "delay_evaluation": 5,
}
ERROR = "RuntimeError: CUDA out of memory. Tried to allocate ‹size›"
MESSAGES: Mapping[str, tuple[str, str]] = {
    TrialState.COMPLETED: ("", ""),
    TrialState.TERMINATED: (lifecycle.POLICY, "Its accuracy was below the median."),
    TrialState.FAILED: ("exited", "Exit code 1."),
    TrialState.CANCELLED: ("user", "Cancelled."),
}


@dataclass(frozen=True, kw_only=True)
class Filling:
    """How many trials, parameters, and points of each metric; the last ``running``
    trials still run."""

    trials: int = 1_000
    parameters: int = 8
    points: int = 100
    running: int = 0
    seed: int = 0


def fill_sweep(
    team: Team,
    filling: Filling,
    *,
    experiment_name: str = "synthetic",
    user: User | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """A new sweep of such trials. It is a draft until all are stored."""
    sweep = create_sweep(
        team, parse_document(_document(filling, experiment_name)), user=user
    )
    trials = synthetic_trials.make_trials(
        search_space(sweep),
        filling.trials,
        points=filling.points,
        slots=HOSTS * SLOTS,
        seed=filling.seed,
    )
    filler = _Filler(sweep, filling, trials)
    for first in range(0, filling.trials, BATCH):
        with transaction.atomic():
            filler.store(slice(first, min(first + BATCH, filling.trials)))
        if progress:
            progress("trials", min(first + BATCH, filling.trials), filling.trials)
    _start(sweep, filler, running=bool(filling.running))
    return sweep


def _document(filling: Filling, experiment_name: str) -> dict[str, Any]:
    space = synthetic_trials.search_space(filling.parameters)
    words = " ".join(f"--{name} ${{{{search_space.{name}}}}}" for name in space)
    return {
        "experiment_name": experiment_name,
        "display_name": f"{counted(filling.trials, 'synthetic trial')}",
        "trial": {"command": f"python train.py {words}"},
        "search_space": space,
        "sampling_algorithm": {
            "type": "random",
            "seed": filling.seed,
            "logbase": LOG_BASE,
        },
        "objective": {"primary_metric": METRIC, "goal": "maximize"},
        "early_termination": POLICY,
        "limits": {
            "max_total_trials": filling.trials,
            "max_concurrent_trials": HOSTS * SLOTS,
        },
    }


def _start(sweep: Sweep, filler: _Filler, *, running: bool) -> None:
    """In one transaction, so that no scheduler sees it running meanwhile."""
    with transaction.atomic():
        lifecycle.start_sweep(sweep)
        if not running:
            message = f"{counted(sweep.max_total_trials, 'trial')} ended."
            lifecycle.complete_sweep(sweep, reason="max_total_trials", message=message)
            Sweep.objects.filter(pk=sweep.pk).update(ended_at=filler.now)
        Sweep.objects.filter(pk=sweep.pk).update(
            created_at=filler.began, started_at=filler.began
        )
    sweep.refresh_from_db()


class _Filler:
    """Stores parts of the trials; the last ends now."""

    def __init__(self, sweep: Sweep, filling: Filling, trials: SyntheticTrials) -> None:
        self.sweep, self.filling, self.trials = sweep, filling, trials
        self.now = database_now()
        self.began = self.now - timedelta(seconds=float(trials.ends.max()))
        self._first_running = filling.trials - filling.running
        self._hosts = _hosts(sweep.pool, self.now)
        self._bar = float(np.median(trials.level))

    def store(self, part: slice) -> None:
        curves = synthetic_trials.curves(
            self.trials, part, self.filling.points, seed=self.filling.seed
        )
        numbers = range(part.start, part.stop)
        rows = Trial.objects.bulk_create(map(self._trial, numbers, curves[METRIC]))
        attempts = Attempt.objects.bulk_create(map(self._attempt, rows))
        own = Attempt.objects.filter(trial=OuterRef("pk")).values("pk")
        stored = self.sweep.trials.filter(number__range=(part.start, part.stop - 1))
        stored.update(current_attempt=Subquery(own))
        self._store_points(attempts, curves)
        ended = zip(rows, attempts, curves[METRIC], strict=True)
        Decision.objects.bulk_create(
            self._decision(row, attempt, curve)
            for row, attempt, curve in ended
            if row.state == TrialState.TERMINATED
        )

    def _trial(self, number: int, curve: Floats) -> Trial:
        state = self._state(number)
        reports = int(self.trials.reports[number])
        source = int(self.trials.sources[number])
        reason, message = MESSAGES.get(state, ("", ""))
        best = int(curve[:reports].argmax())
        start, end = self._times(number)
        return Trial(
            experiment_id=self.sweep.experiment_id,
            sweep=self.sweep,
            number=number,
            params=self.trials.params[number],
            origin=Origin.RANDOM if source < 0 else Origin.RERUN,
            source_number=None if source < 0 else source,
            state=state,
            reason=reason,
            message=message,
            reports=reports,
            value=float(curve[best]),
            value_report=best + 1,
            last_value=float(curve[reports - 1]),
            created_at=start,
            started_at=start,
            updated_at=end or self.now,
            ended_at=end,
        )

    def _state(self, number: int) -> str:
        if number >= self._first_running:
            return TrialState.RUNNING
        return str(self.trials.states[number])

    def _times(self, number: int) -> tuple[datetime, datetime | None]:
        start = self.began + timedelta(seconds=float(self.trials.starts[number]))
        if number >= self._first_running:
            return start, None
        return start, start + timedelta(seconds=float(self.trials.seconds[number]))

    def _attempt(self, trial: Trial) -> Attempt:
        host, slot = divmod(int(self.trials.slots[trial.number]), SLOTS)
        failed = trial.state == TrialState.FAILED
        ended = trial.ended_at is not None
        return Attempt(
            trial=trial,
            n=1,
            state=AttemptState.FINISHED if ended else AttemptState.RUNNING,
            reason="exited" if ended else "",
            pool_id=self.sweep.pool_id,
            worker=self._hosts[host],
            slot=slot,
            created_at=trial.created_at,
            claimed_at=trial.started_at,
            heartbeat_at=trial.updated_at,
            ended_at=trial.ended_at,
            compacted_at=trial.ended_at,
            elapsed=float(self.trials.seconds[trial.number]) if ended else None,
            exit_code=int(failed) if ended else None,
            error=ERROR if failed else "",
            signature="synthetic" if failed else "",
        )

    def _store_points(
        self, attempts: Sequence[Attempt], curves: Mapping[str, Floats]
    ) -> None:
        found = itertools.product(curves, zip(itertools.count(), attempts))
        pairs = [(name, n, attempt) for name, (n, attempt) in found]
        points = [self._points(attempt, curves[name][n]) for name, n, attempt in pairs]
        metrics = Metric.objects.bulk_create(
            _metric(attempt, name, records)
            for (name, _, attempt), records in zip(pairs, points, strict=True)
        )
        Segment.objects.bulk_create(_segments(metrics, points))

    def _points(self, attempt: Attempt, curve: Floats) -> codec.Records:
        number = attempt.trial.number
        count = int(self.trials.reports[number])
        records = np.empty(count, codec.RECORD)
        start = codec.microseconds(attempt.trial.started_at or self.now)
        pace = float(self.trials.seconds[number]) / count
        times = start + (np.arange(1, count + 1) * pace * 1e6).astype(np.int64)
        records["step"], records["value"] = np.arange(count), curve[:count]
        records["time"] = records["arrived"] = times
        return records

    def _decision(self, trial: Trial, attempt: Attempt, curve: Floats) -> Decision:
        last = float(curve[trial.reports - 1])
        return Decision(
            trial=trial,
            attempt=attempt,
            policy=POLICY["type"],
            settings=POLICY,
            n=trial.reports,
            value=last,
            threshold=self._bar,
            rivals=trial.number,
            stop=True,
            reason=f"{last:.4f} is below the median {self._bar:.4f}.",
            created_at=trial.updated_at,
        )


def _hosts(pool: Pool, now: datetime) -> list[Worker]:
    """Of hosts that have stopped, so no page expects them back."""
    return [
        Worker.objects.get_or_create(
            pool=pool,
            name=f"synthetic-{n}",
            defaults={"host": f"synthetic-{n}", "slots": SLOTS, "stopped_at": now},
        )[0]
        for n in range(1, HOSTS + 1)
    ]


def _metric(attempt: Attempt, name: str, points: codec.Records) -> Metric:
    return Metric(
        attempt=attempt,
        name=name,
        count=len(points),
        last_step=int(points["step"][-1]),
        last_time=int(points["time"][-1]),
        last_value=float(points["value"][-1]),
        low=float(points["value"].min()),
        high=float(points["value"].max()),
    )


def _segments(
    metrics: Sequence[Metric], points: Sequence[codec.Records]
) -> Iterator[Segment]:
    for metric, records in zip(metrics, points, strict=True):
        for row in codec.cut(records, 0):
            yield Segment(metric=metric, **row._asdict())
