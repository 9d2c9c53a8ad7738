"""Which events a reader asks for, and how many there were on each day."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import reduce

from django.core.cache import cache
from django.db.models import Case, Count, Q, QuerySet, Value, When
from django.utils import timezone
from django.utils.dateparse import parse_date

from experiments.models import Event, User
from experiments.search.wording import escaped, visible

ACCESS = re.compile(
    "log|session|password|token|credential|member|role|invit|factor|passkey|recovery"
    "|account|refused|e-mail|person|key|link"
)
DELETIONS = re.compile("delet|trash|purge|empt|remov|revok|forg|ended$")
GROUPS: Mapping[str, str] = {
    "": "Everything",
    "access": "Access and tokens",
    "deletions": "Deletions",
    "itself": "By sweepsite itself",
}
# Strangers cause these, not sweepsite.
BY_UNKNOWN = ("login failed", "token refused")
SEARCHED = ("actor_name", "object_name", "message", "address", "verb")
MIN_BARS, MAX_BARS = 30, 62
VERBS_FOR = 60
# Beyond, a count says "more than".
MAX_COUNT = 10_000


@dataclass(frozen=True)
class EventFilter:
    """``who`` is an account's name, ``what`` a verb, ``about`` an object's name; the
    days are those of the viewer's time zone."""

    who: str = ""
    what: str = ""
    about: str = ""
    via: str = ""
    q: str = ""
    group: str = ""
    first: date | None = None
    last: date | None = None

    @classmethod
    def read(cls, given: Mapping[str, str]) -> EventFilter:
        """Raises ValueError with a sentence."""
        group = given.get("group", "")
        if group not in GROUPS:
            allowed = ", ".join(filter(None, GROUPS))
            raise ValueError(f"group is {visible(group)!r}. Use one of {allowed}.")
        first, last = _day("from", given), _day("to", given)
        if first and last and first > last:
            raise ValueError(
                f"from ({first:%-d %b %Y}) is later than to ({last:%-d %b %Y})."
                " Swap the two days."
            )
        return cls(
            who=given.get("who", "").strip(),
            what=given.get("what", "").strip(),
            about=given.get("object", "").strip(),
            via=given.get("via", "").strip(),
            q=given.get("q", "").strip(),
            group=group,
            first=first,
            last=last,
        )

    @property
    def is_all(self) -> bool:
        return self == EventFilter()

    def rows(self, events: QuerySet[Event]) -> QuerySet[Event]:
        """Those in which the reader is interested."""
        return self._of_days(self.without_days(events))

    def without_days(self, events: QuerySet[Event]) -> QuerySet[Event]:
        if self.who:
            events = events.filter(_by(self.who))
        if self.what:
            events = events.filter(verb=self.what)
        if self.about:
            events = events.filter(object_name=self.about)
        if self.via:
            events = events.filter(via=self.via)
        if self.q:
            anywhere = (Q(**{f"{name}__icontains": self.q}) for name in SEARCHED)
            events = events.filter(
                reduce(Q.__or__, anywhere, Q(request_id=self.q.lower()))
            )
        return events.filter(_of_group(self.group)) if self.group else events

    def _of_days(self, events: QuerySet[Event]) -> QuerySet[Event]:
        if self.first:
            events = events.filter(created_at__gte=begin_of(self.first))
        if self.last:
            end = begin_of(self.last + timedelta(days=1))
            events = events.filter(created_at__lt=end)
        return events

    def days(self, events: QuerySet[Event]) -> Sequence[tuple[date, int]]:
        """Each day of the last weeks, or of the days in the filter, with the number of
        its events."""
        days = list(self._shown_days())
        ends = [begin_of(day + timedelta(days=1)) for day in days]
        # Databases compare times quickly; SQLite truncates them in Python.
        number = Case(
            *(When(created_at__lt=end, then=Value(n)) for n, end in enumerate(ends))
        )
        rows = self.without_days(events).order_by().annotate(day=number)
        shown = rows.filter(created_at__gte=begin_of(days[0]), created_at__lt=ends[-1])
        found = dict(shown.values_list("day").annotate(count=Count("pk")))
        return [(day, found.get(n, 0)) for n, day in enumerate(days)]

    def _shown_days(self) -> Iterator[date]:
        today = timezone.localdate()
        first = self.first or self.last or today
        last = max(today, self.last or today)
        if first < last - timedelta(days=MAX_BARS - 1):
            # The days in the filter, even long ago.
            last = min(last, max(first + timedelta(days=MIN_BARS), self.last or first))
        first = min(first, last - timedelta(days=MIN_BARS - 1))
        first = max(first, last - timedelta(days=MAX_BARS - 1))
        return (first + timedelta(days=n) for n in range((last - first).days + 1))


def _day(name: str, given: Mapping[str, str]) -> date | None:
    text = given.get(name, "").strip()
    try:
        day = parse_date(text) if text else None
    except ValueError:
        day = None
    # Years in which every time zone has all days.
    if text and (day is None or not 1900 < day.year < 9000):
        raise ValueError(
            f"{name} is {visible(text)[:40]!r}, which is not a day. Use one such as"
            " 2026-12-01."
        )
    return day


def begin_of(day: date) -> datetime:
    return datetime.combine(day, time(), timezone.get_current_timezone())


def _by(name: str) -> Q:
    """By the account, which has an index, also under earlier names."""
    user = User.objects.filter(username=name).values_list("pk", flat=True).first()
    return Q(actor_name=name) if user is None else Q(actor=user)


def _of_group(group: str) -> Q:
    if group == "itself":
        return Q(actor=None, actor_name="") & ~Q(verb__in=BY_UNKNOWN)
    words = ACCESS if group == "access" else DELETIONS
    return Q(verb__in=[verb for verb in known_verbs() if words.search(verb)])


def known_verbs() -> Sequence[str]:
    """All that the log has, for the list of choices."""
    known: Sequence[str] | None = cache.get("event-verbs")
    if known is None:
        rows = Event.objects.order_by("verb").values_list("verb", flat=True)
        known = list(rows.distinct())
        cache.set("event-verbs", known, VERBS_FOR)
    return known


def count_text(rows: QuerySet[Event]) -> str:
    """The number of rows; of very many "more than"."""
    count = rows.order_by()[: MAX_COUNT + 1].count()
    return f"{count:,}" if count <= MAX_COUNT else f"more than {MAX_COUNT:,}"


def shown_value(value: object) -> str:
    """A value before or after, in one line."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return re.sub("[\t\n\r]", lambda found: escaped(found[0]), visible(text))
