"""The Charts tab: one page of linked charts, which scripts draw from the sweep's feeds.

The selection is the expression ``?q=``, as in the table of trials.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from experiments.db.clock import database_now
from experiments.models import Sweep
from experiments.models.trials import TrialState
from experiments.pages.charts.tables import ChartTable, chart_tables
from experiments.pages.frame import get, sweep_to_read
from experiments.pages.saved_views import opened_view, view_menu
from experiments.pages.sweep.charts import select
from experiments.pages.sweep.head import frame
from experiments.search.filters.lexer import MAX_CHARACTERS, FilterError
from experiments.sweeps.columns import chosen_columns, metric_choices
from experiments.sweeps.progress import counts_by_sweep
from experiments.sweeps.trial_filters import numbers_matching

# Fields of the address that stay when the filter changes.
KEPT = ("tables", "metric")
# The states of the chips, in the order of bars and legends.
CHIPS = (
    TrialState.COMPLETED,
    TrialState.TERMINATED,
    TrialState.FAILED,
    TrialState.RUNNING,
    TrialState.CANCELLED,
)
SPREADS = [
    ("", "y: as it suits"),
    ("stretched", "y: stretched"),
    ("linear", "y: linear"),
    ("log", "y: log"),
]
LINEAR_OR_LOG = [("", "x: linear"), ("log", "x: log")]
ACROSS = [("report", "x: report"), ("step", "x: step"), ("seconds", "x: time")]
LINES_OR_DENSITY = [
    ("", "as it suits"),
    ("lines", "lines"),
    ("density", "density"),
]
SMOOTHING = [("", "not smoothed"), ("0.6", "smoothed"), ("0.9", "smoothed much")]


def charts(request: HttpRequest, pk: int) -> HttpResponse:
    sweep = sweep_to_read(request, pk)
    if opened := opened_view(request, sweep.experiment, "charts"):
        return opened
    counts = counts_by_sweep([sweep.pk])[sweep.pk]
    query = request.GET.get("q", "")[:MAX_CHARACTERS]
    metrics, metric = metric_choices(sweep), request.GET.get("metric", "")
    kept = {name: request.GET[name] for name in KEPT if name in request.GET}
    tables, error = _tables(sweep, metric, query) if "tables" in kept else ({}, None)
    context = {
        **frame(request, sweep, counts, now=database_now()),
        "tab": "sweep_charts",
        "views": view_menu(request, sweep.experiment, "charts"),
        "q": query,
        "kept": kept.items(),
        "error": error,
        "chips": state_chips(counts, query, kept),
        "table_query": f"?{urlencode({'q': query})}" if query else "",
        "tables": tables,
        "metric": metric if metric in metrics else "",
        "metric_choices": [(name, _in_words(name)) for name in metrics],
        "spreads": [select("y", "Scale of the value's axis", SPREADS)],
        "duration_selects": [select("x", "Scale of the x axis", LINEAR_OR_LOG)],
        "curve_selects": [
            select("x", "x axis", ACROSS),
            select("smooth", "Smoothing", SMOOTHING),
            select("as", "Lines or density", LINES_OR_DENSITY),
        ],
    }
    return render(request, "experiments/charts/charts.html", context)


def _tables(
    sweep: Sweep, metric: str, query: str
) -> tuple[Mapping[str, ChartTable | str], FilterError | None]:
    """Those of the trials that match, or what is wrong with the filter."""
    columns = chosen_columns(sweep, metric)
    try:
        numbers = numbers_matching(sweep, query) if query.strip() else None
    except FilterError as error:
        return {}, error
    return chart_tables(columns if numbers is None else columns.only(numbers)), None


def _in_words(chosen: str) -> str:
    name, _, part = chosen.rpartition(".")
    return f"{name}, {'least' if part == 'min' else 'greatest'} value"


def state_chips(
    counts: Mapping[str, int], query: str, kept: Mapping[str, str]
) -> list[dict[str, Any]]:
    """All trials, and those of each state that there are, as links."""
    total = sum(counts.values())
    everything = {
        "text": f"All {total:,}",
        "url": f"?{urlencode(kept)}",
        "picked": not query,
    }
    states = [
        {
            "state": str(state),
            "text": f"{counts[state]:,} {state.label.lower()}",
            "url": f"?{urlencode({**kept, 'q': str(state)})}",
            "picked": query == state,
        }
        for state in CHIPS
        if counts[state]
    ]
    return [everything, *states]


urlpatterns = [get("sweeps/<int:pk>/charts/", charts, "sweep_charts")]
