"""What compared trials cost: time, what early ends saved, memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from experiments.pages.compare.cells import Cell, Row
from experiments.pages.compare.comparison import Comparison, Entrant
from experiments.pages.compare.differences import ratio_text
from experiments.words import bytes_text, duration_text

# Above this ratio to either side a cost is marked as different.
NOTABLE = 1.1
BAR_WIDTH = 200.0


@dataclass(frozen=True)
class CostBar:
    """Training time to scale, and dashed what was not run."""

    name: str
    glyph: str
    y: int
    ran: float
    saved: float


def cost_rows(comparison: Comparison) -> Iterator[Row]:
    entrants = comparison.entrants
    yield _cost_row("took", [e.elapsed for e in entrants], duration_text)
    yield _cost_row("per report", [e.per_report for e in entrants], duration_text)
    if any(entrant.saved for entrant in entrants):
        cells = [
            Cell(duration_text(e.saved), tone="terminated" if e.saved else "")
            for e in entrants
        ]
        yield Row("saved by its end", cells, aside="dashed: not run")
    peaks = [_peak(entrant) for entrant in entrants]
    if any(peaks):
        yield _cost_row("peak memory", peaks, bytes_text)


def _peak(entrant: Entrant) -> float | None:
    attempt = entrant.trial.current_attempt
    return float(attempt.peak_memory) if attempt and attempt.peak_memory else None


def _cost_row(
    name: str, values: Sequence[float | None], text: Callable[[float], str]
) -> Row:
    cells = []
    for value in values:
        ratio = value / values[0] if value and values[0] else 1.0
        notable = ratio > NOTABLE or ratio < 1 / NOTABLE
        cells.append(
            Cell(
                text(value) if value is not None else "\u2013",
                note=ratio_text(ratio) if notable else "",
                strong=notable,
            )
        )
    return Row(name, cells)


def cost_bars(comparison: Comparison) -> list[CostBar]:
    whole = [(e.elapsed or 0) + (e.saved or 0) for e in comparison.entrants]
    most = max(whole) or 1.0
    return [
        CostBar(
            entrant.name,
            entrant.glyph,
            y=index * 18 + 5,
            ran=round(BAR_WIDTH * (entrant.elapsed or 0) / most, 1),
            saved=round(BAR_WIDTH * (entrant.saved or 0) / most, 1),
        )
        for index, entrant in enumerate(comparison.entrants)
    ]
