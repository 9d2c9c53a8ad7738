"""What the charts of a sweep's page draw: the newest trials, and earlier leaders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from experiments.models import Sweep, Trial
from experiments.models.trials import TrialState
from experiments.pages.sweep.summary import SweepSummary
from experiments.pages.trial_rows import TrialRow
from experiments.tracking.axes import space_axes
from experiments.tracking.spaces import earlier_spaces, search_space

# More curves than this look alike.
MAX_TRIALS = 300
# Points of all curves together, and of each at least.
MAX_POINTS, MIN_POINTS = 18_000, 40


def chart_trials(sweep: Sweep, *, tried: int) -> list[Trial]:
    """The newest trials, and older ones that were the best in their time."""
    trials = sweep.trials.select_related("current_attempt")
    newest = list(trials.order_by("-number")[:MAX_TRIALS])
    if tried <= MAX_TRIALS:
        return newest
    known = {trial.pk for trial in newest}
    leaders = sweep.trials.leaders(sweep.goal).order_by().values_list("pk", flat=True)
    led = trials.filter(pk__in=list(leaders))
    return newest + [trial for trial in led if trial.pk not in known]


def points_each(count: int) -> int:
    """How many points each of ``count`` curves may have."""
    return max(MIN_POINTS, min(150, MAX_POINTS // max(1, count)))


def chart_model(summary: SweepSummary, rows: Iterable[TrialRow]) -> dict[str, Any]:
    """The model that all charts of the page share."""
    sweep = summary.sweep
    return {
        "objective": {"metric": sweep.primary_metric, "goal": sweep.goal},
        "xLabel": "report",
        "total": summary.planned,
        "most": MAX_TRIALS,
        "space": space_axes(search_space(sweep), earlier_spaces(sweep)),
        "trials": [chart_row(row) for row in rows],
    }


def chart_row(row: TrialRow) -> dict[str, Any]:
    """What a chart needs of a row."""
    names = ("id", "number", "state", "best", "value", "reports", "params", "curve")
    return {name: row[name] for name in names}  # type: ignore[literal-required]


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


def curve_selects(rows: Sequence[TrialRow]) -> list[dict[str, Any]]:
    """The menus of the learning curves: the x axis and the scale of the y axis."""
    across = [("report", "x: report"), ("step", "x: step"), ("seconds", "x: seconds")]
    return [
        select("x", "x axis", across),
        select("y", "Scale of the y axis", _spreads(rows)),
    ]


def spread_select(rows: Sequence[TrialRow]) -> list[dict[str, Any]]:
    return [select("y", "Scale of the y axis", _spreads(rows))]


def _spreads(rows: Sequence[TrialRow]) -> list[tuple[str, str]]:
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
