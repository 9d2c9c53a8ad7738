"""Moving things to the trash, and restoring them. Never what still runs.

Everything here only marks rows: what is marked is hidden, and keeps its name and
number. The job of cleanup/purge.py deletes it when its days in the trash are over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Now

from experiments import lifecycle
from experiments.cleanup.sizes import (
    Size,
    log_size,
    sizes_by,
    sizes_of_sweeps,
    stored_logs,
    thinned_bytes,
    total,
)
from experiments.formatting import bytes_text
from experiments.models import (
    Artifact,
    Attempt,
    CodeSnapshot,
    Event,
    Experiment,
    Removable,
    Run,
    Sweep,
    TrashItem,
    Trial,
    User,
)
from experiments.models.sweeps import SweepState
from experiments.models.trash import CleanupRule, TrashQuerySet, trash_end
from experiments.models.trials import TRIAL_LIVE
from experiments.queues import site_jobs
from experiments.sweeps.control import NotPossible

ACTIVE = (SweepState.RUNNING, SweepState.PAUSED)
# Where the marks of files are.
MARKS: Mapping[str, tuple[type[Artifact] | type[Attempt], str]] = {
    Removable.ARTIFACTS: (Artifact, "trash"),
    Removable.LOGS: (Attempt, "log_trash"),
    Removable.LOG_MIDDLES: (Attempt, "log_trash"),
    Removable.METRICS: (Attempt, "points_trash"),
}
# The rows that one short transaction marks.
MAX_ROWS = 2_000
# The scheduler looks for what has to be deleted this often, in seconds.
EVERY = 60


class StillRunning(NotPossible):
    """Something that was to be removed has not ended. ``labels`` name it."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = labels
        super().__init__(
            f"{', '.join(labels)} {'is' if len(labels) == 1 else 'are'} not over yet."
            " Cancel first, then move to the trash."
        )


def _refuse_running(running: QuerySet[Any]) -> None:
    if labels := [str(row) for row in running]:
        raise StillRunning(labels)


def running_sweeps(sweeps: QuerySet[Sweep]) -> QuerySet[Sweep]:
    """Those that are active, or have ended while some of their trials still stop."""
    live = Trial.objects.filter(sweep=OuterRef("pk"), state__in=TRIAL_LIVE)
    return sweeps.filter(Q(state__in=ACTIVE) | Exists(live))


def note(verb: str, item: TrashItem, *, actor: User | None, **more: Any) -> None:
    """An event about an item, without a reference to what it holds."""
    data = {"trash": item.pk, "kind": item.kind, "bytes": item.bytes, **more}
    data |= {"sweep": item.sweep_id} if item.sweep_id else {}
    text = f"{item.name}, {bytes_text(item.bytes)}"
    Event.log(verb, text, actor=actor, team=item.team, about=item, data=data)


# --- moving -----------------------------------------------------------------------


def move_sweeps(
    sweeps: QuerySet[Sweep], *, actor: User | None, rule: CleanupRule | None = None
) -> list[TrashItem]:
    """Move whole sweeps. Raises StillRunning, and then moves none."""
    with transaction.atomic():
        rows = list(sweeps.select_for_update(of=("self",)).select_related("experiment"))
        chosen = Sweep.objects.filter(pk__in=[sweep.pk for sweep in rows])
        _refuse_running(running_sweeps(chosen).select_related("experiment"))
        sizes = sizes_of_sweeps(chosen)
        items = [
            _added(
                Removable.SWEEP,
                sweep.label,
                sizes[sweep.pk],
                experiment=sweep.experiment,
                sweep=sweep,
                moved_by=actor,
                rule=rule,
            )
            for sweep in rows
        ]
        chosen.update(deletion_requested_at=Now(), updated_at=Now())
    return items


def _added(
    kind: Removable, name: str, size: Size, *, experiment: Experiment, **fields: Any
) -> TrashItem:
    columns = {"trials": size.trials, "files": size.files, "bytes": size.bytes}
    item = TrashItem.add(
        kind, name, experiment.team_id, experiment=experiment, **columns, **fields
    )
    note(f"{kind} moved to trash", item, actor=item.moved_by)
    return item


def move_experiment(experiment: Experiment, *, actor: User | None) -> TrashItem:
    """Move an experiment with its sweeps and runs. Raises StillRunning."""
    with transaction.atomic():
        # As creation of sweeps and runs locks it.
        row = Experiment.objects.select_for_update().get(pk=experiment.pk)
        sweeps = Sweep.objects.filter(experiment=row)
        runs = Run.objects.filter(
            trial__experiment=row, trial__sweep=None, deleted_at=None
        )
        _refuse_running(running_sweeps(sweeps).select_related("experiment"))
        _refuse_running(runs.filter(trial__state__in=TRIAL_LIVE))
        single = sizes_by(Trial.objects.filter(run__in=runs), "experiment")
        size = total((*single.values(), *sizes_of_sweeps(sweeps).values()))
        item = _added(
            Removable.EXPERIMENT, row.name, size, experiment=row, moved_by=actor
        )
        sweeps.update(deletion_requested_at=Now(), updated_at=Now())
        runs.update(deleted_at=Now())
        Experiment.objects.filter(pk=row.pk).update(deletion_requested_at=Now())
    return item


def move_trial_files(trials: QuerySet[Trial], *, actor: User | None) -> list[TrashItem]:
    """Move outputs and logs of these trials; parameters and metrics stay. Raises
    StillRunning for live trials, and then moves nothing."""
    with transaction.atomic():
        ids = list(trials.order_by().values_list("pk", flat=True))
        chosen = Trial.objects.filter(pk__in=ids)
        live = chosen.filter(state__in=TRIAL_LIVE)
        _refuse_running(live.select_related("sweep__experiment", "experiment", "run"))
        items = []
        places = chosen.order_by().values_list("experiment", "sweep").distinct()
        for experiment_id, sweep_id in list(places):
            of = chosen.filter(experiment=experiment_id, sweep=sweep_id).values("pk")
            place = Sweep.objects.filter(pk=sweep_id).first()
            where = place or Experiment.objects.get(pk=experiment_id)
            files = Artifact.objects.filter(attempt__trial__in=of)
            logs = stored_logs().filter(trial__in=of)
            items += [
                move_files(Removable.ARTIFACTS, files, where, moved_by=actor),
                move_files(Removable.LOGS, logs, where, moved_by=actor),
            ]
    return [item for item in items if item is not None]


def move_files(
    kind: Removable,
    rows: QuerySet[Artifact] | QuerySet[Attempt],
    where: Sweep | Experiment,
    **fields: Any,
) -> TrashItem | None:
    """Move output files, or logs or points of attempts, of a sweep or of an
    experiment's runs. ``fields`` are further columns of the item. None: there were
    none."""
    experiment = where if isinstance(where, Experiment) else where.experiment
    sweep = None if isinstance(where, Experiment) else where
    name = f"{where.slug} runs" if isinstance(where, Experiment) else where.label
    columns = {"experiment": experiment, "sweep": sweep, **fields}
    free = rows.filter(**{MARKS[kind][1]: None}).order_by("pk")
    pks = list(free.values_list("pk", flat=True))
    item = _marked(kind, name, experiment.team_id, columns, pks) if pks else None
    if item:
        note(f"{kind} moved to trash", item, actor=item.moved_by)
    return item


def _marked(
    kind: Removable, name: str, team_id: int, columns: dict[str, Any], pks: list[int]
) -> TrashItem | None:
    """In short transactions, each of which leaves an item that can be restored. One
    that was not finished, without a number of trials, is continued."""
    begun = TrashItem.objects.filter(kind=kind, trials=0, began_at=None, **columns)
    item = begun.first() or TrashItem.add(kind, name, team_id, **columns)
    own = TrashItem.objects.filter(pk=item.pk)
    model, mark = MARKS[kind]
    for start in range(0, len(pks), MAX_ROWS):
        some = model._base_manager.filter(pk__in=pks[start : start + MAX_ROWS])
        with transaction.atomic():
            # Restored meanwhile.
            if not own.select_for_update().exists():
                return None
            free = some.filter(**{mark: None})
            held = _held(item, free)
            free.update(**{mark: item})
            _mark_trials(kind, some.filter(**{mark: item}), when=Now())
            own.update(
                files=F("files") + held["files"], bytes=F("bytes") + held["bytes"]
            )
        report(item, start + MAX_ROWS, len(pks))
    held = _held(item, model._base_manager.filter(**{mark: item}))
    if not own.filter(began_at=None).update(**held) or not held["files"]:
        own.filter(files=0).delete()
        return None
    item.refresh_from_db()
    return item


def report(item: TrashItem, done: int, whole: int) -> None:
    words = f"{item.name}, {min(done, whole):,} of {whole:,} files"
    site_jobs.report_progress(min(1.0, done / whole), words)


def _held(item: TrashItem, rows: QuerySet[Any]) -> dict[str, int]:
    """The trials, files and bytes of these rows, which the item holds."""
    model, _ = MARKS[item.kind]
    trial = "attempt__trial" if model is Artifact else "trial"
    found = rows.aggregate(trials=Count(trial, distinct=True), files=Count("pk"))
    if model is Artifact:
        size = rows.aggregate(n=Sum("size"))["n"]
    elif item.kind == Removable.METRICS:
        size = thinned_bytes(rows, item.keep or 1)
    else:
        size = rows.aggregate(n=Sum(log_size()))["n"] or 0
        size -= (item.keep or 0) * found["files"]
    return {**found, "bytes": max(0, size or 0)}


def _mark_trials(kind: str, rows: QuerySet[Any], *, when: Any) -> None:
    """Pages say since when files are missing, and their feeds see the change."""
    if kind == Removable.ARTIFACTS:
        of = rows.order_by().values("attempt__trial")
        Trial.objects.filter(pk__in=of).update(
            outputs_removed_at=when, updated_at=Now()
        )
    elif kind == Removable.LOGS:
        rows.update(log_removed_at=when)


def move_code(
    snapshots: QuerySet[CodeSnapshot], *, team_id: int, **fields: Any
) -> TrashItem | None:
    """Move uploaded code that nothing uses. None: there is none."""
    with transaction.atomic():
        item = TrashItem.add(Removable.CODE, "unused code", team_id, **fields)
        pks = list(snapshots.order_by().values_list("pk", flat=True))
        held = CodeSnapshot.all_objects.filter(pk__in=pks, trash=None)
        if not held.update(trash=item):
            item.delete()
            return None
        size = CodeSnapshot.all_objects.filter(trash=item).aggregate(n=Sum("size"))
        item.files, item.bytes = len(pks), size["n"] or 0
        item.save(update_fields=["files", "bytes"])
        note("code moved to trash", item, actor=item.moved_by)
    return item


# --- restoring and deleting -------------------------------------------------------


def restore(item: TrashItem, *, actor: User | None) -> None:
    """Take something out of the trash. Raises NotPossible once it is being deleted."""
    if item.kind in MARKS:
        with transaction.atomic():
            _restorable(item)
            # No job deletes the rest meanwhile.
            TrashItem.objects.filter(pk=item.pk).update(until=None)
        try:
            _restore_files(item)
        except Exception:
            keep_again(item)
            raise
    with transaction.atomic():
        found = _restorable(item)
        if item.kind == Removable.RUN and item.trial is not None:
            lifecycle.restore_run(item.trial, actor=actor)
            return
        RESTORES[Removable(item.kind)](found)
        note(f"{item.kind} restored", found, actor=actor)
        found.delete()


def keep_again(item: TrashItem) -> None:
    """After a restore that failed: its days in the trash begin again."""
    rows = TrashItem.objects.filter(pk=item.pk, until=None, began_at=None)
    rows.update(until=trash_end(item.team_id))


def _restorable(item: TrashItem) -> TrashItem:
    """Locked. Raises NotPossible."""
    found = TrashItem.objects.select_for_update().filter(pk=item.pk).first()
    if found is None:
        raise NotPossible(f"{item.name} is no longer in the trash.")
    if found.began_at:
        raise NotPossible(
            f"{item.name} is being deleted, and cannot be restored any more."
        )
    return found


def _restore_sweep(item: TrashItem) -> None:
    experiment = Experiment.all_objects.get(pk=item.experiment_id or 0)
    if experiment.deletion_requested_at:
        raise NotPossible(
            f"Its experiment {experiment.name} is in the trash. Restore that first."
        )
    rows = Sweep.all_objects.filter(pk=item.sweep_id or 0)
    rows.update(deletion_requested_at=None, updated_at=Now())


def _restore_experiment(item: TrashItem) -> None:
    """With the sweeps and runs that were not in the trash before."""
    own = Experiment.all_objects.filter(pk=item.experiment_id or 0)
    sweeps = Sweep.all_objects.filter(experiment=item.experiment_id)
    sweeps.exclude(trash__kind=Removable.SWEEP).update(
        deletion_requested_at=None, updated_at=Now()
    )
    before = TrashItem.objects.filter(kind=Removable.RUN).values("trial")
    runs = Run.objects.filter(
        trial__experiment=item.experiment_id, trial__sweep=None
    ).exclude(trial__in=before)
    runs.update(deleted_at=None)
    own.update(deletion_requested_at=None)


def _restore_files(item: TrashItem) -> None:
    """In short transactions: what is left is still in the trash."""
    model, mark = MARKS[item.kind]
    held = model._base_manager.filter(**{mark: item}).order_by("pk")
    done = 0
    while pks := list(held.values_list("pk", flat=True)[:MAX_ROWS]):
        rows = model._base_manager.filter(pk__in=pks)
        with transaction.atomic():
            _mark_trials(item.kind, rows, when=None)
            rows.update(**{mark: None})
        done += len(pks)
        report(item, done, max(item.files, done))


def _restore_code(item: TrashItem) -> None:
    CodeSnapshot.all_objects.filter(trash=item).update(trash=None)


RESTORES: Mapping[Removable, Callable[[TrashItem], None]] = {
    Removable.SWEEP: _restore_sweep,
    Removable.EXPERIMENT: _restore_experiment,
    Removable.CODE: _restore_code,
    **dict.fromkeys(map(Removable, MARKS), _restore_files),
}


def delete_now(items: TrashQuerySet, *, actor: User | None) -> int:
    """Have these deleted for good by the job; returns how many."""
    with transaction.atomic():
        chosen = list(items.select_for_update(of=("self",)).select_related("team"))
        for item in chosen:
            note("deleted from trash", item, actor=actor)
        rows = TrashItem.objects.filter(pk__in=[item.pk for item in chosen])
        rows.update(until=Now(), stopped_at=None)
        transaction.on_commit(start_purge)
    return len(chosen)


def stop_purge(items: TrashQuerySet, *, actor: User | None) -> int:
    """Stop deleting these after the files of this moment; returns how many."""
    with transaction.atomic():
        due = list(items.due().select_related("team"))
        for item in due:
            note("deletion stopped", item, actor=actor, freed=item.freed)
        pks = [item.pk for item in due]
        TrashItem.objects.filter(pk__in=pks).update(stopped_at=Now())
    return len(due)


def start_purge() -> None:
    """Enqueue the job if it does not wait or run. A busy queue has it later."""
    site_jobs.ensure_later(site_jobs.PURGE, job_id="purge", every=EVERY)
