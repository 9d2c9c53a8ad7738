"""What the charts of a sweep's page draw: the newest trials, and those that led.

A search space as the axes of parallel coordinates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypedDict

from experiments.models import Sweep, Trial
from experiments.models.trials import TrialState
from experiments.pages.sweep.summary import SweepSummary
from experiments.pages.sweep.trial_cells import is_number
from experiments.pages.trial_rows import TrialRow
from experiments.search.space import conditions
from experiments.search.space.choice import Choice
from experiments.search.space.continuous import Logarithmic
from experiments.search.space.distribution import Distribution
from experiments.search.space.space import SearchSpace
from experiments.tracking.spaces import axis_values, earlier_spaces, search_space

# More values than this are drawn as numbers along an axis rather than as bands.
MAX_BANDS = 12


class ChartAxis(TypedDict):
    """``low`` and ``high`` are null where the law has no end; values then decide."""

    name: str
    kind: str
    log: bool
    low: float | None
    high: float | None
    values: list[Any]


def space_axes(
    space: SearchSpace, earlier: Iterable[SearchSpace] = ()
) -> list[ChartAxis]:
    """One axis for each parameter, in document order, after a nested choice those
    of its branches.

    An axis is long enough for the values of spaces that the sweep had earlier; what
    only these have comes last.
    """
    found = {name: _axis(name, axis) for name, axis in space.axes.items()}
    for other in earlier:
        for name, axis in other.axes.items():
            old = _axis(name, axis)
            found[name] = _joined(found[name], old) if name in found else old
    return list(found.values())


def _joined(new: ChartAxis, old: ChartAxis) -> ChartAxis:
    """The new axis with room for what the old one had, where both are of a kind."""
    if new["kind"] != old["kind"]:
        return new
    more = [value for value in old["values"] if value not in new["values"]]
    return ChartAxis(
        name=new["name"],
        kind=new["kind"],
        log=new["log"] and old["log"],
        low=_outer(min, new["low"], old["low"]),
        high=_outer(max, new["high"], old["high"]),
        values=[*new["values"], *more],
    )


def _outer(
    end: Callable[[float, float], float], one: float | None, other: float | None
) -> float | None:
    return None if one is None or other is None else end(one, other)


def _axis(name: str, axis: conditions.Axis) -> ChartAxis:
    law = axis.distribution
    if isinstance(law, Choice) and not _is_long_scale(law):
        values = axis_values(axis)
        return ChartAxis(
            name=name, kind="choice", log=False, low=None, high=None, values=values
        )
    low, high = _ends(law)
    return ChartAxis(
        name=name, kind="number", log=_is_log(law), low=low, high=high, values=[]
    )


def _is_long_scale(law: Choice) -> bool:
    return len(law.distinct) > MAX_BANDS and all(map(is_number, law.distinct))


def _is_log(law: Distribution) -> bool:
    return isinstance(law, Logarithmic) or bool(getattr(law, "log", False))


def _ends(law: Distribution) -> tuple[float | None, float | None]:
    if isinstance(law, Choice):
        numbers = [float(v) for v in law.distinct if isinstance(v, int | float)]
        return min(numbers), max(numbers)
    plain = getattr(law, "variable", None)
    source = law if hasattr(law, "low") else plain
    low, high = getattr(source, "low", None), getattr(source, "high", None)
    if low is None and hasattr(law, "upper"):
        low, high = 0, law.upper - 1
    return _finite(low), _finite(high)


def _finite(number: float | None) -> float | None:
    return None if number is None or math.isinf(number) else number


# Curves beyond this number would be sent, but could not be told apart.
MAX_TRIALS = 300
# Points of all curves together, and the least that each curve gets.
MAX_POINTS, MIN_POINTS = 18_000, 40


def chart_trials(sweep: Sweep, *, tried: int) -> list[Trial]:
    """The newest trials and, where that is not all, those that were the best once."""
    trials = sweep.trials.select_related("current_attempt")
    newest = list(trials.order_by("-number")[:MAX_TRIALS])
    if tried <= MAX_TRIALS:
        return newest
    known = {trial.pk for trial in newest}
    leaders = sweep.trials.leaders(sweep.goal).order_by().values_list("pk", flat=True)
    led = trials.filter(pk__in=list(leaders))
    return newest + [trial for trial in led if trial.pk not in known]


def points_each(count: int) -> int:
    """How many points one of so many curves may have."""
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
