"""One trial: what happened in it, and why it ended."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header

from experiments import access, lifecycle, queues, storage
from experiments.models import Attempt, Trial, User
from experiments.pages.frame import (
    get,
    get_or_post,
    live_parts,
    parts_feed,
    render_parts,
    set_team,
    whole_number,
)
from experiments.pages.log_view import log_context
from experiments.pages.trial.detail import (
    TrialDetail,
    detail_of,
    mark_of,
    neighbors,
    shown_attempt,
)
from experiments.pages.trial.page import PARTS, page_context
from experiments.runner.log_marks import plain
from experiments.tracking.downloads import note_download


def _trials(user: User) -> QuerySet[Trial]:
    return access.trials_for(user).select_related(
        "sweep__pool", "sweep__code", "current_attempt__worker"
    )


def trial_to_read(request: HttpRequest, pk: int) -> Trial:
    """The trial, if the viewer may see it; its team goes into the top bar."""
    trial = access.found_or_404(_trials(access.viewer(request)), pk=pk)
    set_team(request, trial.experiment.team)
    return trial


def card_page(
    request: HttpRequest, trial: Trial, name: str, context: dict[str, Any]
) -> HttpResponse:
    """A card of the trial's page; with ``?part=`` only what is in it."""
    context |= {"trial": trial, "title": name.capitalize()}
    template = f"experiments/trial/{name}.html"
    if "part" in request.GET:
        return render(request, template, context)
    page = "experiments/trial/card_page.html"
    return render(request, page, {**context, "part": template})


def _context(request: HttpRequest, detail: TrialDetail) -> dict[str, Any]:
    steers = access.can_steer(access.viewer(request), detail.trial.experiment.team)
    return {"can_steer": steers, **page_context(detail, request.GET, steers=steers)}


def trial_detail(request: HttpRequest, pk: int) -> HttpResponse:
    trial = trial_to_read(request, pk)
    if trial.sweep_id is None:
        return redirect(trial)
    mark = mark_of(trial)
    before, after = neighbors(trial)
    context = _context(request, detail_of(trial))
    context |= live_parts(mark, render_parts("trial", PARTS, context))
    context |= {"before": before, "after": after}
    return render(request, "experiments/trial/detail.html", context)


def trial_feed(request: HttpRequest, pk: int) -> JsonResponse:
    """The parts of the page that have changed ``?since=``, as HTML, and its charts."""
    trial = trial_to_read(request, pk)

    def read() -> tuple[dict[str, str], dict[str, Any]]:
        context = _context(request, detail_of(trial))
        charts = {"curve": context["curve"], "metrics": context["lines"]}
        return render_parts("trial", PARTS, context), {"charts": charts}

    state = {"final": trial.has_ended, "state": trial.state}
    return parts_feed(request, mark_of(trial), read, **state)


def trial_log(request: HttpRequest, pk: int) -> HttpResponse:
    """The whole log of the current attempt, or of ``?attempt=N``."""
    trial = trial_to_read(request, pk)
    attempt = _attempt(trial, request.GET.get("attempt", ""))
    if attempt is None:
        raise Http404("This attempt does not exist.")
    note_download(request, "log downloaded", actor=access.viewer(request), about=trial)
    name = f"{trial.label.replace('/', '-')}-attempt-{attempt.n}.log"
    disposition = content_disposition_header(True, name) or "attachment"
    return HttpResponse(
        plain(storage.visible_log(attempt)),
        content_type="text/plain; charset=utf-8",
        headers={**storage.DOWNLOAD_HEADERS, "Content-Disposition": disposition},
    )


def _attempt(trial: Trial, number: str) -> Attempt | None:
    """The attempt of this number, else the current one."""
    wanted = whole_number(number)
    if wanted is None:
        return trial.current_attempt
    return trial.attempts.filter(n=wanted).first()


def trial_log_part(request: HttpRequest, pk: int) -> HttpResponse:
    """The lines that the log's card asks for, as HTML."""
    trial = trial_to_read(request, pk)
    context = log_context(trial, shown_attempt(trial), request.GET)
    return HttpResponse(context["log_html"])


def trial_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """GET asks first. The trial is asked to stop, and keeps its reports."""
    trial, user = trial_to_read(request, pk), access.viewer(request)
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
    get("trials/<int:pk>/", trial_detail, "trial_detail"),
    get("trials/<int:pk>/feed.json", trial_feed, "trial_feed"),
    get("trials/<int:pk>/log", trial_log, "trial_log"),
    get("trials/<int:pk>/log/part", trial_log_part, "trial_log_part"),
    get_or_post("trials/<int:pk>/cancel/", trial_cancel, "trial_cancel"),
]
