"""The policy's verdicts on one trial: as a table, and what they say as a whole."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from experiments.models import Decision
from experiments.search.records import Objective
from experiments.words import MINUS, metric_text, signed_text

# Rows of the short table on a phone, and where there is more room.
FEW, SOME = 5, 12
# The margin's bar in pixels: its zero line, and its longest length to either side.
BAR_ZERO, BAR_LEFT, BAR_RIGHT = 14.0, 12.0, 44.0


@dataclass(frozen=True)
class Bar:
    x: float
    width: float


@dataclass(frozen=True)
class VerdictRow:
    """One verdict, its numbers written with one count of decimals down the table.

    ``rank``: 0 for the rows that are always shown, 1 for those that a phone leaves out,
    2 for those that only the whole table has.
    """

    decision: Decision
    margin: float | None
    own: str
    threshold: str
    gap: str
    bar: Bar | None
    rank: int = 0


def verdict_rows(
    decisions: Sequence[Decision], objective: Objective, *, whole: bool
) -> list[VerdictRow]:
    """Every verdict in order, ranked by how much it tells."""
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
            gap=_gap(decision, decimals),
            bar=_bar(margin, largest),
        )
        for decision, margin in zip(decisions, margins, strict=True)
    ]
    if whole:
        return rows
    telling = _telling(rows)
    few, some = set(telling[:FEW]), set(telling[:SOME])
    return [
        replace(row, rank=0 if index in few else 1 if index in some else 2)
        for index, row in enumerate(rows)
    ]


def margin_of(decision: Decision, objective: Objective) -> float | None:
    """How much better the own best was than the threshold; below 0 it ended there."""
    if decision.value is None or decision.threshold is None:
        return None
    return objective.loss(decision.threshold) - objective.loss(decision.value)


def decimals_of(numbers: Iterable[float | None]) -> int:
    """As many as give the largest number four digits."""
    sizes = [abs(number) for number in numbers if number and math.isfinite(number)]
    return 3 - math.floor(math.log10(max(sizes))) if sizes else 4


def fixed_text(number: float | None, decimals: int) -> str:
    """So many decimals, where that is a number to read."""
    if number is None or not 0 <= decimals <= 7:
        return metric_text(number)
    return f"{number:.{decimals}f}".replace("-", MINUS)


def _gap(decision: Decision, decimals: int) -> str:
    """The own best minus the threshold, in the metric's own sign."""
    if decision.value is None or decision.threshold is None:
        return metric_text(None)
    return gap_text(decision.value - decision.threshold, decimals)


def gap_text(gap: float, decimals: int) -> str:
    """A signed number with so many decimals, or two digits where those say nothing."""
    if not 0 <= decimals <= 7 or abs(gap) < 0.5 * 10**-decimals:
        return signed_text(gap, 2)
    return f"{gap:+.{decimals}f}".replace("-", MINUS)


def _bar(margin: float | None, largest: float) -> Bar | None:
    if margin is None or largest == 0:
        return None
    if margin < 0:
        width = max(2.0, BAR_LEFT * min(1.0, -margin / largest))
        return Bar(round(BAR_ZERO - width, 1), round(width, 1))
    return Bar(BAR_ZERO, round(max(1.5, BAR_RIGHT * margin / largest), 1))


def _telling(rows: Sequence[VerdictRow]) -> list[int]:
    """Indices, the most telling first: last, first, closest, then from the end."""
    last = len(rows) - 1
    margins = [(row.margin, index) for index, row in enumerate(rows)]
    passed = [(m, index) for m, index in margins if m is not None and m >= 0]
    closest = [min(passed)[1]] if passed else []
    order = [last, 0, *closest, *range(last, -1, -1)]
    return list(dict.fromkeys(index for index in order if index >= 0))


@dataclass(frozen=True)
class Checks:
    """What the verdicts say as a whole; ``closest`` is the passed one with the
    smallest ``spare``."""

    passed: int
    closest: Decision | None
    spare: float | None
    ended: Decision | None
    last: Decision | None


def checks_of(decisions: Sequence[Decision], objective: Objective) -> Checks:
    passed = [decision for decision in decisions if not decision.stop]
    margins = [
        (margin, -decision.n, decision)
        for decision in passed
        if (margin := margin_of(decision, objective)) is not None
    ]
    spare, _, closest = min(margins, key=lambda row: row[:2], default=(None, 0, None))
    ended = next((decision for decision in decisions if decision.stop), None)
    return Checks(
        passed=len(passed),
        closest=closest,
        spare=spare,
        ended=ended,
        last=decisions[-1] if decisions else None,
    )


def first_check(decisions: Sequence[Decision], planned: int) -> int:
    """The report of the first check: the one that was, else the one to come."""
    return decisions[0].n if decisions else planned
