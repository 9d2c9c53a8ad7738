"""A curve of 96 by 24 pixels as an SVG path, drawn by the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 96, 24
# Room for the mark at the line's end.
LEFT, RIGHT, TOP, FLOOR = 2, 92, 4, 20


@dataclass(frozen=True)
class Sparkline:
    """``path`` is an SVG path; the line ends at (``x``, ``y``)."""

    path: str
    x: float
    y: float


def step_line(
    points: Sequence[tuple[float, float]],
    *,
    end: float,
    scale: tuple[float, float] | None = None,
    down_is_better: bool = False,
) -> Sparkline:
    """A step line through (position from 0 to 1, value), drawn on to ``end``.

    ``scale`` gives the values of the picture's floor and top; without it they are the
    line's own. Better is always up.
    """
    values = [value for _, value in points]
    low, high = scale or (min(values), max(values))
    if down_is_better:
        low, high = high, low
    parts: list[str] = []
    for position, value in points:
        x, y = _across(position), _up(value, low, high)
        parts.append(f"H{x:g}V{y:g}" if parts else f"M{x:g} {y:g}")
    x = _across(max(end, points[-1][0]))
    return Sparkline(f"{''.join(parts)}H{x:g}", x, _up(values[-1], low, high))


def _across(position: float) -> float:
    return round(LEFT + (RIGHT - LEFT) * position, 1)


def _up(value: float, low: float, high: float) -> float:
    """Pixels from the top; a flat line runs at three quarters of the height."""
    share = (value - low) / (high - low) if high != low else 0.75
    return round(FLOOR - (FLOOR - TOP) * share, 1)
