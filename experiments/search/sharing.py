"""What the configurations that failed share against those that ran.

For each parameter the values of both, and whether the difference is more than chance:
Fisher's exact test for a choice, the two-sample Kolmogorov-Smirnov test for numbers,
each with a correction for how many parameters and values were looked at. A difference
that may be chance is told as none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import scipy

from experiments.search.fields import is_number
from experiments.search.values import identity

# Fewer of either kind than this say nothing.
LEAST = 3
# The chance that is still taken for one, over all parameters together.
CHANCE = 0.01
# How far apart the two sets must be, even where it is surely no chance.
LEAST_DISTANCE = 0.5
MOST_LISTED = 6

Verdict = Literal["only", "mostly", "same", "no"]


@dataclass(frozen=True)
class Values:
    """The values of one parameter: all of them where they are few, else their range."""

    listed: tuple[Any, ...]
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Shared:
    """One parameter. ``verdict``: failures have "only" values that no other trial has,
    or "mostly" others than those that ran, or the one "same" value, or "no" such thing.
    """

    name: str
    failed: Values
    ran: Values
    verdict: Verdict
    chance: float = 1.0

    @property
    def tells(self) -> bool:
        return self.verdict in ("only", "mostly")

    @property
    def constraint(self) -> str:
        """A constraint that leaves the region out; "" where none is clear enough."""
        if self.verdict != "only" or not self.name.replace(".", "_").isidentifier():
            return ""
        if None not in (self.failed.low, self.failed.high, self.ran.low, self.ran.high):
            return self._beyond(self.failed, self.ran)
        if all(map(_is_plain, self.failed.listed)):
            return " and ".join(f"{self.name} != '{v}'" for v in self.failed.listed)
        return ""

    def _beyond(self, failed: Values, ran: Values) -> str:
        if (failed.low or 0) > (ran.high or 0):
            return f"{self.name} < {failed.low:g}"
        if (failed.high or 0) < (ran.low or 0):
            return f"{self.name} > {failed.high:g}"
        return ""


def shared_values(
    failed: Sequence[Mapping[str, Any]], ran: Sequence[Mapping[str, Any]]
) -> list[Shared]:
    """Every parameter, those that tell something first."""
    names = list(dict.fromkeys(name for row in (*failed, *ran) for name in row))
    found = [_shared(name, failed, ran, of=len(names)) for name in names]
    return sorted(found, key=lambda shared: (not shared.tells, shared.chance))


def _is_plain(value: Any) -> bool:
    return isinstance(value, str) and not set(value) & set("'\"\\")


def _shared(
    name: str,
    failed: Sequence[Mapping[str, Any]],
    ran: Sequence[Mapping[str, Any]],
    *,
    of: int,
) -> Shared:
    ours, others = _column(name, failed), _column(name, ran)
    both = (_values(ours), _values(others))
    if len(set(map(identity, (*ours, *others)))) == 1 and others:
        return Shared(name, *both, "same")
    if min(len(ours), len(others)) < LEAST:
        return Shared(name, *both, "no")
    chance, distance = _difference(ours, others)
    chance = min(1.0, chance * of)
    if chance > CHANCE or distance < LEAST_DISTANCE:
        return Shared(name, *both, "no", chance)
    return Shared(name, *both, "only" if _apart(ours, others) else "mostly", chance)


def _column(name: str, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The values of a parameter; None where it is not active."""
    return [row.get(name) for row in rows]


def _values(column: Sequence[Any]) -> Values:
    distinct = {identity(value): value for value in column}
    values = list(distinct.values())
    if values and all(is_number(value) for value in values):
        values.sort()
        low, high = float(values[0]), float(values[-1])
        return Values(tuple(values[: MOST_LISTED + 1]), low, high)
    values.sort(key=str)
    return Values(tuple(values[: MOST_LISTED + 1]))


def _difference(ours: Sequence[Any], others: Sequence[Any]) -> tuple[float, float]:
    """The chance of such a difference where there is none, and its size, 0 to 1."""
    if all(is_number(value) for value in (*ours, *others)):
        test = scipy.stats.ks_2samp(ours, others)
        return float(test.pvalue), float(test.statistic)
    tests = list(_choices(ours, others))
    chance, distance = min(tests)
    return chance * len(tests), distance


def _choices(
    ours: Sequence[Any], others: Sequence[Any]
) -> Iterator[tuple[float, float]]:
    """For each value: how unlikely its share among the failures is."""
    mine, theirs = [identity(v) for v in ours], [identity(v) for v in others]
    for value in set(mine) | set(theirs):
        a, b = mine.count(value), theirs.count(value)
        table = [[a, len(mine) - a], [b, len(theirs) - b]]
        distance = abs(a / len(mine) - b / len(theirs))
        yield float(scipy.stats.fisher_exact(table).pvalue), distance


def _apart(ours: Sequence[Any], others: Sequence[Any]) -> bool:
    """Whether no value, or for numbers no part of the range, is in both."""
    if all(is_number(value) for value in (*ours, *others)):
        return bool(min(ours) > max(others) or max(ours) < min(others))
    return not {identity(v) for v in ours} & {identity(v) for v in others}
