"""The table of a sweep's trials: its rows, their order and columns, as the URL says:
?q=, ?sort=, ?group=, ?cols=, ?page=.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from django.http import QueryDict
from django.utils.http import urlencode

from experiments.models import Sweep
from experiments.models.trials import TrialState
from experiments.pages.sweep.table_columns import (
    TrialTableColumn,
    all_columns,
    first_sort,
    shown_columns,
)
from experiments.search.filters.columns import RowMask
from experiments.search.filters.lexer import FilterError
from experiments.search.filters.reader import Filter
from experiments.sweeps.trial_columns import TrialColumns
from experiments.sweeps.trial_filters import TrialFilters
from experiments.sweeps.trial_order import (
    STATE_ORDER,
    Places,
    TrialGroups,
    TrialSort,
    read_sorts,
    sorted_places,
)

FEW, PAGE_SIZE = 10, 100
SEEDS = "seeds"
# The parts of a URL that say which rows there are, and how they look.
KEPT = ("q", "sort", "group", "cols", "view")


@dataclass(frozen=True)
class ColumnHead:
    """A link that sorts, and how the table is sorted by the column: the ``place`` among
    several."""

    column: TrialTableColumn
    url: str
    sorted: str = ""
    place: int = 0


@dataclass(frozen=True)
class Chip:
    state: str
    text: str
    url: str
    picked: bool


@dataclass(frozen=True)
class TableQuery:
    """What the URL says; ``few``: only the first ten rows, never grouped."""

    sweep: Sweep
    params: QueryDict
    few: bool

    @cached_property
    def filters(self) -> TrialFilters:
        return TrialFilters.of(self.sweep)

    @cached_property
    def columns(self) -> TrialColumns:
        return self.filters.columns

    # --- the filter -----------------------------------------------------------------

    @cached_property
    def q(self) -> str:
        """The filter as text. Addresses from before there were filters name a state."""
        text = self.params.get("q", "").replace("\0", " ").strip()
        state = self.params.get("state", "")
        if state not in set(TrialState):
            return text
        return f"({text}) and state = {state}" if text else f"state = {state}"

    @cached_property
    def _parsed(self) -> Filter | FilterError:
        try:
            return self.filters.parse(self.q)
        except FilterError as error:
            return error

    @property
    def error(self) -> FilterError | None:
        return self._parsed if isinstance(self._parsed, FilterError) else None

    @property
    def filter(self) -> Filter:
        """An empty one, which matches all, in place of one that cannot be read."""
        return self._parsed if isinstance(self._parsed, Filter) else Filter("")

    @cached_property
    def mask(self) -> RowMask:
        return self.filters.mask(self.filter)

    @property
    def state(self) -> str:
        """The state that a condition of the filter chooses."""
        found = [c.values for c in self.filter.conditions if _is_of_state(c)]
        return str(found[0][0]) if len(found) == 1 and len(found[0]) == 1 else ""

    # --- columns and order ----------------------------------------------------------

    @property
    def grouped(self) -> bool:
        return not self.few and self.params.get("group") == SEEDS

    @cached_property
    def known(self) -> dict[str, TrialTableColumn]:
        return all_columns(self.sweep, self.filters)

    @cached_property
    def shown(self) -> list[TrialTableColumn]:
        return shown_columns(self.cols, self.known, grouped=self.grouped)

    @property
    def cols(self) -> str:
        """The keys of the shown columns; a form without scripts sends each alone."""
        return ",".join(self.params.getlist("cols"))

    @cached_property
    def sorts(self) -> list[TrialSort]:
        """Newest first while the sweep runs, the best first afterwards, unless the URL
        says otherwise."""
        names = {key: key for key, each in self.known.items() if each.sorts}
        names |= {self.sweep.primary_metric: "value", **names}
        try:
            found = read_sorts(self.params.get("sort", ""), names)
        except KeyError:
            found = []
        return found or [self.usual_sort]

    @property
    def usual_sort(self) -> TrialSort:
        if self.sweep.has_ended or self.grouped:
            return TrialSort("value", self.sweep.goal == "maximize")
        return TrialSort("number", descending=True)

    @property
    def sort(self) -> str:
        return ",".join(map(str, self.sorts))

    # --- links ----------------------------------------------------------------------

    def link(self, **changes: str | None) -> str:
        """The page with a changed query; None removes a part."""
        kept = {name: self.params.get(name) for name in KEPT}
        kept |= {"q": self.q, "cols": self.cols}
        return f"?{urlencode({n: v for n, v in (kept | changes).items() if v})}"

    @property
    def feed_query(self) -> str:
        """The query of the feed, for the same rows."""
        return self.link(part="overview" if self.few else "trials").removeprefix("?")

    @property
    def heads(self) -> list[ColumnHead]:
        return [self._head(column) for column in self.shown]

    def _head(self, column: TrialTableColumn) -> ColumnHead:
        if not column.sorts:
            return ColumnHead(column, "")
        falls = first_sort(column, self.sweep.goal).descending
        own = [each for each in self.sorts if each.key == column.key]
        only = len(self.sorts) == 1 and bool(own)
        turned = TrialSort(column.key, falls != (only and own[0].descending == falls))
        way = "descending" if own and own[0].descending else "ascending"
        several = len(self.sorts) > 1 and bool(own)
        return ColumnHead(
            column,
            self.link(sort=str(turned)),
            way if own else "",
            self.sorts.index(own[0]) + 1 if several else 0,
        )

    def chips(self, counts: Mapping[str, int]) -> list[Chip]:
        """All, then a chip for each state that trials are in; each replaces the
        filter's condition of a state."""
        others = [c for c in self.filter.conditions if not _is_of_state(c)]
        total = sum(counts.values())
        rest = " and ".join(c.text for c in others)
        joined = [c.joined for c in others]
        whole = Chip("", f"All {total:,}", self.link(q=rest), not self.state)
        present = [
            state for state in STATE_ORDER if counts[state] or state == self.state
        ]
        return [whole] + [
            Chip(
                state,
                f"{counts[state]:,} {state.label.lower()}",
                self.link(q=" and ".join([*joined, f"state = {state}"])),
                state == self.state,
            )
            for state in present
        ]


def _is_of_state(condition: Any) -> bool:
    field = condition.field
    return field is not None and field.key == "state" and condition.kind == "values"


# --- which rows -------------------------------------------------------------------


@dataclass(frozen=True)
class TableRows:
    """All rows in order: places of trials, or groups."""

    query: TableQuery

    @cached_property
    def groups(self) -> TrialGroups | None:
        if not self.query.grouped:
            return None
        return TrialGroups.among(self.query.columns, self.query.mask)

    @cached_property
    def order(self) -> Places:
        """Places, or numbers of groups."""
        if self.groups is not None:
            return self.groups.ordered(self.query.sorts)
        return sorted_places(self.query.columns, self.query.mask, self.query.sorts)

    @property
    def trials(self) -> int:
        return int(np.count_nonzero(self.query.mask))

    def __len__(self) -> int:
        return len(self.order)

    @cached_property
    def best(self) -> int | None:
        """The index of the row with the best trial, if it matches."""
        place = self.query.columns.best
        if place is None or not self.query.mask[place]:
            return None
        return self.index_of(place)

    def index_of(self, place: int) -> int | None:
        """The index of a trial's row; None if it does not match."""
        row = place
        if self.groups is not None:
            found = np.flatnonzero(self.groups.places == place)
            if not len(found):
                return None
            row = int(self.groups.of[found[0]])
        index = np.flatnonzero(self.order == row)
        return int(index[0]) if len(index) else None

    def few(self, count: int) -> Places:
        """The first rows, the best one on top."""
        rows = self.order[:count]
        if self.best is None:
            return rows
        best = self.order[self.best]
        return np.array([best, *rows[rows != best]], np.intp)[:count]
