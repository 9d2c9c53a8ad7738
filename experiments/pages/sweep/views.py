"""One sweep: overview, trials, settings and events, and what people do to it."""

from __future__ import annotations

import json
from typing import Any, cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from experiments import access, steering
from experiments.clock import database_now
from experiments.document_yaml import yaml_text
from experiments.models import Event, Sweep
from experiments.models.sweeps import SweepState
from experiments.pages.sweep.charts import (
    chart_chips,
    chart_model,
    chart_note,
    chart_trials,
    curve_selects,
    spread_select,
)
from experiments.pages.sweep.feed import token_of
from experiments.pages.sweep.head import frame
from experiments.pages.sweep.limits import LimitsForm
from experiments.pages.sweep.permission import (
    may_steer,
    sweep_to_read,
    sweep_to_steer,
    viewer_of,
)
from experiments.pages.sweep.policy_form import PolicyForm
from experiments.pages.sweep.view_state import SweepView
from experiments.progress import counts_by_sweep
from experiments.submission import sweep_document

EVENTS_A_PAGE = 100
DONE = {
    "start": "{} has started.",
    "pause": "{} is paused: running trials go on, no new ones start.",
    "resume": "{} goes on.",
    "cancel": "{} is cancelled. What its trials have reported is kept.",
}


@require_GET
@never_cache
def overview(request: HttpRequest, pk: int) -> HttpResponse:
    sweep = sweep_to_read(request, pk)
    steers = may_steer(request, sweep)
    now = database_now()
    view = SweepView(sweep, request.GET, few=True, now=now, steers=steers)
    view.charted = chart_trials(sweep, tried=view.standing.tried)
    context = _framed(request, view, "sweep_detail") | _charts(view)
    return render(request, "experiments/sweep/overview.html", context)


@require_GET
@never_cache
def trials(request: HttpRequest, pk: int) -> HttpResponse:
    sweep = sweep_to_read(request, pk)
    steers = may_steer(request, sweep)
    now = database_now()
    view = SweepView(sweep, request.GET, few=False, now=now, steers=steers)
    context = _framed(request, view, "sweep_trials")
    return render(request, "experiments/sweep/trials.html", context)


def _framed(request: HttpRequest, view: SweepView, tab: str) -> dict[str, Any]:
    """What the overview and the Trials tab have in common."""
    counts = view.standing.counts
    return {
        **frame(request, view.sweep, counts, now=view.now),
        **view.context(),
        "tab": tab,
        "chips": view.table.chips(counts),
        "since": token_of(view, steers=view.steers),
        "live": not view.sweep.has_ended or view.standing.live,
    }


def _charts(view: SweepView) -> dict[str, Any]:
    rows = view.rows_of(view.charted)
    return {
        "chart_model": chart_model(view.standing, rows),
        "curve_chips": chart_chips(view.standing.counts),
        "curve_selects": curve_selects(rows),
        "spread_select": spread_select(rows),
        "chart_note": chart_note(view.standing.tried),
    }


@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: HttpRequest, pk: int) -> HttpResponse:
    """The sweep's document and code; members change its limits while it lives."""
    if request.method == "POST":
        return change_limits(request, sweep_to_steer(request, pk))
    return _settings_page(request, sweep_to_read(request, pk))


def change_limits(request: HttpRequest, sweep: Sweep) -> HttpResponse:
    form = LimitsForm.of(sweep, request.POST)
    if form.is_valid() and form.save(sweep, actor=viewer_of(request)):
        messages.success(request, f"The limits of {sweep} are set.")
        return redirect("sweep_settings", sweep.pk)
    return _settings_page(request, sweep, form=form)


@require_POST
def change_policy(request: HttpRequest, pk: int) -> HttpResponse:
    """Judge the sweep's trials by another policy from now on, or by none."""
    sweep = sweep_to_steer(request, pk)
    form = PolicyForm.of(sweep, request.POST)
    if form.is_valid() and form.save(sweep, actor=viewer_of(request)):
        now = steering.policy_words(sweep, sweep.early_termination)
        messages.success(request, f"Early termination of {sweep} from now on: {now}.")
        return redirect("sweep_settings", sweep.pk)
    return _settings_page(request, sweep, policy_form=form)


def _settings_page(
    request: HttpRequest,
    sweep: Sweep,
    *,
    form: LimitsForm | None = None,
    policy_form: PolicyForm | None = None,
) -> HttpResponse:
    counts = counts_by_sweep([sweep.pk])[sweep.pk]
    context = {
        **frame(request, sweep, counts, now=database_now()),
        "tab": "sweep_settings",
        "form": form or LimitsForm.of(sweep),
        "policy_form": policy_form or PolicyForm.of(sweep),
        "policy": steering.policy_words(sweep, sweep.early_termination),
        "document": document_text(sweep, "yaml"),
    }
    status = 422 if form or policy_form else 200
    return render(request, "experiments/sweep/settings.html", context, status=status)


@require_GET
def events(request: HttpRequest, pk: int) -> HttpResponse:
    sweep = sweep_to_read(request, pk)
    rows = access.events_for(viewer_of(request)).filter(sweep=sweep)
    pages = Paginator(rows.select_related("actor", "trial"), EVENTS_A_PAGE)
    counts = counts_by_sweep([sweep.pk])[sweep.pk]
    context = {
        **frame(request, sweep, counts, now=database_now()),
        "tab": "sweep_events",
        "page": pages.get_page(request.GET.get("page")),
    }
    return render(request, "experiments/sweep/events.html", context)


@require_GET
def export(request: HttpRequest, pk: int, kind: str) -> HttpResponse:
    """The canonical document as a file."""
    sweep = sweep_to_read(request, pk)
    types = {"yaml": "application/yaml", "json": "application/json"}
    if kind not in types:
        raise Http404("A document is exported as yaml or json.")
    name = f"{sweep.label}.{kind}"
    return HttpResponse(
        document_text(sweep, kind),
        content_type=f"{types[kind]}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def document_text(sweep: Sweep, kind: str) -> str:
    document = sweep_document(sweep)
    if kind == "json":
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    text = yaml_text(document, width=88)
    return text


@require_http_methods(["GET", "HEAD", "POST"])
def action(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Start, pause, resume or cancel; GET of cancel asks first."""
    if verb not in steering.STEPS:
        raise Http404(f"A sweep cannot {verb}.")
    sweep = sweep_to_steer(request, pk)
    if request.method != "POST":
        return _ask(request, sweep) if verb == "cancel" else redirect(sweep)
    try:
        step = cast(steering.Action, verb)
        steering.steer(sweep, step, actor=viewer_of(request))
        messages.success(request, DONE[verb].format(sweep))
    except steering.NotPossible as error:
        messages.error(request, str(error))
    return redirect(sweep)


def _ask(request: HttpRequest, sweep: Sweep) -> HttpResponse:
    counts = counts_by_sweep([sweep.pk])[sweep.pk]
    context = frame(request, sweep, counts, now=database_now())
    return render(request, "experiments/sweep/cancel.html", context)


@require_POST
def again(request: HttpRequest, pk: int) -> HttpResponse:
    """Run trials once more, with the same values."""
    sweep = sweep_to_steer(request, pk)
    numbers = [
        int(text) if text.isascii() and text.isdigit() and len(text) < 7 else -1
        for text in request.POST.get("trials", "").split(",")
    ]
    try:
        steering.run_again(sweep, numbers, actor=viewer_of(request))
        paused = sweep.state == SweepState.PAUSED
        named = steering.trials_named(numbers)
        when = "when it is resumed" if paused else "as soon as a slot is free"
        messages.success(request, f"{named} will run once more, {when}.")
    except steering.NotPossible as error:
        messages.error(request, str(error))
    return redirect(sweep)


@require_POST
def archive(request: HttpRequest, pk: int) -> HttpResponse:
    """Take the sweep out of lists, or bring it back; nothing is deleted."""
    sweep = sweep_to_steer(request, pk)
    away = sweep.archived_at is None
    Sweep.objects.filter(pk=pk).update(
        archived_at=Now() if away else None, updated_at=Now()
    )
    Event.objects.create(
        team=sweep.experiment.team,
        actor=viewer_of(request),
        sweep=sweep,
        verb="sweep archived" if away else "sweep restored",
    )
    where = "archived: lists leave it out" if away else "back in the lists"
    messages.success(request, f"{sweep} is {where}.")
    return redirect(sweep)


urlpatterns = [
    path("sweeps/<int:pk>/", overview, name="sweep_detail"),
    path("sweeps/<int:pk>/trials/", trials, name="sweep_trials"),
    path("sweeps/<int:pk>/settings/", settings, name="sweep_settings"),
    path(
        "sweeps/<int:pk>/early-termination/", change_policy, name="sweep_change_policy"
    ),
    path("sweeps/<int:pk>/events/", events, name="sweep_events"),
    path("sweeps/<int:pk>/again/", again, name="sweep_again"),
    path("sweeps/<int:pk>/archive/", archive, name="sweep_archive"),
    path("sweeps/<int:pk>/document.<str:kind>", export, name="sweep_export"),
    path("sweeps/<int:pk>/<str:verb>/", action, name="sweep_action"),
]
