"""What to change in a search, as far as its trials can tell.

Each piece needs enough trials to bear it; with fewer there is none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy

from experiments.search.analysis.factors import Factor, Floats
from experiments.search.analysis.importance import Importance

# The best quarter then has five trials.
MIN_TRIALS = 20
# The part of a range, at each side, that is its edge; and the share of the best
# quarter that must be there.
EDGE, MIN_AT_EDGE = 0.2, 0.5
# The best trial must be in this part.
BEST_AT_EDGE = 0.1
# How likely chance alone may be for all parameters together.
SIGNIFICANCE = 0.01
# A parameter can be called unimportant only if a share of this would have been seen,
# and with enough trials to see what it does together with another one.
MIN_TO_FIX, SEEN = 80, 0.15
# Trials since the best one: at least this many, and this share of all.
MIN_SINCE, SINCE_SHARE = 20, 1 / 3
# An improvement in the last half of the trials below this share of the distance from
# the median to the best is none.
SMALL_GAIN = 0.01


@dataclass(frozen=True)
class EdgeAdvice:
    """The best quarter is at one end of a range: ``low`` or ``high``.

    ``share`` of it is there. ``end`` is the new end of the range, or the next value of
    a choice; ``at`` are the values where it is now: the edge's ends, or the choice's.
    """

    name: str
    side: str
    share: float
    end: float
    at: tuple[float, ...]


@dataclass(frozen=True)
class FixAdvice:
    """A parameter that does not separate good trials from others."""

    name: str
    below: float


def edges(
    factors: Sequence[Factor],
    numbers: Mapping[str, Sequence[float]],
    found: Importance,
    *,
    leader: int,
    whole: frozenset[str] = frozenset(),
) -> list[EdgeAdvice]:
    """The strongest first. ``numbers``: the values of choices that are all numbers,
    ascending or not; ``leader`` is the place of the best trial; parameters of ``whole``
    are whole numbers."""
    if found.best.sum() * 4 < MIN_TRIALS:
        return []
    limit = SIGNIFICANCE / max(1, 2 * len(factors))
    advice = []
    for factor in factors:
        if factor.choices and factor.name in numbers:
            piece = _choice_edge(factor, numbers[factor.name], found, leader, limit)
        elif not factor.choices and factor.high > factor.low:
            is_whole = factor.name in whole
            piece = _range_edge(factor, found, leader, limit, is_whole)
        else:
            piece = None
        if piece is not None:
            advice.append(piece)
    return sorted(advice, key=lambda piece: -piece.share)


def _range_edge(
    factor: Factor, found: Importance, leader: int, limit: float, whole: bool
) -> EdgeAdvice | None:
    places = factor.places[found.best & factor.is_set]
    for side in ("low", "high"):
        turned = places if side == "low" else 1 - places
        own = factor.places[leader] if side == "low" else 1 - factor.places[leader]
        at_edge = int((turned <= EDGE).sum())
        end = wider(factor, side, whole=whole)
        if end is None or own > BEST_AT_EDGE:
            continue
        if _is_much(at_edge, len(places), EDGE, limit):
            ends = (0.0, EDGE) if side == "low" else (1 - EDGE, 1.0)
            at = tuple(factor.at(ends).tolist())
            return EdgeAdvice(factor.name, side, at_edge / len(places), end, at)
    return None


def _is_much(count: int, of: int, expected: float, limit: float) -> bool:
    """Whether many are at the edge, more than chance alone would bring."""
    if not of or count < MIN_AT_EDGE * of:
        return False
    return float(scipy.special.bdtrc(count - 1, of, expected)) < limit


def wider(factor: Factor, side: str, *, whole: bool = False) -> float | None:
    """The end of a wider range; None where 0 or 1 is a natural end."""
    low, high = factor.low, factor.high
    end = low if side == "low" else high
    if end in (0.0, 1.0) or (whole and side == "low" and low <= 1):
        return None
    if factor.log:
        times = min(10.0, max(2.0, (high / low) ** 0.25))
        end = low / times if side == "low" else high * times
    else:
        more = (high - low) / 2
        end = low - more if side == "low" else high + more
        if low > 0 and end <= 0:
            end = low / 2
        if low >= 0 and high <= 1:
            end = min(end, 1.0)
    return float(round(end)) if whole else float(f"{end:.2g}")


def _choice_edge(
    factor: Factor,
    numbers: Sequence[float],
    found: Importance,
    leader: int,
    limit: float,
) -> EdgeAdvice | None:
    """With four values or more, the two at an end are its edge, else one."""
    order = np.argsort(numbers)
    size = len(numbers)
    width = 2 if size >= 4 else 1
    cells = factor.cells[found.best & factor.is_set]
    if size < 3 or not len(cells):
        return None
    for side in ("low", "high"):
        ends = order[:width] if side == "low" else order[-width:]
        outermost = ends[0] if side == "low" else ends[-1]
        end = next_value([numbers[k] for k in order], side)
        count = int(np.isin(cells, ends).sum())
        most = np.bincount(cells, minlength=size).argmax()
        if end is None or factor.cells[leader] not in ends or most not in ends:
            continue
        if outermost not in cells or count < 0.8 * len(cells):
            continue
        if _is_much(count, len(cells), width / size, limit):
            at = tuple(sorted(float(numbers[k]) for k in ends))
            return EdgeAdvice(factor.name, side, count / len(cells), end, at)
    return None


def next_value(numbers: Sequence[float], side: str) -> float | None:
    """The next of ascending numbers: by the same factor where that fits, else by the
    same step. None below 0, and for a whole number that would not be one."""
    first, second = numbers[:2] if side == "low" else numbers[:-3:-1]
    ratios = [b / a for a, b in pairwise(numbers) if a > 0]
    even = len(ratios) == len(numbers) - 1 and max(ratios) <= 1.1 * min(ratios)
    found = first * first / second if even and second else first + (first - second)
    is_whole = all(float(number).is_integer() for number in numbers)
    if found <= 0 <= first or (is_whole and not float(found).is_integer()):
        return None
    return float(f"{found:.10g}")


def unimportant(
    factors: Sequence[Factor], found: Importance, *, but: frozenset[str] = frozenset()
) -> FixAdvice | None:
    """The parameter that matters least, if an important one would have been seen.
    ``but``: those that there is other advice about, or that interact with others."""
    if not found.any_told_apart or found.chance > SEEN:
        return None
    varying = {factor.name for factor in factors if factor.varies} - but
    rows = [
        row
        for row in found.factors
        if row.name in varying and not row.told_apart and row.trials >= MIN_TO_FIX
    ]
    return FixAdvice(rows[-1].name, found.chance) if rows else None


def has_settled(losses: Floats) -> int | None:
    """How many trials ended since the best one, if that is long ago and the last half
    of them improved little. ``losses`` are in the order in which trials ended."""
    known = losses[np.isfinite(losses)]
    if len(known) < 2 * MIN_SINCE:
        return None
    since = len(known) - 1 - int(np.argmin(known))
    if since < max(MIN_SINCE, math.ceil(SINCE_SHARE * len(known))):
        return None
    early = float(known[: len(known) // 2].min())
    best, middle = float(known.min()), float(np.median(known))
    gained = early - best
    return since if gained <= SMALL_GAIN * (middle - best) else None
