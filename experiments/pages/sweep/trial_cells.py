"""Texts of the table of trials, aligned at the decimal point, and sparklines. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from experiments.formatting import named_metric_text, number_text, texts
from experiments.pages.curves import Points
from experiments.pages.trial_rows import thinned

# The types of JSON numbers. A call for each cell would cost more.
NUMBERS = (int, float)
# As wide as a digit and as a point, where figures are tabular.
FIGURE_SPACE, POINT_SPACE = "\u2007", "\u2008"
WIDTH, HEIGHT, EDGE = 96, 24, 3
MAX_SPARK_POINTS = 40
MIN_DIGITS, MAX_DIGITS = 4, 6
# Values closer than this to the ideal end look the same, as in the charts.
CLOSEST = 0.002


@dataclass(frozen=True)
class TableCell:
    """One value of the table; ``exact`` is its tooltip."""

    text: str
    exact: str = ""
    numeric: bool = False
    unset: bool = False


# --- texts ------------------------------------------------------------------------


def plain_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def value_texts(values: Sequence[Any], *, digits: int = 4) -> list[str]:
    """Numbers with some digits, anything else as it is."""
    found = texts(values, partial(number_text, digits=digits))
    return [
        text if type(value) in NUMBERS else plain_text(value)
        for value, text in zip(values, found, strict=True)
    ]


def decimals(text: str) -> int:
    """The width of the decimals with their point; 0 for whole numbers."""
    _, point, rest = text.partition(".")
    return len(rest) + 1 if point else 0


def padded(text: str, to: int) -> str:
    """With spaces at the right that align the decimal points of a column."""
    missing = to - decimals(text)
    if missing <= 0 or not text[-1:].isdigit():
        return text
    if decimals(text):
        return text + FIGURE_SPACE * missing
    return text + POINT_SPACE + FIGURE_SPACE * (missing - 1)


def value_column(
    values: Sequence[float | None], metric: str
) -> tuple[list[TableCell], int]:
    """The metric's cells, and the width of their decimals; with up to 6 digits until
    neighbors differ."""
    for digits in range(MIN_DIGITS, MAX_DIGITS + 1):
        found = texts(values, partial(named_metric_text, name=metric, digits=digits))
        if all(
            one == other or before != after
            for (one, before), (other, after) in pairwise(
                zip(values, found, strict=True)
            )
        ):
            break
    room = max(map(decimals, found), default=0)
    return [
        TableCell(padded(text, room), "" if value is None else str(value), numeric=True)
        for text, value in zip(found, values, strict=True)
    ], room


def parameter_column(
    name: str, configurations: Sequence[Mapping[str, Any]], numeric: Mapping[str, bool]
) -> tuple[list[TableCell], int]:
    """One parameter's cells, and the width of their decimals."""
    values = [params.get(name) for params in configurations]
    found = value_texts(values) if numeric[name] else [*map(plain_text, values)]
    numbers = [t for t, v in zip(found, values, strict=True) if type(v) in NUMBERS]
    room = max(map(decimals, numbers), default=0) if numeric[name] else 0
    return [
        TableCell(
            padded(text, room),
            str(value) if type(value) in NUMBERS else text,
            numeric[name],
        )
        if name in params
        else TableCell("not set", numeric=numeric[name], unset=True)
        for params, text, value in zip(configurations, found, values, strict=True)
    ], room


def summaries(configurations: Sequence[Mapping[str, Any]]) -> list[str]:
    """All parameters of each in one line, for narrow screens."""
    values = [value for params in configurations for value in params.values()]
    found = iter(value_texts(values, digits=3))
    return [
        ", ".join(f"{name} {next(found)}" for name in params)
        for params in configurations
    ]


# --- sparklines -------------------------------------------------------------------


@dataclass(frozen=True)
class Spark:
    """An SVG path of 96 by 24, and its end."""

    path: str
    x: float
    y: float
    is_dot: bool


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

    def draw(self, curve: Points) -> Spark | None:
        kept = thinned(curve, MAX_SPARK_POINTS)
        points = [(n, v) for n, v, *_ in kept if n is not None and v is not None]
        if not points:
            return None
        placed = [(self._across(n), self._pixels(value)) for n, value in points]
        path = "L".join(f"{x:g} {y:g}" for x, y in placed)
        return Spark(f"M{path}", *placed[-1], is_dot=len(placed) == 1)

    def _across(self, n: float) -> float:
        share = (n - 1) / max(1, self.longest - 1)
        return round(EDGE + (WIDTH - 2 * EDGE) * min(1.0, share), 1)

    def _pixels(self, value: float) -> float:
        bottom, top = sorted((self.up(self.low), self.up(self.high)))
        share = (self.up(value) - bottom) / (top - bottom) if top > bottom else 0.75
        return round(HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * min(1.0, max(0.0, share)), 1)


def spark_scale(
    curves: Collection[Points], *, longest: int, maximizes: bool
) -> SparkScale:
    """A scale for all curves. Outliers at the bad end are cut, such as a loss of 900 at
    the first step."""
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
    """With two significant digits, so that the scale seldom changes."""
    if value == 0 or not math.isfinite(value):
        return value
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    return rounding(value / step) * step
