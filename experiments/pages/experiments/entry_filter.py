"""Which sweeps and runs an experiment's table lists, and in which order: the database
filters, sorts and counts both kinds together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import reduce
from operator import or_
from typing import Any
from urllib.parse import urlencode

from django.db.models import (
    Case,
    CharField,
    Count,
    F,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextField,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce, Concat
from django.http import QueryDict

from experiments.models import Experiment, Metric, Trial
from experiments.models.sweeps import SweepState
from experiments.models.trials import IS_RANKED, TrialState
from experiments.pages.experiments.run_table import runs_of

SWEEP, RUN = KINDS = ("sweep", "run")
MAX_NUMBERS, MAX_DIGITS = 100, 15
STATES = tuple(dict.fromkeys([*map(str, SweepState), *map(str, TrialState)]))
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
    def read(cls, query: QueryDict) -> EntryFilter:
        kind, state = query.get("kind", ""), query.get("state", "")
        return cls(
            kind=kind if kind in KINDS else "",
            state=state if state in STATES else "",
            q=query.get("q", "").strip()[:200],
            sort=query.get("sort", "")[:250],
            place=next((place for place in PLACES[1:] if place in query), LIST),
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
    def hidden(self) -> list[tuple[str, str]]:
        """Fields of the form that finds a text."""
        kept = {"kind": self.kind, "state": self.state, "sort": self.sort}
        kept |= {"open": self.open, "trials": self.trials}
        pairs = [(name, value) for name, value in kept.items() if value]
        return [*pairs, (self.place, "1")] if self.place else pairs

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


def _kinds(experiment: Experiment) -> dict[str, QuerySet[Any]]:
    return {SWEEP: experiment.sweeps.order_by(), RUN: runs_of(experiment).order_by()}


def entry_counts(experiment: Experiment) -> dict[tuple[str, str, str], int]:
    found = {}
    for kind, rows in _kinds(experiment).items():
        each = {
            place or "listed": Count("pk", filter=IN_PLACE[kind][place])
            for place in PLACES
        }
        for state, *counts in rows.values_list("state").annotate(**each):
            for place, count in zip(PLACES, counts, strict=True):
                found[place, kind, state] = count
    return found


def entry_keys(
    experiment: Experiment, asked: EntryFilter, goals: Mapping[str, str]
) -> Any:
    """Kind and id of the rows that match, in order. ``goals``: those of metrics
    whose best value counts; of others it is the last one."""
    name = asked.sort.removeprefix("-")
    values = {SWEEP: _value_of_sweep, RUN: _value_of_run}
    parts = []
    for kind, rows in _kinds(experiment).items():
        order: dict[str, Any] = {"entry_at": Coalesce("started_at", "created_at")}
        if name:
            order["entry_key"] = values[kind](name, goals.get(name))
        shown = _asked_for(rows, asked, kind, experiment.slug)
        named = shown.annotate(entry_kind=Value(kind, CharField()), **order)
        parts.append(named.values_list("entry_kind", "pk", *order))
    if asked.kind:
        found = parts[KINDS.index(asked.kind)]
    else:
        found = parts[0].union(parts[1], all=True)
    newest = ("-entry_at", "-pk")
    if not name:
        return found.order_by(*newest)
    key = F("entry_key").desc if asked.sort.startswith("-") else F("entry_key").asc
    return found.order_by(key(nulls_last=True), *newest)


def _asked_for(rows: Any, asked: EntryFilter, kind: str, slug: str) -> Any:
    shown = rows.filter(IN_PLACE[kind][asked.place])
    if asked.state:
        shown = shown.filter(state=asked.state)
    if not asked.q:
        return shown
    if kind == RUN:
        of_run = ("run__name", "run__note", "run__tags")
        return shown.filter(has_text(asked.q, *of_run))
    label = Concat(Value(f"{slug}-"), Cast("number", CharField()))
    named = shown.annotate(entry_label=label, entry_tags=Cast("tags", TextField()))
    words = ("entry_label", "name", "notes", "entry_tags")
    return named.filter(has_text(asked.q, *words))


def has_text(text: str, *columns: str) -> Q:
    """In one of the columns."""
    each = (Q(**{f"{column}__icontains": text}) for column in columns)
    return reduce(or_, each)


def _value_of_sweep(name: str, goal: str | None) -> Case:
    """The best value, if the sweep is about this metric, else the best trial's."""
    own = Trial.objects.filter(IS_RANKED, sweep=OuterRef("pk")).order_by()
    best = Min("value") if goal == "minimize" else Max("value")
    values = own.values("sweep").annotate(best=best).values("best")
    attempts = {
        own_goal: Trial.objects.filter(sweep=OuterRef(OuterRef("pk")))
        .ranked(own_goal)
        .values("current_attempt")[:1]
        for own_goal in ("minimize", "maximize")
    }
    metrics = Metric.objects.filter(name=name).order_by()
    minimized, maximized = (
        metrics.filter(attempt=Subquery(attempt)).values(value_column(goal))[:1]
        for attempt in attempts.values()
    )
    return Case(
        When(primary_metric=name, then=Subquery(values)),
        When(goal="minimize", then=Subquery(minimized)),
        default=Subquery(maximized),
    )


def _value_of_run(name: str, goal: str | None) -> Subquery:
    own = Metric.objects.filter(attempt=OuterRef("current_attempt"), name=name)
    return Subquery(own.values(value_column(goal))[:1])


def value_column(goal: str | None) -> str:
    return {"maximize": "high", "minimize": "low"}.get(goal or "", "last_value")
