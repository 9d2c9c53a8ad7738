"""An attempt's files: its outputs, and those of an earlier attempt to resume from.

The routes are the runner's, each opened by its own attempt's token.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from django.http import FileResponse, HttpRequest
from ninja import Path, Query, Router, Status

from experiments import storage
from experiments.api.auth import running_attempt
from experiments.api.errors import WITHOUT_NUL, ApiError
from experiments.sweeps.checkpoints import resumable
from experiments.tracking.outputs import delete_outputs, store_output

router = Router()

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
    attempt = running_attempt(request)
    with answering_disk_full():
        store_output(
            attempt,
            path,
            body_chunks(request),
            size=int(request.headers.get("Content-Length") or 0),
            sha256=sha256,
            whole=whole,
        )
    return Status(201, {})


@router.delete("/attempts/{attempt_id}/artifacts", response=dict[str, int])
def delete_artifact(
    request: HttpRequest, attempt_id: int, path: OutputPath
) -> dict[str, int]:
    """Forget a file that the training process has removed itself; twice is as once."""
    return {"deleted": delete_outputs(attempt_id, [path])}


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


def body_chunks(request: HttpRequest) -> Iterator[bytes]:
    return iter(lambda: request.read(1 << 20), b"")
