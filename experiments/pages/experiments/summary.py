"""What an experiment's page shows: its best value, its compute, its sweeps, and a chart
of what each sweep found for the compute it used.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from django.db.models import Count, Max, RowRange, Sum, Value, Window
from django.db.models.functions import Coalesce

from experiments.formatting import metric_text, named_metric_text, number_text
from experiments.models import Experiment, Metric, Sweep, Trial
from experiments.models.sweeps import SWEEP_ENDS, SweepState
from experiments.models.trials import TRIAL_ENDS, TrialState
from experiments.pages.experiments.run_table import run_facts
from experiments.pages.experiments.sweep_table import SweepRow, sweep_rows
from experiments.pages.frame import digest
from experiments.pages.sweep.tiles import also_saved
from experiments.reports.figures import stairs
from experiments.sweeps.progress import Compute
from experiments.tracking.training_time import trained

# More lines than this look alike.
MAX_LINES, MAX_LEVELS = 6, 3
Point = tuple[float, float]


def chart_model(
    rows: Sequence[SweepRow],
    *,
    best: SweepRow | None,
    runs: Sequence[tuple[str, float]] = (),
) -> dict[str, Any] | None:
    """The model of a "lines" chart for sweeps of one metric, the first ones of
    ``rows``, with a star for ``best``; None when none of them has a value yet. Runs,
    as names and values, are level lines."""
    drawn = [row for row in rows if row.best][:MAX_LINES]
    if not drawn:
        return None
    goal = drawn[0].sweep.goal
    found = best_by_compute([row.sweep.pk for row in drawn], goal=goal)
    text = partial(named_metric_text, name=drawn[0].sweep.primary_metric)
    unit, seconds = _unit(max(row.compute.used for row in drawn))
    series = [
        {
            "name": f"{row.sweep.label} {text(found[row.sweep.pk][-1][1])}",
            "points": stairs(
                [(used / seconds, value) for used, value in found[row.sweep.pk]],
                row.compute.used / seconds,
            ),
            "best": row is best,
        }
        for row in drawn
        if found[row.sweep.pk]
    ]
    end = max(row.compute.used for row in drawn) / seconds
    reached = [value for steps in found.values() for _, value in steps]
    series += _levels(runs, reached, end, text, highest=goal == "maximize")
    return {
        "xLabel": f"compute used by the sweep, {unit}",
        "xMin": 0,
        "goal": goal,
        "series": series,
    }


def _levels(
    runs: Sequence[tuple[str, float]],
    reached: Sequence[float],
    end: float,
    text: Callable[[float], str],
    *,
    highest: bool,
) -> list[dict[str, Any]]:
    """Level lines of runs. One far worse than all sweeps would only squash them."""
    worst = min(reached, default=0.0) if highest else max(reached, default=0.0)
    return [
        {
            "name": f"{name} {text(value)}",
            "points": [[0, value], [end, value]],
            "best": False,
        }
        for name, value in runs
        if (value >= worst if highest else value <= worst)
    ]


def _unit(longest: float) -> tuple[str, float]:
    """The name and the seconds of a unit that suits the longest sweep."""
    if longest < 180:
        return "slot-seconds", 1.0
    if longest < 3 * 3600:
        return "slot-minutes", 60.0
    return "slot-hours", 3600.0


def best_by_compute(ids: Sequence[int], *, goal: str) -> Mapping[int, list[Point]]:
    """(seconds used so far, new best value) by sweep, in the order in which trials
    ended; failed trials use compute too."""
    by = ("ended_at", "pk")
    seconds = Coalesce(trained(), Value(0.0))
    used = Window(
        Sum(seconds), partition_by="sweep", order_by=by, frame=RowRange(end=0)
    )
    ended = Trial.objects.filter(sweep__in=ids, state__in=TRIAL_ENDS)
    leaders = ended.leaders(goal, by=by).annotate(used=used).order_by("sweep", "used")
    points: dict[int, list[Point]] = defaultdict(list)
    for pk, *point in leaders.values_list("sweep", "used", "value"):
        points[pk].append((point[0], point[1]))
    return points


# Beyond this the oldest sweeps are left out of the page.
MAX_SWEEPS = 200


@dataclass(frozen=True)
class SweepLead:
    """How much better the best sweep is than the next one."""

    margin: float
    over: SweepRow
    digits: int

    @property
    def text(self) -> str:
        """With as many decimals as the best value has, or more for a small margin."""
        text = f"{self.margin:.{self.digits}f}"
        return text if text.strip("0.") else number_text(self.margin, 2)


@dataclass(frozen=True)
class ExperimentSummary:
    """``rows``: the experiment's sweeps that are not archived, the newest first.
    ``best`` and ``lead`` compare sweeps with the newest one's metric."""

    rows: Sequence[SweepRow]
    best: SweepRow | None
    lead: SweepLead | None
    chart: dict[str, Any] | None
    chart_note: str

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


def experiment_summary(experiment: Experiment) -> ExperimentSummary:
    sweeps = experiment.sweeps.select_related("experiment", "created_by")
    shown = sweeps.filter(archived_at=None).order_by("-number")
    rows = sweep_rows(list(shown[:MAX_SWEEPS]), one_scale=True)
    valued = [row for row in rows if row.best]
    comparable = [row for row in valued if _measure(row) == _measure(valued[0])]
    highest = bool(comparable) and comparable[0].sweep.goal == "maximize"
    ranking = sorted(comparable, key=_best_value, reverse=highest)
    best = ranking[0] if ranking else None
    return ExperimentSummary(
        rows=rows,
        best=best,
        lead=_lead(ranking),
        chart=chart_model(comparable, best=best, runs=_best_runs(comparable)),
        chart_note=_chart_note(len(comparable)),
    )


def with_chart_of(
    summary: ExperimentSummary, rows: Sequence[SweepRow]
) -> ExperimentSummary:
    """The same with a chart of these sweeps alone."""
    valued = [row for row in rows if row.best]
    same = [row for row in valued if _measure(row) == _measure(valued[0])]
    chart = chart_model(same, best=summary.best, runs=_best_runs(same))
    note = f"The {len(same)} ticked sweeps." if len(same) > 1 else "The ticked sweep."
    return replace(summary, chart=chart, chart_note=note)


def _best_runs(comparable: Sequence[SweepRow]) -> list[tuple[str, float]]:
    """The best finished runs of the experiment by the sweeps' metric."""
    if not comparable:
        return []
    sweep = comparable[0].sweep
    best = "high" if sweep.goal == "maximize" else "low"
    found = Metric.objects.filter(
        attempt__trial__experiment=sweep.experiment_id,
        attempt__trial__sweep=None,
        attempt__trial__state=TrialState.COMPLETED,
        attempt__trial__run__deleted_at=None,
        attempt__trial__run__archived_at=None,
        attempt__trial__run__parent=None,
        name=sweep.primary_metric,
        **{f"{best}__isnull": False},
    )
    order = f"-{best}" if sweep.goal == "maximize" else best
    columns = found.order_by(order).values_list("attempt__trial__run__name", best)
    return [(name, value) for name, value in columns[:MAX_LEVELS] if value is not None]


def _lead(ranking: Sequence[SweepRow]) -> SweepLead | None:
    if len(ranking) < 2:
        return None
    value, second = _best_value(ranking[0]), _best_value(ranking[1])
    digits = len(metric_text(value).partition(".")[2])
    return SweepLead(abs(value - second), ranking[1], digits)


def _chart_note(comparable: int) -> str:
    if comparable <= MAX_LINES:
        return ""
    older = comparable - MAX_LINES
    return f"The newest {MAX_LINES} sweeps; the table has {older} older ones."


def _measure(row: SweepRow) -> tuple[str, str]:
    return row.sweep.primary_metric, row.sweep.goal


def _best_value(row: SweepRow) -> float:
    if row.best is None:
        raise ValueError(f"{row.sweep} has no value to compare")
    return row.best.value


def version(experiment: Experiment) -> str:
    """A mark that changes whenever a sweep, a trial or a run of the page has changed,
    from four aggregates over indexed columns."""
    facts = (sweep_facts(experiment=experiment), run_facts(experiment))
    return digest(repr(facts))


def sweep_facts(**where: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """They change whenever one of these sweeps or its trials changes."""
    sweeps = Sweep.objects.filter(**where)
    live = {"sweep__state__in": set(SweepState) - SWEEP_ENDS}
    live |= {f"sweep__{name}": value for name, value in where.items()}
    return (
        sweeps.aggregate(Max("updated_at"), Count("pk"), Count("archived_at")),
        Trial.objects.filter(**live).aggregate(Max("updated_at"), Count("pk")),
    )
