"""A single run: its page, its live feed, and what people do with it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from experiments import access, lifecycle
from experiments.models import Trial
from experiments.models.trials import TrialState
from experiments.pages.frame import (
    Confirmation,
    act,
    ask,
    form_page,
    get,
    get_or_post,
    live_parts,
    parts_feed,
    post,
    render_parts,
    set_team,
)
from experiments.pages.run.forms import EndForm
from experiments.pages.run.page import (
    MAX_CHARTS,
    PARTS,
    SHARED_PARTS,
    run_context,
)
from experiments.pages.trial.detail import mark_of
from experiments.sweeps.control import archive_or_restore


def _run(request: HttpRequest, pk: int, *, trashed: bool = False) -> Trial:
    """The run, if the viewer may see it; its team goes into the top bar."""
    runs = access.trials_for(access.viewer(request), trashed=trashed)
    joined = ("run__created_by", "run__parent__run", "current_attempt")
    run = access.found_or_404(runs.filter(sweep=None).select_related(*joined), pk=pk)
    set_team(request, run.experiment.team)
    return run


def _steered(request: HttpRequest, pk: int, *, trashed: bool = False) -> Trial:
    run = _run(request, pk, trashed=trashed)
    if not access.can_steer(access.viewer(request), run.experiment.team):
        raise PermissionDenied
    return run


def _context(request: HttpRequest, run: Trial) -> tuple[dict[str, Any], dict[str, Any]]:
    context, models = run_context(run, request.GET, timezone.now())
    steers = access.can_steer(access.viewer(request), run.experiment.team)
    return {**context, "can_steer": steers}, models


def _parts(context: dict[str, Any]) -> dict[str, str]:
    own = render_parts("run", PARTS, context)
    return own | render_parts("trial", SHARED_PARTS, context)


def run_detail(request: HttpRequest, pk: int) -> HttpResponse:
    run = _run(request, pk)
    mark = mark_of(run)
    context, models = _context(request, run)
    context |= live_parts(mark, _parts(context))
    # Also for charts that come later.
    names = (f"run-chart-{place}" for place in range(MAX_CHARTS))
    context["models"] = [(f"{name}-model", models.get(name)) for name in names]
    return render(request, "experiments/run/detail.html", context)


def run_feed(request: HttpRequest, pk: int) -> JsonResponse:
    """The parts of the page that have changed ``?since=``, and its charts."""
    run = _run(request, pk)

    def read() -> tuple[dict[str, str], dict[str, Any]]:
        context, models = _context(request, run)
        return _parts(context), {"charts": models}

    return parts_feed(request, mark_of(run), read, final=run.has_ended)


def run_end(request: HttpRequest, pk: int) -> HttpResponse:
    """GET asks how it ended. What it logged is kept."""
    run = _steered(request, pk)
    form = EndForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return form_page(request, "experiments/run/end.html", form, trial=run)
    state = TrialState(form.cleaned_data["state"])
    if not lifecycle.end_run_by_hand(run, state, actor=access.viewer(request)):
        messages.info(
            request,
            f"{run.label} had already ended as {run.state}, and its end cannot be"
            " changed. Write what you know into its note.",
        )
    return redirect(run)


def run_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """GET asks first."""
    run = _steered(request, pk)
    if request.method != "POST":
        return ask(request, delete_question(run))
    item = lifecycle.trash_run(run, actor=access.viewer(request))
    undo = reverse("trash_restore", args=(item.pk,)) if item else ""
    text = f"{run.label} was moved to the trash."
    messages.success(request, text, extra_tags=undo)
    return redirect(f"{run.experiment.get_absolute_url()}?trash")


def delete_question(run: Trial) -> Confirmation:
    running = "" if run.has_ended else " It is marked as cancelled."
    return Confirmation(
        confirm_id="delete-run",
        title=f"Move run {run.label} to the trash?",
        text=f"It can be restored from there for {settings.TRASH_DAYS} days.{running}",
        rows=(),
        action=reverse("run_delete", args=(run.pk,)),
        verb="Move to trash",
        keep="Keep run",
        keep_url=run.get_absolute_url(),
    )


def run_archive(request: HttpRequest, pk: int) -> HttpResponse:
    """Hide the run from lists, or show it again."""
    run, actor = _steered(request, pk), access.viewer(request)
    return act(request, run, lambda: archive_or_restore(run, actor=actor))


def run_restore(request: HttpRequest, pk: int) -> HttpResponse:
    run = _steered(request, pk, trashed=True)
    if lifecycle.restore_run(run, actor=access.viewer(request)):
        messages.success(request, f"{run.label} was restored.")
    return redirect(run)


urlpatterns = [
    get("runs/<int:pk>/", run_detail, "run_detail"),
    get("runs/<int:pk>/feed.json", run_feed, "run_feed"),
    get_or_post("runs/<int:pk>/end/", run_end, "run_end"),
    get_or_post("runs/<int:pk>/delete/", run_delete, "run_delete"),
    post("runs/<int:pk>/archive/", run_archive, "run_archive"),
    post("runs/<int:pk>/restore/", run_restore, "run_restore"),
]
