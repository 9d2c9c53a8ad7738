"""What the charts of a sweep's page draw: the newest trials, and earlier leaders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np

from experiments.models.trials import TrialState
from experiments.pages.curves import Points
from experiments.pages.sweep.summary import SweepSummary
from experiments.pages.trial_rows import report_curves
from experiments.sweeps.trial_columns import TrialColumns
from experiments.sweeps.trial_data import STATES, scores
from experiments.sweeps.trial_order import Places
from experiments.tracking.axes import space_axes
from experiments.tracking.spaces import earlier_spaces, search_space

# More curves than this look alike.
MAX_TRIALS = 300
# Points of all curves together, and of each at least.
MAX_POINTS, MIN_POINTS = 18_000, 40


class ChartRow(TypedDict):
    """What charts need of a trial; points of the curve are [report, value or null,
    step, seconds since the start]."""

    id: int
    number: int
    state: str
    best: bool
    value: float | None
    reports: int
    params: dict[str, Any]
    curve: Points


def charted_places(columns: TrialColumns) -> Places:
    """The places of the newest trials, newest first, and of older ones that were the
    best in their time."""
    first = max(0, columns.size - MAX_TRIALS)
    newest = np.arange(columns.size - 1, first - 1, -1)
    score = np.nan_to_num(scores(columns.sweep, columns.data)[:first], nan=np.inf)
    before = np.minimum.accumulate(np.concatenate([[np.inf], score]))[:-1]
    led = np.flatnonzero(score < before)
    return np.concatenate([newest, led])


def chart_rows(columns: TrialColumns, places: Places) -> list[ChartRow]:
    """Rows of trials from memory; only their curves are read."""
    data = columns.data
    ids = data.ids[places].tolist()
    shown = min(columns.size, MAX_TRIALS)
    curves = report_curves(ids, most=points_each(shown), wide=True)
    values = data.value[places].tolist()
    best = columns.best
    return [
        ChartRow(
            id=pk,
            number=int(data.numbers[place]),
            state=STATES[data.states[place]],
            best=place == best,
            value=None if np.isnan(value) else value,
            reports=int(data.reports[place]),
            params=_params(columns, place),
            curve=curves.get(pk, []),
        )
        for pk, place, value in zip(ids, places.tolist(), values, strict=True)
    ]


def _params(columns: TrialColumns, place: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, column in columns.data.parameters.items():
        code, number = int(column.codes[place]), float(column.numbers[place])
        if code >= 0:
            found[name] = column.labels[code]
        elif not np.isnan(number):
            found[name] = number
    return found


def points_each(count: int) -> int:
    """How many points each of ``count`` curves may have."""
    return max(MIN_POINTS, min(150, MAX_POINTS // max(1, count)))


def chart_model(summary: SweepSummary, rows: Sequence[ChartRow]) -> dict[str, Any]:
    """The model that all charts of the page share."""
    sweep = summary.sweep
    return {
        "objective": {"metric": sweep.primary_metric, "goal": sweep.goal},
        "xLabel": "report",
        "total": summary.planned,
        "most": MAX_TRIALS,
        "space": space_axes(search_space(sweep), earlier_spaces(sweep)),
        "trials": rows,
    }


def chart_note(tried: int) -> str:
    if tried <= MAX_TRIALS:
        return ""
    return (
        f"The newest {MAX_TRIALS} of {tried:,} trials, and earlier ones that were"
        " the best at the time."
    )


def chart_chips(counts: dict[str, int]) -> list[dict[str, Any]]:
    """State chips of the learning curves, legend and filter in one. Scripts hide those
    of states without trials."""
    order = (
        TrialState.COMPLETED,
        TrialState.TERMINATED,
        TrialState.RUNNING,
        TrialState.FAILED,
        TrialState.CANCELLED,
    )
    return [
        {"state": str(state), "count": counts[state], "word": state.label.lower()}
        for state in order
    ]


def curve_selects(rows: Sequence[ChartRow]) -> list[dict[str, Any]]:
    """The menus of the learning curves: the x axis and the scale of the y axis."""
    across = [("report", "x: report"), ("step", "x: step"), ("seconds", "x: seconds")]
    return [
        select("x", "x axis", across),
        select("y", "Scale of the y axis", _spreads(rows)),
    ]


def spread_select(rows: Sequence[ChartRow]) -> list[dict[str, Any]]:
    return [select("y", "Scale of the y axis", _spreads(rows))]


def _spreads(rows: Sequence[ChartRow]) -> list[tuple[str, str]]:
    """Stretched only for metrics within 0 to 1, logarithmic only above 0."""
    values = [p[1] for row in rows for p in row["curve"] if p[1] is not None]
    spreads = [("linear", "y: linear")]
    if values and min(values) >= 0 and max(values) <= 1:
        spreads.insert(0, ("stretched", "y: stretched"))
    if values and min(values) > 0:
        spreads.append(("log", "y: log"))
    return spreads


def select(name: str, label: str, options: list[tuple[str, str]]) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "options": [{"value": value, "text": text} for value, text in options],
    }
