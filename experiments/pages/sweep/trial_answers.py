"""What the table of trials shows, as its page and feeds send it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
from django.template.loader import render_to_string

from experiments.formatting import metric_text
from experiments.pages.filter_answers import conditions_json, error_json
from experiments.pages.frame import digest
from experiments.pages.sweep.group_lines import GroupLines
from experiments.pages.sweep.sparklines import sweep_scale
from experiments.pages.sweep.trial_lines import TrialLines, longest_completed
from experiments.pages.sweep.trial_table import TableQuery, TableRows
from experiments.sweeps.control import NotPossible
from experiments.sweeps.picked import picked_numbers
from experiments.sweeps.trial_columns import IS
from experiments.sweeps.trial_data import STATES, state_counts
from experiments.sweeps.trial_order import Places

MAX_COUNT = 200
MAX_STEPS, MAX_MARKS = 200, 6


@dataclass(frozen=True)
class TrialAnswer:
    """The rows of a query, from one on, as JSON and HTML."""

    query: TableQuery
    rows: TableRows
    now: datetime
    start: int
    count: int

    def json(self, *, since: str = "") -> dict[str, Any]:
        """All; or of rows that are as they were at ``since`` no HTML; or, if nothing
        has changed since, only that."""
        if since == self.mark:
            return {"changed": False, "mark": self.mark}
        query = self.query
        archived = query.columns.mask("archived")
        entries, best = self._entries(since=self._time_of(since))
        hidden = 0 if query.filter.names(f"{IS}archived") else int(archived.sum())
        return {
            "changed": True,
            "mark": self.mark,
            "total": query.columns.size - hidden,
            "hidden": hidden,
            "matching": len(self.rows),
            "trials": self.rows.trials,
            "from": self.start,
            "rows": entries,
            "best": best,
            "heads": _part("heads", heads=query.heads),
            "chips": _part("chips", chips=query.chips(self._counts())),
            "conditions": conditions_json(query.q, query.filter.conditions),
            "error": error_json(query.error, query.q) if query.error else None,
            "empty": [] if len(self.rows) else self._empty(),
        }

    @cached_property
    def shown(self) -> Places:
        return self.rows.order[self.start : self.start + self.count]

    def _entries(
        self, *, since: float
    ) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        """The rows, and the best one, which may be elsewhere. Rows that have not
        changed since this time go without HTML."""
        best = self.rows.best
        apart = [] if best is None else [self.rows.order[best]]
        rows = np.concatenate([self.shown, np.array(apart, np.intp)])
        is_new = self._changed(rows) >= since
        is_new[len(self.shown) :] = True
        html = iter(self.html(rows[is_new]))
        entries = [
            {**entry, "html": next(html)} if new else entry
            for entry, new in zip(self._plain(rows), is_new.tolist(), strict=True)
        ]
        if best is None:
            return entries, None
        return entries[:-1], {**entries[-1], "index": best}

    def _plain(self, rows: Places) -> Iterator[dict[str, Any]]:
        places, keys = self._leading(rows)
        data, groups = self.query.columns.data, self.rows.groups
        ranks = (
            self.query.columns.ranks[places] if groups is None else groups.ranks[rows]
        )
        for place, key, rank in zip(places, keys, ranks, strict=True):
            yield {
                "n": int(data.numbers[place]),
                "id": int(data.ids[place]),
                "key": key,
                "rank": None if np.isnan(rank) else int(rank),
                "state": STATES[data.states[place]],
            }

    def _leading(self, rows: Places) -> tuple[Places, Sequence[int]]:
        """The place of each row's first trial, and its number."""
        groups = self.rows.groups
        places = rows if groups is None else groups.first[rows]
        return places, self.query.columns.data.numbers[places].tolist()

    def _changed(self, rows: Places) -> Any:
        """When each row last changed."""
        changed = self.query.columns.data.changed
        groups = self.rows.groups
        if groups is None:
            return changed[rows]
        return np.array([changed[groups.members(int(g))].max() for g in rows])

    def html(self, rows: Places) -> Sequence[str]:
        if not len(rows):
            return []
        if self.rows.groups is not None:
            return GroupLines.of(self.rows, rows, now=self.now).html()
        return TrialLines.of(self.query, rows, now=self.now).html()

    def members(self, number: int, *, since: str = "") -> dict[str, Any]:
        """The trials of the group of a number, as rows of their own."""
        data = self.query.columns.data
        place = data.place(number)
        groups = self.rows.groups
        index = None if place is None else self.rows.index_of(place)
        if groups is None or index is None:
            return {"changed": True, "mark": self.mark, "rows": [], "matching": 0}
        members = groups.members(int(self.rows.order[index]))[:MAX_COUNT]
        lines = TrialLines.of(self.query, members, now=self.now)
        return {
            "changed": True,
            "mark": self.mark,
            "matching": len(members),
            "rows": [
                {
                    "n": row["number"],
                    "id": row["id"],
                    "state": row["state"],
                    "html": html,
                }
                for row, html in zip(lines.rows, lines.html(group=number), strict=True)
            ],
        }

    def _counts(self) -> Mapping[str, int]:
        """Of all states, without archived trials."""
        columns = self.query.columns
        return state_counts(columns.data.states[~columns.mask("archived")])

    def _empty(self) -> list[dict[str, Any]]:
        return [
            {"text": condition.text, "q_without": condition.without, "removes": removed}
            for condition, removed in self.query.filters.without_each(self.query.filter)
        ]

    # --- changes --------------------------------------------------------------------

    @cached_property
    def mark(self) -> str:
        """When a trial last changed, and digests of what rows show. A change may be
        committed late, with an earlier time."""
        data, query = self.query.columns.data, self.query
        last = float(data.changed.max(initial=0.0))
        times = digest(repr(data.changed.sum()))
        look = digest(
            repr((query.q, query.sort, query.cols, query.grouped))
            + repr((self.start, self.count, len(data), query.columns.best))
            + repr((sweep_scale(query.columns), longest_completed(query)))
            + self._shown_ranks()
        )
        return f"{last:.6f}~{look}~{times}"

    def _shown_ranks(self) -> str:
        """A trial's rank also changes with other trials."""
        if not any(column.key == "rank" for column in self.query.shown):
            return ""
        return repr([row["rank"] for row in self._plain(self.shown)])

    def _time_of(self, since: str) -> float:
        """The time of an earlier mark of the same rows; else one before all."""
        time, look = [*since.split("~"), ""][:2]
        if look != self.mark.split("~")[1]:
            return -np.inf
        try:
            return float(time) - OVERLAP
        except ValueError:
            return -np.inf

    # --- places in the whole order --------------------------------------------------

    def rail(self) -> dict[str, Any]:
        """The states along the order, in at most MAX_STEPS steps, and some values."""
        size = len(self.rows)
        steps = np.linspace(0, size - 1, min(size, MAX_STEPS)).round().astype(int)
        places, _ = self._leading(self.rows.order[steps])
        states = self.query.columns.data.states[places].tolist()
        marks = np.linspace(0, size - 1, min(size, MAX_MARKS)).round().astype(int)
        values = self._values(marks)
        return {
            "steps": [STATES[code] for code in states],
            "marks": [
                {"index": int(index), "text": metric_text(value)}
                for index, value in zip(marks, values, strict=True)
                if not np.isnan(value)
            ],
            "best": self.rows.best,
        }

    def _values(self, indexes: Any) -> Any:
        rows = self.rows.order[indexes]
        groups = self.rows.groups
        return (
            self.query.columns.data.value[rows] if groups is None else groups.mean[rows]
        )

    def find(self, text: str) -> dict[str, Any]:
        """The index of ``rank:41``, ``trial:17`` or ``value:0.89``; or why not. The
        indexes of ``trials:3,8,12-20``."""
        kind, _, wanted = text.partition(":")
        if kind == "trials":
            with suppress(NotPossible):
                return {"indexes": self._indexes(picked_numbers(wanted))}
        finder = FINDERS.get(kind)
        try:
            number = float(wanted)
        except ValueError:
            finder = None
        if finder is None:
            return {"error": {"message": "Enter a number to go to."}}
        index = finder(self, number)
        if index is not None:
            return {"index": index}
        return {"error": {"message": self._not_found(kind, wanted.strip()[:20])}}

    def _indexes(self, numbers: Sequence[int]) -> list[int]:
        """Where trials are, in at most MAX_STEPS of their rows."""
        places = map(self.query.columns.data.place, numbers)
        known = np.array([place for place in places if place is not None], np.intp)
        groups = self.rows.groups
        if groups is not None:
            known = groups.of[np.isin(groups.places, known)]
        found = np.flatnonzero(np.isin(self.rows.order, known)).tolist()
        return found[:: 1 + len(found) // MAX_STEPS]

    def _not_found(self, kind: str, wanted: str) -> str:
        if kind == "trial" and self.query.q:
            return f"Trial {wanted} does not match the filter."
        what = {"trial": "trial", "rank": "row of rank", "value": "row near the value"}
        return f"There is no {what[kind]} {wanted} here."

    def _find_trial(self, number: float) -> int | None:
        is_whole = number.is_integer() and 0 <= number < 2**40
        place = self.query.columns.data.place(int(number)) if is_whole else None
        return None if place is None else self.rows.index_of(place)

    def _find_rank(self, number: float) -> int | None:
        groups = self.rows.groups
        ranks = self.query.columns.ranks if groups is None else groups.ranks
        found = np.flatnonzero(ranks[self.rows.order] == number)
        return int(found[0]) if len(found) else None

    def _find_value(self, number: float) -> int | None:
        away = np.abs(self._values(np.arange(len(self.rows))) - number)
        return None if np.isnan(away).all() else int(np.nanargmin(away))


# Changes may be committed some seconds after the time that they have.
OVERLAP = 5.0
FINDERS: Mapping[str, Callable[[TrialAnswer, float], int | None]] = {
    "trial": TrialAnswer._find_trial,
    "rank": TrialAnswer._find_rank,
    "value": TrialAnswer._find_value,
}


def _part(name: str, **context: object) -> str:
    return render_to_string(f"experiments/sweep/{name}.html", context)
