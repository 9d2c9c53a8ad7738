"""/audit/: who did what to what, for admins of a team and of the site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import urlencode

from experiments import access
from experiments.audit import syslog
from experiments.audit.export import TYPES, as_text
from experiments.audit.selection import (
    GROUPS,
    EventFilter,
    count_text,
    known_verbs,
    shown_value,
)
from experiments.models import Event, LogForwarding, User
from experiments.pages.frame import get, whole_number

A_PAGE = 50
NAMES = ("who", "what", "object", "via", "from", "to", "q", "group")
WRONG = ("login failed", "token refused", "refused")
HEIGHT = 40


@dataclass(frozen=True)
class DayBar:
    day: date
    count: int
    height: int
    picked: bool
    url: str


@dataclass(frozen=True)
class EventLine:
    """A row of the page, with what it opens to."""

    event: Event
    who: str
    is_wrong: bool
    url: str
    changes: Sequence[tuple[str, str, str]]
    by_url: str
    about_url: str


def audit(request: HttpRequest) -> HttpResponse:
    events = access.audit_for(access.viewer(request))
    wanted, problem = _read(request)
    rows, total = wanted.rows(events), f"{events.count():,}"
    page = _page(rows, request)
    # A search reads the whole log, once if one page has all.
    whole = not (page["older"] or page["newer"])
    lines = sum(len(some) for _, _, some in page["days"])
    count = f"{lines}" if whole else total if wanted.is_all else count_text(rows)
    context = {
        **page,
        "problem": problem,
        "wanted": wanted,
        "bars": _bars(wanted, events, request.GET),
        "count": count,
        "total": total,
        "oldest": events.order_by("created_at").first(),
        "verbs": known_verbs(),
        "groups": _groups(request.GET),
        "chips": () if problem else _chips(request.GET),
        "retention_days": settings.EVENT_DAYS,
        "export_query": urlencode(_given(request.GET)),
        **_forwarding(access.viewer(request)),
    }
    status = 422 if problem else 200
    return render(request, "experiments/audit/page.html", context, status=status)


def _read(request: HttpRequest) -> tuple[EventFilter, str]:
    try:
        return EventFilter.read(request.GET), ""
    except ValueError as error:
        return EventFilter(), str(error)


def _page(rows: QuerySet[Event], request: HttpRequest) -> dict[str, Any]:
    """The rows before an event, or after one: pages by id stay the same while new
    events come."""
    older = whole_number(request.GET.get("before", ""), most_digits=18)
    newer = whole_number(request.GET.get("after", ""), most_digits=18)
    # The team's and the account's names are the row's own.
    rows = rows.select_related("actor", "sweep", "trial")
    if newer is not None:
        found = list(rows.filter(pk__gt=newer).order_by("pk")[: A_PAGE + 1])
        shown, more = found[:A_PAGE][::-1], len(found) > A_PAGE
        return {
            **_days(shown, request),
            "older": _last(shown),
            "newer": more and shown[0].pk,
        }
    if older is not None:
        rows = rows.filter(pk__lt=older)
    found = list(rows.order_by("-pk")[: A_PAGE + 1])
    shown, more = found[:A_PAGE], len(found) > A_PAGE
    is_first = older is None or not shown
    return {
        **_days(shown, request),
        "older": _last(shown) if more else None,
        "newer": None if is_first else shown[0].pk,
    }


def _last(shown: Sequence[Event]) -> int | None:
    return shown[-1].pk if shown else None


def _days(shown: Sequence[Event], request: HttpRequest) -> dict[str, Any]:
    lines = [_line(event, request.GET) for event in shown]
    by_day = groupby(lines, lambda line: timezone.localdate(line.event.created_at))
    today = timezone.localdate()
    names = {today: "Today, ", today - timedelta(days=1): "Yesterday, "}
    return {"days": [(names.get(day, ""), day, list(some)) for day, some in by_day]}


def _line(event: Event, query: Mapping[str, str]) -> EventLine:
    names = [*event.before, *(n for n in event.after if n not in event.before)]
    row = event.trial or event.sweep
    hidden = event.sweep is not None and event.sweep.deletion_requested_at is not None
    unknown = event.verb in WRONG and not event.actor_name
    return EventLine(
        event,
        who="unknown" if unknown else event.who,
        is_wrong=event.verb in WRONG,
        url="" if row is None or hidden else row.get_absolute_url(),
        changes=[
            (name, _value(event.before, name), _value(event.after, name))
            for name in names
        ],
        by_url=_link(query, who=event.actor_name) if event.actor_name else "",
        about_url=_link(query, object=event.object_name) if event.object_name else "",
    )


def _value(values: Mapping[str, Any], name: str) -> str:
    return shown_value(values[name]) if name in values else ""


def _bars(
    wanted: EventFilter, events: QuerySet[Event], query: Mapping[str, str]
) -> Sequence[DayBar]:
    days = wanted.days(events)
    most = max(count for _, count in days) or 1
    first, last = wanted.first or date.min, wanted.last or date.max
    is_picked = bool(wanted.first or wanted.last)
    return [
        DayBar(
            day,
            count,
            height=max(1, round(HEIGHT * count / most)) if count else 0,
            picked=is_picked and first <= day <= last,
            url=_link(query, **{"from": day.isoformat(), "to": day.isoformat()}),
        )
        for day, count in days
    ]


def _groups(query: Mapping[str, str]) -> Sequence[tuple[str, str, bool]]:
    chosen = query.get("group", "")
    return [
        (_link(query, group=name), label, name == chosen)
        for name, label in GROUPS.items()
    ]


def _chips(query: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    """What is chosen, each with the link without it."""
    given = _given(query)
    return [
        (f"{name}: {value}", _link(query, **{name: ""}))
        for name, value in given.items()
        if name != "group"
    ]


def _given(query: Mapping[str, str]) -> dict[str, str]:
    return {name: query[name] for name in NAMES if query.get(name)}


def _link(query: Mapping[str, str], **changes: str) -> str:
    """The first page, with these choices changed."""
    chosen = {n: v for n, v in {**_given(query), **changes}.items() if v}
    return f"?{urlencode(chosen)}"


def _forwarding(user: User) -> dict[str, Any]:
    """How the log server does, for administrators of the site."""
    if not (settings.SYSLOG_URL and access.sees_everything(user)):
        return {}
    row = LogForwarding.objects.filter(pk=1).first()
    return {"forwarding": row or LogForwarding(), "unsent": syslog.unsent()}


def audit_export(request: HttpRequest, kind: str) -> StreamingHttpResponse:
    """The chosen events as a file, which is itself an event."""
    user = access.viewer(request)
    events = access.audit_for(user)
    if kind not in TYPES:
        raise Http404(f"The audit log cannot be exported as {kind}.")
    try:
        rows = EventFilter.read(request.GET).rows(events)
    except ValueError as error:
        raise Http404(str(error)) from error
    Event.log("audit log exported", kind, actor=user, data=_given(request.GET))
    name = "audit.csv" if kind == "csv" else "audit.jsonl"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(
        as_text(rows, kind), content_type=TYPES[kind], headers=headers
    )


urlpatterns = [
    get("audit/", audit, "audit"),
    get("audit/export.<str:kind>", audit_export, "audit_export"),
]
