"""What the charts of a sweep's page draw: the newest trials, and those that led."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from experiments.models import Sweep, Trial
from experiments.models.trials import TrialState
from experiments.pages.rows import TrialRow
from experiments.pages.space_axes import space_axes
from experiments.pages.sweep.standing import SweepStanding
from experiments.spaces import earlier_spaces, search_space

# Curves beyond this number would be sent, but could not be told apart.
MOST_TRIALS = 300
# Points of all curves together, and the least that each curve gets.
MOST_POINTS, LEAST_POINTS = 18_000, 40


def chart_trials(sweep: Sweep, *, tried: int) -> list[Trial]:
    """The newest trials and, where that is not all, those that were the best once."""
    trials = sweep.trials.select_related("current_attempt")
    newest = list(trials.order_by("-number")[:MOST_TRIALS])
    if tried <= MOST_TRIALS:
        return newest
    known = {trial.pk for trial in newest}
    leaders = sweep.trials.leaders(sweep.goal).order_by().values_list("pk", flat=True)
    led = trials.filter(pk__in=list(leaders))
    return newest + [trial for trial in led if trial.pk not in known]


def points_each(count: int) -> int:
    """How many points one of so many curves may have."""
    return max(LEAST_POINTS, min(150, MOST_POINTS // max(1, count)))


def chart_model(standing: SweepStanding, rows: Iterable[TrialRow]) -> dict[str, Any]:
    """The model that all charts of the page share."""
    sweep = standing.sweep
    return {
        "objective": {"metric": sweep.primary_metric, "goal": sweep.goal},
        "xLabel": "report",
        "total": standing.planned,
        "most": MOST_TRIALS,
        "space": space_axes(search_space(sweep), earlier_spaces(sweep)),
        "trials": [chart_row(row) for row in rows],
    }


def chart_row(row: TrialRow) -> dict[str, Any]:
    """What a chart needs of a row."""
    names = ("id", "number", "state", "best", "value", "reports", "params", "curve")
    return {name: row[name] for name in names}  # type: ignore[literal-required]


def chart_note(tried: int) -> str:
    if tried <= MOST_TRIALS:
        return ""
    return (
        f"The newest {MOST_TRIALS} of {tried:,} trials, and earlier ones that were"
        " the best in their time."
    )


def chart_chips(counts: dict[str, int]) -> list[dict[str, Any]]:
    """State chips of the learning curves: legend and filter in one. States that no
    trial is in have one too, which scripts hide for as long as that is so."""
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
    """The menus of the learning curves: what is across, and how values are spread."""
    across = [("report", "x: report"), ("step", "x: step"), ("seconds", "x: seconds")]
    return [
        select("x", "What the x axis counts", across),
        select("y", "How the y axis is spread", _spreads(rows)),
    ]


def spread_select(rows: Sequence[TrialRow]) -> list[dict[str, Any]]:
    return [select("y", "How the y axis is spread", _spreads(rows))]


def _spreads(rows: Sequence[TrialRow]) -> list[tuple[str, str]]:
    """Stretched only for metrics in 0 to 1, logarithmic only above 0."""
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
