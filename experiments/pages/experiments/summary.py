"""What an experiment's page shows: its best value, its compute, its sweeps.

What each sweep of an experiment had found for the compute it had used.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db.models import (
    Case,
    Count,
    F,
    Max,
    Min,
    Q,
    RowRange,
    Sum,
    Value,
    When,
    Window,
)
from django.db.models.functions import Coalesce
from django.template.loader import render_to_string

from experiments.formatting import MINUS, metric_text, signed_text
from experiments.models import Experiment, Trial
from experiments.models.sweeps import SWEEP_ENDS, SweepState
from experiments.models.trials import TRIAL_ENDS, TRIAL_RANKED
from experiments.pages.experiments.sweep_table import SweepRow, sweep_rows
from experiments.pages.frame import digest
from experiments.pages.sweep.tiles import also_saved
from experiments.sweeps.progress import Compute
from experiments.tracking.training_time import trained

# More lines than this cannot be told apart.
MAX_LINES = 6
Point = tuple[float, float]


def chart_model(
    rows: Sequence[SweepRow], *, best: SweepRow | None
) -> dict[str, Any] | None:
    """The model of a "lines" chart for sweeps of one metric, the first ones of
    ``rows``, with a star for ``best``; None when none of them has a value yet."""
    drawn = [row for row in rows if row.best][:MAX_LINES]
    if not drawn:
        return None
    goal = drawn[0].sweep.goal
    found = best_by_compute([row.sweep.pk for row in drawn], goal=goal)
    unit, seconds = _unit(max(row.compute.used for row in drawn))
    series = [
        {
            "name": f"{row.sweep.label} {metric_text(found[row.sweep.pk][-1][1])}",
            "points": _stairs(found[row.sweep.pk], row.compute.used, seconds),
            "best": row is best,
        }
        for row in drawn
        if found[row.sweep.pk]
    ]
    return {
        "xLabel": f"compute used by the sweep, {unit}",
        "xMin": 0,
        "goal": goal,
        "series": series,
    }


def _unit(longest: float) -> tuple[str, float]:
    """A unit in which the longest sweep takes some tens: its name and its seconds."""
    if longest < 180:
        return "slot-seconds", 1.0
    if longest < 3 * 3600:
        return "slot-minutes", 60.0
    return "slot-hours", 3600.0


def _stairs(steps: Sequence[Point], end: float, unit: float) -> list[list[float]]:
    """Corners of the step line: each value holds until the next, the last to the
    end."""
    corners: list[list[float]] = []
    for used, value in steps:
        if corners:
            corners.append([used / unit, corners[-1][1]])
        corners.append([used / unit, value])
    last, value = steps[-1]
    corners.append([max(end, last) / unit, value])
    return corners


def best_by_compute(ids: Sequence[int], *, goal: str) -> Mapping[int, list[Point]]:
    """(seconds used until then, new best value) by sweep, in the order in which trials
    ended. Windows keep all other trials in the database; failed ones cost, and never
    are the best."""
    best = Max if goal == "maximize" else Min
    order: dict[str, Any] = {"partition_by": "sweep", "order_by": ["ended_at", "pk"]}
    seconds = Coalesce(trained(), Value(0.0))
    trials = (
        Trial.objects.filter(sweep__in=ids, state__in=TRIAL_ENDS)
        .annotate(score=Case(When(state__in=TRIAL_RANKED, then=F("value"))))
        .annotate(
            used=Window(Sum(seconds), frame=RowRange(end=0), **order),
            before=Window(best("score"), frame=RowRange(end=-1), **order),
        )
    )
    beats = "score__gt" if goal == "maximize" else "score__lt"
    better = trials.filter(
        Q(before=None, score__isnull=False) | Q(**{beats: F("before")})
    )
    points: dict[int, list[Point]] = defaultdict(list)
    rows = better.order_by("sweep", "used").values_list("sweep", "used", "score")
    for pk, used, score in rows:
        points[pk].append((used, score))
    return points


# Beyond this the oldest sweeps are left out of the page.
MAX_SWEEPS = 200
# The parts of the page that its feed may replace, each with a template of its own.
PARTS = ("facts", "answer", "chart", "sweeps")


@dataclass(frozen=True)
class SweepLead:
    """How much better the best sweep is than the next one."""

    margin: float
    over: SweepRow
    digits: int

    @property
    def text(self) -> str:
        """With as many digits after the point as the best value has, if that says
        anything."""
        text = f"{self.margin:+.{self.digits}f}".replace("-", MINUS)
        return text if text.strip(f"+{MINUS}0.") else signed_text(self.margin)


@dataclass(frozen=True)
class ExperimentSummary:
    """``rows``: the experiment's sweeps, the newest first; with ``archived`` only
    those that were put away."""

    rows: Sequence[SweepRow]
    sweep_count: int
    archived_count: int

    @cached_property
    def comparable(self) -> Sequence[SweepRow]:
        """Sweeps with a value that share the newest one's metric and goal."""
        valued = [row for row in self.rows if row.best]
        return [row for row in valued if _measure(row) == _measure(valued[0])]

    @cached_property
    def ranking(self) -> Sequence[SweepRow]:
        rows = list(self.comparable)
        highest = bool(rows) and rows[0].sweep.goal == "maximize"
        return sorted(rows, key=_best_value, reverse=highest)

    @property
    def best(self) -> SweepRow | None:
        return self.ranking[0] if self.ranking else None

    @property
    def lead(self) -> SweepLead | None:
        if len(self.ranking) < 2:
            return None
        first, second = self.ranking[:2]
        value = _best_value(first)
        digits = len(metric_text(value).partition(".")[2])
        return SweepLead(value - _best_value(second), second, digits)

    @property
    def compute(self) -> Compute:
        return sum((row.compute for row in self.rows), Compute())

    @property
    def also_saved(self) -> str:
        return also_saved(self.compute.saving)

    @property
    def running_count(self) -> int:
        return sum(row.sweep.state == SweepState.RUNNING for row in self.rows)

    @property
    def trial_count(self) -> int:
        return sum(row.planned - row.counts["left"] for row in self.rows)

    @cached_property
    def chart(self) -> dict[str, Any] | None:
        return chart_model(self.comparable, best=self.best)

    @property
    def chart_note(self) -> str:
        left_out = len(self.comparable) - MAX_LINES
        if left_out <= 0:
            return ""
        return f"The newest {MAX_LINES} sweeps; the table has {left_out} older ones."


def _measure(row: SweepRow) -> tuple[str, str]:
    return row.sweep.primary_metric, row.sweep.goal


def _best_value(row: SweepRow) -> float:
    if row.best is None:
        raise ValueError(f"{row.sweep} has no value to compare")
    return row.best.value


def experiment_summary(experiment: Experiment, *, archived: bool) -> ExperimentSummary:
    sweeps = experiment.sweeps.select_related("experiment", "created_by")
    shown = sweeps.filter(archived_at__isnull=not archived).order_by("-number")
    put_away = experiment.sweeps.filter(archived_at__isnull=False).count()
    rows = sweep_rows(list(shown[:MAX_SWEEPS]), one_scale=True)
    return ExperimentSummary(rows, shown.count(), put_away)


def rendered_parts(context: Mapping[str, Any]) -> dict[str, str]:
    return {
        part: render_to_string(f"experiments/experiments/{part}.html", dict(context))
        for part in PARTS
    }


def version(experiment: Experiment) -> str:
    """A mark that changes whenever a sweep or a trial of the page has changed, from
    two aggregates over indexed columns."""
    live = Trial.objects.filter(
        sweep__experiment=experiment, sweep__state__in=set(SweepState) - SWEEP_ENDS
    )
    facts = (
        experiment.sweeps.aggregate(
            Max("updated_at"), Count("pk"), Count("archived_at")
        ),
        live.aggregate(Max("updated_at"), Count("pk")),
    )
    return digest(repr(facts))
