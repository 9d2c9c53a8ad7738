"""The chart of used space by week, with a forecast."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.utils import timezone

from experiments.cleanup.forecast import Freeing
from experiments.cleanup.usage import WEEKS, SpaceGrowth
from experiments.formatting import bytes_text

WEEKS_AHEAD = 10
LEFT, RIGHT, TOP, BOTTOM = 52.0, 414.0, 18.0, 164.0
MAX_TICKS = 4


@dataclass(frozen=True)
class ChartTick:
    text: str
    place: float


@dataclass(frozen=True)
class GrowthChart:
    """SVG paths and labels; ``forecast`` and ``ruled`` may be empty. ``ends``: where
    those two end."""

    line: str
    area: str
    forecast: str
    ruled: str
    ends: Sequence[tuple[float, float]]
    now: tuple[float, float]
    now_text: str
    left: Sequence[ChartTick]
    below: Sequence[ChartTick]
    words: str


def growth_chart(
    growth: SpaceGrowth, freeings: Sequence[Freeing] = ()
) -> GrowthChart | None:
    """None before there is a line to draw. ``freeings``: of the trash and the rules."""
    if len(growth.days) < 2:
        return None
    now, last = growth.days[-1], growth.bytes[-1]
    ahead = _ahead(growth, ())
    ruled = _ahead(growth, freeings) if freeings else []
    scale = _Scale(now, max(*growth.bytes, *ahead, 1.0))
    points = [
        (scale.x(day), scale.y(size))
        for day, size in zip(growth.days, growth.bytes, strict=True)
    ]
    line = _path(points)
    coming = [scale.x(now + timedelta(weeks=week)) for week in range(WEEKS_AHEAD + 1)]
    forecast, with_rules = (
        [(x, scale.y(size)) for x, size in zip(coming, sizes, strict=False)]
        for sizes in (ahead, ruled)
    )
    return GrowthChart(
        line=line,
        area=f"{line}L{points[-1][0]:.1f} {BOTTOM}L{points[0][0]:.1f} {BOTTOM}Z",
        forecast=_path([forecast[0], forecast[-1]]) if forecast else "",
        ruled=_path(with_rules) if with_rules else "",
        ends=[path[-1] for path in (forecast, with_rules) if path],
        now=points[-1],
        now_text=f"{bytes_text(last)} now",
        left=scale.ticks(),
        below=_weeks(scale, now),
        words=_words(growth, ahead[-1:], ruled[-1:]),
    )


def _ahead(growth: SpaceGrowth, freeings: Sequence[Freeing]) -> list[float]:
    """The bytes now and in each of the coming weeks; empty if nobody can tell."""
    rate = growth.per_week
    if rate is None:
        return []
    start, last = timezone.now(), growth.bytes[-1]
    weeks = ((week, start + timedelta(weeks=week)) for week in range(WEEKS_AHEAD + 1))
    return [
        max(0.0, last + rate * week - sum(each.until(when) for each in freeings))
        for week, when in weeks
    ]


class _Scale:
    def __init__(self, now: date, most: float) -> None:
        self._start = now - timedelta(weeks=WEEKS)
        self._days = 7 * (WEEKS + WEEKS_AHEAD)
        self._step = _round_step(most / MAX_TICKS)
        self._top = self._step * math.ceil(most / self._step)

    def x(self, day: date) -> float:
        return LEFT + (RIGHT - LEFT) * (day - self._start).days / self._days

    def y(self, size: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * size / self._top

    def ticks(self) -> list[ChartTick]:
        count = round(self._top / self._step)
        sizes = (self._step * number for number in range(count + 1))
        return [ChartTick(bytes_text(size), self.y(size)) for size in sizes]


def _round_step(rough: float) -> float:
    """The next number of 1, 2, 2.5 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(max(rough, 1.0)))
    return next(power * step for step in (1, 2, 2.5, 5, 10) if rough <= power * step)


def _weeks(scale: _Scale, now: date) -> list[ChartTick]:
    texts = {-WEEKS: f"\u2212{WEEKS} wk", -6: "\u22126 wk", 0: "now", 5: "+5 wk"}
    return [
        ChartTick(text, scale.x(now + timedelta(weeks=weeks)))
        for weeks, text in texts.items()
    ]


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _words(growth: SpaceGrowth, ahead: Sequence[float], ruled: Sequence[float]) -> str:
    """The same for who does not see it. The last two are empty or one size each."""
    first, last = growth.bytes[0], growth.bytes[-1]
    words = f"{bytes_text(first)} on {growth.days[0]}, {bytes_text(last)} now"
    for size in ahead:
        words += f", {bytes_text(size)} in {WEEKS_AHEAD} weeks"
    for size in ruled:
        words += f", {bytes_text(size)} with the rules"
    return words
