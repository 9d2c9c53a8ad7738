"""Deleting whole sweeps, or the files of trials. Never what still runs.

A request only marks rows. A job on the site's queue deletes what is marked; the
scheduler enqueues it again while marks are left, so that a lost job only delays.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

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
from experiments.queues import site_jobs

logger = logging.getLogger(__name__)

ACTIVE = (SweepState.RUNNING, SweepState.PAUSED)
# Databases take only this many values in one statement.
BATCH = 500
# The scheduler looks for marks this often, in seconds.
EVERY = 60


@dataclass(frozen=True)
class DeletionSize:
    """What a deletion removes; ``bytes`` are those of logs, outputs and code."""

    sweeps: int = 0
    trials: int = 0
    points: int = 0
    bytes: int = 0


class StillRunning(Exception):
    """Something that was to be deleted has not ended. ``labels`` name it."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = labels
        super().__init__(
            f"{', '.join(labels)} {'is' if len(labels) == 1 else 'are'} not over yet."
            " Cancel first, then delete."
        )


def _refuse_running(running: QuerySet[Sweep] | QuerySet[Trial]) -> None:
    if labels := [str(row) for row in running]:
        raise StillRunning(labels)


def running_sweeps(sweeps: QuerySet[Sweep]) -> QuerySet[Sweep]:
    """Those that are active, or have ended while some of their trials still stop."""
    live = Trial.objects.filter(sweep=OuterRef("pk"), state__in=TRIAL_LIVE)
    return sweeps.filter(Q(state__in=ACTIVE) | Exists(live))


# --- sizes, for the page that asks first ------------------------------------------


def sweeps_size(sweeps: QuerySet[Sweep]) -> DeletionSize:
    ids = list(sweeps.values_list("pk", flat=True))
    trials = Trial.objects.filter(sweep__in=ids)
    points = MetricPoint.objects.filter(metric__attempt__trial__sweep__in=ids)
    size = storage.attempt_bytes(_attempt_ids(trials)) + _code_bytes(_own_code(ids))
    return DeletionSize(len(ids), trials.count(), points.count(), size)


def trial_files_size(trials: QuerySet[Trial]) -> DeletionSize:
    size = storage.attempt_bytes(_attempt_ids(trials))
    return DeletionSize(trials=trials.count(), bytes=size)


def _attempt_ids(trials: QuerySet[Trial]) -> list[int]:
    attempts = Attempt.objects.filter(trial__in=trials.values("pk"))
    return list(attempts.values_list("pk", flat=True))


def _own_code(sweep_ids: Sequence[int]) -> list[CodeSnapshot]:
    """Snapshots that only these sweeps use."""
    others = Sweep.all_objects.filter(code=OuterRef("pk")).exclude(pk__in=sweep_ids)
    used = CodeSnapshot.objects.filter(sweeps__in=sweep_ids).distinct()
    return list(used.exclude(Exists(others)))


def _code_bytes(snapshots: Sequence[CodeSnapshot]) -> int:
    """Bytes of the archives that no other snapshot shares."""
    paths = map(storage.code_path, _unshared(snapshots))
    return sum(path.stat().st_size for path in paths if path.exists())


def _unshared(snapshots: Sequence[CodeSnapshot]) -> set[str]:
    """The digests that only these snapshots have, in any team."""
    digests = {code.digest for code in snapshots}
    others = CodeSnapshot.objects.filter(digest__in=digests)
    others = others.exclude(pk__in=[code.pk for code in snapshots])
    return digests - set(others.values_list("digest", flat=True))


# --- requests ---------------------------------------------------------------------


def request_sweep_deletion(
    sweeps: QuerySet[Sweep], *, actor: User | None
) -> DeletionSize:
    """Mark sweeps, which are hidden from now on. Raises StillRunning, and then marks
    nothing."""
    with transaction.atomic():
        rows = list(sweeps.select_for_update(of=("self",)).select_related("experiment"))
        chosen = Sweep.objects.filter(pk__in=[sweep.pk for sweep in rows])
        _refuse_running(running_sweeps(chosen).select_related("experiment"))
        size = sweeps_size(chosen)
        for sweep in rows:
            # Without a reference to the sweep, with which the event would go.
            Event.log(
                "sweep deleted",
                sweep.label,
                actor=actor,
                team=sweep.experiment.team,
                data={"sweep": sweep.pk},
            )
        chosen.update(deletion_requested_at=Now(), updated_at=Now())
        transaction.on_commit(start_deletion)
    return size


def request_file_deletion(
    trials: QuerySet[Trial], *, actor: User | None
) -> DeletionSize:
    """Mark trials whose outputs and logs go; parameters and metrics stay. Raises
    StillRunning for live trials, and then marks nothing."""
    with transaction.atomic():
        ids = list(trials.order_by().values_list("pk", flat=True))
        chosen = Trial.objects.filter(pk__in=ids, files_deleted_at=None)
        live = chosen.filter(state__in=TRIAL_LIVE)
        _refuse_running(live.select_related("sweep__experiment", "experiment"))
        size = trial_files_size(chosen)
        Event.objects.bulk_create(
            Event(
                team_id=trial.experiment.team_id,
                actor=actor,
                sweep_id=trial.sweep_id,
                trial=trial,
                verb="trial files deleted",
                message="Outputs and logs were deleted; parameters and metrics stay.",
            )
            for trial in chosen.select_related("experiment")
        )
        chosen.update(files_deletion_requested_at=Now())
        transaction.on_commit(start_deletion)
    return size


def start_deletion() -> None:
    """Enqueue the job if it does not wait or run. A busy queue has it later."""
    with contextlib.suppress(site_jobs.QueueBusy):
        site_jobs.ensure_job(site_jobs.DELETE, job_id="deletion", keep=0, wanted=EVERY)


def resume_deletion() -> None:
    """Enqueue the job if marks are left; the scheduler calls this regularly."""
    if _marked_sweeps().exists() or _marked_trials().exists():
        start_deletion()


# --- the job ----------------------------------------------------------------------


def _marked_sweeps() -> QuerySet[Sweep]:
    return Sweep.all_objects.filter(deletion_requested_at__isnull=False).order_by("pk")


def _marked_trials() -> QuerySet[Trial]:
    marked = Trial.objects.filter(files_deletion_requested_at__isnull=False)
    return marked.filter(files_deleted_at=None).order_by("pk")


def late_deletions(before: datetime) -> int:
    """How many sweeps and trials were marked before this time and are not deleted."""
    sweeps = _marked_sweeps().filter(deletion_requested_at__lt=before)
    trials = _marked_trials().filter(files_deletion_requested_at__lt=before)
    return sweeps.count() + trials.count()


def delete_requested() -> None:
    """The job: delete what is marked. What fails stays marked for the next run."""
    trials = list(_marked_trials().values_list("pk", flat=True))
    batches = [trials[start : start + BATCH] for start in range(0, len(trials), BATCH)]
    steps: list[Callable[[], None]] = [
        *(partial(_delete_sweep, sweep) for sweep in _marked_sweeps()),
        *(partial(_delete_trial_files, batch) for batch in batches),
    ]
    for number, step in enumerate(steps):
        site_jobs.report_progress(number / len(steps))
        try:
            step()
        except Exception:
            logger.exception("a deletion failed; it is tried again")


def _delete_sweep(sweep: Sweep) -> None:
    """Files first: after a crash the mark is still there, and this runs again."""
    storage.delete_attempt_files(_attempt_ids(Trial.objects.filter(sweep=sweep.pk)))
    storage.delete_recordings(sweep.pk)
    with transaction.atomic():
        code = _own_code([sweep.pk])
        # The many rows by one statement for each table; the cascade does the rest.
        MetricPoint.objects.filter(metric__attempt__trial__sweep=sweep.pk).delete()
        Report.objects.filter(sweep=sweep.pk).delete()
        Decision.objects.filter(trial__sweep=sweep.pk).delete()
        Artifact.objects.filter(attempt__trial__sweep=sweep.pk).delete()
        Sweep.all_objects.filter(pk=sweep.pk).delete()
        CodeSnapshot.objects.filter(pk__in=[each.pk for each in code]).delete()
    _delete_archives({each.digest for each in code})
    logger.info("deleted sweep %s", sweep.pk)


def _delete_archives(digests: Iterable[str]) -> None:
    """Those that no snapshot of any team names any more."""
    for digest in digests:
        if not CodeSnapshot.objects.filter(digest=digest).exists():
            storage.delete_code(digest)


def _delete_trial_files(trials: Sequence[int]) -> None:
    chosen = Trial.objects.filter(pk__in=trials)
    storage.delete_attempt_files(_attempt_ids(chosen))
    with transaction.atomic():
        Artifact.objects.filter(attempt__trial__in=trials).delete()
        chosen.update(files_deleted_at=Now(), updated_at=Now())
    logger.info("deleted the files of %s trials", len(trials))
