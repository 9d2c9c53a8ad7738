"""Which sweeps and runs the table of an experiment or a team lists, and in which order:
the database filters, sorts and counts both kinds together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from operator import or_
from typing import Any
from urllib.parse import urlencode

from django.db.models import (
    CharField,
    Count,
    F,
    Q,
    QuerySet,
    TextField,
    Value,
)
from django.db.models.functions import Cast, Coalesce, Concat
from django.http import HttpRequest, JsonResponse, QueryDict

from experiments.models import Experiment, Sweep, Team
from experiments.pages.experiments.run_table import runs_of, runs_of_team
from experiments.pages.filter_answers import completion_json, error_json
from experiments.pages.frame import whole_number
from experiments.search.filters.conditions import FilterCondition
from experiments.search.filters.lexer import MAX_CHARACTERS, FilterError
from experiments.sweeps.entry_columns import (
    ENTRY_KINDS,
    RUN,
    SWEEP,
    value_of_run,
    value_of_sweep,
)
from experiments.sweeps.entry_filters import (
    ENTRY_STATES,
    EntryFilters,
    as_filter,
    is_filter,
)
from experiments.sweeps.trial_filters import ARCHIVED

MAX_NUMBERS, MAX_DIGITS = 100, 15
# Whose sweeps and runs are listed.
Owner = Experiment | Team
# Where entries are: in the list, in the archive, or in the trash.
LIST, ARCHIVE, TRASH = PLACES = ("", "archived", "trash")
IN_PLACE = {
    SWEEP: {
        LIST: Q(archived_at=None),
        ARCHIVE: Q(archived_at__isnull=False),
        # Deleted sweeps cannot be restored, and are no longer read here.
        TRASH: Q(deletion_requested_at__isnull=False),
    },
    # Nested runs are on their parents' pages.
    RUN: {
        LIST: Q(run__deleted_at=None, run__archived_at=None, run__parent=None),
        ARCHIVE: Q(
            run__deleted_at=None, run__archived_at__isnull=False, run__parent=None
        ),
        TRASH: Q(run__deleted_at__isnull=False),
    },
}


@dataclass(frozen=True)
class EntryFilter:
    """What the address asks for. ``sort``: a metric, with a minus the highest first;
    ``open``: sweeps whose best trials are shown; ``trials``: ticks."""

    kind: str
    state: str
    q: str
    sort: str
    place: str
    open: str = ""
    trials: str = ""

    @classmethod
    def read(cls, query: QueryDict, owner: Owner) -> EntryFilter:
        # Deleted runs are restored on the page of their experiment.
        places = PLACES[1:2] if isinstance(owner, Team) else PLACES[1:]
        kind, state = query.get("kind", ""), query.get("state", "")
        return cls(
            kind=kind if kind in ENTRY_KINDS else "",
            state=state if state in ENTRY_STATES else "",
            q=query.get("q", "").strip()[: MAX_CHARACTERS + 1],
            sort=query.get("sort", "")[:250],
            place=next((place for place in places if place in query), LIST),
            open=_numbers(query, "open"),
            trials=_numbers(query, "trials"),
        )

    @property
    def opened(self) -> list[int]:
        return [int(number) for number in self.open.split(",") if number]

    @property
    def ticked(self) -> set[int]:
        return {int(number) for number in self.trials.split(",") if number}

    def toggle_url(self, sweep: int) -> str:
        """Opens the sweep, or closes it."""
        others = [number for number in self.opened if number != sweep]
        now = others if sweep in self.opened else [*self.opened, sweep]
        return self.url(open=",".join(map(str, now)))

    @property
    def no_ticks_url(self) -> str:
        return self.url(trials="")

    @property
    def is_narrow(self) -> bool:
        return bool(self.kind or self.state or self.q)

    @property
    def is_usual(self) -> bool:
        """Whether the address asks for nothing."""
        return not (self.is_narrow or self.sort or self.place or self.open)

    @property
    def hidden(self) -> list[tuple[str, str]]:
        """Fields of the form that finds a text."""
        kept = {"kind": self.kind, "state": self.state, "sort": self.sort}
        kept |= {"open": self.open, "trials": self.trials}
        pairs = [(name, value) for name, value in kept.items() if value]
        return [*pairs, (self.place, "1")] if self.place else pairs

    @property
    def no_text_url(self) -> str:
        return self.url(q="")

    @property
    def all_url(self) -> str:
        return self.url(kind="", state="", q="")

    def url(self, **changes: Any) -> str:
        asked = asdict(self) | changes
        place = asked.pop("place")
        kept = {name: value for name, value in asked.items() if value}
        return f"?{urlencode(kept | ({place: 1} if place else {}))}#entries"


def _numbers(query: QueryDict, name: str) -> str:
    found = ",".join(query.getlist(name)).split(",")
    whole = [text for text in found if text.isascii() and text.isdigit()]
    return ",".join(text for text in whole[:MAX_NUMBERS] if len(text) <= MAX_DIGITS)


def _kinds(owner: Owner) -> dict[str, QuerySet[Any]]:
    if isinstance(owner, Team):
        sweeps = Sweep.objects.filter(experiment__team=owner)
        return {SWEEP: sweeps.order_by(), RUN: runs_of_team(owner).order_by()}
    return {SWEEP: owner.sweeps.order_by(), RUN: runs_of(owner).order_by()}


def entry_counts(owner: Owner) -> dict[tuple[str, str, str], int]:
    found = {}
    for kind, rows in _kinds(owner).items():
        each = {
            place or "listed": Count("pk", filter=IN_PLACE[kind][place])
            for place in PLACES
        }
        for state, *counts in rows.values_list("state").annotate(**each):
            for place, count in zip(PLACES, counts, strict=True):
                found[place, kind, state] = count
    return found


def entry_filters(owner: Owner, place: str = LIST) -> EntryFilters:
    """Filters of what is in a place; archived rows are there to be named."""
    places = (LIST, ARCHIVE) if place == LIST else (place,)
    rows = {
        kind: rows.filter(reduce(Q.__or__, (IN_PLACE[kind][each] for each in places)))
        for kind, rows in _kinds(owner).items()
    }
    return EntryFilters.of(**rows)


def completion_answer(request: HttpRequest, owner: Owner) -> JsonResponse:
    """What may be typed next in the filter, and how many sweeps and runs match."""
    filters = entry_filters(owner)
    text = request.GET.get("q", "")[: MAX_CHARACTERS + 1]
    at = whole_number(request.GET.get("at", ""))
    answer = completion_json(text, at, filters.offers(), *filters.tables)
    return JsonResponse({**answer, **_match_count(filters, text)})


def _match_count(filters: EntryFilters, text: str) -> dict[str, Any]:
    try:
        ids = filters.matching(filters.parse(as_filter(text)))
    except FilterError as error:
        return {"count": None, "error": error_json(error, text)}
    count = sum(map(len, ids.values()))
    return {"count": count, "error": None, "filter": as_filter(text)}


@dataclass(frozen=True)
class EntryMatches:
    """What a filter chose: ids by kind, or why it cannot be read."""

    ids: Mapping[str, Sequence[int]]
    conditions: Sequence[FilterCondition] = ()
    with_archived: bool = False
    error: FilterError | None = None


def found_by(owner: Owner, asked: EntryFilter) -> EntryMatches | None:
    """None without a filter: a text is found by the database."""
    if not is_filter(asked.q):
        return None
    filters = entry_filters(owner, asked.place)
    try:
        parsed = filters.parse(asked.q)
        ids = filters.matching(parsed)
    except FilterError as error:
        return EntryMatches({}, error=error)
    return EntryMatches(ids, parsed.conditions, with_archived=parsed.names(ARCHIVED))


def entry_keys(
    owner: Owner,
    asked: EntryFilter,
    goals: Mapping[str, str],
    found: EntryMatches | None,
) -> Any:
    """Kind and id of the rows that match, in order. ``goals``: those of metrics
    whose best value counts; of others it is the last one."""
    name = asked.sort.removeprefix("-")
    values = {SWEEP: value_of_sweep, RUN: value_of_run}
    parts = []
    for kind, rows in _kinds(owner).items():
        order: dict[str, Any] = {"entry_at": Coalesce("started_at", "created_at")}
        if name:
            order["entry_key"] = values[kind](name, goals.get(name))
        shown = _asked_for(rows, asked, kind, found)
        named = shown.annotate(entry_kind=Value(kind, CharField()), **order)
        parts.append(named.values_list("entry_kind", "pk", *order))
    if asked.kind:
        listed = parts[ENTRY_KINDS.index(asked.kind)]
    else:
        listed = parts[0].union(parts[1], all=True)
    newest = ("-entry_at", "-pk")
    if not name:
        return listed.order_by(*newest)
    key = F("entry_key").desc if asked.sort.startswith("-") else F("entry_key").asc
    return listed.order_by(key(nulls_last=True), *newest)


def _asked_for(
    rows: Any, asked: EntryFilter, kind: str, found: EntryMatches | None
) -> Any:
    if found is None or not found.with_archived or asked.place:
        rows = rows.filter(IN_PLACE[kind][asked.place])
    if asked.state:
        rows = rows.filter(state=asked.state)
    if found is not None:
        # One that cannot be read leaves out nothing.
        return rows if found.error else rows.filter(pk__in=found.ids[kind])
    return _with_text(rows, asked.q, kind) if asked.q else rows


def _with_text(rows: Any, text: str, kind: str) -> Any:
    if kind == RUN:
        return rows.filter(has_text(text, "run__name", "run__note", "run__tags"))
    label = Concat("experiment__slug", Value("-"), Cast("number", CharField()))
    named = rows.annotate(entry_label=label, entry_tags=Cast("tags", TextField()))
    words = ("entry_label", "name", "notes", "entry_tags")
    return named.filter(has_text(text, *words))


def has_text(text: str, *columns: str) -> Q:
    """In one of the columns."""
    each = (Q(**{f"{column}__icontains": text}) for column in columns)
    return reduce(or_, each)
