"""The feed of a sweep's pages: what has changed since the last answer.

A page sends back the token of the last answer as ``?since=``. If nothing has changed,
one query answers. Else the feed sends changed trials for the charts, tiles and cards as
HTML, and the table's order with the rows that look different.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone

from experiments import access
from experiments.db.clock import database_now
from experiments.lru_cache import LruCache
from experiments.models import Sweep, Team
from experiments.pages.frame import digest, may_steer, sweep_to_read
from experiments.pages.sweep.answers import TrialTable, answers_of, trial_table
from experiments.pages.sweep.charts import MAX_TRIALS, ChartRow, chart_rows
from experiments.pages.sweep.charts_data import json_answer
from experiments.pages.sweep.head import cancel_text, frame, running_text
from experiments.pages.sweep.summary import SweepSummary, sweep_summary
from experiments.pages.sweep.trial_table import TableQuery
from experiments.sweeps.news import start_of_news
from experiments.sweeps.progress import counts_by_sweep
from experiments.sweeps.trial_order import Places

# How far clocks may be set back.
TOLERANCE = timedelta(seconds=2)


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
            if timezone.is_aware(time) and time <= now + TOLERANCE:
                return cls(time, frame, look)
        return cls(None)

    def __str__(self) -> str:
        return f"{self.time.isoformat() if self.time else ''}~{self.frame}~{self.look}"


def token_of(summary: SweepSummary, table: TrialTable, *, steers: bool) -> str:
    """The token of a page that shows the table."""
    mark = frame_mark(summary.sweep, steers=steers)
    return str(FeedToken(summary.now, mark, table.look))


def frame_mark(sweep: Sweep | _SweepNow, *, steers: bool) -> str:
    return digest(f"{sweep.state} {sweep.updated_at} {sweep.archived_at} {steers}")


def sweep_feed(request: HttpRequest, pk: int) -> HttpResponse:
    """What has changed on a sweep's page ``?since=`` the last answer."""
    now = database_now()
    seen = FeedToken.read(request.GET.get("since", ""), now)
    if (known := _known_answer(request, pk, seen, now)) is not None:
        return json_answer(request, known)
    sweep = sweep_to_read(request, pk)
    if seen.time is not None and not _changed(sweep, seen.time, now):
        token = FeedToken(now, seen.frame, seen.look)
        return json_answer(request, _answer(sweep, now, str(token)))
    steers = may_steer(request, sweep)
    if request.GET.get("part") == "trials":
        answer = _tab_news(sweep, now, steers=steers)
    else:
        answer = _shared_news(request, sweep, seen, now, steers=steers)
    if seen.frame != frame_mark(sweep, steers=steers):
        context = frame(request, sweep, answer["counts"], now=now)
        answer["parts"]["head"] = render_to_string(
            "experiments/sweep/head.html", context, request=request
        )
    return json_answer(request, answer)


# People who follow a sweep and ask within this time share an answer.
SHARED_FOR = timedelta(seconds=1)
MAX_SHARED_AGE = timedelta(minutes=1)
MAX_SHARED = 50


class _SweepNow(NamedTuple):
    """What tells whether a shared answer is still of this sweep."""

    created_at: datetime
    updated_at: datetime
    state: str
    archived_at: datetime | None


class _SharedNews(NamedTuple):
    sweep: _SweepNow
    since: datetime
    look: str
    made_at: datetime
    answer: dict[str, Any]

    def suits(self, seen: FeedToken, now: datetime) -> bool:
        """Whether it is new, and has all that a page does not show yet: also one that
        has seen more than where it starts, and if it has all rows any look."""
        is_new = timedelta() <= now - self.made_at < SHARED_FOR
        has_rows = seen.look == self.look or "heads" in self.answer["parts"]
        starts = seen.time is not None and self.since <= seen.time < self.made_at
        return is_new and has_rows and starts


_shared: LruCache[tuple[object, ...], _SharedNews] = LruCache(MAX_SHARED)


def _shared_key(request: HttpRequest, pk: int, *, steers: bool) -> tuple[object, ...]:
    query = request.GET.copy()
    query.pop("since", None)
    return pk, query.urlencode(), steers, timezone.get_current_timezone_name()


def _known_answer(
    request: HttpRequest, pk: int, seen: FeedToken, now: datetime
) -> dict[str, Any] | None:
    """A shared answer that suits, if the viewer may see the sweep: to read all of the
    sweep takes longer than everything else."""
    for steers in (True, False):
        known = _shared.get(_shared_key(request, pk, steers=steers))
        if known is None or not known.suits(seen, now):
            continue
        viewer = access.viewer(request)
        rows = access.sweeps_for(viewer).filter(pk=pk)
        found = rows.values_list("experiment__team", *_SweepNow._fields).first()
        if found is None or _SweepNow(*found[1:]) != known.sweep:
            return None
        may_steer = access.can_steer(viewer, Team(pk=found[0]))
        if may_steer == steers and seen.frame == frame_mark(known.sweep, steers=steers):
            return known.answer
    return None


def _shared_news(
    request: HttpRequest, sweep: Sweep, seen: FeedToken, now: datetime, *, steers: bool
) -> dict[str, Any]:
    key = _shared_key(request, sweep.pk, steers=steers)
    sweep_now = _SweepNow(*(getattr(sweep, name) for name in _SweepNow._fields))
    known = _shared.get(key)
    if known is None or known.sweep != sweep_now or not known.suits(seen, now):
        answer = _overview_news(request, sweep, seen, now, steers=steers)
        # What is old has changed a lot: a large answer, which no other page needs.
        if seen.time is None or now - seen.time > MAX_SHARED_AGE:
            return answer
        known = _SharedNews(sweep_now, seen.time, seen.look, now, answer)
        _shared.put(key, known)
    return {**known.answer, "parts": dict(known.answer["parts"])}


def _overview_news(
    request: HttpRequest, sweep: Sweep, seen: FeedToken, now: datetime, *, steers: bool
) -> dict[str, Any]:
    query = TableQuery(sweep, request.GET, few=True)
    summary = sweep_summary(sweep, now=now, trials=query.columns.data)
    changed = _changed_places(query, seen.time, now)
    ids = set(query.columns.data.ids[changed].tolist())
    # Only the newest trials are updated in charts.
    recent = changed[changed >= query.columns.size - MAX_TRIALS - 1]
    charted = chart_rows(query.columns, recent)
    table = trial_table(summary, query, look=seen.look, changed=ids, charted=charted)
    answer = _answer(sweep, now, token_of(summary, table, steers=steers))
    answer |= _news(summary, table, seen, charted)
    answer["parts"]["answers"] = _answers_html(request, summary, steers=steers)
    return answer


# Tiles and cards are as old as this at most; the rows and charts below them are not.
MAX_ANSWERS_AGE = timedelta(seconds=3)
_answers: LruCache[tuple[object, ...], tuple[datetime, str]] = LruCache(MAX_SHARED)


def _answers_html(request: HttpRequest, summary: SweepSummary, *, steers: bool) -> str:
    """The tiles and cards. What ends or becomes the best is in them at once."""
    sweep, best, query = summary.sweep, summary.best, request.GET.copy()
    query.pop("since", None)
    look = (query.urlencode(), steers, timezone.get_current_timezone_name())
    state = (sweep.created_at, sweep.updated_at, *summary.counts.values())
    key = (sweep.pk, best and (best.pk, best.value), *state, *look)
    made_at, html = _answers.get(key) or (None, "")
    if made_at is None or not timedelta() <= summary.now - made_at < MAX_ANSWERS_AGE:
        html = answers_of(summary, request.GET, steers=steers).html()
        _answers.put(key, (summary.now, html))
    return html


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


def _changed(sweep: Sweep, since: datetime, now: datetime) -> bool:
    start = _start(sweep, since, now)
    return (
        sweep.updated_at >= start or sweep.trials.filter(updated_at__gte=start).exists()
    )


def _start(sweep: Sweep, since: datetime, now: datetime) -> datetime:
    start = start_of_news(since.timestamp(), now.timestamp(), ended=sweep.has_ended)
    return datetime.fromtimestamp(start, UTC)


def _changed_places(query: TableQuery, since: datetime | None, now: datetime) -> Places:
    """Of the trials that changed, the newest first."""
    changed = query.columns.data.changed
    start = _start(query.sweep, since, now).timestamp() if since else -np.inf
    return np.flatnonzero(changed >= start)[::-1][: MAX_TRIALS * 2]


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
    summary: SweepSummary,
    table: TrialTable,
    seen: FeedToken,
    charted: Sequence[ChartRow],
) -> dict[str, Any]:
    counts, best = summary.counts, summary.best
    parts = {"chips": _part("chips", chips=table.query.chips(counts))}
    if seen.look != table.look:
        parts["heads"] = _part("heads", heads=table.query.heads)
    return {
        "changed": True,
        "counts": counts,
        "total": summary.planned,
        "cancel": cancel_text(summary.sweep, counts),
        "running": running_text(counts),
        "best": best.pk if best else None,
        "best_number": best.number if best else None,
        "trials": charted,
        "parts": parts,
        "order": table.order,
        "rows": table.rows,
    }


def _part(name: str, **context: object) -> str:
    return render_to_string(f"experiments/sweep/{name}.html", context)
