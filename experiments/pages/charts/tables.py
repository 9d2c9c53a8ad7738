"""The data of the charts as tables, for browsers without scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from django.utils.timezone import localtime
from numpy.typing import NDArray

from experiments.db.clock import database_now
from experiments.formatting import (
    duration_text,
    metric_text,
    parameter_text,
    share_text,
)
from experiments.pages.sweep.curve_data import curves_answer
from experiments.sweeps.analyses import importance_answer, surface_answer
from experiments.sweeps.columns import SweepColumns
from experiments.sweeps.parameter_columns import ParameterColumn
from experiments.sweeps.timeline import ends_answer, timeline_answer
from experiments.sweeps.value_charts import edf_curve, pareto_answer

MAX_ROWS = 100
# Places along each axis of the contour.
GRID = 8


@dataclass(frozen=True)
class ChartTable:
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def chart_tables(columns: SweepColumns) -> Mapping[str, ChartTable | str]:
    """By chart, its table of these trials, or the sentence that says why there is
    none."""
    trials = _trials(columns)
    return {
        "parallel": trials,
        "slices": trials,
        "importance": _importance(columns),
        "contour": _contour(columns),
        "edf": _distribution(columns),
        "duration": _front(columns),
        "curves": _curves(columns),
        "ends": _ends(columns),
        "timeline": _timeline(columns),
    }


def _trials(columns: SweepColumns) -> ChartTable:
    order = np.argsort(columns.score, kind="stable")
    order = order[np.isfinite(columns.score[order])][:MAX_ROWS]
    numbers = columns.data.numbers[order].tolist()
    values = map(metric_text, columns.data.value[order].tolist())
    cells = [_cells(each, order) for each in columns.parameters]
    rows = list(zip(map(str, numbers), values, *cells, strict=True))
    names = [each.name for each in columns.parameters]
    heads = ["trial", columns.sweep.primary_metric, *names]
    return ChartTable("Trials with their parameters, the best first", heads, rows)


def _cells(parameter: ParameterColumn, order: NDArray[np.intp]) -> list[str]:
    values = parameter.axis["values"] if parameter.axis["kind"] == "choice" else None
    return [
        "not set"
        if np.isnan(cell)
        else parameter_text(cell if values is None else values[int(cell)])
        for cell in parameter.cells[order].tolist()
    ]


def _importance(columns: SweepColumns) -> ChartTable | str:
    found = importance_answer(columns)
    if not found["ready"]:
        return str(found["sentence"])
    rows = [
        [row["name"], share_text(row["share"]), "yes" if row["told_apart"] else "no"]
        for row in found["rows"]
    ]
    heads = ["parameter", "importance", "told apart from chance"]
    return ChartTable(found["sentence"], heads, rows)


def _contour(columns: SweepColumns) -> ChartTable | str:
    """The surface on a coarse grid."""
    found = surface_answer(columns)
    if not found["ready"]:
        return str(found["sentence"])
    cells = np.array(found["cells"], float).reshape(found["rows"], found["columns"])
    ys, xs = (np.linspace(0, n - 1, min(n, GRID)).astype(int) for n in cells.shape)
    rows = [
        [
            share_text((x + 0.5) / cells.shape[1]),
            share_text((y + 0.5) / cells.shape[0]),
            metric_text(cells[y, x]),
        ]
        for y in ys
        for x in xs
        if np.isfinite(cells[y, x])
    ]
    names = [f"{found[axis]['name']}, place in its range" for axis in "xy"]
    caption = f"Smoothed value over two parameters. {found['sentence']}"
    return ChartTable(caption, [*names, columns.sweep.primary_metric], rows)


def _distribution(columns: SweepColumns) -> ChartTable | str:
    curve = edf_curve(columns.sweep, columns)
    if not curve["trials"]:
        return "No trial has a value yet."
    step = -(-len(curve["points"]) // MAX_ROWS)
    rows = [
        [metric_text(value), share_text(share)]
        for value, share in curve["points"][::step]
    ]
    heads = [columns.sweep.primary_metric, "share of trials up to it"]
    return ChartTable("Share of trials at or below each value", heads, rows)


def _front(columns: SweepColumns) -> ChartTable | str:
    found = pareto_answer(columns)
    if not found["ready"]:
        return str(found["sentence"])
    rows = [
        [str(number), duration_text(seconds), metric_text(value)]
        for number, (seconds, value) in zip(
            found["numbers"], found["points"], strict=True
        )
    ]
    heads = ["trial", "duration", columns.sweep.primary_metric]
    return ChartTable(found["sentence"], heads, rows[:MAX_ROWS])


def _curves(columns: SweepColumns) -> ChartTable | str:
    found = curves_answer(columns)
    if not found["ready"]:
        return str(found["sentence"])
    rows = [
        [
            str(number),
            str(points[0][0]),
            metric_text(points[0][1]),
            str(points[-1][0]),
            metric_text(points[-1][1]),
        ]
        for number, points in zip(found["numbers"], found["points"], strict=True)
    ]
    heads = ["trial", "first report", "value there", "last report", "value there"]
    return ChartTable(found["sentence"], heads, rows[:MAX_ROWS])


def _ends(columns: SweepColumns) -> ChartTable | str:
    found = ends_answer(columns)
    if not found["ready"]:
        return str(found["sentence"])
    kinds = found["kinds"]
    starts = [_moment(found["epoch"] + edge) for edge in found["edges"][:-1]]
    counts = [map(str, kind["counts"]) for kind in kinds]
    rows = list(zip(starts, *counts, strict=True))
    return ChartTable(
        found["sentence"], ["from", *(kind["text"] for kind in kinds)], rows
    )


def _timeline(columns: SweepColumns) -> ChartTable | str:
    found = timeline_answer(columns.sweep, database_now())
    if not found["ready"]:
        return str(found["sentence"])
    bars, epoch = found["bars"], found["epoch"]
    names = [slot["name"] for slot in found["slots"]]
    each = zip(
        *(bars[name] for name in ("slot", "number", "state", "from", "to")), strict=True
    )
    rows = [
        [
            names[slot],
            str(number),
            found["states"][state],
            _moment(epoch + start),
            duration_text(end - start),
        ]
        for slot, number, state, start, end in each
        if columns.data.place(number) is not None
    ]
    heads = ["slot", "trial", "state", "from", "duration"]
    return ChartTable(found["sentence"], heads, rows[:MAX_ROWS])


def _moment(seconds: float) -> str:
    return f"{localtime(datetime.fromtimestamp(seconds, UTC)):%d %b %H:%M:%S}"
