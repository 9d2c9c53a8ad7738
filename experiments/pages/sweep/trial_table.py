"""The table of a sweep's trials: its rows, their order and columns, as the URL says:
?sort=, ?state=, ?page=, ?ticked=.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Case, F, JSONField, Max, OrderBy, Value, When
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Cast
from django.http import QueryDict
from django.utils.http import urlencode

from experiments.models import Sweep, Trial
from experiments.models.trials import TrialQuerySet, TrialState
from experiments.pages.frame import digest, whole_number
from experiments.pages.sweep.trial_cells import TableRow, numeric_parameters, table_rows
from experiments.pages.trial_rows import TrialRow
from experiments.tracking.spaces import search_space
from experiments.tracking.training_time import trained

FEW, PAGE_SIZE = 10, 100
# The order of states wherever they are listed.
STATES = (
    TrialState.RUNNING,
    TrialState.COMPLETED,
    TrialState.TERMINATED,
    TrialState.FAILED,
    TrialState.CANCELLED,
    TrialState.QUEUED,
)
PARAMETER = "p."
# How the first click on a column sorts.
FIRST = {"number": "-number", "reports": "-reports", "took": "-took"}
MAX_SELECTED = 50


@dataclass(frozen=True)
class ColumnHead:
    """A link that sorts, and how the table is sorted by the column."""

    title: str
    numeric: bool
    url: str
    sorted: str = ""


@dataclass(frozen=True)
class Chip:
    state: str
    text: str
    url: str
    picked: bool


@dataclass(frozen=True)
class TableQuery:
    """What the URL says; ``few``: only the first ten rows."""

    sweep: Sweep
    params: QueryDict
    few: bool

    @cached_property
    def numeric(self) -> Mapping[str, bool]:
        """Whether all values of a parameter are numbers, by name."""
        return numeric_parameters(search_space(self.sweep))

    @cached_property
    def state(self) -> str:
        text = self.params.get("state", "")
        return text if text in set(TrialState) else ""

    @cached_property
    def sort(self) -> str:
        keys = {"state", "number", "value", "reports", "took"}
        keys |= {PARAMETER + name for name in self.numeric}
        sort = self.params.get("sort", "")
        if sort.removeprefix("-") in keys:
            return sort
        # Newest first while it runs, by value afterwards.
        return "value" if self.sweep.has_ended else "-number"

    @cached_property
    def ticked(self) -> frozenset[int]:
        texts = self.params.get("ticked", "").split(",")[:MAX_SELECTED]
        return frozenset(n for n in map(whole_number, texts) if n is not None)

    # --- links ----------------------------------------------------------------------

    def link(self, **changes: str | None) -> str:
        """The page with a changed query; None removes a part."""
        query = self.params.copy()
        for name in ("page", "since", "part", *changes):
            query.pop(name, None)
        for name, value in changes.items():
            if value is not None:
                query[name] = value
        return f"?{query.urlencode()}"

    @property
    def feed_query(self) -> str:
        """The query of the feed, for the same rows."""
        names = ("sort", "state", "ticked", "page")
        kept = {n: self.params.get(n, "") for n in names if n in self.params}
        return urlencode({**kept, "part": "overview" if self.few else "trials"})

    @property
    def columns(self) -> dict[str, ColumnHead]:
        heads = {
            "state": ("state", False),
            "number": ("trial", True),
            "value": (self.sweep.primary_metric, True),
            "reports": ("reports", True),
            "took": ("took", True),
        }
        return {key: self._column(key, *head) for key, head in heads.items()}

    @property
    def parameters(self) -> list[ColumnHead]:
        return [
            self._column(PARAMETER + name, name, numeric)
            for name, numeric in self.numeric.items()
        ]

    def _column(self, key: str, title: str, numeric: bool) -> ColumnHead:
        first = FIRST.get(key, key)
        turned = first.removeprefix("-") if first.startswith("-") else f"-{first}"
        sort = turned if self.sort == first else first
        here = self.sort.removeprefix("-") == key
        falls = self.sort.startswith("-")
        if key == "value" and self.sweep.goal == "maximize":
            falls = not falls
        way = "descending" if falls else "ascending"
        return ColumnHead(title, numeric, self.link(sort=sort), way if here else "")

    def chips(self, counts: Mapping[str, int]) -> list[Chip]:
        """All, then a chip for each state that trials are in."""
        total = sum(counts.values())
        whole = Chip("", f"All {total:,}", self.link(state=None), not self.state)
        present = [state for state in STATES if counts[state] or state == self.state]
        return [whole] + [
            Chip(
                state,
                f"{counts[state]:,} {state.label.lower()}",
                self.link(state=state),
                state == self.state,
            )
            for state in present
        ]


# --- which trials -----------------------------------------------------------------


@dataclass(frozen=True)
class PickedTrials:
    """The trials of the rows in order, the best one on top. ``longest``: the reports of
    the sweep's longest completed trial."""

    trials: Sequence[Trial]
    page: Page[Trial] | None
    longest: int | None


@dataclass(frozen=True)
class BestFirst(Sequence[Trial]):
    """The trials in order, after the best one, for a Paginator."""

    best: Trial | None
    others: TrialQuerySet

    def __len__(self) -> int:
        return self.others.count() + (self.best is not None)

    def __getitem__(self, part: Any) -> Any:
        """The trials of a slice that has an end."""
        if self.best is None:
            return list(self.others[part])
        if part.start:
            return list(self.others[part.start - 1 : part.stop - 1])
        return [self.best, *self.others[: part.stop - 1]]


def picked_trials(query: TableQuery, *, best: Trial | None) -> PickedTrials:
    pinned = best if best is not None and query.state in {"", best.state} else None
    trials = BestFirst(pinned, _ordered(query, best))
    longest = query.sweep.trials.filter(state=TrialState.COMPLETED).aggregate(
        reports=Max("reports")
    )["reports"]
    if query.few:
        return PickedTrials(trials[:FEW], None, longest)
    page: Page[Trial] = Paginator(trials, PAGE_SIZE).get_page(query.params.get("page"))
    return PickedTrials(list(page.object_list), page, longest)


def _ordered(query: TableQuery, best: Trial | None) -> TrialQuerySet:
    trials = query.sweep.trials.select_related("current_attempt")
    if query.state:
        trials = trials.filter(state=query.state)
    if best is not None:
        trials = trials.exclude(pk=best.pk)
    order: list[Any] = [_order(query), "number"]
    if query.sort.removeprefix("-") == "value":
        # The value of a failed trial does not count.
        order.insert(0, Case(When(state=TrialState.FAILED, then=1), default=0))
    return trials.order_by(*order)


def _order(query: TableQuery) -> OrderBy:
    down, key = query.sort.startswith("-"), query.sort.removeprefix("-")
    fields: dict[str, Any] = {
        "number": F("number"),
        "value": F("value"),
        "reports": F("reports"),
        "took": trained(),
        "state": Case(*(When(state=s, then=Value(k)) for k, s in enumerate(STATES))),
    }
    by = fields.get(key) or _value_of(query.sweep, key.removeprefix(PARAMETER))
    if key == "value" and query.sweep.goal == "maximize":
        down = not down
    return OrderBy(by, descending=down, nulls_last=True)


def _value_of(sweep: Sweep, name: str) -> Cast | KeyTransform:
    """A parameter's value, also inside a nested choice."""
    # The column is text, to keep the order of keys; values sort as JSON.
    found: Cast | KeyTransform = Cast("params", JSONField())
    for key in search_space(sweep).axes[name].address.split("."):
        found = KeyTransform(key, found)
    return found


# --- the table --------------------------------------------------------------------


@dataclass(frozen=True)
class TrialTable:
    """The table as drawn. When ``look`` changes, all rows may look different."""

    query: TableQuery
    page: Page[Trial] | None
    longest: int | None
    rows: Sequence[TableRow]
    look: str


def trial_table(
    query: TableQuery, picked: PickedTrials, rows: Sequence[TrialRow]
) -> TrialTable:
    """The table with the rows of the picked trials, in their order."""
    lines, shared = table_rows(
        rows,
        query.numeric,
        metric=query.sweep.primary_metric,
        longest=picked.longest,
        maximizes=query.sweep.goal == "maximize",
        ticked=query.ticked,
    )
    order = [(row["id"], row["best"]) for row in rows]
    look = digest(repr((order, shared, picked.longest)))
    return TrialTable(query, picked.page, picked.longest, lines, look)
