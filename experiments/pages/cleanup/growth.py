"""The chart of used space by week, with a forecast."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from experiments.cleanup.usage import WEEKS, SpaceGrowth
from experiments.formatting import bytes_text

WEEKS_AHEAD = 10
LEFT, RIGHT, TOP, BOTTOM = 52.0, 414.0, 12.0, 164.0
MAX_TICKS = 4


@dataclass(frozen=True)
class ChartTick:
    text: str
    place: float


@dataclass(frozen=True)
class GrowthChart:
    """SVG paths and labels; ``forecast`` may be empty."""

    line: str
    area: str
    forecast: str
    now: tuple[float, float]
    now_text: str
    left: Sequence[ChartTick]
    below: Sequence[ChartTick]
    words: str


def growth_chart(growth: SpaceGrowth) -> GrowthChart | None:
    """None before there is a line to draw."""
    if len(growth.days) < 2:
        return None
    now, last = growth.days[-1], growth.bytes[-1]
    rate = growth.per_week
    ahead = None if rate is None else max(0.0, last + rate * WEEKS_AHEAD)
    scale = _Scale(now, max(*growth.bytes, ahead or 0.0, 1.0))
    points = [
        (scale.x(day), scale.y(size))
        for day, size in zip(growth.days, growth.bytes, strict=True)
    ]
    line = _path(points)
    end = (scale.x(now + timedelta(weeks=WEEKS_AHEAD)), scale.y(ahead or 0.0))
    return GrowthChart(
        line=line,
        area=f"{line}L{points[-1][0]:.1f} {BOTTOM}L{points[0][0]:.1f} {BOTTOM}Z",
        forecast="" if ahead is None else _path([points[-1], end]),
        now=points[-1],
        now_text=f"{bytes_text(last)} now",
        left=scale.ticks(),
        below=_weeks(scale, now),
        words=_words(growth, ahead),
    )


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


def _words(growth: SpaceGrowth, ahead: float | None) -> str:
    """The same for who does not see it."""
    first, last = growth.bytes[0], growth.bytes[-1]
    words = f"{bytes_text(first)} on {growth.days[0]}, {bytes_text(last)} now"
    return words if ahead is None else f"{words}, {bytes_text(ahead)} in 10 weeks"
