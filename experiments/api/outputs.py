"""A trial's log and output files. They may be hostile: browsers only download them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Query, Router, Schema
from pydantic import Field

from experiments import access, storage
from experiments.api.auth import readable_trial, reader
from experiments.api.errors import ApiError
from experiments.api.pagination import paginate
from experiments.api.schemas import answers
from experiments.models import Artifact
from experiments.runner.log_marks import plain

router = Router(tags=["outputs"])


def _binary(content_type: str, meaning: str) -> dict[str, object]:
    """The description of an answer that is not JSON."""
    schema = {"type": "string", "format": "binary"}
    content = {content_type: {"schema": schema}}
    return {"responses": {200: {"description": meaning, "content": content}}}


@router.get(
    "/trials/{trial_id}/log",
    response=answers(200, None),
    openapi_extra=_binary("text/plain", "The log, as it was written."),
)
def log(
    request: HttpRequest,
    trial_id: int,
    last: Annotated[int | None, Query(ge=1, description="Only the last bytes.")] = None,
) -> HttpResponse:
    """Standard output and error of the trial's last attempt."""
    trial = readable_trial(request, trial_id)
    text = plain(storage.trial_log(trial, trial.current_attempt))
    return HttpResponse(
        text[-last if last else 0 :],
        content_type="text/plain; charset=utf-8",
        headers=storage.DOWNLOAD_HEADERS,
    )


class ArtifactOut(Schema):
    id: int
    path: Annotated[str, Field(description="relative to the outputs folder")]
    size: Annotated[int, Field(description="bytes")]
    sha256: str
    created_at: datetime


@router.get("/trials/{trial_id}/artifacts", response=answers(200, list[ArtifactOut]))
@paginate(limit=500)
def list_artifacts(request: HttpRequest, trial_id: int) -> QuerySet[Artifact]:
    """The files that the trial's last attempt left in its outputs folder."""
    trial = readable_trial(request, trial_id)
    artifacts = access.artifacts_for(reader(request))
    return artifacts.filter(attempt=trial.current_attempt_id).order_by("id")


@router.get(
    "/trials/{trial_id}/artifacts/{artifact_id}",
    response=answers(200, None),
    openapi_extra=_binary("application/octet-stream", "The file's bytes."),
)
def download(request: HttpRequest, trial_id: int, artifact_id: int) -> HttpResponseBase:
    artifact: Artifact = access.found_or_404(
        access.artifacts_for(reader(request)), pk=artifact_id, attempt__trial=trial_id
    )
    path = storage.output_path(artifact.attempt_id, artifact.sha256)
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise ApiError(
            404, "deleted", f"The files of trial {trial_id} were deleted."
        ) from error
    return FileResponse(
        file,
        as_attachment=True,
        filename=artifact.path.rsplit("/", 1)[-1],
        content_type="application/octet-stream",
        headers=storage.DOWNLOAD_HEADERS,
    )
