"""Trials that people request: run again, with their own values, or backfilled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods, require_POST

from experiments import access
from experiments.models import Sweep, Trial
from experiments.models.sweeps import SweepState
from experiments.models.trials import TRIAL_LIVE
from experiments.pages.frame import sweep_to_steer
from experiments.pages.requests.form import HandForm
from experiments.search.fields import DefinitionError
from experiments.search.wording import counted
from experiments.sweeps import backfill, requests
from experiments.sweeps.control import NotPossible
from experiments.sweeps.requests import waiting_requests
from experiments.tracking.spaces import flat_params, search_space

GET_OR_POST = ("GET", "HEAD", "POST")
MAX_SHOWN = 200
# Digits of an id that a database can store.
MAX_DIGITS = 18


def when_words(sweep: Sweep) -> str:
    """When a requested trial of the sweep will run."""
    if sweep.state == SweepState.PAUSED:
        return "when the sweep is resumed"
    if not sweep.launches:
        return "when a process asks for the next trial"
    return "as soon as a slot is free"


def numbers_in(texts: Sequence[str]) -> list[int]:
    """Whole numbers from fields that may hold several each; -1 for anything else."""
    parts = [part.strip() for text in texts for part in text.split(",") if part.strip()]
    return [_number(part) for part in parts]


def _number(text: str) -> int:
    is_plain = text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS
    return int(text) if is_plain else -1


# --- again -------------------------------------------------------------------------


@require_http_methods(GET_OR_POST)
def again(request: HttpRequest, pk: int) -> HttpResponse:
    """Run trials again with the same values; GET with the ids of ticked ones asks
    first."""
    sweep = sweep_to_steer(request, pk)
    if request.method != "POST":
        return _ask_again(request, sweep)
    _run_again(request, sweep, numbers_in(request.POST.getlist("trials")))
    return redirect(sweep)


@require_http_methods(GET_OR_POST)
def trial_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Run one trial again, from its page."""
    trial = access.found_or_404(access.trials_for(access.viewer(request)), pk=pk)
    if trial.sweep_id is None:
        raise Http404("A run that the site did not start cannot run again.")
    sweep = sweep_to_steer(request, trial.sweep_id)
    if request.method != "POST":
        return _question(request, sweep, [trial], back=trial)
    _run_again(request, sweep, [trial.number])
    return redirect(trial)


def _run_again(request: HttpRequest, sweep: Sweep, numbers: Sequence[int]) -> None:
    """Request the trials again, and say so, or why not."""
    to_end = request.POST.get("to_end") == "on"
    actor = access.viewer(request)
    try:
        requests.run_again(sweep, numbers, actor=actor, to_end=to_end)
    except NotPossible as error:
        messages.error(request, str(error))
        return
    how = ", without early termination" if to_end else ""
    named = requests.trials_named(numbers)
    messages.success(request, f"{named} will run again{how}, {when_words(sweep)}.")


def _ask_again(request: HttpRequest, sweep: Sweep) -> HttpResponse:
    ids = numbers_in(request.GET.getlist("trials"))[:MAX_SHOWN]
    trials = list(sweep.trials.filter(pk__in=ids).order_by("number"))
    if not trials:
        messages.error(request, "Select the trials to run again first.")
        return redirect("sweep_trials", sweep.pk)
    return _question(request, sweep, trials, back=sweep)


def _question(
    request: HttpRequest, sweep: Sweep, trials: Sequence[Trial], *, back: Sweep | Trial
) -> HttpResponse:
    """The question before trials run again; ``back``: where they were picked."""
    waiting = {trial_request.repeats for trial_request in waiting_requests(sweep)}
    ready = [trial for trial in trials if trial.number not in waiting]
    ended = [trial for trial in ready if trial.state not in TRIAL_LIVE]
    numbers = [trial.number for trial in ended]
    context = {
        "sweep": sweep,
        "trials": ended,
        "live": [trial for trial in ready if trial.state in TRIAL_LIVE],
        "waiting": [trial for trial in trials if trial.number in waiting],
        "named": requests.trials_named(numbers) if numbers else "",
        "numbers": ",".join(map(str, numbers)),
        "refusal": requests.refusal_of(sweep),
        "back": back.get_absolute_url(),
    }
    return render(request, "experiments/requests/again.html", context)


# --- own values ----------------------------------------------------------------------


@require_http_methods(GET_OR_POST)
def add(request: HttpRequest, pk: int) -> HttpResponse:
    """A trial with values from an empty form."""
    return _by_hand(request, sweep_to_steer(request, pk), None)


@require_http_methods(GET_OR_POST)
def clone(request: HttpRequest, pk: int) -> HttpResponse:
    """A trial with another trial's values, changed."""
    trial = access.found_or_404(
        access.trials_for(access.viewer(request)).select_related("sweep"), pk=pk
    )
    if trial.sweep_id is None:
        raise Http404("A run that the site did not start cannot be cloned.")
    return _by_hand(request, sweep_to_steer(request, trial.sweep_id), trial)


def _by_hand(request: HttpRequest, sweep: Sweep, trial: Trial | None) -> HttpResponse:
    try:
        space = requests.space_of(sweep)
    except NotPossible as error:
        messages.error(request, str(error))
        return redirect(sweep)
    if request.method != "POST":
        return _form_page(request, sweep, trial, HandForm.of(space, trial))
    form = HandForm.sent(space, request.POST)
    try:
        added = requests.add_trial(
            sweep,
            form.values,
            actor=access.viewer(request),
            clone_of=trial.number if trial else None,
            to_end=request.POST.get("to_end") == "on",
        )
    except DefinitionError as error:
        form.refuse(error)
        return _form_page(request, sweep, trial, form, status=422)
    except NotPossible as error:
        messages.error(request, str(error))
        return _form_page(request, sweep, trial, form, status=409)
    _say_added(request, sweep, added)
    return redirect(sweep)


def _say_added(request: HttpRequest, sweep: Sweep, added: requests.Added) -> None:
    messages.success(request, f"The trial will run {when_words(sweep)}.")
    for sentence in added.outside:
        messages.info(request, f"Outside the search space: {sentence}")


def _form_page(
    request: HttpRequest,
    sweep: Sweep,
    trial: Trial | None,
    form: HandForm,
    *,
    status: int = 200,
) -> HttpResponse:
    context = {
        "sweep": sweep,
        "trial": trial,
        "form": form,
        "refusal": requests.refusal_of(sweep),
        "to_end": request.POST.get("to_end") == "on",
        "judged": bool(sweep.early_termination),
        "back": trial.get_absolute_url() if trial else sweep.get_absolute_url(),
    }
    return render(request, "experiments/requests/by_hand.html", context, status=status)


# --- backfill ----------------------------------------------------------------------


@require_http_methods(GET_OR_POST)
def backfill_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Lists configurations without an outcome; POST runs them."""
    sweep = sweep_to_steer(request, pk)
    if request.method != "POST":
        return _backfill_page(request, sweep)
    try:
        found = backfill.run_backfill(sweep, actor=access.viewer(request))
        count = len(found.trials)
        words = f"{counted(count, 'trial')} will run {when_words(sweep)}."
        messages.success(
            request, words if count else f"{sweep} has no trials to backfill."
        )
    except NotPossible as error:
        messages.error(request, str(error))
    return redirect(sweep)


def _backfill_page(request: HttpRequest, sweep: Sweep) -> HttpResponse:
    found = backfill.find_backfill(sweep)
    space = search_space(sweep)
    context = {
        "sweep": sweep,
        "found": found,
        "count": len(found.trials),
        "counts": backfill.counts_in_words(found.counts),
        "rows": [_backfill_row(trial, space) for trial in found.trials[:MAX_SHOWN]],
        "hidden": max(0, len(found.trials) - MAX_SHOWN),
        "refusal": requests.refusal_of(sweep),
    }
    return render(request, "experiments/requests/backfill.html", context)


def _backfill_row(trial: backfill.MissingTrial, space: Any) -> dict[str, Any]:
    values = flat_params(space, trial.params or {})
    url = reverse("trial_detail", args=(trial.trial,)) if trial.trial else ""
    return {"trial": trial, "values": values.items(), "url": url}


# --- withdrawal ----------------------------------------------------------------------


@require_POST
def remove_waiting(request: HttpRequest, pk: int) -> HttpResponse:
    """Withdraw a requested trial that waits to run."""
    sweep = sweep_to_steer(request, pk)
    wanted = _number(request.POST.get("request", ""))
    trial_request = sweep.requests.filter(pk=wanted).first()
    try:
        if trial_request is None:
            raise NotPossible(f"This trial of {sweep} is not waiting to run.")
        requests.withdraw(trial_request, actor=access.viewer(request))
        messages.success(request, "Withdrew the requested trial; it will not run.")
    except NotPossible as error:
        messages.error(request, str(error))
    return redirect(sweep)


urlpatterns = [
    path("sweeps/<int:pk>/again/", again, name="sweep_again"),
    path("trials/<int:pk>/again/", trial_again, name="trial_again"),
    path("sweeps/<int:pk>/add/", add, name="sweep_add_trial"),
    path("sweeps/<int:pk>/backfill/", backfill_view, name="sweep_backfill"),
    path("sweeps/<int:pk>/waiting/", remove_waiting, name="sweep_remove_waiting"),
    path("trials/<int:pk>/clone/", clone, name="trial_clone"),
]
