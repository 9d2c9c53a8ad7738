"""A parameter's range for the next sweep, from the best quarter of earlier trials.

- Ranges: a box around the best values, as in Perrone et al., "Learning search spaces
  for Bayesian optimization" (NeurIPS 2019). A few values seldom reach the ends of where
  good ones are, so the box is wider by (max - min) / (k - 1) at both ends: the unbiased
  estimates of the ends of a uniform distribution from k draws. Logarithmic kinds are
  measured on their own scale.
- Normal kinds: mean and standard deviation of the best, as in the cross-entropy method
  (Rubinstein and Kroese, 2004).
- Choices: a value is left out only if chance would seldom keep it out of the best
  quarter (hypergeometric test, 5 % for all values of a choice together).

What makes little difference is good everywhere, so it gets no proposal.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.search.fields import DefinitionError, is_number
from experiments.search.records import JSONValue
from experiments.search.space.choice import Choice
from experiments.search.space.continuous import (
    Bounded,
    GaussianDistribution,
    Logarithmic,
    Quantized,
)
from experiments.search.space.distribution import Distribution, identity
from experiments.search.space.ranges import FloatRange, IntRange, RandInt

# Fewer trials say little; a quarter of these are 5.
MIN_TRIALS = 20
BEST = 0.25
MAX_CHANCE = 0.05
# A proposal changes the width of a range, or a standard deviation, by a tenth or more.
MIN_CHANGE = 0.1
DIGITS = 2

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class RangeProposal:
    """A distribution in place of another one, from the `best` of some `trials`."""

    distribution: Distribution
    best: int
    trials: int


def propose_range(
    distribution: Distribution, values: Sequence[JSONValue]
) -> RangeProposal | None:
    """A range from the values of earlier trials, the best trial first; None where there
    are too few or the range would hardly change."""
    is_choice = isinstance(distribution, Choice)
    known = [v for v in values if distribution.contains(v)] if is_choice else values
    if not is_choice:
        known = [v for v in values if is_number(v)]
        if distribution.is_logarithmic:
            known = [v for v in known if is_number(v) and v > 0]
    if len(known) < MIN_TRIALS:
        return None
    best = math.ceil(len(known) * BEST)
    try:
        found = _changed(distribution, known, best)
    except (DefinitionError, OverflowError):
        # Such as a range without any width: the best are all alike.
        return None
    return RangeProposal(found, best, len(known)) if found else None


def _changed(
    law: Distribution, values: Sequence[Any], best: int
) -> Distribution | None:
    if isinstance(law, Choice):
        return _fewer_values(law, values, best)
    numbers = np.array(values, np.float64)
    if isinstance(law, GaussianDistribution):
        return _other_bell(law, numbers[:best])
    if isinstance(law, Bounded | FloatRange | IntRange | RandInt):
        return _other_box(law, numbers, best)
    return None


def _fewer_values(law: Choice, values: Sequence[Any], best: int) -> Choice | None:
    if law.branches:
        return None
    tried = Counter(map(identity, values))
    good = Counter(map(identity, values[:best]))
    all_ways = math.comb(len(values), best)
    limit = MAX_CHANCE / len(law.distinct)
    bad = {
        key
        for key, times in tried.items()
        if not good[key] and math.comb(len(values) - times, best) / all_ways < limit
    }
    kept = [n for n, value in enumerate(law.values) if identity(value) not in bad]
    if not bad:
        return None
    weights = law.probabilities and [law.probabilities[place] for place in kept]
    shares = tuple(each / sum(weights) for each in weights) if weights else None
    return replace(
        law, values=tuple(law.values[place] for place in kept), probabilities=shares
    )


def _other_bell(law: GaussianDistribution, best: Numbers) -> Distribution | None:
    base = math.log(law.base) if isinstance(law, Logarithmic) else 1.0
    scaled = np.log(best) / base if isinstance(law, Logarithmic) else best
    mu, sigma = float(scaled.mean()), float(scaled.std(ddof=1))
    if abs(sigma - law.sigma) < MIN_CHANGE * law.sigma:
        return None
    return replace(law, mu=_rounded(mu, round), sigma=_rounded(sigma, math.ceil))


def _other_box(
    law: Bounded | FloatRange | IntRange | RandInt, numbers: Numbers, best: int
) -> Distribution | None:
    """The box of the best, inside what is or was searched."""
    scale: Callable[[Any], Any] = np.log if law.is_logarithmic else float
    old = _ends(law)
    seen = min(old[0], numbers.min()), max(old[1], numbers.max())
    scaled = np.log(numbers[:best]) if law.is_logarithmic else numbers[:best]
    margin = float(np.ptp(scaled)) / (best - 1)
    ends = float(scaled.min()) - margin, float(scaled.max()) + margin
    low, high = map(math.exp, ends) if law.is_logarithmic else ends
    new = _with_ends(law, max(low, seen[0]), min(high, seen[1]), seen)
    width = scale(old[1]) - scale(old[0])
    moved = [abs(scale(a) - scale(b)) for a, b in zip(_ends(new), old, strict=True)]
    return new if sum(moved) >= MIN_CHANGE * width else None


def _ends(law: Any) -> tuple[float, float]:
    """The ends of a range, in natural units."""
    if isinstance(law, RandInt):
        return 0.0, float(law.upper - 1)
    if isinstance(law, FloatRange | IntRange):
        return float(law.low), float(law.high)
    return float(law.variable.low), float(law.variable.high)


def _with_ends(law: Any, low: float, high: float, seen: tuple[float, float]) -> Any:
    """The range with other ends, rounded outwards to steps or short numbers."""
    if isinstance(law, RandInt):
        return replace(law, upper=math.ceil(high) + 1)
    if isinstance(law, IntRange):
        first, last = (
            law.low + law.step * rounded((end - law.low) / law.step)
            for end, rounded in ((low, math.floor), (high, math.ceil))
        )
        return replace(law, low=max(first, 1) if law.log else first, high=last)
    step = getattr(law, "q", None) or getattr(law, "step", None)
    low = max(_outwards(law, low, step, math.floor), seen[0])
    high = min(_outwards(law, high, step, math.ceil), seen[1])
    if isinstance(law, FloatRange):
        return replace(law, low=low, high=high)
    if isinstance(law, Logarithmic):
        low, high = (_logarithm(end, law.base) for end in (low, high))
    return replace(law, min_value=low, max_value=high)


def _outwards(
    law: Any, end: float, step: float | None, rounded: Callable[[Any], int]
) -> float:
    if step is None:
        return _rounded(end, rounded)
    start = Fraction(0) if isinstance(law, Quantized) else Fraction(repr(law.low))
    exact = Fraction(repr(step))
    return float(start + exact * rounded((Fraction(repr(end)) - start) / exact))


def _rounded(number: float, rounded: Callable[[Any], int]) -> float:
    """The number with two significant digits."""
    if number == 0:
        return 0.0
    places = DIGITS - 1 - math.floor(math.log10(abs(number)))
    factor = Fraction(10) ** places
    whole = Fraction(rounded(Fraction(repr(number)) * factor)) / factor
    return float(whole)


def _logarithm(number: float, base: float) -> float:
    return math.log(number) if base == math.e else math.log(number) / math.log(base)
