"""What an experiment's page shows: its best value, its compute, its sweeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db.models import Count, Max
from django.template.loader import render_to_string

from experiments.models import Experiment, Trial
from experiments.models.sweeps import SWEEP_ENDS, SweepState
from experiments.pages.experiments.chart import MOST_LINES, chart_model
from experiments.pages.experiments.sweep_table import SweepRow, sweep_rows
from experiments.pages.live_parts import digest
from experiments.pages.saved_words import also_saved
from experiments.progress import Compute
from experiments.words import MINUS, metric_text, signed_text

# Beyond this the oldest sweeps are left out of the page.
MOST_SWEEPS = 200
# The parts of the page that its feed may replace, each with a template of its own.
PARTS = ("facts", "answer", "chart", "sweeps")


@dataclass(frozen=True)
class Lead:
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
class Summary:
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
    def lead(self) -> Lead | None:
        if len(self.ranking) < 2:
            return None
        first, second = self.ranking[:2]
        value = _best_value(first)
        digits = len(metric_text(value).partition(".")[2])
        return Lead(value - _best_value(second), second, digits)

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
        left_out = len(self.comparable) - MOST_LINES
        if left_out <= 0:
            return ""
        return f"The newest {MOST_LINES} sweeps; the table has {left_out} older ones."


def _measure(row: SweepRow) -> tuple[str, str]:
    return row.sweep.primary_metric, row.sweep.goal


def _best_value(row: SweepRow) -> float:
    if row.best is None:
        raise ValueError(f"{row.sweep} has no value to compare")
    return row.best.value


def experiment_summary(experiment: Experiment, *, archived: bool) -> Summary:
    sweeps = experiment.sweeps.select_related("experiment", "created_by")
    shown = sweeps.filter(archived_at__isnull=not archived).order_by("-number")
    put_away = experiment.sweeps.filter(archived_at__isnull=False).count()
    rows = sweep_rows(list(shown[:MOST_SWEEPS]), one_scale=True)
    return Summary(rows, shown.count(), put_away)


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
