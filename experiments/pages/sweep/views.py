"""One sweep: overview and events."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from experiments import access
from experiments.db.clock import database_now
from experiments.pages.frame import get, may_steer, sweep_to_read
from experiments.pages.sweep.advice import advice_strip
from experiments.pages.sweep.answers import TrialTable, answers_of, trial_table
from experiments.pages.sweep.charts import (
    chart_chips,
    chart_model,
    chart_note,
    chart_rows,
    charted_places,
    curve_selects,
    spread_select,
)
from experiments.pages.sweep.feed import sweep_feed, token_of
from experiments.pages.sweep.head import frame
from experiments.pages.sweep.summary import SweepSummary, sweep_summary
from experiments.pages.sweep.trial_table import TableQuery
from experiments.sweeps.progress import counts_by_sweep

EVENTS_A_PAGE = 100


def overview(request: HttpRequest, pk: int) -> HttpResponse:
    sweep = sweep_to_read(request, pk)
    now, query = database_now(), TableQuery(sweep, request.GET, few=True)
    summary = sweep_summary(sweep, now=now, trials=query.columns.data)
    charted = chart_rows(query.columns, charted_places(query.columns))
    steers = may_steer(request, sweep)
    context = {
        **_framed(request, summary, trial_table(summary, query, charted=charted)),
        "answers": answers_of(summary, request.GET, steers=steers),
        "advice": advice_strip(request, sweep, valued=summary.ranked, steers=steers),
        "chart_model": chart_model(summary, charted),
        "curve_chips": chart_chips(summary.counts),
        "curve_selects": curve_selects(charted),
        "spread_select": spread_select(charted),
        "chart_note": chart_note(summary.tried),
    }
    return render(request, "experiments/sweep/overview.html", context)


def _framed(
    request: HttpRequest, summary: SweepSummary, table: TrialTable
) -> dict[str, Any]:
    """What the overview is made of besides its cards."""
    sweep, counts = summary.sweep, summary.counts
    steers = may_steer(request, sweep)
    return {
        **frame(request, sweep, counts, now=summary.now),
        "summary": summary,
        "table": table,
        "tab": "sweep_detail",
        "chips": table.query.chips(counts),
        "since": token_of(summary, table, steers=steers),
        "live": not sweep.has_ended or summary.live,
    }


def events(request: HttpRequest, pk: int) -> HttpResponse:
    sweep = sweep_to_read(request, pk)
    rows = access.events_for(access.viewer(request)).filter(sweep=sweep)
    pages = Paginator(rows.select_related("actor", "trial"), EVENTS_A_PAGE)
    counts = counts_by_sweep([sweep.pk])[sweep.pk]
    context = {
        **frame(request, sweep, counts, now=database_now()),
        "tab": "sweep_events",
        "page": pages.get_page(request.GET.get("page")),
        "is_outside": not access.teams_for(access.viewer(request))
        .filter(pk=sweep.experiment.team_id)
        .exists(),
    }
    return render(request, "experiments/sweep/events.html", context)


urlpatterns = [
    get("sweeps/<int:pk>/", overview, "sweep_detail"),
    get("sweeps/<int:pk>/events/", events, "sweep_events"),
    get("sweeps/<int:pk>/feed.json", sweep_feed, "sweep_feed"),
]
