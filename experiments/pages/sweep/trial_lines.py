"""Rows of the table of trials as HTML, the same for pages and their feeds.

Each cell is made here and not by a template: a table that scrolls asks for hundreds of
rows, and a template takes ten times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
from django.template.loader import render_to_string
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString

from experiments.formatting import duration_text, number_text
from experiments.pages.curves import Points
from experiments.pages.sweep.sparklines import (
    MAX_SPARK_POINTS,
    Spark,
    SparkScale,
    sweep_scale,
)
from experiments.pages.sweep.table_columns import (
    DURATIONS,
    MOMENTS,
    TrialTableColumn,
)
from experiments.pages.sweep.trial_cells import (
    TableCell,
    parameter_column,
    summaries,
    value_column,
)
from experiments.pages.sweep.trial_table import TableQuery
from experiments.pages.trial_rows import TrialRow, trial_rows
from experiments.search.filters.columns import SeveralColumn
from experiments.sweeps.trial_columns import METRIC, PARAMETER, trials_at
from experiments.sweeps.trial_order import Places
from experiments.templatetags.words import ago

Cells = Sequence[SafeString]


@dataclass(frozen=True)
class TrialLines:
    """Rows of trials at some places of a sweep's columns, in this order."""

    query: TableQuery
    places: Places
    rows: Sequence[TrialRow]
    scale: SparkScale
    longest: int | None

    @classmethod
    def of(
        cls,
        query: TableQuery,
        places: Places,
        *,
        now: datetime,
        of: int | None = None,
        curves: Mapping[int, Points] = MappingProxyType({}),
    ) -> TrialLines:
        """``of``: how many trials the best one is the best of. ``curves`` by trial are
        not read again."""
        columns = query.columns
        best = columns.best
        rows = trial_rows(
            query.sweep,
            trials_at(columns, places),
            now=now,
            best_id=None if best is None else int(columns.data.ids[best]),
            of=of,
            most_points=MAX_SPARK_POINTS,
            curves=curves,
        )
        return cls.of_rows(query, places, {row["id"]: row for row in rows})

    @classmethod
    def of_rows(
        cls, query: TableQuery, places: Places, rows: Mapping[int, TrialRow]
    ) -> TrialLines:
        """Of rows by id, without trials that were deleted meanwhile."""
        ids = query.columns.data.ids[places].tolist()
        there = np.array([pk in rows for pk in ids], np.bool_)
        return cls(
            query,
            places[there],
            [rows[pk] for pk in ids if pk in rows],
            sweep_scale(query.columns),
            longest_completed(query),
        )

    def html(self, *, group: int | None = None) -> list[SafeString]:
        """A ``<tr>`` for each; ``group``: they are of this open group."""
        cells = [self.cells(column) for column in self.query.shown]
        ranks = self.query.columns.ranks[self.places]
        return [
            format_html(
                '<tr data-row="{}" data-number="{}" data-rank="{}"{}{}>{}{}</tr>',
                row["id"],
                row["number"],
                "" if np.isnan(rank) else int(rank),
                "" if group is None else format_html(' data-of="{}"', group),
                BEST if row["best"] else "",
                tick(row["number"], f"Select trial {row['number']}"),
                joined(each[k] for each in cells),
            )
            for k, (row, rank) in enumerate(zip(self.rows, ranks, strict=True))
        ]

    def cells(self, column: TrialTableColumn) -> Cells:
        """The column's ``<td>`` of each row."""
        key = column.key
        if made := CELLS.get(key):
            return made(self)
        if key == "interval":
            # Only groups have one.
            return [SafeString('<td class="interval-cell"></td>')] * len(self.rows)
        if key.startswith(PARAMETER):
            name = key.removeprefix(PARAMETER)
            configurations = [row["params"] for row in self.rows]
            numeric = {name: column.numeric}
            found, _ = parameter_column(name, configurations, numeric)
            return [plain_cell(cell, "parameter-cell") for cell in found]
        return self._plain(column)

    def _plain(self, column: TrialTableColumn) -> Cells:
        key, values = column.key, self.query.columns.column(column.key)
        if isinstance(values, SeveralColumn):
            return [
                plain_cell(TableCell(text, text), "text-cell")
                for text in values.texts(self.places)
            ]
        numbers = values.numbers_at(self.places)
        if key in MOMENTS:
            return [moment_cell(value) for value in numbers]
        if key in DURATIONS:
            return [
                plain_cell(TableCell(duration_text(value), numeric=True), "took-cell")
                for value in numbers
            ]
        if key.startswith(METRIC):
            name = key.removeprefix(METRIC).rpartition(".")[0]
            found, _ = value_column(numbers, name)
            return [plain_cell(cell, "metric-cell") for cell in found]
        if column.numeric:
            texts = map(number_text, numbers)
            return [plain_cell(TableCell(text, numeric=True)) for text in texts]
        labels = values.labels_at(self.places)
        words = ["" if label is None else str(label) for label in labels]
        return [plain_cell(TableCell(word, word), "text-cell") for word in words]


BEST = SafeString(' class="is-best"')


def joined(parts: Iterable[SafeString]) -> SafeString:
    return SafeString("".join(parts))  # nosec B703


def tick(value: int | str, label: str) -> SafeString:
    return format_html(
        '<td class="tick-cell"><input class="tick" type="checkbox" name="trials"'
        ' value="{}" aria-label="{}"></td>',
        value,
        label,
    )


def longest_completed(query: TableQuery) -> int | None:
    """The reports of the longest completed trial."""
    reports = query.columns.data.reports[query.columns.mask("completed")]
    return int(reports.max()) if len(reports) else None


def plain_cell(cell: TableCell, name: str = "") -> SafeString:
    """``name`` is a class. Escaped here: `format_html` takes twice as long."""
    names = (name, "num" if cell.numeric else "", "unset" if cell.unset else "")
    classes = " ".join(filter(None, names))
    title = f' title="{escape(cell.exact)}"' if cell.exact else ""
    html = f'<td class="{classes}"{title}>{escape(cell.text)}</td>'
    return SafeString(html)  # nosec B703


def moment_cell(seconds: float | None) -> SafeString:
    moment = None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return format_html('<td class="moment-cell">{}</td>', ago(moment) or "\u2013")


@lru_cache(maxsize=32)
def state_badge(state: str, *, best: bool) -> SafeString:
    context = {"state": state, "is_best": best, "plain": True}
    html = render_to_string("components/state_badge.html", context)
    return SafeString(html.strip())  # nosec B703


# --- cells of their own kind --------------------------------------------------------


def _states(lines: TrialLines) -> Cells:
    return [
        format_html(
            '<td class="state-cell">{}</td>',
            state_badge(row["state"], best=row["best"]),
        )
        for row in lines.rows
    ]


def _numbers(lines: TrialLines) -> Cells:
    return [
        format_html(
            '<td class="num number-cell"><a href="{}"{}>{}</a></td>',
            row["url"],
            format_html(' title="{}"', row["origin"]) if row["origin"] else "",
            row["number"],
        )
        for row in lines.rows
    ]


def _ranks(lines: TrialLines) -> Cells:
    ranks = lines.query.columns.ranks[lines.places]
    return [
        format_html(
            '<td class="num rank-cell">{}</td>', "" if np.isnan(rank) else int(rank)
        )
        for rank in ranks
    ]


def _values(lines: TrialLines) -> Cells:
    metric = lines.query.sweep.primary_metric
    found, _ = value_column([row["value"] for row in lines.rows], metric)
    return [
        format_html(
            '<td class="num value value-cell{}" title="{}">{}</td>',
            " text-best" if row["best"] else PLAIN.get(row["state"], " value-plain"),
            cell.exact,
            cell.text,
        )
        for row, cell in zip(lines.rows, found, strict=True)
    ]


PLAIN: Mapping[str, str] = {"completed": ""}


def spark_cell(spark: Spark | None, state: str, *, ends: bool) -> SafeString:
    """``ends``: with a dot at the end of its line."""
    line: Any = ""
    if spark is not None:
        line = format_html('<path class="spark-line" d="{}"/>', spark.path)
        if spark.is_dot or ends:
            line += format_html('<circle cx="{}" cy="{}" r="2.2"/>', spark.x, spark.y)
    return format_html(
        '<td class="spark-cell"><svg class="spark state-{}" viewBox="0 0 96 24"'
        ' width="96" height="24" aria-hidden="true"><path class="spark-floor"'
        ' d="M3 23.5H93"/>{}</svg></td>',
        state,
        line,
    )


def _curves(lines: TrialLines) -> Cells:
    return [
        spark_cell(
            lines.scale.draw(row["curve"]),
            "best" if row["best"] else row["state"],
            ends=not row["best"] and row["state"] != "completed",
        )
        for row in lines.rows
    ]


def _reports(lines: TrialLines) -> Cells:
    of = (
        format_html(' <span class="ink-3">/ {}</span>', lines.longest)
        if lines.longest
        else ""
    )
    return [
        format_html('<td class="num reports-cell">{}{}</td>', row["reports"], of)
        for row in lines.rows
    ]


def _took(lines: TrialLines) -> Cells:
    return [
        format_html('<td class="num took-cell">{}</td>', _duration(row))
        for row in lines.rows
    ]


def _duration(row: TrialRow) -> str:
    text = duration_text(row["elapsed"])
    if row["state"] != "running" or row["elapsed"] is None:
        return text
    seconds = round(row["elapsed"])
    return format_html('<span data-ticking="{}">{}</span>', seconds, text)


def _status(lines: TrialLines) -> Cells:
    """On a phone, completed trials show their parameters in its place."""
    summary = summaries([row["params"] for row in lines.rows])
    return [
        format_html(
            '<td class="status-cell{}"><span class="status" title="{}">{}</span>'
            '<span class="row-summary">{}</span></td>',
            " has-summary" if row["best"] or row["state"] == "completed" else "",
            row["status"],
            row["status"],
            words,
        )
        for row, words in zip(lines.rows, summary, strict=True)
    ]


CELLS: Mapping[str, Callable[[TrialLines], Cells]] = {
    "state": _states,
    "number": _numbers,
    "rank": _ranks,
    "value": _values,
    "curve": _curves,
    "reports": _reports,
    "took": _took,
    "status": _status,
}
