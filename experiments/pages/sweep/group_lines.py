"""Rows of groups of trials with the same values: the mean of their values with its
95 % interval, on one scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

from experiments.formatting import duration_text, metric_text
from experiments.pages.sweep.table_columns import TrialTableColumn
from experiments.pages.sweep.trial_cells import TableCell, value_column
from experiments.pages.sweep.trial_lines import (
    BEST,
    Cells,
    TrialLines,
    joined,
    plain_cell,
    state_badge,
    tick,
)
from experiments.pages.sweep.trial_table import TableRows
from experiments.search.wording import counted
from experiments.sweeps.trial_columns import METRIC, PARAMETER
from experiments.sweeps.trial_filters import number_ranges
from experiments.sweeps.trial_order import SEEDS, Places, TrialGroups

WIDTH, EDGE, MIDDLE = 72, 4, 8


@dataclass(frozen=True)
class GroupLines:
    """Groups, each with its best trial, or its first one if none has a value."""

    groups: TrialGroups
    numbers: Places
    lines: TrialLines

    @classmethod
    def of(cls, rows: TableRows, groups: Places, *, now: datetime) -> GroupLines:
        found = rows.groups
        if found is None:
            raise ValueError("These rows have no groups.")
        places = [_leading(found, int(group)) for group in groups]
        lines = TrialLines.of(rows.query, np.array(places, np.intp), now=now)
        return cls(found, groups, lines)

    def html(self) -> list[SafeString]:
        """A ``<tr>`` for each; ``data-number`` is the first trial, as is the key."""
        cells = [self.cells(column) for column in self.lines.query.shown]
        return [
            format_html(
                '<tr data-row="{}" data-number="{}" data-rank="{}" data-group="{}"'
                ' data-numbers="{}"{}>{}{}</tr>',
                *(row["id"], row["number"], rank, key),
                number_ranges(self.trials[k]),
                BEST if row["best"] else "",
                tick(
                    ",".join(map(str, self.trials[k])),
                    f"Select {counted(count, 'trial')} of group {key}",
                ),
                joined(each[k] for each in cells),
            )
            for k, (row, key, count, rank) in enumerate(
                zip(self.lines.rows, self.keys, self.counts, self.ranks, strict=True)
            )
        ]

    @cached_property
    def keys(self) -> list[int]:
        """The numbers of their first trials."""
        data = self.groups.columns.data
        found: list[int] = data.numbers[self.groups.first[self.numbers]].tolist()
        return found

    @cached_property
    def counts(self) -> list[int]:
        found: list[int] = self.groups.counts[self.numbers].tolist()
        return found

    @cached_property
    def trials(self) -> list[list[int]]:
        """The numbers of their trials."""
        data = self.groups.columns.data
        members = (self.groups.members(int(group)) for group in self.numbers)
        return [data.numbers[each].tolist() for each in members]

    @cached_property
    def ranks(self) -> list[str]:
        found = self.groups.ranks[self.numbers]
        return ["" if np.isnan(rank) else str(int(rank)) for rank in found]

    def cells(self, column: TrialTableColumn) -> Cells:
        key = column.key
        if made := CELLS.get(key):
            return made(self)
        if key.removeprefix(PARAMETER) in SEEDS:
            counts = (f"{count} values" if count > 1 else "" for count in self.counts)
            return [plain_cell(TableCell(text), "parameter-cell") for text in counts]
        if key.startswith(METRIC):
            name = key.removeprefix(METRIC).rpartition(".")[0]
            means = self.groups.means(key)[self.numbers]
            found, _ = value_column(_known(means), name)
            return [plain_cell(cell, "metric-cell") for cell in found]
        return self.lines.cells(column)


def _leading(groups: TrialGroups, group: int) -> int:
    """The place of the best trial of a group, else of its first one."""
    members = groups.members(group)
    ranks = groups.columns.ranks[members]
    return int(members[0] if np.isnan(ranks).all() else members[np.nanargmin(ranks)])


def _known(values: Sequence[float] | np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]


def _states(lines: GroupLines) -> Cells:
    return [
        format_html(
            '<td class="state-cell">{}{}</td>',
            TOGGLE if count > 1 else "",
            _state(lines.groups.states(int(group)), best=row["best"]),
        )
        for group, row, count in zip(
            lines.numbers, lines.lines.rows, lines.counts, strict=True
        )
    ]


TOGGLE = SafeString(
    '<button class="group-toggle" type="button" aria-expanded="false"'
    ' aria-label="Show the trials of this group"></button>'
)


def _state(counts: Mapping[str, int], *, best: bool) -> SafeString:
    if best or len(counts) == 1:
        return state_badge(next(iter(counts)), best=best)
    parts = [
        format_html(
            '<span class="state state-{}">{}{}</span> ',
            *(state, _glyph(state), count),
        )
        for state, count in counts.items()
    ]
    return joined(parts)


def _glyph(state: str) -> SafeString:
    context = {"name": state, "label": state}
    html = render_to_string("components/glyph.html", context)
    return SafeString(html)  # nosec B703


def _keys(lines: GroupLines) -> Cells:
    return [
        format_html(
            '<td class="num number-cell"><a href="{}">{}</a>{}</td>',
            *(row["url"], key, f" \u00d7 {count}" if count > 1 else ""),
        )
        for row, key, count in zip(
            lines.lines.rows, lines.keys, lines.counts, strict=True
        )
    ]


def _values(lines: GroupLines) -> Cells:
    means = _known(lines.groups.mean[lines.numbers])
    halves = _known(lines.groups.interval[lines.numbers])
    found, _ = value_column(means, lines.lines.query.sweep.primary_metric)
    return [
        format_html(
            '<td class="num value value-cell{}" title="{}">{}{}</td>',
            *(" text-best" if row["best"] else "", cell.exact, cell.text.strip()),
            ""
            if half is None
            else format_html(' <span class="ink-3">± {}</span>', metric_text(half, 2)),
        )
        for row, cell, half in zip(lines.lines.rows, found, halves, strict=True)
    ]


def _intervals(lines: GroupLines) -> Cells:
    low, high = lines.groups.scale
    wide = high - low or 1.0

    def across(value: float) -> float:
        share = min(1.0, max(0.0, (value - low) / wide))
        return round(EDGE + (WIDTH - 2 * EDGE) * share, 1)

    cells = []
    for mean, half in zip(
        _known(lines.groups.mean[lines.numbers]),
        _known(lines.groups.interval[lines.numbers]),
        strict=True,
    ):
        line = dot = SafeString("")
        if mean is not None:
            dot = format_html('<circle cx="{}" cy="{}" r="2.5"/>', across(mean), MIDDLE)
        if mean is not None and half is not None:
            ends = across(mean - half), across(mean + half)
            path = "M{0} 4V12M{0} 8H{1}M{1} 4V12".format(*ends)
            line = format_html('<path d="{}"/>', path)
        cells.append(
            format_html(
                '<td class="interval-cell"><svg class="whisker" viewBox="0 0 72 16"'
                ' width="72" height="16" aria-hidden="true">{}{}</svg></td>',
                line,
                dot,
            )
        )
    return cells


def _took(lines: GroupLines) -> Cells:
    seconds = lines.groups.took[lines.numbers].tolist()
    return [
        plain_cell(TableCell(duration_text(value), numeric=True), "took-cell")
        for value in seconds
    ]


def _ranks(lines: GroupLines) -> Cells:
    return [plain_cell(TableCell(r, numeric=True), "rank-cell") for r in lines.ranks]


def _status(lines: GroupLines) -> Cells:
    return [
        format_html(
            '<td class="status-cell"><span class="status">{}</span></td>',
            f"{count} trials with the same values" if count > 1 else row["status"],
        )
        for count, row in zip(lines.counts, lines.lines.rows, strict=True)
    ]


CELLS: Mapping[str, Callable[[GroupLines], Cells]] = {
    "state": _states,
    "number": _keys,
    "rank": _ranks,
    "value": _values,
    "interval": _intervals,
    "took": _took,
    "status": _status,
}
