"""The policy's verdicts on one trial as a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from experiments.formatting import MINUS, metric_text, number_text, signed_text
from experiments.models import Decision
from experiments.search.records import Objective
from experiments.search.termination.evidence import without_marks
from experiments.tracking.verdicts import CHANCE, REQUIRED, margin_of

# Rows of the short table on a phone, and on a wider screen.
FEW, SOME = 5, 12
# Fewer hidden rows than this are shown instead of a link to them.
MIN_HIDDEN = 3
# Facts of the policies that have a column.
FACT_COLUMNS: Mapping[str, str] = {
    "gain_needed": "gain needed",
    CHANCE: "chance",
    REQUIRED: "required",
}
# The margin's bar in pixels: its zero line, and its longest length to either side.
BAR_ZERO, BAR_LEFT, BAR_RIGHT = 14.0, 12.0, 44.0


@dataclass(frozen=True)
class MarginBar:
    x: float
    width: float


@dataclass(frozen=True)
class VerdictRow:
    """One verdict, its numbers written with one count of decimals down the table.

    ``rank``: 0 for rows that are always shown, 1 for rows that phones leave out, 2 for
    rows of the whole table only.
    """

    decision: Decision
    margin: float | None
    own: str
    threshold: str
    gap: str
    bar: MarginBar | None
    facts: Sequence[str] = ()
    rank: int = 0


def verdict_rows(
    decisions: Sequence[Decision], objective: Objective, *, whole: bool
) -> list[VerdictRow]:
    """All verdicts in order; ``rank`` says which are shown."""
    columns = fact_columns(decisions)
    margins = [margin_of(decision, objective) for decision in decisions]
    largest = max((abs(m) for m in margins if m is not None), default=0.0)
    decimals = decimals_of(
        number for d in decisions for number in (d.value, d.threshold)
    )
    rows = [
        VerdictRow(
            decision,
            margin,
            own=fixed_text(decision.value, decimals),
            threshold=fixed_text(decision.threshold, decimals),
            gap=_gap(margin, decimals),
            bar=_bar(margin, largest),
            facts=[fact_text(name, decision.facts.get(name)) for name in columns],
        )
        for decision, margin in zip(decisions, margins, strict=True)
    ]
    if whole:
        return rows
    order = _most_important(rows)
    few, some = (set(order[: fitting(len(rows), most)]) for most in (FEW, SOME))
    return [
        replace(row, rank=0 if index in few else 1 if index in some else 2)
        for index, row in enumerate(rows)
    ]


def kept_words(decisions: Sequence[Decision], *, alone: bool = False) -> str:
    """Why the predictive policy compared nothing at some checks; empty if it compared
    at all of them. ``alone``: only if it compared at none."""
    kept = [d for d in decisions if d.policy == "predictive" and not d.stop]
    kept = [d for d in kept if d.threshold is None and CHANCE not in d.facts]
    if not kept or (alone and len(kept) < len(decisions)):
        return ""
    return " or ".join(dict.fromkeys(without_marks(d.clause) for d in kept if d.clause))


def fitting(count: int, most: int) -> int:
    """How many of ``count`` rows the short table shows: all, or ``most``."""
    return count if count < most + MIN_HIDDEN else most


def fact_columns(decisions: Iterable[Decision]) -> list[str]:
    """The facts in the verdicts that have a column."""
    there = {name for decision in decisions for name in decision.facts}
    return [name for name in FACT_COLUMNS if name in there]


def fact_text(name: str, fact: float | None) -> str:
    if fact is None:
        return metric_text(None)
    return number_text(fact, 3) if name == "gain_needed" else chance_text(fact)


def chance_text(chance: float) -> str:
    """``3.1 %``, ``16 %``, or ``below 0.1 %``."""
    percent = 100 * chance
    if percent < 0.1:
        return "below 0.1 %"
    return f"{percent:.1f} %" if percent < 9.95 else f"{percent:.0f} %"


def decimals_of(numbers: Iterable[float | None]) -> int:
    """As many decimals as give the largest number four digits."""
    sizes = [abs(number) for number in numbers if number and math.isfinite(number)]
    return 3 - math.floor(math.log10(max(sizes))) if sizes else 4


def fixed_text(number: float | None, decimals: int) -> str:
    """With so many decimals, where that is readable."""
    if number is None or not 0 <= decimals <= 7:
        return metric_text(number)
    return f"{number:.{decimals}f}".replace("-", MINUS)


def _gap(margin: float | None, decimals: int) -> str:
    return metric_text(None) if margin is None else gap_text(margin, decimals)


def gap_text(gap: float, decimals: int) -> str:
    """A signed number with so many decimals, or with two digits if it is smaller."""
    if not 0 <= decimals <= 7 or abs(gap) < 0.5 * 10**-decimals:
        return signed_text(gap, 2)
    return f"{gap:+.{decimals}f}".replace("-", MINUS)


def _bar(margin: float | None, largest: float) -> MarginBar | None:
    if margin is None or largest == 0:
        return None
    if margin < 0:
        width = max(2.0, BAR_LEFT * min(1.0, -margin / largest))
        return MarginBar(round(BAR_ZERO - width, 1), round(width, 1))
    return MarginBar(BAR_ZERO, round(max(1.5, BAR_RIGHT * margin / largest), 1))


def _most_important(rows: Sequence[VerdictRow]) -> list[int]:
    """Indices of rows in the order in which they are kept: last, first, closest, then
    from the end."""
    last = len(rows) - 1
    margins = [(row.margin, index) for index, row in enumerate(rows)]
    passed = [(m, index) for m, index in margins if m is not None and m >= 0]
    passed = passed or [
        (row.decision.facts[CHANCE], index)
        for index, row in enumerate(rows)
        if CHANCE in row.decision.facts and not row.decision.stop
    ]
    closest = [min(passed)[1]] if passed else []
    order = [last, 0, *closest, *range(last, -1, -1)]
    return list(dict.fromkeys(index for index in order if index >= 0))
