"""The feed of a sweep's pages: what has changed since the last answer.

A page sends back the token of the last answer as ``?since=``. If nothing has changed,
one query answers. Else the feed sends changed trials for the charts, tiles and cards as
HTML, and the table's order with the rows that look different.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.http import HttpRequest, JsonResponse
from django.template.loader import render_to_string
from django.utils import timezone

from experiments.db.clock import database_now
from experiments.lru_cache import LruCache
from experiments.models import Sweep, Trial
from experiments.pages.frame import digest, may_steer, sweep_to_read
from experiments.pages.sweep.answers import (
    SweepView,
    TrialTable,
    answers_of,
    sweep_view,
)
from experiments.pages.sweep.charts import MAX_TRIALS, chart_row
from experiments.pages.sweep.head import cancel_text, frame, running_text
from experiments.pages.sweep.summary import SweepSummary, sweep_summary
from experiments.pages.sweep.trial_table import TableQuery
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
    def read(cls, text: str, now: datetime) -> FeedToken:
        """Empty for what is not a token, and for a time in the future, as after a clock
        was set back."""
        moment, frame, look = [*text.split("~", 2), "", ""][:3]
        with suppress(ValueError):
            time = datetime.fromisoformat(moment)
            if timezone.is_aware(time) and time <= now + OVERLAP:
                return cls(time, frame, look)
        return cls(None)

    def __str__(self) -> str:
        return f"{self.time.isoformat() if self.time else ''}~{self.frame}~{self.look}"


def token_of(summary: SweepSummary, table: TrialTable, *, steers: bool) -> str:
    """The token of a page that shows the table."""
    mark = frame_mark(summary.sweep, steers=steers)
    return str(FeedToken(summary.now, mark, table.look))


def frame_mark(sweep: Sweep, *, steers: bool) -> str:
    return digest(f"{sweep.state} {sweep.updated_at} {sweep.archived_at} {steers}")


def sweep_feed(request: HttpRequest, pk: int) -> JsonResponse:
    """What has changed on a sweep's page ``?since=`` the last answer."""
    sweep = sweep_to_read(request, pk)
    now = database_now()
    seen = FeedToken.read(request.GET.get("since", ""), now)
    if seen.time is not None and not _changed(sweep, seen.time):
        return JsonResponse(
            _answer(sweep, now, str(FeedToken(now, seen.frame, seen.look)))
        )
    steers = may_steer(request, sweep)
    if request.GET.get("part") == "trials":
        answer = _tab_news(sweep, now, steers=steers)
    else:
        answer = _shared_news(request, sweep, seen, now)
    if seen.frame != frame_mark(sweep, steers=steers):
        context = frame(request, sweep, answer["counts"], now=now)
        answer["parts"]["head"] = render_to_string(
            "experiments/sweep/head.html", context, request=request
        )
    return JsonResponse(answer)


# People who follow a sweep and ask within this time share an answer.
SHARED_FOR = timedelta(seconds=1)
MAX_SHARED_AGE = timedelta(minutes=1)
MAX_SHARED = 50


class _SharedNews(NamedTuple):
    since: datetime
    made_at: datetime
    answer: dict[str, Any]


_shared: LruCache[tuple[object, ...], _SharedNews] = LruCache(MAX_SHARED)


def _shared_news(
    request: HttpRequest, sweep: Sweep, seen: FeedToken, now: datetime
) -> dict[str, Any]:
    """An answer also suits a page that has seen more than where it starts, as long as
    that page has not seen the answer itself."""
    query = request.GET.copy()
    query.pop("since", None)
    look = (query.urlencode(), seen.frame, seen.look, may_steer(request, sweep))
    zone = timezone.get_current_timezone_name()
    key = (sweep.pk, sweep.created_at, sweep.updated_at, *look, zone)
    known = _shared.get(key)
    is_new = known is not None and timedelta() <= now - known.made_at < SHARED_FOR
    if not (
        known and is_new and seen.time and known.since <= seen.time < known.made_at
    ):
        answer = _overview_news(request, sweep, seen, now)
        # What is old has changed a lot: a large answer, which no other page needs.
        if seen.time is None or now - seen.time > MAX_SHARED_AGE:
            return answer
        known = _SharedNews(seen.time, now, answer)
        _shared.put(key, known)
    return {**known.answer, "parts": dict(known.answer["parts"])}


def _overview_news(
    request: HttpRequest, sweep: Sweep, seen: FeedToken, now: datetime
) -> dict[str, Any]:
    steers = may_steer(request, sweep)
    query = TableQuery(sweep, request.GET, few=True)
    summary = sweep_summary(sweep, now=now, trials=query.columns.data)
    changed = _changed_trials(sweep, seen.time)
    # Only the newest trials are updated in charts.
    oldest = summary.tried - MAX_TRIALS - 1
    charted = [trial for trial in changed if trial.number > oldest]
    view = sweep_view(summary, query, charted=charted)
    answer = _answer(sweep, now, token_of(summary, view.table, steers=steers))
    answer |= _news(summary, view, seen, {trial.pk for trial in changed})
    answers = answers_of(summary, request.GET, steers=steers)
    answer["parts"]["answers"] = answers.html()
    return answer


def _tab_news(sweep: Sweep, now: datetime, *, steers: bool) -> dict[str, Any]:
    """For the Trials tab, whose rows have another feed."""
    counts = counts_by_sweep([sweep.pk])[sweep.pk]
    token = str(FeedToken(now, frame_mark(sweep, steers=steers)))
    return {
        **_answer(sweep, now, token),
        "changed": True,
        "counts": counts,
        "cancel": cancel_text(sweep, counts),
        "running": running_text(counts),
        "parts": {},
    }


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
        parts["heads"] = _part("heads", heads=table.query.heads)
    return {
        "changed": True,
        "counts": counts,
        "total": summary.planned,
        "cancel": cancel_text(summary.sweep, counts),
        "running": running_text(counts),
        "best": best.pk if best else None,
        "best_number": best.number if best else None,
        "trials": [chart_row(row) for row in view.charted],
        "parts": parts,
        "order": list(table.rows),
        "rows": {
            pk: html
            for pk, html in table.rows.items()
            if not same or pk in changed or (best is not None and pk == best.pk)
        },
    }


def _part(name: str, **context: object) -> str:
    return render_to_string(f"experiments/sweep/{name}.html", context)
