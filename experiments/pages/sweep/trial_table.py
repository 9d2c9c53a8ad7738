"""The table of a sweep's trials: which rows, in which order, under which columns.

What a person picked is in the URL: ?sort=, ?state=, ?page=, ?ticked=. One template
draws a row, on the first paint and in the feed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Case, F, JSONField, Max, OrderBy, Value, When
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Cast
from django.http import QueryDict

from experiments.models import Sweep, Trial
from experiments.models.trials import TrialQuerySet, TrialState
from experiments.pages.rows import TrialRow
from experiments.pages.spaces import search_space
from experiments.pages.sweep.trial_cells import (
    Cell,
    Spark,
    SparkScale,
    column_decimals,
    numeric_parameters,
    padded,
    parameter_cells,
    spark_scale,
    summary,
)
from experiments.training_time import trained
from experiments.words import exact_text, metric_text

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
# What the first click on a column sorts by.
FIRST = {"number": "-number", "reports": "-reports", "took": "-took"}
MOST_TICKED = 50
# No trial's has more digits.
NUMBER = re.compile("[0-9]{1,9}")


@dataclass(frozen=True)
class Column:
    """One column's head: a link that sorts, and how the table is sorted by it."""

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
class TableRow:
    """A row's texts beside the row itself."""

    row: TrialRow
    value: str
    exact: str
    cells: Sequence[Cell]
    spark: Spark | None
    of: int | None
    summary: str
    ticked: bool


class TrialTable:
    """The rows that one request asks for; ``few`` shows the first ten alone."""

    def __init__(
        self, sweep: Sweep, query: QueryDict, *, best: Trial | None, few: bool
    ) -> None:
        self.sweep = sweep
        self.query = query
        self.best = best
        self.few = few
        self.numeric = numeric_parameters(search_space(sweep))
        self.state = self._known(query.get("state", ""), set(TrialState))
        keys = {"state", "number", "value", "reports", "took"}
        keys |= {PARAMETER + name for name in self.numeric}
        asked = query.get("sort", "")
        self.sort = asked if asked.removeprefix("-") in keys else self._usual_sort()

    @staticmethod
    def _known(text: str, allowed: Iterable[str]) -> str:
        return text if text in allowed else ""

    def _usual_sort(self) -> str:
        """Newest first while it runs, by value afterwards."""
        return "value" if self.sweep.has_ended else "-number"

    @cached_property
    def ticked(self) -> frozenset[int]:
        numbers = self.query.get("ticked", "").split(",")[:MOST_TICKED]
        return frozenset(int(text) for text in numbers if NUMBER.fullmatch(text))

    # --- which rows ---------------------------------------------------------------

    @cached_property
    def page(self) -> Page[Trial] | None:
        """The page of trials beside the pinned best one; None for the first few."""
        if self.few:
            return None
        paginator = Paginator(self._ordered(), PAGE_SIZE)
        return paginator.get_page(self.query.get("page"))

    @cached_property
    def trials(self) -> list[Trial]:
        """The trials of the rows, in their order, the best one pinned on top."""
        page = self.page
        pinned = self.best is not None and self.state in {"", self.best.state}
        first = page is None or page.number == 1
        top = [self.best] if pinned and first and self.best else []
        if page is not None:
            return [*top, *page.object_list]
        return [*top, *self._ordered()[: FEW - len(top)]]

    def _ordered(self) -> TrialQuerySet:
        trials = self.sweep.trials.select_related("current_attempt")
        if self.state:
            trials = trials.filter(state=self.state)
        if self.best is not None:
            trials = trials.exclude(pk=self.best.pk)
        return trials.order_by(self._order(), "number")

    def _order(self) -> OrderBy:
        down, key = self.sort.startswith("-"), self.sort.removeprefix("-")
        fields: dict[str, Any] = {
            "number": F("number"),
            "value": F("value"),
            "reports": F("reports"),
            "took": trained(),
            "state": Case(
                *(When(state=s, then=Value(k)) for k, s in enumerate(STATES))
            ),
        }
        by = fields.get(key) or self._value_of(key.removeprefix(PARAMETER))
        if key == "value" and self.sweep.goal == "maximize":
            down = not down
        return OrderBy(by, descending=down, nulls_last=True)

    def _value_of(self, name: str) -> Cast | KeyTransform:
        """A parameter's value; one of a nested choice is looked up inside of it."""
        # The column is text, so that keys keep their order; values sort as JSON.
        found: Cast | KeyTransform = Cast("params", JSONField())
        for key in search_space(self.sweep).axes[name].address.split("."):
            found = KeyTransform(key, found)
        return found

    # --- what stands around them --------------------------------------------------

    def link(self, **changes: str | None) -> str:
        """The page with something changed in its query; None takes it away."""
        query = self.query.copy()
        for name in ("page", "since", "part", *changes):
            query.pop(name, None)
        for name, value in changes.items():
            if value is not None:
                query[name] = value
        return f"?{query.urlencode()}"

    @property
    def base(self) -> str:
        """The query that goes on from page to page, ready for ``page=``."""
        text = self.link()
        return text[1:] + "&" if len(text) > 1 else ""

    @property
    def feed_query(self) -> str:
        """What the page's feed has to know to send the same rows."""
        names = ("sort", "state", "ticked", "page")
        query = QueryDict(mutable=True)
        for name in names:
            if name in self.query:
                query[name] = self.query.get(name, "")
        query["part"] = "overview" if self.few else "trials"
        return query.urlencode()

    @property
    def columns(self) -> dict[str, Column]:
        heads = {
            "state": ("state", False),
            "number": ("trial", True),
            "value": (self.sweep.primary_metric, True),
            "reports": ("reports", True),
            "took": ("took", True),
        }
        return {key: self._column(key, *head) for key, head in heads.items()}

    @property
    def parameters(self) -> list[Column]:
        return [
            self._column(PARAMETER + name, name, numeric)
            for name, numeric in self.numeric.items()
        ]

    def _column(self, key: str, title: str, numeric: bool) -> Column:
        first = FIRST.get(key, key)
        turned = first.removeprefix("-") if first.startswith("-") else f"-{first}"
        sort = turned if self.sort == first else first
        here = self.sort.removeprefix("-") == key
        falls = self.sort.startswith("-")
        if key == "value" and self.sweep.goal == "maximize":
            falls = not falls
        way = "descending" if falls else "ascending"
        return Column(title, numeric, self.link(sort=sort), way if here else "")

    def chips(self, counts: Mapping[str, int]) -> list[Chip]:
        """All, then a chip for each state that there is."""
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

    # --- rows ---------------------------------------------------------------------

    @cached_property
    def longest(self) -> int | None:
        """How many reports the longest completed trial has made."""
        completed = self.sweep.trials.filter(state=TrialState.COMPLETED)
        longest: int | None = completed.aggregate(n=Max("reports"))["n"]
        return longest

    def scale(self, rows: Sequence[TrialRow]) -> SparkScale:
        maximizes = self.sweep.goal == "maximize"
        return spark_scale(rows, longest=self.longest or 1, maximizes=maximizes)

    def rows(self, rows: Sequence[TrialRow]) -> list[TableRow]:
        """The table's rows from those of ``trials``, in the same order."""
        scale = self.scale(rows)
        room = column_decimals(rows, self.numeric)
        return [self._row(row, scale, room) for row in rows]

    def _row(
        self, row: TrialRow, scale: SparkScale, room: Mapping[str, int]
    ) -> TableRow:
        return TableRow(
            row=row,
            value=padded(metric_text(row["value"]), room[""]),
            exact=exact_text(row["value"]),
            cells=parameter_cells(row["params"], self.numeric, room),
            spark=scale.draw(row["curve"]),
            of=self.longest,
            summary=summary(row["params"]),
            ticked=row["id"] in self.ticked,
        )

    def look(self, rows: Sequence[TrialRow]) -> str:
        """What rows rest on beside the trial: when it changes, all of them may."""
        facts = (
            [row["id"] for row in rows],
            [row["id"] for row in rows if row["best"]],
            self.scale(rows),
            column_decimals(rows, self.numeric),
            self.longest,
        )
        return repr(facts)
