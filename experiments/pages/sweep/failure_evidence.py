"""The picture of what failed trials share: for each telling parameter how the failed,
and those that ran, spread over its values."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from experiments.common_values import value_text
from experiments.pages.space_axes import Axis
from experiments.search.fields import is_number
from experiments.search.values import identity
from experiments.words import number_text

# Values with a bar each, and parts of a range of many.
MOST_VALUES, PARTS = 12, 10
LONGEST = 60
OTHERS = "others"

Rows = Sequence[Mapping[str, Any]]


class Bar(TypedDict):
    """One value, or one part of the range: ``tick`` is its short name. ``failed`` and
    ``ran`` count trials."""

    tick: str
    label: str
    failed: int
    ran: int


class Bars(TypedDict):
    name: str
    bars: list[Bar]


def bars_of(name: str, axis: Axis | None, failed: Rows, ran: Rows) -> Bars:
    """A bar for every value where they are few, else for equal parts of their range.

    ``axis``: that of the parameter in the search space, which names the values that no
    trial has as well, and says how a range is divided; None where it has none.
    """
    ours, others = [r.get(name) for r in failed], [r.get(name) for r in ran]
    tried = [value for value in (*ours, *others) if value is not None]
    known = [v for v in axis["values"] if v is not None] if axis else []
    distinct = {identity(value): value for value in (*known, *tried)}
    if len(distinct) > MOST_VALUES and all(map(is_number, distinct.values())):
        bars = _parts(ours, others, log=bool(axis and axis["log"]))
    else:
        bars = _values(list(distinct.values()), ours, others)
    return Bars(name=name, bars=[*bars, *_unset(ours, others)])


def _values(distinct: list[Any], ours: list[Any], others: list[Any]) -> list[Bar]:
    """A bar for each value; the rarest share one where there are too many."""
    mine, theirs = Counter(map(identity, ours)), Counter(map(identity, others))
    if all(map(is_number, distinct)):
        distinct.sort()
    common = sorted(distinct, key=lambda v: -(mine[identity(v)] + theirs[identity(v)]))
    shown = {identity(v) for v in common[:MOST_VALUES]}
    bars = [
        _bar(value_text(value), mine[identity(value)], theirs[identity(value)])
        for value in distinct
        if identity(value) in shown
    ]
    rest = [identity(v) for v in common[MOST_VALUES:]]
    if not rest:
        return bars
    counts = (sum(mine[key] for key in rest), sum(theirs[key] for key in rest))
    return [*bars, _bar(OTHERS, *counts)]


def _unset(ours: list[Any], others: list[Any]) -> list[Bar]:
    counts = ours.count(None), others.count(None)
    return [_bar(value_text(None), *counts)] if any(counts) else []


def _bar(label: str, failed: int, ran: int) -> Bar:
    label = label if len(label) <= LONGEST else f"{label[: LONGEST - 1]}…"
    return Bar(tick=label, label=label, failed=failed, ran=ran)


def _parts(ours: list[Any], others: list[Any], *, log: bool) -> list[Bar]:
    """Equal parts of the range, by its logarithm where the law has one."""
    mine, theirs = _numbers(ours), _numbers(others)
    low, high = min((*mine, *theirs)), max((*mine, *theirs))
    log = log and low > 0
    ends = _ends(low, high, log=log)
    counts = [Counter(_part(v, ends) for v in values) for values in (mine, theirs)]
    return [
        Bar(
            tick=number_text(ends[k], 2),
            label=f"{number_text(ends[k], 3)} to {number_text(ends[k + 1], 3)}",
            failed=counts[0][k],
            ran=counts[1][k],
        )
        for k in range(PARTS)
    ]


def _numbers(values: list[Any]) -> list[float]:
    return [float(value) for value in values if value is not None]


def _ends(low: float, high: float, *, log: bool) -> list[float]:
    """Of the parts, one more than there are."""
    if log:
        low, high = math.log(low), math.log(high)
    ends = [low + (high - low) * k / PARTS for k in range(PARTS + 1)]
    return [math.exp(end) for end in ends] if log else ends


def _part(value: float, ends: list[float]) -> int:
    return max(0, sum(value >= end for end in ends[:-1]) - 1)
