"""What people do to a sweep from its page, from starting to archiving it."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods, require_POST

from experiments import access
from experiments.db.clock import database_now
from experiments.models import Event, Sweep
from experiments.models.sweeps import SWEEP_ENDS, SweepState
from experiments.pages.frame import sweep_to_steer
from experiments.pages.sweep.head import frame
from experiments.search.fields import DefinitionError
from experiments.search.wording import counted
from experiments.sweeps import control
from experiments.sweeps.progress import counts_by_sweep

DONE = {
    "start": "{} started.",
    "pause": "{} is paused. Running trials finish; no new ones start.",
    "requeue": "{} is paused. Running trials stop and return to the queue.",
    "resume": "{} resumed.",
    "cancel": "{} is cancelled. Its trials' reports are kept.",
}
# These ask first, on a page where there are no scripts.
ASKING = ("cancel", "pause")


@require_http_methods(["GET", "HEAD", "POST"])
def action(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Start, pause, resume or cancel; GET of cancel and pause asks first."""
    if verb not in control.STEPS:
        raise Http404(f"A sweep cannot {verb}.")
    sweep = sweep_to_steer(request, pk)
    if request.method != "POST":
        return _ask(request, sweep, verb) if verb in ASKING else redirect(sweep)
    try:
        messages.success(request, _moved(request, sweep, verb).format(sweep))
    except control.NotPossible as error:
        messages.error(request, str(error))
    return redirect(sweep)


def _moved(request: HttpRequest, sweep: Sweep, verb: str) -> str:
    """Change the sweep's state; the message after it. Raises NotPossible."""
    actor = access.viewer(request)
    if verb == "pause" and request.POST.get("running") == "requeue":
        control.pause(sweep, actor=actor, running="requeue")
        return DONE["requeue"]
    control.steer(sweep, cast(control.Action, verb), actor=actor)
    return DONE[verb]


def _ask(request: HttpRequest, sweep: Sweep, verb: str) -> HttpResponse:
    counts = counts_by_sweep([sweep.pk])[sweep.pk]
    context = frame(request, sweep, counts, now=database_now())
    return render(request, f"experiments/sweep/{verb}.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def extend(request: HttpRequest, pk: int) -> HttpResponse:
    """Run an ended sweep for more trials; GET asks how many."""
    sweep = sweep_to_steer(request, pk)
    if request.method != "POST":
        return _ask(request, sweep, "extend")
    try:
        more = control.trials_to_add(request.POST.get("trials", "").strip())
        control.extend(sweep, more, actor=access.viewer(request))
        noun = counted(more, "more trial")
        messages.success(request, f"{sweep} runs again, for {noun}.")
    except (control.NotPossible, DefinitionError) as error:
        messages.error(request, str(error))
    return redirect(sweep)


@require_POST
def archive(request: HttpRequest, pk: int) -> HttpResponse:
    """Hide the sweep from lists, or show it again; an active sweep stays in them."""
    sweep = sweep_to_steer(request, pk)
    away = sweep.archived_at is None
    if away and not _put_away(sweep):
        messages.error(
            request,
            f"{sweep} is {sweep.state}. Only drafts and ended sweeps can be archived."
            " Cancel it first.",
        )
        return redirect(sweep)
    if not away:
        Sweep.objects.filter(pk=pk).update(archived_at=None, updated_at=Now())
    verb = "sweep archived" if away else "sweep restored"
    Event.log(verb, actor=access.viewer(request), sweep=sweep)
    where = "archived and hidden from lists" if away else "in the lists again"
    messages.success(request, f"{sweep} is {where}.")
    return redirect(sweep)


def _put_away(sweep: Sweep) -> bool:
    over = Sweep.objects.filter(pk=sweep.pk, state__in={*SWEEP_ENDS, SweepState.DRAFT})
    return bool(over.update(archived_at=Now(), updated_at=Now()))


urlpatterns = [
    path("sweeps/<int:pk>/extend/", extend, name="sweep_extend"),
    path("sweeps/<int:pk>/archive/", archive, name="sweep_archive"),
    path("sweeps/<int:pk>/<str:verb>/", action, name="sweep_action"),
]
