"""The page of a sweep's failures, and what people do about them and its pre-flight."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_GET, require_POST

from experiments import access, lifecycle, queues
from experiments.db.clock import database_now
from experiments.failures.groups import failure_groups
from experiments.failures.known_errors import known_error
from experiments.failures.preflight import Preflight
from experiments.models import Sweep, User
from experiments.pages.frame import sweep_to_read, sweep_to_steer
from experiments.pages.sweep.cards import USE, preflight_remedies
from experiments.pages.sweep.failure_card import failure_card, picked_group
from experiments.pages.sweep.head import frame
from experiments.pages.sweep.remedies import Done, Situation, constraint_of, do_remedy
from experiments.pages.sweep.summary import sweep_summary
from experiments.search.fields import DefinitionError
from experiments.sweeps import control, primary_metric

NO_CHOICE = "Choose what to do. The choices may have changed since you loaded the page."


@require_GET
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


@require_POST
def remedy(request: HttpRequest, pk: int) -> HttpResponse:
    """Do what was picked on the failure card."""
    sweep = sweep_to_steer(request, pk)
    summary = sweep_summary(sweep, now=database_now())
    group = picked_group(failure_groups(sweep), request.POST.get("signature", ""))
    situation = Situation(
        sweep,
        group,
        known_error(group.words if group else ""),
        constraint_of(sweep, group),
        summary.not_started,
    )
    try:
        picked = request.POST.get("remedy", "")
        done = do_remedy(situation, picked, actor=access.viewer(request))
    except KeyError:
        messages.error(request, NO_CHOICE)
        return redirect(sweep)
    except (control.NotPossible, DefinitionError) as error:
        messages.error(request, str(error))
        return redirect(sweep)
    return _after(request, sweep, done)


def _after(request: HttpRequest, sweep: Sweep, done: Done) -> HttpResponseRedirect:
    messages.success(request, done.message)
    if done.draft is not None:
        return redirect("sweep_edit", pk=done.draft.pk)
    return redirect(sweep)


@require_POST
def preflight(request: HttpRequest, pk: int) -> HttpResponse:
    """Test one configuration of a draft, or do what was picked on the card."""
    sweep, user = sweep_to_steer(request, pk), access.viewer(request)
    if "remedy" not in request.POST:
        return _test_one(request, sweep, user)
    flight, picked = Preflight.of(sweep), request.POST["remedy"]
    known = {r.value for r in preflight_remedies(sweep, flight)} if flight else set()
    if picked not in known:
        messages.error(request, NO_CHOICE)
        return redirect(sweep)
    if picked == "copy":
        return redirect(f"/sweeps/new/?clone={sweep.pk}")
    try:
        messages.success(request, _continue(sweep, picked, user))
    except (control.NotPossible, DefinitionError) as error:
        messages.error(request, str(error))
    return redirect(sweep)


def _test_one(request: HttpRequest, sweep: Sweep, user: User) -> HttpResponseRedirect:
    if lifecycle.start_preflight(sweep, hold=True, actor=user):
        queues.wake_scheduler()
        text = f"{sweep} tests one configuration, then waits for you."
        messages.success(request, text)
    else:
        sweep.refresh_from_db()
        text = f"{sweep} is {sweep.state}. Only a draft can be tested first."
        messages.error(request, text)
    return redirect(sweep)


def _continue(sweep: Sweep, picked: str, user: User) -> str:
    """The message after it. Raises NotPossible and DefinitionError."""
    if picked == "resume":
        control.steer(sweep, "resume", actor=user)
        return f"{sweep} resumed with all its trials."
    message = f"{sweep} tests one more configuration first."
    if picked.startswith(USE):
        name = picked.removeprefix(USE)
        primary_metric.use_metric(sweep, name, actor=user)
        message = f"{sweep} now compares {name}. {message}"
    if not lifecycle.repeat_preflight(sweep, actor=user):
        raise control.NotPossible(f"The sweep {sweep} is {sweep.state}, not paused.")
    queues.wake_scheduler()
    return message


urlpatterns = [
    path("sweeps/<int:pk>/failures/", failures, name="sweep_failures"),
    path("sweeps/<int:pk>/remedy/", remedy, name="sweep_remedy"),
    path("sweeps/<int:pk>/preflight/", preflight, name="sweep_preflight"),
]
