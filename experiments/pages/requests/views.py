"""Trials that people request: run again, with their own values, or backfilled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from experiments import access
from experiments.models import Sweep, Trial
from experiments.models.sweeps import SweepState
from experiments.models.trials import TRIAL_LIVE
from experiments.pages.frame import act, get_or_post, post, sweep_to_steer, whole_number
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
    number = whole_number(text, most_digits=MAX_DIGITS)
    return -1 if number is None else number


# --- again -------------------------------------------------------------------------


def again(request: HttpRequest, pk: int) -> HttpResponse:
    """Run trials again with the same values; GET with the ids of ticked ones asks
    first."""
    sweep = sweep_to_steer(request, pk)
    if request.method != "POST":
        return _ask_again(request, sweep)
    numbers = numbers_in(request.POST.getlist("trials"))
    return act(request, sweep, lambda: _run_again(request, sweep, numbers))


def trial_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Run one trial again, from its page."""
    trial = access.found_or_404(access.trials_for(access.viewer(request)), pk=pk)
    if trial.sweep_id is None:
        raise Http404("A run that the site did not start cannot run again.")
    sweep = sweep_to_steer(request, trial.sweep_id)
    if request.method != "POST":
        return _question(request, sweep, [trial], back=trial)
    return act(request, trial, lambda: _run_again(request, sweep, [trial.number]))


def _run_again(request: HttpRequest, sweep: Sweep, numbers: Sequence[int]) -> str:
    to_end = request.POST.get("to_end") == "on"
    actor = access.viewer(request)
    requests.run_again(sweep, numbers, actor=actor, to_end=to_end)
    how = ", without early termination" if to_end else ""
    named = requests.trials_named(numbers)
    return f"{named} will run again{how}, {when_words(sweep)}."


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


def add(request: HttpRequest, pk: int) -> HttpResponse:
    """A trial with values from an empty form."""
    return _by_hand(request, sweep_to_steer(request, pk), None)


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


def backfill_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Lists configurations without an outcome; POST runs them."""
    sweep = sweep_to_steer(request, pk)
    if request.method != "POST":
        return _backfill_page(request, sweep)
    return act(request, sweep, lambda: _run_backfill(request, sweep))


def _run_backfill(request: HttpRequest, sweep: Sweep) -> str:
    count = len(backfill.run_backfill(sweep, actor=access.viewer(request)).trials)
    if not count:
        return f"{sweep} has no trials to backfill."
    return f"{counted(count, 'trial')} will run {when_words(sweep)}."


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


def remove_waiting(request: HttpRequest, pk: int) -> HttpResponse:
    """Withdraw a requested trial that waits to run."""
    sweep = sweep_to_steer(request, pk)
    return act(request, sweep, lambda: _withdrawn(request, sweep))


def _withdrawn(request: HttpRequest, sweep: Sweep) -> str:
    wanted = _number(request.POST.get("request", ""))
    trial_request = sweep.requests.filter(pk=wanted).first()
    if trial_request is None:
        raise NotPossible(f"This trial of {sweep} is not waiting to run.")
    requests.withdraw(trial_request, actor=access.viewer(request))
    return "Withdrew the requested trial; it will not run."


urlpatterns = [
    get_or_post("sweeps/<int:pk>/again/", again, "sweep_again"),
    get_or_post("trials/<int:pk>/again/", trial_again, "trial_again"),
    get_or_post("sweeps/<int:pk>/add/", add, "sweep_add_trial"),
    get_or_post("sweeps/<int:pk>/backfill/", backfill_view, "sweep_backfill"),
    post("sweeps/<int:pk>/waiting/", remove_waiting, "sweep_remove_waiting"),
    get_or_post("trials/<int:pk>/clone/", clone, "trial_clone"),
]
