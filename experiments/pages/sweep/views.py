"""One sweep: overview, trials and events, and the feed that keeps them fresh.

A page sends back the token of the last answer as ``?since=``. If nothing has changed,
one query answers. Else the feed sends changed trials for the charts, tiles and cards as
HTML, and the table's order with the rows that look different.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_GET

from experiments import access
from experiments.db.clock import database_now
from experiments.models import Sweep, Trial
from experiments.pages.frame import digest, may_steer, sweep_to_read
from experiments.pages.sweep.charts import (
    MAX_TRIALS,
    chart_chips,
    chart_model,
    chart_note,
    chart_row,
    chart_trials,
    curve_selects,
    spread_select,
)
from experiments.pages.sweep.head import cancel_text, frame, running_text
from experiments.pages.sweep.summary import SweepSummary, sweep_summary
from experiments.pages.sweep.trial_table import TableQuery, TrialTable
from experiments.pages.sweep.view import SweepView, answers_of, sweep_view
from experiments.sweeps.progress import counts_by_sweep

# A transaction may commit a little later than the time on its rows.
OVERLAP = timedelta(seconds=2)


@dataclass(frozen=True)
class FeedToken:
    """What a page shows: as of when, and digests of its frame and table."""

    time: datetime | None
    frame: str = ""
    look: str = ""

    @classmethod
    def read(cls, text: str) -> FeedToken:
        moment, _, marks = text.partition("~")
        frame, _, look = marks.partition("~")
        try:
            time = datetime.fromisoformat(moment)
        except ValueError:
            return cls(None)
        if timezone.is_naive(time):
            return cls(None)
        return cls(time, frame, look)

    def until(self, now: datetime) -> FeedToken:
        """Empty for a time in the future, as after a clock was set back."""
        later = self.time is not None and self.time > now + OVERLAP
        return FeedToken(None) if later else self

    def __str__(self) -> str:
        return f"{self.time.isoformat() if self.time else ''}~{self.frame}~{self.look}"


def token_of(summary: SweepSummary, table: TrialTable, *, steers: bool) -> str:
    """The token of a page that shows the table."""
    mark = frame_mark(summary.sweep, steers=steers)
    return str(FeedToken(summary.now, mark, table.look))


def frame_mark(sweep: Sweep, *, steers: bool) -> str:
    return digest(f"{sweep.state} {sweep.updated_at} {sweep.archived_at} {steers}")


@require_GET
def sweep_feed(request: HttpRequest, pk: int) -> JsonResponse:
    """What has changed on a sweep's page ``?since=`` the last answer."""
    sweep = sweep_to_read(request, pk)
    now = database_now()
    seen = FeedToken.read(request.GET.get("since", "")).until(now)
    if seen.time is not None and not _changed(sweep, seen.time):
        return JsonResponse(
            _answer(sweep, now, str(FeedToken(now, seen.frame, seen.look)))
        )
    summary = sweep_summary(sweep, now=now)
    query = TableQuery(sweep, request.GET, few=request.GET.get("part") != "trials")
    changed = _changed_trials(sweep, seen.time)
    # Only the newest trials are updated in charts.
    oldest = summary.tried - MAX_TRIALS - 1
    charted = [t for t in changed if query.few and t.number > oldest]
    view = sweep_view(summary, query, charted=charted)
    steers = may_steer(request, sweep)
    answer = _answer(sweep, now, token_of(summary, view.table, steers=steers))
    answer |= _news(summary, view, seen, {trial.pk for trial in changed})
    if query.few:
        answers = answers_of(summary, request.GET, steers=steers)
        answer["parts"]["answers"] = answers.html()
    if seen.frame != frame_mark(sweep, steers=steers):
        context = frame(request, sweep, summary.counts, now=now)
        answer["parts"]["head"] = render_to_string(
            "experiments/sweep/head.html", context, request=request
        )
    return JsonResponse(answer)


def _changed(sweep: Sweep, since: datetime) -> bool:
    start = since - OVERLAP
    return (
        sweep.updated_at >= start or sweep.trials.filter(updated_at__gte=start).exists()
    )


def _changed_trials(sweep: Sweep, since: datetime | None) -> list[Trial]:
    trials = sweep.trials.select_related("current_attempt").order_by("-number")
    if since is not None:
        trials = trials.filter(updated_at__gte=since - OVERLAP)
    return list(trials[: MAX_TRIALS * 2])


def _answer(sweep: Sweep, now: datetime, token: str) -> dict[str, Any]:
    """What every answer has. Final: the sweep has ended and no trial is live."""
    final = sweep.has_ended and not sweep.trials.live().exists()
    return {
        "since": token,
        "now": now.isoformat(),
        "state": sweep.state,
        "final": final,
        "changed": False,
    }


def _news(
    summary: SweepSummary, view: SweepView, seen: FeedToken, changed: set[int]
) -> dict[str, Any]:
    table, counts, best = view.table, summary.counts, summary.best
    same = bool(seen.look) and seen.look == table.look
    parts = {"chips": _part("chips", chips=table.query.chips(counts))}
    if not same:
        parts["heads"] = _part("heads", table=table)
    return {
        "changed": True,
        "counts": counts,
        "total": summary.planned,
        "cancel": cancel_text(summary.sweep, counts),
        "running": running_text(counts),
        "best": best.pk if best else None,
        "trials": [chart_row(row) for row in view.charted],
        "parts": parts,
        "order": [line.row["id"] for line in table.rows],
        "rows": {
            line.row["id"]: _part("row", line=line, table=table)
            for line in table.rows
            if not same or line.row["id"] in changed or line.row["best"]
        },
    }


def _part(name: str, **context: object) -> str:
    return render_to_string(f"experiments/sweep/{name}.html", context)


EVENTS_A_PAGE = 100


@require_GET
def overview(request: HttpRequest, pk: int) -> HttpResponse:
    sweep = sweep_to_read(request, pk)
    summary = sweep_summary(sweep, now=database_now())
    charted = chart_trials(sweep, tried=summary.tried)
    query = TableQuery(sweep, request.GET, few=True)
    view = sweep_view(summary, query, charted=charted)
    context = {
        **_framed(request, summary, view.table, tab="sweep_detail"),
        "answers": answers_of(summary, request.GET, steers=may_steer(request, sweep)),
        "chart_model": chart_model(summary, view.charted),
        "curve_chips": chart_chips(summary.counts),
        "curve_selects": curve_selects(view.charted),
        "spread_select": spread_select(view.charted),
        "chart_note": chart_note(summary.tried),
    }
    return render(request, "experiments/sweep/overview.html", context)


@require_GET
def trials(request: HttpRequest, pk: int) -> HttpResponse:
    sweep = sweep_to_read(request, pk)
    summary = sweep_summary(sweep, now=database_now())
    view = sweep_view(summary, TableQuery(sweep, request.GET, few=False))
    context = _framed(request, summary, view.table, tab="sweep_trials")
    return render(request, "experiments/sweep/trials.html", context)


def _framed(
    request: HttpRequest, summary: SweepSummary, table: TrialTable, *, tab: str
) -> dict[str, Any]:
    """What the overview and the Trials tab have in common."""
    sweep, counts = summary.sweep, summary.counts
    steers = may_steer(request, sweep)
    return {
        **frame(request, sweep, counts, now=summary.now),
        "summary": summary,
        "table": table,
        "tab": tab,
        "chips": table.query.chips(counts),
        "since": token_of(summary, table, steers=steers),
        "live": not sweep.has_ended or summary.live,
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
    path("sweeps/<int:pk>/feed.json", sweep_feed, name="sweep_feed"),
]
