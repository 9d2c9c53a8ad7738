"""The figures of a report: how the search went, and where good values are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from django.utils.safestring import SafeString
from numpy.typing import NDArray

from experiments.formatting import metric_text, parameter_text, share_text
from experiments.models import Sweep
from experiments.models.trials import TrialState
from experiments.reports.drawing import Plot, PlotAxis, bars
from experiments.sweeps.analyses import importance_answer, importance_of
from experiments.sweeps.columns import SweepColumns, sweep_columns
from experiments.sweeps.parameter_columns import ParameterColumn
from experiments.sweeps.trial_data import STATES
from experiments.tracking import excerpts

# Dots and lines of one figure; more only make the file large.
MAX_DOTS, MAX_SLICE_DOTS, MAX_LINES, MAX_POINTS = 1_500, 300, 40, 60
BEST_LINES, MAX_SLICES = 10, 12
# Values that take more than half of an axis for this share of trials are cut off.
TAIL = 0.05

LEGEND = (
    *(TrialState.COMPLETED, TrialState.TERMINATED, TrialState.RUNNING),
    *(TrialState.FAILED, TrialState.CANCELLED),
)
Places = NDArray[np.intp]
Curve = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Figure:
    """``note``: what is drawn. ``rows`` are the data as a table, under ``columns``."""

    title: str
    question: str
    svgs: Sequence[SafeString]
    note: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    # States and words of the marks that are drawn.
    legend: Sequence[tuple[str, str]] = ()


def figures_of(sweep: Sweep) -> list[Figure]:
    """Empty if no trial has a value."""
    drawn = _Drawn(sweep)
    if not len(drawn.ranked):
        return []
    found = [drawn.history(), drawn.learning_curves()]
    if drawn.found.parameters:
        found += [*drawn.importance(), drawn.slices()]
    return found


class _Drawn:
    """Draws the trials of one sweep. Places are those in its columns."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self.found: SweepColumns = sweep_columns(sweep)
        self.data = self.found.data
        # The trials with a value that counts, the best first.
        order = np.argsort(self.found.score, kind="stable")
        self.ranked: Places = order[np.isfinite(self.found.score[order])]
        self.metric = sweep.primary_metric
        self.importances = importance_of(self.found)

    def history(self) -> Figure:
        """The value of each trial, and the best one so far."""
        last = int(self.data.numbers[-1])
        values = self.data.value[self.ranked]
        axis, note = value_axis(self.metric, values, goal=self.sweep.goal)
        plot = Plot(PlotAxis("trial", 0, max(1, last)), axis)
        drawn = fair_sample(np.arange(len(self.data)), MAX_DOTS)
        for place in drawn.tolist():
            self._mark(plot, place)
        steps = improvements(self.found.score)
        pairs = zip(
            self.data.numbers[steps].tolist(),
            self.data.value[steps].tolist(),
            strict=True,
        )
        plot.line(stairs(list(pairs), last), "best-line")
        best = int(self.ranked[0])
        plot.dot(self._number(best), self.data.value[best], "best", self._name(best))
        total = len(self.data)
        count = f"{len(drawn):,} of {total:,}" if len(drawn) < total else f"{total:,}"
        return Figure(
            "Best so far",
            "Did the search still improve?",
            [plot.svg(f"{self.metric} of each trial, and the best so far")],
            note=f"{count} trials; those that failed are at the bottom. {note}",
            columns=("trial", f"best {self.metric} so far"),
            rows=[
                (str(self._number(place)), metric_text(self.data.value[place]))
                for place in steps.tolist()
            ],
            legend=self._legend(drawn),
        )

    def _legend(self, drawn: Places) -> list[tuple[str, str]]:
        present = {STATES[code] for code in self.data.states[drawn].tolist()}
        shown = [(s.value, s.label.lower()) for s in LEGEND if s in present]
        return [("best", "best"), *shown]

    def _mark(self, plot: Plot, place: int) -> None:
        number, state = self._number(place), STATES[self.data.states[place]]
        if math.isfinite(self.found.score[place]):
            plot.dot(number, self.data.value[place], state, self._name(place))
        elif state == "failed":
            plot.floor_dot(number, state, f"trial {number}: failed")

    def _number(self, place: int) -> int:
        return int(self.data.numbers[place])

    def _name(self, place: int) -> str:
        return f"trial {self._number(place)}: {metric_text(self.data.value[place])}"

    def learning_curves(self) -> Figure:
        """The reports of the best trials and of a fair sample of the others."""
        first = self.ranked[:BEST_LINES]
        rest = np.setdiff1d(np.arange(len(self.data)), first)
        drawn = [*first.tolist(), *fair_sample(rest, MAX_LINES - len(first)).tolist()]
        curves = _curves(self.sweep, self.data.ids[drawn].tolist())
        shown = [place for place in drawn if int(self.data.ids[place]) in curves]
        points = np.array([value for curve in curves.values() for _, value in curve])
        longest = max((curve[-1][0] for curve in curves.values()), default=1.0)
        axis, note = value_axis(self.metric, points, goal=self.sweep.goal)
        plot = Plot(PlotAxis("report", 1, max(2.0, longest)), axis)
        for place in reversed(shown):
            state = STATES[self.data.states[place]]
            kind = "best-line" if place == self.ranked[0] else f"line {state}"
            plot.line(curves[int(self.data.ids[place])], kind, self._name(place))
        return Figure(
            "Learning curves",
            "How do the trials learn, and which ended early?",
            [plot.svg(f"{self.metric} by report, a line for each trial")],
            note=f"{len(shown)} of {len(self.data):,} trials: the best {len(first)}"
            f" and a fair sample of the others. {note}",
            columns=("trial", "state", "reports", "first", "last"),
            rows=[
                self._curve_row(place, curves[int(self.data.ids[place])])
                for place in shown
            ],
            legend=self._legend(np.array(shown, np.intp)),
        )

    def _curve_row(self, place: int, curve: Curve) -> tuple[str, ...]:
        facts = str(self._number(place)), STATES[self.data.states[place]]
        ends = metric_text(curve[0][1]), metric_text(curve[-1][1])
        return *facts, str(int(curve[-1][0])), *ends

    def importance(self) -> list[Figure]:
        """Empty with too few trials."""
        answer = importance_answer(self.found)
        if not answer["ready"]:
            return []
        rows = [
            (row["name"], row["share"], share_text(row["share"]), row["told_apart"])
            for row in answer["rows"][:MAX_SLICES]
        ]
        return [
            Figure(
                "Parameter importance",
                f"{answer['question']} ({answer['method']})",
                [bars(rows, "The share of each parameter")],
                note=answer["sentence"],
                columns=("parameter", "share"),
                rows=[(name, text) for name, _, text, _ in rows],
            )
        ]

    def slices(self) -> Figure:
        """The value beside each parameter."""
        every = self._by_importance()
        best = self.ranked[0]
        drawn = np.append(fair_sample(self.ranked[1:], MAX_SLICE_DOTS), best)
        axis, note = value_axis(
            self.metric, self.data.value[self.ranked], goal=self.sweep.goal
        )
        more = len(every) - MAX_SLICES
        left_out = f" {more} more parameters are not drawn." if more > 0 else ""
        return Figure(
            "Parameters",
            "Where are the good values of each parameter?",
            [self._slice(each, axis, drawn) for each in every[:MAX_SLICES]],
            note=f"{len(drawn):,} of {len(self.ranked):,} trials with a value, the best"
            f" marked. {note}{left_out}",
            columns=("parameter", "best", "middle 80 % of the best quarter"),
            rows=[self._best_quarter(each) for each in every],
            legend=self._legend(drawn),
        )

    def _by_importance(self) -> list[ParameterColumn]:
        factors = self.importances.factors if self.importances else ()
        order = {each.name: place for place, each in enumerate(factors)}
        found = self.found.parameters
        return sorted(found, key=lambda each: order.get(each.name, len(order)))

    def _slice(
        self, parameter: ParameterColumn, axis: PlotAxis, drawn: Places
    ) -> SafeString:
        across = parameter_axis(parameter)
        plot = Plot(across, axis, width=360, height=200)
        for place in drawn.tolist():
            cell = parameter.cells[place]
            if math.isfinite(cell):
                state = STATES[self.data.states[place]]
                kind = "best" if place == self.ranked[0] else state
                plot.dot(cell, self.data.value[place], kind, self._name(place))
        return plot.svg(f"{self.metric} by {parameter.name}")

    def _best_quarter(self, parameter: ParameterColumn) -> tuple[str, str, str]:
        quarter = self.ranked[: max(1, len(self.ranked) // 4)]
        cells = parameter.cells[quarter]
        cells = cells[np.isfinite(cells)]
        best = _cell_text(parameter, parameter.cells[self.ranked[0]])
        if not len(cells):
            return parameter.name, best, "not set"
        if parameter.axis["kind"] == "choice":
            counts = np.bincount(cells.astype(int))
            order = np.argsort(-counts, kind="stable")[:3].tolist()
            used = [_cell_text(parameter, place) for place in order if counts[place]]
            return parameter.name, best, "mostly " + ", ".join(used)
        low, high = np.quantile(cells, (0.1, 0.9)).tolist()
        return parameter.name, best, f"{parameter_text(low)} to {parameter_text(high)}"


def _cell_text(parameter: ParameterColumn, cell: float) -> str:
    if not math.isfinite(cell):
        return "not set"
    values = parameter.axis["values"]
    return parameter_text(values[int(cell)] if values else cell)


def parameter_axis(parameter: ParameterColumn) -> PlotAxis:
    axis = parameter.axis
    low, high = axis["low"] or 0.0, axis["high"]
    return PlotAxis(
        parameter.name,
        low,
        1.0 if high is None else high,
        log=axis["log"] and low > 0,
        values=axis["values"],
    )


def fair_sample(places: Places, most: int) -> Places:
    """At most this many of them, evenly spread."""
    if len(places) <= most:
        return places
    kept: Places = places[np.linspace(0, len(places) - 1, most).round().astype(int)]
    return kept


def improvements(scores: NDArray[np.float64]) -> Places:
    """The places of trials that were the best in their time; lower is better."""
    known = np.where(np.isfinite(scores), scores, np.inf)
    before = np.minimum.accumulate(np.append(np.inf, known[:-1]))
    return np.flatnonzero(known < before)


def stairs(
    steps: Sequence[tuple[float, float]], last: float
) -> list[tuple[float, float]]:
    """Corners of a line that holds each value until the next, the last one to the
    end."""
    corners: list[tuple[float, float]] = []
    for x, y in steps:
        if corners:
            corners.append((x, corners[-1][1]))
        corners.append((x, y))
    return [*corners, (max(last, corners[-1][0]), corners[-1][1])] if corners else []


def value_axis(
    metric: str, values: NDArray[np.float64], *, goal: str
) -> tuple[PlotAxis, str]:
    """With room for most values, and a sentence about the others and the better end."""
    finite = values[np.isfinite(values)]
    finite = finite if len(finite) else np.zeros(1)
    low, high = float(finite.min()), float(finite.max())
    near, far = np.quantile(finite, (TAIL, 1 - TAIL)).tolist()
    note = f"{'Higher' if goal == 'maximize' else 'Lower'} is better."
    cut = f"{note} The worst values are drawn at the edge."
    if goal == "maximize" and near - low > high - near:
        return PlotAxis(metric, near, high), cut
    if goal == "minimize" and high - far > far - low:
        return PlotAxis(metric, low, far), cut
    return PlotAxis(metric, low, high), note


def _curves(sweep: Sweep, ids: Sequence[int]) -> Mapping[int, Curve]:
    trials = sweep.trials.filter(pk__in=ids)
    curves: dict[int, Curve] = {}
    for pk, excerpt in excerpts.reports(trials, excerpts.spread(MAX_POINTS)).items():
        thin = excerpt.thinned(MAX_POINTS)
        pairs = zip(thin.places.tolist(), thin.points["value"].tolist(), strict=True)
        curve = [(place + 1.0, value) for place, value in pairs if math.isfinite(value)]
        if curve:
            curves[pk] = curve
    return curves
