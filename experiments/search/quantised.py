"""The same laws rounded to multiples of q."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments.search.fields import is_number
from experiments.search.figures import significant
from experiments.search.lawful import Bell, Bounded, Lawful, Logarithmic, LogBounded
from experiments.search.partitions import MOST_VALUES, Partition, Rounded
from experiments.search.problems import Problem
from experiments.search.records import JSONValue

# e to the logarithm of 16 may miss 16 by this much, and must still reach it.
EXPONENT_ROUNDING = Fraction(1, 10**12)


@dataclass(frozen=True)
class Quantised(Lawful):
    """The law rounded to multiples of q, `round(x / q) * q` with ties to even.

    Where the law has bounds the result is moved to the nearest multiple inside them. A
    multiple of an integral q is an int, any other the float nearest to it in decimals.
    """

    q: float

    def range_problems(self) -> Iterator[Problem]:
        found = False
        for problem in super().range_problems():  # type: ignore[safe-super]
            found = True
            yield problem
        if not 0 < self.q <= 1e100:
            yield Problem("q", f"q must be above 0, such as 1 or 0.5, not {self.q}.")
        elif not found:
            yield from self._multiples_problems()

    @cached_property
    def partition(self) -> Partition | None:
        ends = self.ends
        return None if ends is None else Rounded(self.law, self.q, *ends)

    @cached_property
    def ends(self) -> tuple[int, int] | None:
        """The first and last multiple inside the bounds; None without bounds."""
        if not math.isfinite(self.law.high):
            middle = self._multiple(0.5)
            return (middle, middle) if self.law.constant else None
        slack = EXPONENT_ROUNDING if isinstance(self, Logarithmic) else 0
        low = Fraction(repr(float(self.law.low))) / self._exact_q
        high = Fraction(repr(float(self.law.high))) / self._exact_q
        return math.ceil(low * (1 - slack)), math.floor(high * (1 + slack))

    def between(self, share: float) -> int | float:
        return self._value(self._multiple(share))

    def quantiles(self, shares: NDArray[np.float64]) -> list[JSONValue]:
        if self.partition is not None:
            return super().quantiles(shares)
        most = float(MOST_VALUES)
        with np.errstate(over="ignore"):
            ratios = np.clip(self.law.quantile(shares) / self.q, -most, most)
        found, places = np.unique(np.rint(ratios), return_inverse=True)
        values = [self._value(int(multiple)) for multiple in found.tolist()]
        return [values[place] for place in places.tolist()]

    def at(self, index: int) -> int | float:
        if self.ends is None:
            raise self.unlisted()
        return self._value(self.ends[0] + index)

    def encode(self, value: JSONValue) -> float:
        if not is_number(value) or not self.contains(value):
            raise self.refuse(value)
        multiple = round(value / self.q)
        if self.partition is not None and self.ends is not None:
            return self.partition.middle(multiple - self.ends[0])
        edges = [(multiple - 0.5) * self.q, (multiple + 0.5) * self.q]
        return float(self.law.cdf(edges).mean())

    def contains(self, value: object) -> bool:
        if not is_number(value) or abs(value / self.q) > MOST_VALUES:
            return False
        multiple = round(value / self.q)
        first, last = self.ends or (-MOST_VALUES, MOST_VALUES)
        if self.ends is None and isinstance(self, Logarithmic):
            first = 0
        typed = isinstance(value, int) or not self._integral
        return typed and first <= multiple <= last and self._value(multiple) == value

    @property
    def _integral(self) -> bool:
        return float(self.q).is_integer()

    @cached_property
    def _exact_q(self) -> Fraction:
        return Fraction(repr(self.q))

    def _value(self, multiple: int) -> int | float:
        product = multiple * self._exact_q
        return int(product) if self._integral else float(product)

    def _multiple(self, share: float) -> int:
        ratio = float(self.law.quantile(share)) / self.q
        return round(min(max(ratio, -float(MOST_VALUES)), float(MOST_VALUES)))

    def _multiples_problems(self) -> Iterator[Problem]:
        first, last = self.ends or (0, 0)
        low, high = significant(self.law.low), significant(self.law.high)
        if first > last:
            yield Problem(
                "q",
                f"There is no multiple of {self.q} between {low} and {high}; "
                "q must be smaller or the range wider.",
            )
        elif max(abs(first), abs(last)) > MOST_VALUES:
            yield Problem(
                "q", f"q is too small for numbers between {low} and {high}: {self.q}."
            )


@dataclass(frozen=True)
class QUniform(Quantised, Bounded):
    """Multiples of q from min_value to max_value."""

    kind = "quniform"


@dataclass(frozen=True)
class QLogUniform(Quantised, LogBounded):
    """Multiples of q from e^min_value to e^max_value."""

    kind = "qloguniform"


@dataclass(frozen=True)
class QNormal(Quantised, Bell):
    """The normal law rounded to multiples of q."""

    kind = "qnormal"


@dataclass(frozen=True)
class QLogNormal(Quantised, Logarithmic, Bell):
    """The lognormal law rounded to multiples of q."""

    kind = "qlognormal"
