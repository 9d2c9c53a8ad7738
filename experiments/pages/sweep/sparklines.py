"""Sparklines of a sweep's trials, all on one scale, which a sample of them gives."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from experiments.lru_cache import LruCache
from experiments.models.trials import TRIAL_LIVE
from experiments.pages.curves import Points
from experiments.pages.trial_rows import report_curves, thinned
from experiments.sweeps.trial_columns import TrialColumns
from experiments.sweeps.trial_data import TrialData

WIDTH, HEIGHT, EDGE = 96, 24, 3
MAX_SPARK_POINTS = 40
# Curves that the scale is of.
MAX_SAMPLED = 40
# Values closer than this to the ideal end look the same, as in the charts.
CLOSEST = 0.002


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


_scales: LruCache[object, SparkScale] = LruCache(200)


def _fifths(count: int) -> float:
    """How often it has grown by a fifth since it was 1."""
    return math.log(max(1, count)) / math.log(1.2)


def _longest(data: TrialData) -> int:
    """The reports of the longest trial. One that runs and is longer than all ended ones
    leaves room for its next reports: the scale, and with it each row, would otherwise
    change with each of them."""
    live = data.are_in(TRIAL_LIVE)
    ended = int(data.reports[~live].max(initial=1))
    running = int(data.reports[live].max(initial=1))
    return ended if running <= ended else math.ceil(1.2 ** math.ceil(_fifths(running)))


def sweep_scale(columns: TrialColumns) -> SparkScale:
    """Read again when the number of trials with reports has grown by a fifth, so that
    it seldom changes; with few trials, at each report."""
    data = columns.data
    reported = np.flatnonzero(data.reports > 0)
    longest = _longest(data)
    size = int(_fifths(len(reported)))
    few = int(data.reports.sum()) if len(reported) <= MAX_SAMPLED else 0
    key = (columns.sweep.pk, columns.sweep.created_at, size, longest, few)
    scale = _scales.get(key)
    if scale is None:
        sample = np.linspace(0, len(reported) - 1, min(MAX_SAMPLED, len(reported)))
        best = [] if columns.best is None else [columns.best]
        places = sorted({*reported[sample.astype(int)].tolist(), *best})
        curves = report_curves(data.ids[places].tolist(), most=MAX_SPARK_POINTS)
        maximizes = columns.sweep.goal == "maximize"
        scale = spark_scale(list(curves.values()), longest=longest, maximizes=maximizes)
        _scales.put(key, scale)
    return scale
