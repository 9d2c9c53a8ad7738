"""The job that deletes for good what was in the trash for long enough, and old saved
forms.

The scheduler enqueues it again while something is left, so that a lost job only delays.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import CASCADE, SET_NULL, Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce, Now

from experiments import storage
from experiments.cleanup.sizes import own_code
from experiments.cleanup.thinning import thin_points
from experiments.cleanup.trash import note, start_purge
from experiments.code.snapshots import no_upload
from experiments.formatting import bytes_text
from experiments.models import (
    Artifact,
    Attempt,
    CodeSnapshot,
    Experiment,
    Removable,
    SavedForm,
    Segment,
    Sweep,
    SweepTemplate,
    TrashItem,
    Trial,
)
from experiments.models.environments import delete_unused_parts
from experiments.queues import site_jobs
from experiments.runner.failpoints import failpoint
from experiments.sweeps.control import NotPossible

logger = logging.getLogger(__name__)

# The attempts, trials and parts of series of one short step.
BATCH, MAX_TRIALS, MAX_SEGMENTS = 100, 250, 2_000
# In seconds, after each step.
MAX_PAUSE = 0.2
# The bytes that each short step has freed.
Steps = Iterator[int]


def resume_purge() -> None:
    """Enqueue the job if something is due; the scheduler calls this regularly."""
    if TrashItem.objects.due().exists() or SavedForm.old().exists():
        start_purge()


def late_deletions(before: datetime) -> int:
    """How many items had to be deleted before this time, and are not."""
    return TrashItem.objects.due().filter(until__lt=before).count()


def purge_trash() -> None:
    """The job: what fails stays in the trash for the next run.

    It makes way for other jobs of the site after each of its short steps.
    """
    due = list(TrashItem.objects.due().select_related("team", "experiment", "sweep"))
    whole = sum(item.bytes for item in due) or 1
    done = sum(item.freed for item in due)
    for item in due:
        try:
            for freed in _purged(item):
                done += freed
                words = f"{item.name}, {bytes_text(done)} of {bytes_text(whole)}"
                site_jobs.report_progress(min(1.0, done / whole), words)
                if site_jobs.makes_way():
                    return
        except Exception:
            logger.exception("%s cannot be deleted; it is tried again", item.name)
    delete_unused_parts()
    SavedForm.old().delete()


def _purged(item: TrashItem) -> Steps:
    """Delete what an item holds, then the item; ends early when somebody stops it."""
    row = TrashItem.objects.filter(pk=item.pk)
    # Restored, stopped or given more days meanwhile.
    if not row.due().update(began_at=Coalesce("began_at", Now())):
        return
    freed = item.freed
    began = time.monotonic()
    for size in DELETIONS[Removable(item.kind)](item):
        freed += size
        row.update(freed=F("freed") + size)
        yield size
        if row.filter(stopped_at__isnull=False).exists():
            return
        # SQLite has one writer: the others get as long as this one took.
        time.sleep(min(MAX_PAUSE, time.monotonic() - began))
        began = time.monotonic()
    note("trash deleted", item, actor=None, freed=freed)
    row.delete()
    logger.info("deleted %s %s", item.kind, item.name)


def _delete_sweep(item: TrashItem) -> Steps:
    if item.sweep:
        yield from _sweep_steps(item.sweep)


def _sweep_steps(sweep: Sweep) -> Steps:
    """Files first: after a crash the mark is still there, and this runs again."""
    trials = Trial.objects.filter(sweep=sweep.pk)
    yield from _delete_files(trials)
    storage.delete_recordings(sweep.pk)
    failpoint("deletion.files")
    yield from _delete_trials(trials)
    with no_upload():
        code = [
            each
            for each in own_code([sweep.pk])
            if sweep.deletion_requested_at
            and each.created_at <= sweep.deletion_requested_at
        ]
        Sweep.all_objects.filter(pk=sweep.pk).delete()
        size = delete_code(code)
    yield size


def _delete_files(trials: QuerySet[Trial]) -> Steps:
    attempts = Attempt.objects.filter(trial__in=trials.order_by().values("pk"))
    for batch in _batches(list(attempts.order_by("pk").values_list("pk", flat=True))):
        yield storage.delete_attempt_files(batch)


def _delete_trials(trials: QuerySet[Trial]) -> Steps:
    """With everything that refers to them, in short transactions."""
    rows = trials.order_by("pk").values_list("pk", flat=True)
    while pks := list(rows[:MAX_TRIALS]):
        points = Segment.objects.filter(metric__attempt__trial__in=pks).order_by()
        some = points.values("pk")[:MAX_SEGMENTS]
        while Segment.objects.filter(pk__in=some).delete()[0]:
            yield 0
        _delete_batch(Trial.objects.filter(pk__in=pks))
        yield 0


@transaction.atomic
def _delete_batch(trials: QuerySet[Trial]) -> None:
    _delete_tree(trials)


def _delete_tree(rows: QuerySet[Any]) -> None:
    """As ``rows.delete()``, with the same statements for any number of rows: no row is
    loaded."""
    for relation in rows.model._meta.related_objects:
        column = relation.field.name
        inner = relation.related_model._base_manager.filter(
            **{f"{column}__in": rows.order_by().values("pk")}
        )
        if relation.on_delete is CASCADE:
            _delete_tree(inner)
        elif relation.on_delete is SET_NULL:
            inner.update(**{column: None})
    rows._raw_delete(rows.db)


def delete_code(code: Sequence[CodeSnapshot]) -> int:
    """Rows first: a sweep that uses one by now keeps all of them. Archives that another
    team's snapshot names stay."""
    CodeSnapshot.all_objects.filter(pk__in=[each.pk for each in code]).delete()
    if connection.vendor == "postgresql":
        connection.check_constraints()
    digests = {each.digest for each in code}
    kept = CodeSnapshot.all_objects.filter(digest__in=digests)
    gone = digests - set(kept.values_list("digest", flat=True))
    return sum(map(storage.delete_code, gone))


def _delete_run(item: TrashItem) -> Steps:
    runs = Trial.objects.filter(pk=item.trial_id or 0, run__deleted_at__isnull=False)
    yield from _delete_files(runs)
    yield from _delete_trials(runs)


def _delete_experiment(item: TrashItem) -> Steps:
    experiment = Experiment.all_objects.filter(pk=item.experiment_id or 0)
    if Sweep.objects.filter(experiment__in=experiment).exists():
        raise NotPossible(f"{item.name} has sweeps that are not in the trash.")
    for sweep in Sweep.all_objects.filter(experiment__in=experiment):
        yield from _sweep_steps(sweep)
    runs = Trial.objects.filter(experiment=item.experiment_id)
    yield from _delete_files(runs)
    yield from _delete_trials(runs)
    experiment.delete()


def _delete_outputs(item: TrashItem) -> Steps:
    rows = Artifact.all_objects.filter(trash=item).order_by("attempt", "pk")
    while batch := list(rows.values_list("pk", "attempt", "sha256")[: 10 * BATCH]):
        pks = [pk for pk, _, _ in batch]
        named = {(attempt, sha256) for _, attempt, sha256 in batch}
        # Equal files of an attempt share their bytes.
        others = Artifact.all_objects.filter(
            attempt__in={attempt for attempt, _ in named}
        ).exclude(pk__in=pks)
        gone = named - set(others.values_list("attempt", "sha256"))
        freed = sum(storage.delete_output(*each) for each in gone)
        Artifact.all_objects.filter(pk__in=pks).delete()
        yield freed


def _delete_logs(item: TrashItem) -> Steps:
    attempts = Attempt.objects.filter(log_trash=item).order_by("pk")
    while batch := list(attempts.values_list("pk", flat=True)[:BATCH]):
        if item.kind == Removable.LOGS:
            freed = sum(map(storage.delete_log, batch))
            changes: dict[str, Any] = {}
        else:
            keep = item.keep or 0
            freed = sum(storage.shorten_log(pk, keep) for pk in batch)
            changes = {"log_bytes": keep}
        Attempt.objects.filter(pk__in=batch).update(log_trash=None, **changes)
        yield freed


def _delete_unused_code(item: TrashItem) -> Steps:
    """Code that was taken into use meanwhile is restored."""
    snapshots = CodeSnapshot.all_objects.filter(trash=item)
    with no_upload():
        used = list(snapshots.filter(is_used()).values_list("pk", flat=True))
        CodeSnapshot.all_objects.filter(pk__in=used).update(trash=None)
        freed = delete_code(list(snapshots))
    yield freed


def is_used() -> Q:
    """Whether a sweep or template needs the code snapshot."""
    sweeps = Sweep.all_objects.filter(code=OuterRef("pk"))
    return Exists(sweeps) | Exists(SweepTemplate.objects.filter(code=OuterRef("pk")))


DELETIONS: Mapping[Removable, Callable[[TrashItem], Steps]] = {
    Removable.SWEEP: _delete_sweep,
    Removable.RUN: _delete_run,
    Removable.EXPERIMENT: _delete_experiment,
    Removable.ARTIFACTS: _delete_outputs,
    Removable.LOGS: _delete_logs,
    Removable.LOG_MIDDLES: _delete_logs,
    Removable.METRICS: thin_points,
    Removable.CODE: _delete_unused_code,
}


def _batches(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))
