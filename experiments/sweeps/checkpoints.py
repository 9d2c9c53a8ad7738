"""Which outputs of an earlier attempt a trial's next one begins with."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet

from experiments.models import Artifact, Attempt


@dataclass(frozen=True)
class StoredCheckpoint:
    """The files that an earlier attempt of the same trial has left."""

    attempt: Attempt
    files: tuple[Artifact, ...]


def resumable(attempt: Attempt) -> QuerySet[Artifact]:
    """The whole files of all earlier attempts of its trial."""
    return Artifact.objects.filter(
        attempt__trial=attempt.trial_id, attempt__n__lt=attempt.n, whole=True
    )


def checkpoint_for(attempt: Attempt) -> StoredCheckpoint | None:
    """The newest earlier attempt that has left files, with them."""
    newest = resumable(attempt).order_by("-attempt__n").values("attempt")[:1]
    files = tuple(
        Artifact.objects.filter(attempt=newest, whole=True).select_related("attempt")
    )
    return StoredCheckpoint(files[0].attempt, files) if files else None


def note_resumed(attempt: Attempt, checkpoint: StoredCheckpoint) -> None:
    """Keep for the trial's page what the attempt begins with."""
    Attempt.objects.filter(pk=attempt.pk).update(
        resumed_from=checkpoint.attempt.n, resumed_files=len(checkpoint.files)
    )
