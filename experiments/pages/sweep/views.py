"""One sweep: overview, trials and events."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from experiments import access
from experiments.clock import database_now
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
from experiments.pages.sweep.permission import (
    may_steer,
    sweep_to_read,
)
from experiments.pages.sweep.view_state import SweepView
from experiments.progress import counts_by_sweep

EVENTS_A_PAGE = 100


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


@require_GET
def events(request: HttpRequest, pk: int) -> HttpResponse:
    sweep = sweep_to_read(request, pk)
    rows = access.events_for(access.viewer(request)).filter(sweep=sweep)
    pages = Paginator(rows.select_related("actor", "trial"), EVENTS_A_PAGE)
    counts = counts_by_sweep([sweep.pk])[sweep.pk]
    context = {
        **frame(request, sweep, counts, now=database_now()),
        "tab": "sweep_events",
        "page": pages.get_page(request.GET.get("page")),
    }
    return render(request, "experiments/sweep/events.html", context)


urlpatterns = [
    path("sweeps/<int:pk>/", overview, name="sweep_detail"),
    path("sweeps/<int:pk>/trials/", trials, name="sweep_trials"),
    path("sweeps/<int:pk>/events/", events, name="sweep_events"),
]
