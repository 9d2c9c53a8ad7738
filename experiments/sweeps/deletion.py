"""Deleting what takes space: whole sweeps, or the files of trials. Never what runs.

Rows go first, in one transaction, and files after its commit: a crash in between
leaves files that nothing names, never rows whose files are gone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from experiments import storage
from experiments.models import (
    Artifact,
    Attempt,
    CodeSnapshot,
    Decision,
    Event,
    MetricPoint,
    Report,
    Sweep,
    Trial,
    User,
)
from experiments.models.sweeps import SweepState
from experiments.models.trials import TRIAL_LIVE

logger = logging.getLogger(__name__)

ACTIVE = (SweepState.RUNNING, SweepState.PAUSED)
# Databases take only so many values in one statement.
BATCH = 500


@dataclass(frozen=True)
class Toll:
    """What a deletion takes away; ``bytes`` are those of logs, outputs and code."""

    sweeps: int = 0
    trials: int = 0
    points: int = 0
    bytes: int = 0


class StillRunning(Exception):
    """Something of what was to be deleted is not over. ``labels`` say what."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = labels
        super().__init__(
            f"{', '.join(labels)} {'is' if len(labels) == 1 else 'are'} not over yet."
            " Cancel first, then delete."
        )


def running_sweeps(sweeps: QuerySet[Sweep]) -> QuerySet[Sweep]:
    """Those that are active, or that ended while trials of theirs still stop."""
    live = Trial.objects.filter(sweep=OuterRef("pk"), state__in=TRIAL_LIVE)
    return sweeps.filter(Q(state__in=ACTIVE) | Exists(live))


def sweeps_toll(sweeps: QuerySet[Sweep]) -> Toll:
    """What deleting these sweeps would take away."""
    ids = list(sweeps.values_list("pk", flat=True))
    trials = Trial.objects.filter(sweep__in=ids)
    attempts = _attempt_ids(trials)
    points = MetricPoint.objects.filter(metric__attempt__trial__sweep__in=ids)
    size = storage.attempt_bytes(attempts) + _code_bytes(_orphans(ids))
    return Toll(len(ids), trials.count(), points.count(), size)


def delete_sweeps(sweeps: QuerySet[Sweep], *, actor: User | None) -> Toll:
    """Delete sweeps with everything below them; raises StillRunning and then deletes
    nothing."""
    with transaction.atomic():
        rows = list(sweeps.select_for_update(of=("self",)).select_related("experiment"))
        ids = [sweep.pk for sweep in rows]
        chosen = Sweep.objects.filter(pk__in=ids)
        _refuse_running(running_sweeps(chosen).select_related("experiment"))
        toll = sweeps_toll(chosen)
        attempts = _attempt_ids(Trial.objects.filter(sweep__in=ids))
        orphans = _orphans(ids)
        for sweep in rows:
            Event.log(
                "sweep deleted",
                sweep.label,
                actor=actor,
                team=sweep.experiment.team,
                data={"sweep": sweep.pk},
            )
        _delete_rows(ids)
        digests = {code.digest for code in orphans}
        CodeSnapshot.objects.filter(pk__in=[code.pk for code in orphans]).delete()
        transaction.on_commit(lambda: _delete_files(attempts, digests))
    logger.info("deleted %s sweeps, %s trials", toll.sweeps, toll.trials)
    return toll


def _refuse_running(running: QuerySet[Sweep]) -> None:
    labels = [str(sweep) for sweep in running]
    if labels:
        raise StillRunning(labels)


def _delete_rows(sweep_ids: Sequence[int]) -> None:
    """The many rows of the leaves by one statement each; the rest by the cascade."""
    MetricPoint.objects.filter(metric__attempt__trial__sweep__in=sweep_ids).delete()
    Report.objects.filter(sweep__in=sweep_ids).delete()
    Decision.objects.filter(trial__sweep__in=sweep_ids).delete()
    Artifact.objects.filter(attempt__trial__sweep__in=sweep_ids).delete()
    Sweep.objects.filter(pk__in=sweep_ids).delete()


def _attempt_ids(trials: QuerySet[Trial]) -> list[int]:
    attempts = Attempt.objects.filter(trial__in=trials.values("pk"))
    return list(attempts.values_list("pk", flat=True))


def _orphans(sweep_ids: Sequence[int]) -> list[CodeSnapshot]:
    """Snapshots that only these sweeps use."""
    others = Sweep.objects.filter(code=OuterRef("pk")).exclude(pk__in=sweep_ids)
    used = CodeSnapshot.objects.filter(sweeps__in=sweep_ids).distinct()
    return list(used.exclude(Exists(others)))


def _code_bytes(snapshots: Iterable[CodeSnapshot]) -> int:
    """Bytes of the archives that go with these snapshots."""
    rows = list(snapshots)
    shared = set(
        CodeSnapshot.objects.filter(digest__in={code.digest for code in rows})
        .exclude(pk__in=[code.pk for code in rows])
        .values_list("digest", flat=True)
    )
    paths = {
        storage.code_path(code.digest) for code in rows if code.digest not in shared
    }
    return sum(path.stat().st_size for path in paths if path.exists())


def _delete_files(attempts: Sequence[int], digests: Iterable[str]) -> None:
    """Attempts' folders, and archives that no row of any team names any more."""
    storage.delete_attempt_files(attempts)
    wanted = set(digests)
    still_used = CodeSnapshot.objects.filter(digest__in=wanted)
    for digest in wanted - set(still_used.values_list("digest", flat=True)):
        storage.delete_code(digest)


def trial_files_toll(trials: QuerySet[Trial]) -> Toll:
    """What deleting the outputs and logs of these trials would take away."""
    return Toll(
        trials=trials.count(), bytes=storage.attempt_bytes(_attempt_ids(trials))
    )


def delete_trial_files(trials: QuerySet[Trial], *, actor: User | None) -> Toll:
    """Delete outputs and logs; parameters and metrics stay. Raises StillRunning for
    live trials and then deletes nothing."""
    ids = list(trials.order_by().values_list("pk", flat=True))
    taken = Toll()
    with transaction.atomic():
        for start in range(0, len(ids), BATCH):
            part = Trial.objects.filter(pk__in=ids[start : start + BATCH])
            taken = _added(taken, _delete_files_of(part, actor))
    logger.info("deleted the files of %s trials, %s bytes", taken.trials, taken.bytes)
    return taken


def _added(one: Toll, other: Toll) -> Toll:
    return Toll(trials=one.trials + other.trials, bytes=one.bytes + other.bytes)


def _delete_files_of(trials: QuerySet[Trial], actor: User | None) -> Toll:
    live = trials.filter(state__in=TRIAL_LIVE)
    if labels := [str(trial) for trial in live.select_related("sweep__experiment")]:
        raise StillRunning(labels)
    toll = trial_files_toll(trials)
    attempts = _attempt_ids(trials)
    Artifact.objects.filter(attempt__trial__in=trials.values("pk")).delete()
    trials.update(files_deleted_at=Now(), updated_at=Now())
    Event.objects.bulk_create(
        _files_event(trial, actor) for trial in trials.select_related("experiment")
    )
    transaction.on_commit(lambda: storage.delete_attempt_files(attempts))
    return toll


def _files_event(trial: Trial, actor: User | None) -> Event:
    return Event(
        team_id=trial.experiment.team_id,
        actor=actor,
        sweep_id=trial.sweep_id,
        trial=trial,
        verb="trial files deleted",
        message="Outputs and logs were deleted; parameters and metrics stay.",
    )
