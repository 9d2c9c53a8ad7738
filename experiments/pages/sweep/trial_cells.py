"""What stands in the cells of a trial's table row: texts aligned by their decimal
point, and a small curve. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.pages.rows import TrialRow, thinned
from experiments.search.choice import Choice
from experiments.search.space import SearchSpace
from experiments.words import exact_text, metric_text, number_text

# As wide as a digit and as a point, where figures are tabular.
FIGURE_SPACE, POINT_SPACE = "\u2007", "\u2008"
WIDTH, HEIGHT, EDGE = 96, 24, 3
MOST_SPARK_POINTS = 40
# Closer than this to the ideal end two values look the same, as in the charts.
CLOSEST = 0.002


@dataclass(frozen=True)
class Cell:
    """One parameter's value; ``exact`` is what a copy of it needs."""

    text: str
    exact: str = ""
    numeric: bool = False
    unset: bool = False


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def numeric_parameters(space: SearchSpace) -> dict[str, bool]:
    """For each axis of the space whether all of its values are numbers."""
    return {
        name: not isinstance(axis.law, Choice) or all(map(is_number, axis.law.distinct))
        for name, axis in space.axes.items()
    }


def value_text(value: Any, *, numeric: bool, digits: int = 4) -> str:
    if numeric and is_number(value):
        return number_text(value, digits)
    return value if isinstance(value, str) else json.dumps(value)


def decimals(text: str) -> int:
    """Digits after the point, one more for the point itself; 0 for whole numbers."""
    _, point, rest = text.partition(".")
    return len(rest) + 1 if point else 0


def padded(text: str, to: int) -> str:
    """Blanks at the right that bring the decimal points of a column in line."""
    missing = to - decimals(text)
    if missing <= 0 or not text[-1:].isdigit():
        return text
    if decimals(text):
        return text + FIGURE_SPACE * missing
    return text + POINT_SPACE + FIGURE_SPACE * (missing - 1)


def column_decimals(
    rows: Iterable[TrialRow], numeric: Mapping[str, bool]
) -> dict[str, int]:
    """How much room each numeric parameter, and "" (the metric), needs."""
    room = dict.fromkeys(["", *numeric], 0)
    for row in rows:
        room[""] = max(room[""], decimals(metric_text(row["value"])))
        for name, is_numeric in numeric.items():
            if is_numeric and is_number(value := row["params"].get(name)):
                room[name] = max(room[name], decimals(number_text(value)))
    return room


def parameter_cells(
    params: Mapping[str, Any], numeric: Mapping[str, bool], room: Mapping[str, int]
) -> list[Cell]:
    cells = []
    for name, is_numeric in numeric.items():
        if name not in params:
            cells.append(Cell("not set", numeric=is_numeric, unset=True))
            continue
        text = value_text(params[name], numeric=is_numeric)
        exact = exact_text(params[name]) if is_number(params[name]) else text
        if is_numeric:
            text = padded(text, room[name])
        cells.append(Cell(text, exact, is_numeric))
    return cells


def summary(params: Mapping[str, Any]) -> str:
    """All parameters in one line, for narrow screens."""
    return ", ".join(
        f"{name} {value_text(value, numeric=True, digits=3)}"
        for name, value in params.items()
    )


# --- sparklines -------------------------------------------------------------------


@dataclass(frozen=True)
class Spark:
    """An SVG path of 96 by 24, and where it ends."""

    path: str
    x: float
    y: float

    @property
    def is_dot(self) -> bool:
        return "L" not in self.path


@dataclass(frozen=True)
class SparkScale:
    """One scale for all rows of a table; better is up.

    Metrics within 0 to 1 are stretched toward their ideal end, as in the charts.
    """

    longest: int
    low: float
    high: float
    stretched: bool
    maximizes: bool

    def up(self, value: float) -> float:
        if self.stretched:
            away = 1 - value if self.maximizes else value
            return -math.log10(min(1.0, max(CLOSEST, away)))
        return value if self.maximizes else -value

    def draw(self, curve: Sequence[Sequence[float | None]]) -> Spark | None:
        points = [
            (n, v) for n, v, *_ in _thin(curve) if n is not None and v is not None
        ]
        if not points:
            return None
        placed = [(self._across(n), self._pixels(value)) for n, value in points]
        path = "L".join(f"{x:g} {y:g}" for x, y in placed)
        return Spark(f"M{path}", *placed[-1])

    def _across(self, n: float) -> float:
        share = (n - 1) / max(1, self.longest - 1)
        return round(EDGE + (WIDTH - 2 * EDGE) * min(1.0, share), 1)

    def _pixels(self, value: float) -> float:
        bottom, top = sorted((self.up(self.low), self.up(self.high)))
        share = (self.up(value) - bottom) / (top - bottom) if top > bottom else 0.75
        return round(HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * min(1.0, max(0.0, share)), 1)


def _thin(curve: Sequence[Sequence[float | None]]) -> Sequence[Sequence[float | None]]:
    return thinned([list(point) for point in curve], MOST_SPARK_POINTS)


def spark_scale(
    rows: Iterable[TrialRow], *, longest: int, maximizes: bool
) -> SparkScale:
    """A scale on which every curve of the rows has its place.

    The bad end is cut where it lies far outside: a loss of 900 in the first step.
    """
    curves = [row["curve"] for row in rows]
    values = sorted(p[1] for curve in curves for p in curve if p[1] is not None)
    longest = max([longest, *(int(c[-1][0] or 1) for c in curves if c)])
    if not values:
        return SparkScale(longest, 0.0, 1.0, False, maximizes)
    low, high = values[0], values[-1]
    last = len(values) - 1
    few, most = values[round(last * 0.05)], values[round(last * 0.95)]
    if maximizes:
        low = max(low, few - (most - few))
    else:
        high = min(high, most + (most - few))
    inside = values[0] >= 0 and values[-1] <= 1
    return SparkScale(
        longest, _outward(low, math.floor), _outward(high, math.ceil), inside, maximizes
    )


def _outward(value: float, rounding: Callable[[float], int]) -> float:
    """Two significant digits, so that the scale does not move at every report."""
    if value == 0 or not math.isfinite(value):
        return value
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    return rounding(value / step) * step
