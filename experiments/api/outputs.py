"""A trial's log and output files. They may be hostile: browsers only download them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Query, Router, Schema
from pydantic import Field

from experiments import access, storage
from experiments.api.auth import readable_sweep, readable_trial, reader
from experiments.api.errors import ApiError
from experiments.api.pagination import paginate
from experiments.api.schemas import answers
from experiments.models import Artifact, Trial
from experiments.runner.log_marks import Stream
from experiments.tracking.downloads import file_answer, note_download, zip_answer
from experiments.tracking.log_rows import log_text

router = Router(tags=["outputs"])
STREAMS = {"out": Stream.OUT, "err": Stream.ERR}


def binary(content_type: str, meaning: str) -> dict[str, object]:
    """The description of an answer that is not JSON."""
    schema = {"type": "string", "format": "binary"}
    content = {content_type: {"schema": schema}}
    return {"responses": {200: {"description": meaning, "content": content}}}


@router.get(
    "/trials/{trial_id}/log",
    response=answers(200, None),
    openapi_extra=binary("text/plain", "The log, as it was written."),
)
def log(
    request: HttpRequest,
    trial_id: int,
    last: Annotated[int | None, Query(ge=1, description="Only the last bytes.")] = None,
    stream: Annotated[
        Literal["out", "err"] | None,
        Query(description="Only standard output, or only standard error."),
    ] = None,
    times: Annotated[
        bool,
        Query(description="Each line with its time, and progress bars as last seen."),
    ] = False,
) -> HttpResponse:
    """Standard output and error of the trial's last attempt, as they were printed."""
    trial = readable_trial(request, trial_id)
    stored = storage.visible_log(trial.current_attempt)
    text = log_text(stored, stream=stream and STREAMS[stream], times=times)
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
    openapi_extra=binary("application/octet-stream", "The file's bytes."),
)
def download(request: HttpRequest, trial_id: int, artifact_id: int) -> HttpResponseBase:
    artifact: Artifact = access.found_or_404(
        access.artifacts_for(reader(request)), pk=artifact_id, attempt__trial=trial_id
    )
    _note(request, artifact.attempt.trial)
    return file_answer(request, artifact)


ZIP = binary("application/zip", "All files, without compression.")


@router.get(
    "/trials/{trial_id}/outputs", response=answers(200, None), openapi_extra=ZIP
)
def download_all(request: HttpRequest, trial_id: int) -> HttpResponseBase:
    """All files of the trial's last attempt as a zip. A Range request resumes it."""
    return _zip(request, readable_trial(request, trial_id))


@router.get(
    "/sweeps/{sweep_id}/best/outputs", response=answers(200, None), openapi_extra=ZIP
)
def download_best(request: HttpRequest, sweep_id: int) -> HttpResponseBase:
    """All files of the sweep's best trial as a zip, named after the trial."""
    sweep = readable_sweep(request, sweep_id)
    trial = sweep.trials.ranked(sweep.goal).select_related("current_attempt").first()
    if trial is None:
        raise ApiError(404, "no_best", "No trial of this sweep has a value yet.")
    return _zip(request, trial)


def _note(request: HttpRequest, trial: Trial) -> None:
    actor = reader(request)
    note_download(request, "outputs downloaded", actor=actor, about=trial)


def _zip(request: HttpRequest, trial: Trial) -> HttpResponseBase:
    _note(request, trial)
    return zip_answer(
        request, trial.current_attempt, name=trial.label.replace("/", "-")
    )
