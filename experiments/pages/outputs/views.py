"""Downloads of output files, pictures of previews, and the card as a part."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from experiments import access, storage
from experiments.models import Artifact, Sweep, Trial
from experiments.pages.frame import get, sweep_to_read
from experiments.pages.outputs.files import outputs_html
from experiments.pages.outputs.previews import picture_type
from experiments.pages.trial.detail import shown_attempt
from experiments.tracking.downloads import file_answer, note_download, zip_answer
from experiments.tracking.outputs import OutputRefused

View = Callable[..., HttpResponseBase]


def _trial(request: HttpRequest, pk: int) -> Trial:
    trials = access.trials_for(access.viewer(request))
    return access.found_or_404(trials.select_related("current_attempt"), pk=pk)


def _artifact(request: HttpRequest, pk: int, artifact_pk: int) -> Artifact:
    own: QuerySet[Artifact] = access.artifacts_for(access.viewer(request))
    return access.found_or_404(own, pk=artifact_pk, attempt__trial=pk)


def _answering(view: View) -> View:
    """A refusal as a page."""

    @wraps(view)
    def answer(request: HttpRequest, **kwargs: int) -> HttpResponseBase:
        try:
            return view(request, **kwargs)
        except OutputRefused as refusal:
            if refusal.status == 404:
                raise Http404(str(refusal)) from None
            return HttpResponse(str(refusal), "text/plain", refusal.status)

    return answer


def outputs_part(request: HttpRequest, pk: int) -> HttpResponse:
    trial = _trial(request, pk)
    return HttpResponse(outputs_html(trial, shown_attempt(trial), request.GET))


@_answering
def artifact_download(
    request: HttpRequest, pk: int, artifact_pk: int
) -> HttpResponseBase:
    artifact = _artifact(request, pk, artifact_pk)
    _note(request, artifact.attempt.trial)
    return file_answer(request, artifact)


@_answering
def artifact_picture(
    request: HttpRequest, pk: int, artifact_pk: int
) -> HttpResponseBase:
    """For <img> of the preview only. A browser runs no script of an SVG there, and the
    headers forbid it where somebody opens the address."""
    artifact = _artifact(request, pk, artifact_pk)
    path = storage.output_path(artifact.attempt_id, artifact.sha256)
    kind = picture_type(path, artifact.path) if path.is_file() else ""
    return file_answer(request, artifact, picture_type=kind)


@_answering
def outputs_zip(request: HttpRequest, pk: int) -> HttpResponseBase:
    """All files of the shown attempt."""
    trial = _trial(request, pk)
    return _zip(request, trial)


@_answering
def best_outputs_zip(request: HttpRequest, pk: int) -> HttpResponseBase:
    """All files of the trial that is the best now."""
    sweep: Sweep = sweep_to_read(request, pk)
    best = sweep.trials.ranked(sweep.goal).select_related("current_attempt").first()
    if best is None:
        raise Http404("No trial of this sweep has a value yet.")
    return _zip(request, best)


def _zip(request: HttpRequest, trial: Trial) -> HttpResponseBase:
    _note(request, trial)
    return zip_answer(request, shown_attempt(trial), name=trial.label.replace("/", "-"))


def _note(request: HttpRequest, trial: Trial) -> None:
    actor = access.viewer(request)
    note_download(request, "outputs downloaded", actor=actor, about=trial)


urlpatterns = [
    get("trials/<int:pk>/outputs.zip", outputs_zip, "outputs_zip"),
    get("trials/<int:pk>/outputs/part", outputs_part, "outputs_part"),
    get(
        "trials/<int:pk>/outputs/<int:artifact_pk>/",
        artifact_download,
        "artifact_download",
    ),
    get(
        "trials/<int:pk>/outputs/<int:artifact_pk>/picture",
        artifact_picture,
        "artifact_picture",
    ),
    get("sweeps/<int:pk>/best/outputs.zip", best_outputs_zip, "best_outputs_zip"),
]
