"""Deleting whole sweeps, the files of trials, runs that were long in the trash, and old
saved forms. Never sweeps and trials that still run.

A request only marks rows. A job on the site's queue deletes what is marked; the
scheduler enqueues it again while marks are left, so that a lost job only delays.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum, Value
from django.db.models.functions import Now

from experiments import storage
from experiments.lifecycle import TRASH_DAYS
from experiments.models import (
    Artifact,
    Attempt,
    CodeSnapshot,
    Decision,
    Event,
    Metric,
    SavedForm,
    Segment,
    Sweep,
    SweepTemplate,
    Trial,
    User,
)
from experiments.models.environments import delete_unused_parts
from experiments.models.sweeps import SweepState
from experiments.models.trials import TRIAL_LIVE
from experiments.queues import site_jobs
from experiments.runner.failpoints import failpoint

logger = logging.getLogger(__name__)

ACTIVE = (SweepState.RUNNING, SweepState.PAUSED)
# The attempts or trials, and the rows, of one short step.
BATCH, MAX_ROWS = 100, 20_000
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
    metrics = Metric.objects.filter(attempt__trial__sweep__in=ids)
    points = metrics.aggregate(points=Sum("count"))["points"] or 0
    size = storage.attempt_bytes(_attempt_ids(trials)) + _code_bytes(_own_code(ids))
    return DeletionSize(len(ids), trials.count(), points, size)


def trial_files_size(trials: QuerySet[Trial]) -> DeletionSize:
    size = storage.attempt_bytes(_attempt_ids(trials))
    return DeletionSize(trials=trials.count(), bytes=size)


def _attempt_ids(trials: QuerySet[Trial]) -> list[int]:
    attempts = Attempt.objects.filter(trial__in=trials.values("pk"))
    return list(attempts.values_list("pk", flat=True))


def _own_code(sweep_ids: Sequence[int]) -> list[CodeSnapshot]:
    """Snapshots that only these sweeps use, and no template."""
    others = Sweep.all_objects.filter(code=OuterRef("pk")).exclude(pk__in=sweep_ids)
    templates = SweepTemplate.objects.filter(code=OuterRef("pk"))
    used = CodeSnapshot.all_objects.filter(sweeps__in=sweep_ids).distinct()
    return list(used.exclude(Exists(others) | Exists(templates)))


def _code_bytes(snapshots: Sequence[CodeSnapshot]) -> int:
    """Bytes of the archives that no other snapshot shares."""
    paths = map(storage.code_path, _unshared(snapshots))
    return sum(path.stat().st_size for path in paths if path.exists())


def _unshared(snapshots: Sequence[CodeSnapshot]) -> set[str]:
    """The digests that only these snapshots have, in any team."""
    digests = {code.digest for code in snapshots}
    others = CodeSnapshot.all_objects.filter(digest__in=digests)
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
            Event.of(
                "trial files deleted",
                "Outputs and logs were deleted; parameters and metrics stay.",
                actor=actor,
                trial=trial,
            )
            for trial in chosen.select_related("experiment__team", "sweep__experiment")
        )
        chosen.update(files_deletion_requested_at=Now(), updated_at=Now())
        transaction.on_commit(start_deletion)
    return size


def start_deletion() -> None:
    """Enqueue the job if it does not wait or run. A busy queue has it later."""
    with contextlib.suppress(site_jobs.QueueBusy):
        site_jobs.ensure_job(site_jobs.DELETE, job_id="deletion", keep=0, wanted=EVERY)


def resume_deletion() -> None:
    """Enqueue the job if marks are left; the scheduler calls this regularly."""
    marked = (_marked_sweeps(), _marked_trials(), _old_trash(), SavedForm.old())
    if any(rows.exists() for rows in marked):
        start_deletion()


# --- the job ----------------------------------------------------------------------


def _marked_sweeps() -> QuerySet[Sweep]:
    return Sweep.all_objects.filter(deletion_requested_at__isnull=False).order_by("pk")


def _marked_trials() -> QuerySet[Trial]:
    marked = Trial.objects.filter(files_deletion_requested_at__isnull=False)
    return marked.filter(files_deleted_at=None).order_by("pk")


def _old_trash() -> QuerySet[Trial]:
    """Runs that have been in the trash for so long that they go."""
    limit = Now() - Value(timedelta(days=TRASH_DAYS))
    return Trial.objects.filter(sweep=None, run__deleted_at__lt=limit).order_by("pk")


def late_deletions(before: datetime) -> int:
    """How many sweeps and trials were marked before this time and are not deleted."""
    sweeps = _marked_sweeps().filter(deletion_requested_at__lt=before)
    trials = _marked_trials().filter(files_deletion_requested_at__lt=before)
    both = (rows.order_by().values("pk") for rows in (sweeps, trials))
    return next(both).union(*both, all=True).count()


def delete_requested() -> None:
    """The job: delete what is marked. What fails stays marked for the next run.

    It makes way for other jobs of the site after each of its short steps.
    """
    tasks = [
        *map(_delete_sweep, _marked_sweeps()),
        _delete_trial_files(),
        _delete_trash(),
    ]
    for number, steps in enumerate(tasks):
        site_jobs.report_progress(number / len(tasks))
        try:
            for _ in steps:
                if site_jobs.makes_way():
                    return
        except Exception:
            logger.exception("a deletion failed; it is tried again")
    delete_unused_parts()
    SavedForm.old().delete()


def _delete_sweep(sweep: Sweep) -> Iterator[None]:
    """Files first: after a crash the mark is still there, and this runs again."""
    for batch in _batches(_attempt_ids(Trial.objects.filter(sweep=sweep.pk))):
        storage.delete_attempt_files(batch)
        yield
    storage.delete_recordings(sweep.pk)
    failpoint("deletion.files")
    # The many rows in short transactions; the cascade does the rest.
    many: list[QuerySet[Any]] = [
        Segment.objects.filter(metric__attempt__trial__sweep=sweep.pk),
        Metric.objects.filter(attempt__trial__sweep=sweep.pk),
        Decision.objects.filter(trial__sweep=sweep.pk),
        Artifact.objects.filter(attempt__trial__sweep=sweep.pk),
    ]
    for rows in many:
        some = rows.order_by().values("pk")[:MAX_ROWS]
        while rows.model._default_manager.filter(pk__in=some).delete()[0]:
            yield
    with transaction.atomic():
        code = [
            each
            for each in _own_code([sweep.pk])
            if sweep.deletion_requested_at
            and each.created_at <= sweep.deletion_requested_at
        ]
        Sweep.all_objects.filter(pk=sweep.pk).delete()
        CodeSnapshot.all_objects.filter(pk__in=[each.pk for each in code]).delete()
        # Before the commit: who stores the same code meanwhile waits for it.
        _delete_archives({each.digest for each in code})
    logger.info("deleted sweep %s", sweep.pk)


def _delete_archives(digests: Iterable[str]) -> None:
    """Those that no snapshot of any team names any more."""
    for digest in digests:
        if not CodeSnapshot.all_objects.filter(digest=digest).exists():
            storage.delete_code(digest)


def _delete_trial_files() -> Iterator[None]:
    for batch in _batches(list(_marked_trials().values_list("pk", flat=True))):
        chosen = Trial.objects.filter(pk__in=batch)
        storage.delete_attempt_files(_attempt_ids(chosen))
        with transaction.atomic():
            Artifact.objects.filter(attempt__trial__in=batch).delete()
            chosen.update(files_deleted_at=Now(), updated_at=Now())
        logger.info("deleted the files of %s trials", len(batch))
        yield


def _delete_trash() -> Iterator[None]:
    """Files first, as for sweeps."""
    for trial in _old_trash():
        storage.delete_attempt_files(_attempt_ids(Trial.objects.filter(pk=trial.pk)))
        Trial.objects.filter(pk=trial.pk).delete()
        logger.info("deleted run %s", trial.pk)
        yield


def _batches(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))
