"""The one way in for metric points: stored once, numbered, judged in the same request.

See group.py for the transaction, and turn.py for who makes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from experiments.models import Attempt, Metric, ReportVersion
from experiments.models.missing import RefusedPoint
from experiments.models.trials import AttemptState
from experiments.tracking import series, sql
from experiments.tracking.arriving import Sent
from experiments.tracking.codec import microseconds
from experiments.tracking.group import write_alone, write_together
from experiments.tracking.held import MAX_NAMES, MAX_SYSTEM_NAMES, HeldTrial
from experiments.tracking.report_batch import (
    AttemptNotRunning,
    Reply,
    ReportBatch,
    not_running,
)
from experiments.tracking.turn import Turn

__all__ = [
    "MAX_NAMES",
    "MAX_SYSTEM_NAMES",
    "TAKES_POINTS",
    "AttemptNotRunning",
    "Point",
    "Reply",
    "ReportBatch",
    "Sent",
    "count_reported",
    "locked_attempt",
    "record",
    "write",
]

# Programs may log to a single run after its end; it has no pool. As in sql.ATTEMPTS.
TAKES_POINTS = Q(state=AttemptState.RUNNING) | Q(pool=None)
TURN: Turn[ReportBatch] = Turn(write_together, size=lambda batch: len(batch.points))


@dataclass(frozen=True)
class Point:
    """One reported value. ``value`` may be NaN or an infinity."""

    name: str
    step: int
    value: float
    time: datetime | None = None


def record(
    attempt_id: int,
    points: Sequence[Point],
    *,
    refused: Sequence[RefusedPoint] = (),
    is_heartbeat: bool = False,
    batch: str = "",
    collected: bool = False,
) -> Reply:
    """Store points; sending them again changes nothing. Not inside a transaction.

    `refused` are points that are not valid. With `is_heartbeat` the report renews the
    heartbeat of an attempt that no worker runs. `batch` is the key of these points:
    with it, those without a time are told from earlier ones. `collected`: the script
    does not report these points itself. Raises AttemptNotRunning.
    """
    sent = [
        Sent(p.name, p.step, p.value, None if p.time is None else microseconds(p.time))
        for p in points
    ]
    return write(
        ReportBatch(
            attempt_id,
            sent,
            refused=refused,
            is_heartbeat=is_heartbeat,
            key=batch,
            collected=collected,
        )
    )


def write(batch: ReportBatch) -> Reply:
    """Store a batch, with those of other threads. Raises AttemptNotRunning."""
    if TURN.run(batch) and batch.reply is not None:
        return batch.reply
    return write_alone(batch)


def count_reported(attempt: Attempt) -> None:
    """Count stored points as reports, after their metric became the primary one. Needs
    a transaction with the attempt locked."""
    (row,) = sql.TRIALS.rows(sql.ids([attempt.trial_id]))
    trial = HeldTrial(*row)
    own = Metric.objects.filter(attempt=attempt, name=trial.primary_metric)
    for points in series.read(own.values_list("pk", flat=True)).values():
        for value in points["value"].tolist():
            trial.report(value)
    ReportVersion.objects.filter(sweep=trial.sweep).delete()
    sql.UPDATE_TRIAL.run([trial.row()])


def locked_attempt(attempt_id: int) -> Attempt:
    """The attempt, locked until the transaction ends. Raises AttemptNotRunning.

    Another attempt can take over only after it has updated this row.
    """
    attempts = Attempt.objects.select_for_update()
    try:
        return attempts.get(TAKES_POINTS, pk=attempt_id)
    except Attempt.DoesNotExist as error:
        raise not_running(attempt_id) from error
