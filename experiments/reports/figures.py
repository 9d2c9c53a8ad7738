"""The figures of a report: how the search went, and where good values are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from django.utils.safestring import SafeString

from experiments.formatting import metric_text
from experiments.models import Sweep, Trial
from experiments.models.trials import IS_RANKED
from experiments.reports.drawing import Plot, PlotAxis
from experiments.tracking import excerpts

# Dots and lines of one figure; more only make the file large.
MAX_DOTS, MAX_LINES, MAX_POINTS = 1_500, 40, 60
BEST_LINES = 10


@dataclass(frozen=True)
class Figure:
    """``note``: what is drawn. ``rows`` are the data as a table, under ``columns``."""

    title: str
    question: str
    svg: SafeString
    note: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


@dataclass(frozen=True)
class DrawnTrial:
    pk: int
    number: int
    state: str
    value: float | None
    ranked: bool


def figures_of(sweep: Sweep, best: Trial | None) -> list[Figure]:
    """None without a value."""
    if best is None:
        return []
    known = set(sweep.trials.filter(IS_RANKED).order_by().values_list("pk", flat=True))
    columns = sweep.trials.order_by("number")
    trials = [
        DrawnTrial(*row, ranked=row[0] in known)
        for row in columns.values_list("pk", "number", "state", "value")
    ]
    return [history(sweep, trials), learning_curves(sweep, trials, best)]


# --- best so far --------------------------------------------------------------------


def history(sweep: Sweep, trials: Sequence[DrawnTrial]) -> Figure:
    """The value of each trial, and the best one so far."""
    valued = [trial for trial in trials if trial.ranked and trial.value is not None]
    steps = improvements(valued, highest=sweep.goal == "maximize")
    axis, note = value_axis(sweep, [trial.value or 0.0 for trial in valued])
    last = trials[-1].number
    plot = Plot(PlotAxis("trial", 0, max(1, last)), axis)
    drawn = fair_sample(trials, MAX_DOTS)
    for trial in drawn:
        if trial.ranked and trial.value is not None:
            plot.dot(trial.number, trial.value, trial.state, _named(trial))
        elif trial.state == "failed":
            plot.floor_dot(trial.number, "failed", f"trial {trial.number}: failed")
    plot.line(_stairs(steps, last), "best-line")
    plot.dot(steps[-1].number, steps[-1].value or 0.0, "best", _named(steps[-1]))
    count = f"{len(drawn):,} of {len(trials):,}" if len(drawn) < len(trials) else "All"
    return Figure(
        "Best so far",
        "Did the search still improve?",
        plot.svg(f"{sweep.primary_metric} of each trial, and the best so far"),
        note=f"{count} trials; those that failed are at the bottom. {note}".strip(),
        columns=("trial", f"best {sweep.primary_metric} so far"),
        rows=[(str(each.number), metric_text(each.value)) for each in steps],
    )


def improvements(
    trials: Sequence[DrawnTrial], *, highest: bool
) -> Sequence[DrawnTrial]:
    """The trials that were the best in their time."""
    found: list[DrawnTrial] = []
    for trial in trials:
        before = found[-1].value if found else None
        value = trial.value or 0.0
        if before is None or (value > before if highest else value < before):
            found.append(trial)
    return found


def _stairs(steps: Sequence[DrawnTrial], last: int) -> list[tuple[float, float]]:
    corners: list[tuple[float, float]] = []
    for step in steps:
        value = step.value or 0.0
        if corners:
            corners.append((step.number, corners[-1][1]))
        corners.append((step.number, value))
    return [*corners, (last, corners[-1][1])]


def _named(trial: DrawnTrial) -> str:
    return f"trial {trial.number}: {metric_text(trial.value)}"


def fair_sample(trials: Sequence[DrawnTrial], most: int) -> Sequence[DrawnTrial]:
    """At most this many of them, evenly spread."""
    if len(trials) <= most:
        return trials
    kept = np.linspace(0, len(trials) - 1, most).round().astype(int)
    return [trials[index] for index in kept]


def value_axis(sweep: Sweep, values: Sequence[float]) -> tuple[PlotAxis, str]:
    """With room for most values, and a sentence about the others and the better end."""
    better = "Higher" if sweep.goal == "maximize" else "Lower"
    finite = np.array([value for value in values if math.isfinite(value)] or [0.0])
    low, high = float(finite.min()), float(finite.max())
    near, far = (float(share) for share in np.quantile(finite, (0.05, 0.95)))
    note = f"{better} is better."
    if sweep.goal == "maximize" and near - low > high - near:
        low = near
    elif sweep.goal == "minimize" and high - far > far - low:
        high = far
    else:
        return PlotAxis(sweep.primary_metric, low, high), note
    return (
        PlotAxis(sweep.primary_metric, low, high),
        f"{note} The worst values are drawn at the edge.",
    )


# --- learning curves ----------------------------------------------------------------


def learning_curves(sweep: Sweep, trials: Sequence[DrawnTrial], best: Trial) -> Figure:
    """The reports of the best trials and of a fair sample of the others."""
    sign = -1.0 if sweep.goal == "maximize" else 1.0
    ranked = sorted(
        (trial for trial in trials if trial.ranked),
        key=lambda trial: (sign * (trial.value or 0.0), trial.number),
    )
    first = ranked[:BEST_LINES]
    rest = [trial for trial in trials if trial not in set(first)]
    drawn = [*first, *fair_sample(rest, MAX_LINES - len(first))]
    curves = _curves(sweep, [trial.pk for trial in drawn])
    points = [value for curve in curves.values() for _, value in curve]
    longest = max((curve[-1][0] for curve in curves.values()), default=1.0)
    axis, note = value_axis(sweep, points)
    plot = Plot(PlotAxis("report", 1, max(2.0, longest)), axis)
    for trial in reversed(drawn):
        kind = "best-line" if trial.pk == best.pk else f"line {trial.state}"
        plot.line(curves.get(trial.pk, ()), kind, _named(trial))
    shown = [trial for trial in drawn if trial.pk in curves]
    return Figure(
        "Learning curves",
        "How do the trials learn, and which ended early?",
        plot.svg(f"{sweep.primary_metric} by report, a line for each trial"),
        note=f"{len(shown)} of {len(trials):,} trials: the best {len(first)}"
        f" and a fair sample of the others. {note}",
        columns=("trial", "state", "reports", "first", "last"),
        rows=[_curve_row(trial, curves[trial.pk]) for trial in shown],
    )


Curve = Sequence[tuple[float, float]]


def _curves(sweep: Sweep, ids: Sequence[int]) -> Mapping[int, Curve]:
    found = excerpts.reports(
        sweep.trials.filter(pk__in=ids), excerpts.spread(MAX_POINTS)
    )
    curves: dict[int, Curve] = {}
    for pk, excerpt in found.items():
        thin = excerpt.thinned(MAX_POINTS)
        pairs = zip(thin.places.tolist(), thin.points["value"].tolist(), strict=True)
        curve = [(place + 1.0, value) for place, value in pairs if math.isfinite(value)]
        if curve:
            curves[pk] = curve
    return curves


def _curve_row(trial: DrawnTrial, curve: Curve) -> tuple[str, ...]:
    reports = str(int(curve[-1][0]))
    ends = metric_text(curve[0][1]), metric_text(curve[-1][1])
    return str(trial.number), trial.state, reports, *ends
