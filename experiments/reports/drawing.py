"""Plots as SVG text for a file without scripts. Classes name colors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from django.utils.safestring import SafeString, mark_safe

from experiments.formatting import MINUS, parameter_text
from experiments.search.fields import cut

LEFT, RIGHT, TOP, BOTTOM = 56, 18, 12, 38
TICKS = 6
MAX_TEXT = 14

Point = tuple[float, float]


@dataclass(frozen=True)
class PlotAxis:
    """Numbers from ``low`` to ``high``, or ``values`` to choose from, which have places
    0, 1, 2 and so on."""

    title: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    values: Sequence[Any] = ()

    def place(self, value: float) -> float:
        """From 0 to 1, also for values beyond the ends."""
        if self.values:
            return (value + 0.5) / len(self.values)
        low, high, at = map(self._unit, (self.low, self.high, value))
        return 0.5 if high == low else min(1.0, max(0.0, (at - low) / (high - low)))

    def _unit(self, value: float) -> float:
        return math.log(max(value, 1e-300)) if self.log else value

    def ticks(self) -> list[tuple[float, str]]:
        """Places and texts."""
        if self.values:
            step = math.ceil(len(self.values) / TICKS)
            shown = range(0, len(self.values), step)
            return [
                (self.place(k), cut(parameter_text(self.values[k]), most=MAX_TEXT))
                for k in shown
            ]
        marks = _decades(self.low, self.high) if self.log else []
        marks = marks if len(marks) > 1 else round_numbers(self.low, self.high)
        return [(self.place(mark), f"{mark:.6g}".replace("-", MINUS)) for mark in marks]


def round_numbers(low: float, high: float) -> list[float]:
    """Round numbers between the two, about TICKS."""
    if not high > low:
        return [low]
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{k * step:.12g}") for k in range(first, last + 1)]


def _decades(low: float, high: float) -> list[float]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    step = max(1, math.ceil((last - first + 1) / TICKS))
    return [float(f"1e{k}") for k in range(first, last + 1, step)]


@dataclass
class Plot:
    """Collects shapes; ``svg()`` returns the picture."""

    x: PlotAxis
    y: PlotAxis
    width: int = 640
    height: int = 240
    shapes: list[str] = field(default_factory=list)

    def at(self, x: float, y: float) -> Point:
        across = self.width - LEFT - RIGHT
        down = self.height - TOP - BOTTOM
        return (
            round(LEFT + across * self.x.place(x), 1),
            round(TOP + down * (1 - self.y.place(y)), 1),
        )

    def line(self, points: Iterable[Point], kind: str, title: str = "") -> None:
        """Through all points with finite values."""
        placed = [self.at(x, y) for x, y in points if math.isfinite(y)]
        path = " ".join(f"{x:g},{y:g}" for x, y in placed)
        if len(placed) == 1:
            self._dot(*placed[0], kind, title)
        elif placed:
            start = f'<polyline class="{kind}" points="{path}">'
            self.shapes.append(f"{start}{_title(title)}</polyline>")

    def dot(self, x: float, y: float, kind: str, title: str = "") -> None:
        self._dot(*self.at(x, y), kind, title)

    def floor_dot(self, x: float, kind: str, title: str = "") -> None:
        """A dot below all values: it has none."""
        self._dot(self.at(x, self.y.low)[0], self.height - BOTTOM, kind, title)

    def _dot(self, x: float, y: float, kind: str, title: str) -> None:
        size = 5 if kind == "best" else 3
        self.shapes.append(
            f'<circle class="{kind}" cx="{x:g}" cy="{y:g}" r="{size}">'
            f"{_title(title)}</circle>"
        )

    def svg(self, label: str) -> SafeString:
        return _svg(self.width, self.height, label, [*self._grid(), *self.shapes])

    def _grid(self) -> Iterable[str]:
        bottom, end = self.height - BOTTOM, self.width - RIGHT
        for place, text in self.y.ticks():
            y = round(TOP + (bottom - TOP) * (1 - place), 1)
            yield f'<path class="grid" d="M{LEFT} {y:g}H{end}"/>'
            yield _text(LEFT - 6, y + 4, text, "end")
        for place, text in self.x.ticks():
            x = round(LEFT + (end - LEFT) * place, 1)
            yield _text(x, bottom + 15, text, "middle")
        yield _text((LEFT + end) / 2, self.height - 6, self.x.title, "middle")


def _svg(width: int, height: int, label: str, shapes: Iterable[str]) -> SafeString:
    start = f'<svg viewBox="0 0 {width} {height}" role="img"'
    whole = f'{start} aria-label="{escape(label)}">{"".join(shapes)}</svg>'
    # All texts in it are escaped.
    return mark_safe(whole)  # noqa: S308 # nosec B308 B703


def _title(text: str) -> str:
    return f"<title>{escape(text)}</title>" if text else ""


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'


def bars(rows: Sequence[tuple[str, float, str, bool]], label: str) -> SafeString:
    """Horizontal bars: name, share from 0 to 1, text, and whether it counts."""
    most = max((share for _, share, _, _ in rows), default=0.0) or 1.0
    shapes: list[str] = []
    for k, (name, share, text, counts) in enumerate(rows):
        y, long = 24 * k + 4, round(380 * share / most, 1)
        kind = "bar" if counts else "bar faint"
        shapes += [
            _text(186, y + 13, cut(name, most=27), "end"),
            f'<rect class="{kind}" x="196" y="{y}" width="{long:g}" height="16"/>',
            _text(202 + long, y + 13, text, "start"),
        ]
    return _svg(640, 24 * len(rows) + 6, label, shapes)
