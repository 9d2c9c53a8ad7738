"""One trial: what happened in it, and why it ended."""

from __future__ import annotations

import posixpath
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    JsonResponse,
)
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_GET, require_http_methods

from experiments import access, lifecycle, queues, storage
from experiments.models import Artifact, Trial, User
from experiments.pages.frame import changed_parts, is_current, token_of
from experiments.pages.trial.detail import (
    TrialDetail,
    detail_of,
    mark_of,
    neighbours,
)
from experiments.pages.trial.page import page_context, rendered_parts, run_tabs


def _trials(user: User) -> QuerySet[Trial]:
    return access.trials_for(user).select_related(
        "sweep__pool", "sweep__code", "current_attempt__worker"
    )


def _trial(request: HttpRequest, pk: int) -> Trial:
    """The trial, if the viewer may see it; its team goes into the top bar."""
    trial = access.found_or_404(_trials(access.viewer(request)), pk=pk)
    request.team = trial.experiment.team  # type: ignore[attr-defined]
    return trial


def _context(request: HttpRequest, detail: TrialDetail) -> dict[str, Any]:
    steers = access.can_steer(access.viewer(request), detail.trial.experiment.team)
    return {"can_steer": steers, **page_context(detail, request.GET, steers=steers)}


@require_GET
def trial_detail(request: HttpRequest, pk: int) -> HttpResponse:
    trial = _trial(request, pk)
    mark = mark_of(trial)
    before, after = neighbours(trial)
    context = _context(request, detail_of(trial))
    parts = rendered_parts(context)
    context |= {
        "before": before,
        "after": after,
        "parts": parts,
        "run_tabs": run_tabs(trial),
        "since": token_of(mark, parts),
    }
    return render(request, "experiments/trial/detail.html", context)


@require_GET
def trial_feed(request: HttpRequest, pk: int) -> JsonResponse:
    """The parts of the page that have changed ``?since=``, as HTML, and its charts."""
    trial = _trial(request, pk)
    since, mark = request.GET.get("since", ""), mark_of(trial)
    answer: dict[str, Any] = {"final": trial.has_ended, "state": trial.state}
    if is_current(since, mark):
        return JsonResponse({**answer, "since": since, "parts": {}})
    context = _context(request, detail_of(trial))
    parts = rendered_parts(context)
    answer["since"] = token_of(mark, parts)
    answer["parts"] = changed_parts(since, parts)
    answer["charts"] = {"curve": context["curve"], "metrics": context["lines"]}
    return JsonResponse(answer)


@require_GET
def trial_log(request: HttpRequest, pk: int) -> HttpResponse:
    """The whole log of the current attempt, or of ``?attempt=N``."""
    trial = _trial(request, pk)
    wanted = request.GET.get("attempt", "")
    attempts = trial.attempts.all()
    attempt = (
        attempts.filter(n=int(wanted)).first()
        if wanted.isascii() and wanted.isdigit() and len(wanted) < 6
        else trial.current_attempt
    )
    if attempt is None:
        raise Http404("This attempt does not exist.")
    name = f"{trial.label.replace('/', '-')}-attempt-{attempt.n}.log"
    attachment = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(
        storage.trial_log(trial, attempt),
        content_type="text/plain; charset=utf-8",
        headers=storage.DOWNLOAD_HEADERS | attachment,
    )


@require_GET
def artifact_download(request: HttpRequest, pk: int, artifact_pk: int) -> FileResponse:
    trial = _trial(request, pk)
    own: QuerySet[Artifact] = access.artifacts_for(access.viewer(request))
    artifact = access.found_or_404(own, pk=artifact_pk, attempt__trial=trial)
    target = storage.output_path(artifact.attempt_id, artifact.sha256)
    try:
        content = target.open("rb")
    except FileNotFoundError:
        raise Http404("The file was removed to free space.") from None
    return FileResponse(
        content,
        as_attachment=True,
        filename=posixpath.basename(artifact.path),
        content_type="application/octet-stream",
        headers=storage.DOWNLOAD_HEADERS,
    )


@require_http_methods(["GET", "POST"])
def trial_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """GET asks first. The trial is asked to stop, and keeps its reports."""
    trial, user = _trial(request, pk), access.viewer(request)
    if not access.can_steer(user, trial.experiment.team):
        raise PermissionDenied
    if request.method == "GET":
        return render(request, "experiments/trial/cancel.html", {"trial": trial})
    message = f"Cancelled by {user.display_name}."
    if lifecycle.cancel_trial(trial, actor=user, message=message):
        queues.wake_scheduler()
        messages.success(request, f"Asked trial {trial.number} to stop.")
    else:
        messages.info(
            request, f"Trial {trial.number} had already ended or was stopping."
        )
    return redirect(trial)


urlpatterns = [
    path("trials/<int:pk>/", trial_detail, name="trial_detail"),
    path("trials/<int:pk>/feed.json", trial_feed, name="trial_feed"),
    path("trials/<int:pk>/log", trial_log, name="trial_log"),
    path(
        "trials/<int:pk>/outputs/<int:artifact_pk>/",
        artifact_download,
        name="artifact_download",
    ),
    path("trials/<int:pk>/cancel/", trial_cancel, name="trial_cancel"),
]
