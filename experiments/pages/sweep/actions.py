"""What people do to a sweep, from starting to archiving it: on its failures and its
pre-flight, by the form of its Settings tab, and by its buttons.
"""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from experiments import access
from experiments.db.clock import database_now
from experiments.failures.groups import failure_groups
from experiments.models import Sweep
from experiments.pages.frame import (
    act,
    get,
    get_or_post,
    post,
    sweep_to_read,
    sweep_to_steer,
)
from experiments.pages.sweep.best_configuration import document_text
from experiments.pages.sweep.failure_card import failure_card
from experiments.pages.sweep.forms import LimitsForm
from experiments.pages.sweep.head import frame
from experiments.pages.sweep.summary import sweep_summary
from experiments.search.fields import DefinitionError
from experiments.search.wording import counted
from experiments.sweeps import control, editing
from experiments.sweeps.preflight_remedies import do_preflight_remedy, start_preflight
from experiments.sweeps.progress import counts_by_sweep
from experiments.sweeps.remedies import do_remedy, picked_group, situation_of


def failures(request: HttpRequest, pk: int) -> HttpResponse:
    """The sweep's failures, also while it runs."""
    sweep, now = sweep_to_read(request, pk), database_now()
    summary = sweep_summary(sweep, now=now)
    context = {
        **frame(request, sweep, summary.counts, now=now),
        "tab": "sweep_failures",
        "card": failure_card(summary, request.GET, always=True),
    }
    return render(request, "experiments/sweep/failures.html", context)


def remedy(request: HttpRequest, pk: int) -> HttpResponse:
    """Do what was picked on the failure card."""
    sweep = sweep_to_steer(request, pk)
    group = picked_group(failure_groups(sweep), request.POST.get("signature", ""))
    situation = situation_of(sweep, group)
    picked, actor = request.POST.get("remedy", ""), access.viewer(request)
    try:
        done = do_remedy(situation, picked, actor=actor)
    except (control.NotPossible, DefinitionError) as error:
        messages.error(request, str(error))
        return redirect(sweep)
    messages.success(request, done.message)
    return redirect("sweep_edit", pk=done.draft.pk) if done.draft else redirect(sweep)


def preflight(request: HttpRequest, pk: int) -> HttpResponse:
    """Test one configuration of a draft, or do what was picked on the card."""
    sweep, user = sweep_to_steer(request, pk), access.viewer(request)
    picked = request.POST.get("remedy")
    if picked is None:
        return act(request, sweep, lambda: start_preflight(sweep, actor=user))
    if picked == "copy":
        return redirect(f"/sweeps/new/?clone={sweep.pk}")
    return act(request, sweep, lambda: do_preflight_remedy(sweep, picked, actor=user))


def settings(request: HttpRequest, pk: int) -> HttpResponse:
    """The tab; POST changes limits."""
    if request.method != "POST":
        sweep = sweep_to_read(request, pk)
        return _page(request, sweep, LimitsForm(sweep))
    sweep = sweep_to_steer(request, pk)
    form = LimitsForm(sweep, request.POST)
    if form.is_valid() and form.save(actor=access.viewer(request)):
        messages.success(request, f"The limits of {sweep} are set.")
        return redirect("sweep_settings", sweep.pk)
    return _page(request, sweep, form, status=409 if form.overtaken else 422)


def _page(
    request: HttpRequest, sweep: Sweep, form: LimitsForm, *, status: int = 200
) -> HttpResponse:
    counts = counts_by_sweep([sweep.pk])[sweep.pk]
    context: dict[str, Any] = {
        **frame(request, sweep, counts, now=database_now()),
        "tab": "sweep_settings",
        "form": form,
        "policy": editing.policy_words(sweep, sweep.early_termination),
        "document": document_text(sweep, "yaml"),
        "can_manage": access.can_manage(access.viewer(request), sweep.experiment.team),
    }
    return render(request, "experiments/sweep/settings.html", context, status=status)


DONE = {
    "start": "{} started.",
    "pause": "{} is paused. Running trials finish; no new ones start.",
    "requeue": "{} is paused. Running trials stop and return to the queue.",
    "resume": "{} resumed.",
    "cancel": "{} is cancelled. Its trials' reports are kept.",
}
# These ask first, on a page where there are no scripts.
ASKING = ("cancel", "pause")


def action(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Start, pause, resume or cancel; GET of cancel and pause asks first."""
    if verb not in control.STEPS:
        raise Http404(f"A sweep cannot {verb}.")
    sweep = sweep_to_steer(request, pk)
    if request.method != "POST":
        return _ask(request, sweep, verb) if verb in ASKING else redirect(sweep)
    return act(request, sweep, lambda: _moved(request, sweep, verb).format(sweep))


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


def extend(request: HttpRequest, pk: int) -> HttpResponse:
    """Run an ended sweep for more trials; GET asks how many."""
    sweep = sweep_to_steer(request, pk)
    if request.method != "POST":
        return _ask(request, sweep, "extend")
    return act(request, sweep, lambda: _extended(request, sweep))


def _extended(request: HttpRequest, sweep: Sweep) -> str:
    more = control.trials_to_add(request.POST.get("trials", "").strip())
    control.extend(sweep, more, actor=access.viewer(request))
    return f"{sweep} runs again, for {counted(more, 'more trial')}."


def archive(request: HttpRequest, pk: int) -> HttpResponse:
    """Hide the sweep from lists, or show it again; an active sweep stays in them."""
    sweep = sweep_to_steer(request, pk)
    actor = access.viewer(request)
    return act(request, sweep, lambda: control.archive_or_restore(sweep, actor=actor))


urlpatterns = [
    get("sweeps/<int:pk>/failures/", failures, "sweep_failures"),
    post("sweeps/<int:pk>/remedy/", remedy, "sweep_remedy"),
    post("sweeps/<int:pk>/preflight/", preflight, "sweep_preflight"),
    get_or_post("sweeps/<int:pk>/settings/", settings, "sweep_settings"),
    get_or_post("sweeps/<int:pk>/extend/", extend, "sweep_extend"),
    post("sweeps/<int:pk>/archive/", archive, "sweep_archive"),
    get_or_post("sweeps/<int:pk>/<str:verb>/", action, "sweep_action"),
]
