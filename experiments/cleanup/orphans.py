"""Files without a row, and rows of outputs without their file: found and removed.

After a database was restored from an older copy, the files of newer trials are orphans.
A file is one only if nobody has changed it for a day, as its row may come after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction

from experiments import storage
from experiments.cleanup import stored_files
from experiments.cleanup.stored_files import AttemptFiles, folder_of, is_old
from experiments.code.snapshots import no_upload
from experiments.models import (
    Artifact,
    Attempt,
    CodeSnapshot,
    Event,
    Orphan,
    Sweep,
    User,
)
from experiments.queues import site_jobs

# The largest are offered first; the others after these are removed.
MAX_LISTED = 1000
JOB = "orphans"
WANTED, BATCH = 3600, 100
Kind = Orphan.Kind


@dataclass(frozen=True)
class FoundOrphan:
    """An orphan as a measurement finds it."""

    kind: Orphan.Kind
    name: str
    bytes: int
    files: int = 1


# --- what a measurement finds ---------------------------------------------------------


def of_folder(pk: int, files: AttemptFiles) -> Iterator[FoundOrphan]:
    """The folder of an attempt that does not exist."""
    if is_old(files.changed):
        yield FoundOrphan(Kind.ATTEMPT, str(pk), files.bytes, files.files)


def of_attempt(
    pk: int, files: AttemptFiles, outputs: Mapping[str, int]
) -> Iterator[FoundOrphan]:
    """Unfinished uploads, and outputs that have a row and no file."""
    root = folder_of()
    for path, size in files.unfinished.items():
        yield FoundOrphan(Kind.UNFINISHED, str(Path(path).relative_to(root)), size)
    missing = outputs.keys() - files.outputs.keys()
    if missing:
        size = sum(outputs[sha256] for sha256 in missing)
        yield FoundOrphan(Kind.MISSING, str(pk), size, len(missing))


def of_files(
    kind: Orphan.Kind, files: Mapping[str, tuple[int, float]]
) -> Iterator[FoundOrphan]:
    for name, (size, changed) in files.items():
        if is_old(changed) and len(name) <= 200:
            yield FoundOrphan(kind, name, size)


def store(found: Iterable[FoundOrphan]) -> None:
    """These are the orphans now; those that are known keep their time."""
    largest = sorted(found, key=lambda each: -each.bytes)[:MAX_LISTED]
    listed = {(each.kind.value, each.name): each for each in largest}
    with transaction.atomic():
        known = {(row.kind, row.name): row.pk for row in Orphan.objects.all()}
        gone = [pk for key, pk in known.items() if key not in listed]
        Orphan.objects.filter(pk__in=gone).delete()
        Orphan.objects.bulk_create(
            (
                Orphan(
                    kind=each.kind, name=each.name, bytes=each.bytes, files=each.files
                )
                for key, each in listed.items()
                if key not in known
            ),
            ignore_conflicts=True,
        )


# --- removing them ------------------------------------------------------------------


@dataclass(frozen=True)
class RemovedOrphans:
    """``kept`` are those that belong to something again."""

    orphans: int = 0
    bytes: int = 0
    kept: int = 0


def start_removal(actor: User) -> None:
    """Enqueue the job that removes those that are listed now. Raises QueueBusy."""
    newest = Orphan.objects.order_by("-pk").values_list("pk", flat=True).first()
    site_jobs.ensure_job(
        site_jobs.REMOVE_ORPHANS,
        actor.pk,
        newest or 0,
        job_id=JOB,
        keep=0,
        wanted=WANTED,
    )
    Event.log("removal of orphans started", actor=actor)


def remove_listed(actor: int, newest: int) -> None:
    """The job. What it has not removed when it is killed stays listed."""
    person = User.objects.filter(pk=actor).first()
    listed = list(Orphan.objects.filter(pk__lte=newest))
    for start in range(0, len(listed), BATCH):
        words = f"{start:,} of {len(listed):,} orphans"
        site_jobs.report_progress(start / len(listed), words)
        remove(listed[start : start + BATCH], actor=person)


def remove(orphans: Sequence[Orphan], *, actor: User | None) -> RemovedOrphans:
    """Delete these files and rows, after another look at each."""
    count = size = kept = 0
    for orphan in orphans:
        if _remove(orphan):
            count += 1
            size += 0 if orphan.kind == Kind.MISSING else orphan.bytes
        else:
            kept += 1
    Orphan.objects.filter(pk__in=[orphan.pk for orphan in orphans]).delete()
    removed = RemovedOrphans(count, size, kept)
    Event.log(
        "orphans removed",
        f"{count} orphans, {size} bytes",
        actor=actor,
        data={"orphans": count, "bytes": size, "kept": kept},
    )
    return removed


def _remove(orphan: Orphan) -> bool:
    """Whether it was still an orphan."""
    return REMOVERS[Kind(orphan.kind)](orphan.name)


def _remove_folder(name: str) -> bool:
    changed = stored_files.attempt_files(int(name)).changed
    if Attempt.objects.filter(pk=int(name)).exists() or not is_old(changed):
        return False
    storage.delete_attempt_files([int(name)])
    return True


def _remove_code(name: str) -> bool:
    with no_upload():
        if CodeSnapshot.all_objects.filter(digest=name).exists():
            return False
        storage.delete_code(name)
    return True


def _remove_recording(name: str) -> bool:
    sweep = name.split("-")[0]
    if sweep.isdecimal() and Sweep.all_objects.filter(pk=int(sweep)).exists():
        return False
    (folder_of("recordings") / f"{name}.npz").unlink(missing_ok=True)
    return True


def _remove_unfinished(name: str) -> bool:
    (folder_of() / name).unlink(missing_ok=True)
    return True


def _remove_rows(name: str) -> bool:
    there = stored_files.attempt_files(int(name)).outputs
    rows = Artifact.objects.filter(attempt=int(name)).exclude(sha256__in=list(there))
    return bool(rows.delete()[0])


REMOVERS: Mapping[Orphan.Kind, Callable[[str], bool]] = {
    Kind.ATTEMPT: _remove_folder,
    Kind.CODE: _remove_code,
    Kind.RECORDING: _remove_recording,
    Kind.UNFINISHED: _remove_unfinished,
    Kind.MISSING: _remove_rows,
}
