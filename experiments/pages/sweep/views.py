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
from experiments.pages.sweep.standing import SweepStanding, sweep_standing
from experiments.pages.sweep.trial_table import TableQuery, TrialTable
from experiments.pages.sweep.view_state import answers_of, sweep_view
from experiments.progress import counts_by_sweep

EVENTS_A_PAGE = 100


@require_GET
@never_cache
def overview(request: HttpRequest, pk: int) -> HttpResponse:
    sweep = sweep_to_read(request, pk)
    standing = sweep_standing(sweep, now=database_now())
    charted = chart_trials(sweep, tried=standing.tried)
    asked = TableQuery(sweep, request.GET, few=True)
    view = sweep_view(standing, asked, charted=charted)
    context = {
        **_framed(request, standing, view.table, tab="sweep_detail"),
        "answers": answers_of(standing, request.GET, steers=may_steer(request, sweep)),
        "chart_model": chart_model(standing, view.charted),
        "curve_chips": chart_chips(standing.counts),
        "curve_selects": curve_selects(view.charted),
        "spread_select": spread_select(view.charted),
        "chart_note": chart_note(standing.tried),
    }
    return render(request, "experiments/sweep/overview.html", context)


@require_GET
@never_cache
def trials(request: HttpRequest, pk: int) -> HttpResponse:
    sweep = sweep_to_read(request, pk)
    standing = sweep_standing(sweep, now=database_now())
    view = sweep_view(standing, TableQuery(sweep, request.GET, few=False))
    context = _framed(request, standing, view.table, tab="sweep_trials")
    return render(request, "experiments/sweep/trials.html", context)


def _framed(
    request: HttpRequest, standing: SweepStanding, table: TrialTable, *, tab: str
) -> dict[str, Any]:
    """What the overview and the Trials tab have in common."""
    sweep, counts = standing.sweep, standing.counts
    steers = may_steer(request, sweep)
    return {
        **frame(request, sweep, counts, now=standing.now),
        "standing": standing,
        "table": table,
        "tab": tab,
        "chips": table.asked.chips(counts),
        "since": token_of(standing, table, steers=steers),
        "live": not sweep.has_ended or standing.live,
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
