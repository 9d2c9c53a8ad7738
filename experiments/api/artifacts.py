"""An attempt's files: its outputs, and those of an earlier attempt to resume from.

The routes are the runner's, each opened by its own attempt's token.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import Sum
from django.http import FileResponse, HttpRequest
from ninja import Path, Query, Router, Status

from experiments import storage
from experiments.api.auth import running_attempt
from experiments.api.errors import WITHOUT_NUL, ApiError
from experiments.models import Artifact, Attempt
from experiments.sweeps.checkpoints import resumable
from experiments.tracking import ingest

router = Router()
SUM_SECONDS = 60

OutputPath = Annotated[str, Query(min_length=1, max_length=500, pattern=r"^[^\x00]+$")]


@router.put("/attempts/{attempt_id}/artifacts", response={201: dict[str, str]})
def put_artifact(
    request: HttpRequest,
    attempt_id: int,
    path: OutputPath,
    sha256: Annotated[str, Query(pattern="^[0-9a-f]{64}$")],
    whole: bool = True,
) -> Status[dict[str, str]]:
    """Keep one file of the outputs folder; all of its bytes, or none.

    It takes the place of what was kept under its path. One that is not ``whole`` was
    being written when the training process died: it is for people to look at, and no
    later attempt sees it.
    """
    size = int(request.headers.get("Content-Length") or 0)
    attempt = running_attempt(request)
    _check_room(attempt, path, size)
    _check_team(attempt, size)
    with answering_disk_full():
        target = storage.output_path(attempt_id, sha256)
    incoming = target.with_name(f".{uuid.uuid4().hex}")
    try:
        with answering_disk_full():
            body = iter(lambda: request.read(1 << 20), b"")
            size, digest = storage.write_whole(incoming, body)
        if digest != sha256:
            raise ApiError(422, "wrong_hash", "The body does not have that SHA-256.")
        with transaction.atomic():
            attempt = ingest.locked_attempt(attempt_id)
            _check_room(attempt, path, size)
            _forget_on_commit(attempt, path)
            Artifact.objects.update_or_create(
                attempt=attempt,
                path=path,
                defaults={"size": size, "sha256": sha256, "whole": whole},
            )
            incoming.replace(target)
            storage.flush_names(target.parent)
    finally:
        incoming.unlink(missing_ok=True)
    return Status(201, {})


@router.delete("/attempts/{attempt_id}/artifacts", response=dict[str, int])
def delete_artifact(
    request: HttpRequest, attempt_id: int, path: OutputPath
) -> dict[str, int]:
    """Forget a file that the training process has removed itself; twice is as once."""
    with transaction.atomic():
        attempt = ingest.locked_attempt(attempt_id)
        _forget_on_commit(attempt, path)
        deleted, _ = attempt.artifacts.filter(path=path).delete()
    return {"deleted": deleted}


@router.get("/attempts/{attempt_id}/resume/{sha256}")
def resume_file(
    request: HttpRequest,
    attempt_id: int,
    sha256: Annotated[str, Path(pattern=WITHOUT_NUL)],
) -> FileResponse:
    """One file of an earlier attempt of the same trial."""
    artifact = resumable(running_attempt(request)).filter(sha256=sha256).first()
    if artifact is None:
        raise ApiError(404, "not_found", "No earlier attempt of this trial left that.")
    path = storage.output_path(artifact.attempt_id, artifact.sha256)
    try:
        return FileResponse(path.open("rb"))
    except FileNotFoundError as error:
        raise ApiError(404, "deleted", f"{artifact.path} was deleted.") from error


@contextmanager
def answering_disk_full() -> Iterator[None]:
    """A full disk of the site is answered as such: sending again would not help."""
    try:
        yield
    except OSError as error:
        if error.errno not in storage.NO_ROOM:
            raise
        raise ApiError(
            507, "disk_full", "not stored: the site's disk is full"
        ) from error


def _check_room(attempt: Attempt, path: str, size: int) -> None:
    sweep = attempt.trial.sweep
    limit = sweep.outputs_limit if sweep else 0
    used = sum(attempt.artifacts.exclude(path=path).values_list("size", flat=True))
    if used + size > limit:
        raise ApiError(
            413,
            "outputs_too_large",
            f"{path} has {size:,} bytes, with {used:,} of other outputs; all together"
            f" may have {limit:,}.",
        )


def _check_team(attempt: Attempt, size: int) -> None:
    """The sum is read once a minute, as it takes a row of each output. So a team can
    get some files over its limit."""
    limit = settings.TEAM_OUTPUTS_LIMIT_BYTES
    if not limit:
        return
    team = attempt.trial.experiment.team_id
    outputs = Artifact.objects.filter(attempt__trial__experiment__team=team)
    used: int = cache.get_or_set(  # type: ignore[assignment]
        f"outputs-of-team-{team}",
        lambda: outputs.aggregate(sum=Sum("size"))["sum"] or 0,
        SUM_SECONDS,
    )
    if used + size > limit:
        raise ApiError(
            413,
            "team_outputs_too_large",
            f"the outputs of the team take {used >> 20:,} MB; with this file they would"
            f" take more than {limit >> 20:,} MB (SWEEPSITE_TEAM_OUTPUTS_MB)",
        )


def _forget_on_commit(attempt: Attempt, path: str) -> None:
    """Remove the bytes of the file that has this path now, unless others share them."""
    for sha256 in attempt.artifacts.filter(path=path).values_list("sha256", flat=True):
        transaction.on_commit(partial(_remove_unused, attempt.pk, sha256))


def _remove_unused(attempt_id: int, sha256: str) -> None:
    """An attempt has one runner, which sends one file after another."""
    if not Artifact.objects.filter(attempt=attempt_id, sha256=sha256).exists():
        storage.output_path(attempt_id, sha256).unlink(missing_ok=True)
