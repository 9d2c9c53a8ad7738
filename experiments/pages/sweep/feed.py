"""JSON that keeps a sweep's page fresh.

The client sends back the token of the last answer as ``?since=``: the server's time
then, a mark of the page's frame, and one of the table's look. As long as nothing has
changed since, one query answers. Otherwise: changed trials for the charts, tiles and
cards as HTML, and the table's order with those rows that look different now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.template.loader import render_to_string
from django.urls import path
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from experiments.clock import database_now
from experiments.models import Sweep, Trial
from experiments.pages.live_parts import digest
from experiments.pages.sweep.charts import MOST_TRIALS, chart_row
from experiments.pages.sweep.head import cancel_text, frame, running_text
from experiments.pages.sweep.permission import may_steer, sweep_to_read
from experiments.pages.sweep.view_state import SweepView

# A transaction may commit a little after the time that it stamped on its rows.
OVERLAP = timedelta(seconds=2)


@dataclass(frozen=True)
class Token:
    """What a page has seen: up to when, and how its frame and table looked."""

    time: datetime | None
    frame: str = ""
    look: str = ""

    @classmethod
    def read(cls, text: str) -> Token:
        moment, _, marks = text.partition("~")
        frame, _, look = marks.partition("~")
        try:
            time = datetime.fromisoformat(moment)
        except ValueError:
            return cls(None)
        if timezone.is_naive(time):
            return cls(None)
        return cls(time, frame, look)

    def until(self, now: datetime) -> Token:
        """Of a time to come, as after a clock was set back, nothing can be told."""
        later = self.time is not None and self.time > now + OVERLAP
        return Token(None) if later else self

    def __str__(self) -> str:
        return f"{self.time.isoformat() if self.time else ''}~{self.frame}~{self.look}"


def token_of(view: SweepView, *, steers: bool) -> str:
    """The token of a page that shows the view."""
    return str(Token(view.now, frame_mark(view.sweep, steers=steers), view.look))


def frame_mark(sweep: Sweep, *, steers: bool) -> str:
    return digest(f"{sweep.state} {sweep.updated_at} {sweep.archived_at} {steers}")


@require_GET
@never_cache
def sweep_feed(request: HttpRequest, pk: int) -> JsonResponse:
    """What has changed on a sweep's page ``?since=`` the last answer."""
    sweep = sweep_to_read(request, pk)
    now = database_now()
    seen = Token.read(request.GET.get("since", "")).until(now)
    if seen.time is not None and not _changed(sweep, seen.time):
        return JsonResponse(_answer(sweep, now, str(Token(now, seen.frame, seen.look))))
    few = request.GET.get("part") != "trials"
    steers = may_steer(request, sweep)
    view = SweepView(sweep, request.GET, few=few, now=now, steers=steers)
    changed = _changed_trials(sweep, seen.time)
    view.charted = [t for t in changed if few and t.number > _oldest(view)]
    answer = _answer(sweep, now, token_of(view, steers=steers))
    answer |= _news(view, seen, {trial.pk for trial in changed})
    if seen.frame != frame_mark(sweep, steers=steers):
        answer["parts"]["head"] = _head(request, view)
    return JsonResponse(answer)


def _oldest(view: SweepView) -> int:
    """Charts are brought up to date for the newest trials only."""
    return view.standing.tried - MOST_TRIALS - 1


def _changed(sweep: Sweep, since: datetime) -> bool:
    start = since - OVERLAP
    return (
        sweep.updated_at >= start or sweep.trials.filter(updated_at__gte=start).exists()
    )


def _changed_trials(sweep: Sweep, since: datetime | None) -> list[Trial]:
    trials = sweep.trials.select_related("current_attempt").order_by("-number")
    if since is not None:
        trials = trials.filter(updated_at__gte=since - OVERLAP)
    return list(trials[: MOST_TRIALS * 2])


def _answer(sweep: Sweep, now: datetime, token: str) -> dict[str, Any]:
    """The part of every answer. Final: the sweep has ended and nothing lives."""
    final = sweep.has_ended and not sweep.trials.live().exists()
    return {
        "since": token,
        "now": now.isoformat(),
        "state": sweep.state,
        "final": final,
        "changed": False,
    }


def _news(view: SweepView, seen: Token, changed: set[int]) -> dict[str, Any]:
    standing, best = view.standing, view.standing.best
    rows = view.table_rows
    same = bool(seen.look) and seen.look == view.look
    return {
        "changed": True,
        "counts": standing.counts,
        "total": standing.planned,
        "cancel": cancel_text(view.sweep, standing.counts),
        "running": running_text(standing.counts),
        "best": best.pk if best else None,
        "trials": [chart_row(row) for row in view.rows_of(view.charted)],
        "parts": {
            "chips": render_to_string(
                "experiments/sweep/chips.html",
                {"chips": view.table.chips(standing.counts)},
            ),
            **({"answers": view.answers_html()} if view.table.few else {}),
            **({} if same else {"heads": _heads(view)}),
        },
        "order": [row.row["id"] for row in rows],
        "rows": {
            row.row["id"]: view.row_html(row)
            for row in rows
            if not same or row.row["id"] in changed or row.row["best"]
        },
    }


def _heads(view: SweepView) -> str:
    return render_to_string("experiments/sweep/heads.html", {"table": view.table})


def _head(request: HttpRequest, view: SweepView) -> str:
    context = frame(request, view.sweep, view.standing.counts, now=view.now)
    return render_to_string("experiments/sweep/head.html", context, request=request)


urlpatterns = [path("sweeps/<int:pk>/feed.json", sweep_feed, name="sweep_feed")]
