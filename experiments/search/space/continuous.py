"""Uniform and normal distributions, their logarithmic forms, and both rounded to q."""

from __future__ import annotations

import math
import sys
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments.search.fields import Problem, is_number
from experiments.search.records import JSONValue
from experiments.search.space.distribution import (
    UNDOCUMENTED,
    Distribution,
    each_distinct,
)
from experiments.search.space.probability import (
    MAX_VALUES,
    EvenPartition,
    ExpVariable,
    NormalVariable,
    Partition,
    RandomVariable,
    RoundedPartition,
    UniformVariable,
)
from experiments.search.wording import significant

# Powers of e up to here are neither 0 nor infinite.
MAX_EXPONENT = 700.0
MAX_FLOAT = sys.float_info.max
MIN_FLOAT = sys.float_info.min
# e to the logarithm of 16 may miss 16 by this much, and must still reach it.
EXPONENT_ROUNDING = Fraction(1, 10**12)


@dataclass(frozen=True)
class RealDistribution(Distribution):
    """A distribution that follows from a random variable with real values."""

    @abstractmethod
    def scaled_variable(self, factor: float) -> RandomVariable:
        """The variable of the arguments, each of them multiplied by a factor."""

    @cached_property
    def variable(self) -> RandomVariable:
        """The variable before rounding."""
        return self.scaled_variable(1.0)


@dataclass(frozen=True)
class Bounded(RealDistribution):
    """Arguments that are two bounds, both included."""

    min_value: float
    max_value: float

    def scaled_variable(self, factor: float) -> RandomVariable:
        return UniformVariable(self.min_value * factor, self.max_value * factor)

    def range_problems(self) -> Iterator[Problem]:
        if not self.min_value < self.max_value:
            yield self.order_problem("min_value", "max_value", rule="above")


@dataclass(frozen=True)
class GaussianDistribution(RealDistribution):
    """Arguments that are a mean and a standard deviation."""

    mu: float
    sigma: float

    def scaled_variable(self, factor: float) -> RandomVariable:
        return NormalVariable(self.mu * factor, self.sigma * factor)

    def range_problems(self) -> Iterator[Problem]:
        if self.sigma < 0:
            yield Problem(
                "sigma",
                "sigma is a standard deviation and must be 0 or more, "
                f"not {self.sigma}.",
            )


@dataclass(frozen=True)
class Logarithmic(RealDistribution):
    """Arguments that are logarithms: the value is the base to the power of the draw."""

    base: float = field(default=math.e, kw_only=True, metadata=UNDOCUMENTED)

    @cached_property
    def variable(self) -> RandomVariable:
        return ExpVariable(self.scaled_variable(math.log(self.base)))

    @property
    def is_logarithmic(self) -> bool:
        return True


@dataclass(frozen=True)
class LogBounded(Logarithmic, Bounded):
    """Bounds that are logarithms, the lower not above the upper."""

    def range_problems(self) -> Iterator[Problem]:
        if self.min_value > self.max_value:
            yield self.order_problem("min_value", "max_value", rule="at least")
        for name in ("min_value", "max_value"):
            exponent = getattr(self, name) * math.log(self.base)
            if abs(exponent) > MAX_EXPONENT:
                yield Problem(name, self._too_large(name))

    def warnings(self) -> Iterator[Problem]:
        low, high = self.min_value, self.max_value
        natural = 0 < low < 0.1 or 0 < low < high <= 1
        if natural or high * math.log(self.base) > 30:
            yield Problem(
                "min_value",
                f"The bounds of {self.kind} are logarithms: {low} to {high} gives "
                f"values from {significant(self.variable.low)} to "
                f"{significant(self.variable.high)}. For bounds in natural units use "
                f"{{type: float, low: {low}, high: {high}, log: true}}.",
            )

    def _too_large(self, name: str) -> str:
        base = "e" if self.base == math.e else str(self.base)
        most = MAX_EXPONENT / math.log(self.base)
        return (
            f"{name} is a logarithm to base {base} and must be between {-most:.4g} and "
            f"{most:.4g}, not {getattr(self, name)}; use type float with log: true for "
            "bounds in natural units."
        )


@dataclass(frozen=True)
class Continuous(RealDistribution):
    """The values of the variable as they are."""

    @cached_property
    def partition(self) -> Partition | None:
        return EvenPartition(1) if self.variable.constant else None

    def continuous_quantiles(self, shares: NDArray[np.float64]) -> list[JSONValue]:
        drawn = np.clip(self.variable.quantile(shares), *self._ends)
        numbers: list[JSONValue] = drawn.tolist()
        return numbers

    @cached_property
    def _ends(self) -> tuple[float, float]:
        """The lowest and highest value, both finite; logarithmic ones are above 0."""
        lowest = MIN_FLOAT if self.is_logarithmic else -MAX_FLOAT
        return max(lowest, self.variable.low), min(MAX_FLOAT, self.variable.high)

    def at(self, index: int) -> JSONValue:
        if not self.variable.constant:
            raise self.unlisted()
        return self.continuous_quantiles(np.array([0.5]))[0]

    def index_of(self, key: float) -> int:
        return 0

    def share_of(self, value: float) -> float:
        return float(self.variable.cdf(value))

    def contains(self, value: object) -> bool:
        if not is_number(value):
            return False
        if self.variable.constant:
            return value == self.at(0)
        if self.is_logarithmic and value <= 0:
            return False
        return self.variable.low <= value <= self.variable.high


@dataclass(frozen=True)
class Uniform(Continuous, Bounded):
    """Any real number from min_value to max_value."""

    kind = "uniform"


@dataclass(frozen=True)
class LogUniform(Continuous, LogBounded):
    """e to the power of a uniform number: from e^min_value to e^max_value."""

    kind = "loguniform"


@dataclass(frozen=True)
class Normal(Continuous, GaussianDistribution):
    """The normal distribution; sigma is the standard deviation."""

    kind = "normal"


@dataclass(frozen=True)
class LogNormal(Continuous, Logarithmic, GaussianDistribution):
    """e to the power of a normal number; mu and sigma are those of the logarithm."""

    kind = "lognormal"


@dataclass(frozen=True)
class Quantized(RealDistribution):
    """The variable rounded to multiples of q, `round(x / q) * q` with ties to even.

    Where the variable has bounds, the result is the nearest multiple inside them. A
    multiple of an integral q is an int, any other the float nearest to it in decimals.
    """

    q: float

    def range_problems(self) -> Iterator[Problem]:
        problems = list(super().range_problems())  # type: ignore[safe-super]
        yield from problems
        if not 0 < self.q <= 1e100:
            yield Problem("q", f"q must be above 0, such as 1 or 0.5, not {self.q}.")
        elif not problems:
            yield from self._multiples_problems()

    @cached_property
    def partition(self) -> Partition | None:
        ends = self.ends
        return None if ends is None else RoundedPartition(self.variable, self.q, *ends)

    @cached_property
    def ends(self) -> tuple[int, int] | None:
        """The first and last multiple inside the bounds; None without bounds."""
        if not math.isfinite(self.variable.high):
            (middle,) = self._multiples(np.array([0.5]))
            return (int(middle), int(middle)) if self.variable.constant else None
        slack = EXPONENT_ROUNDING if self.is_logarithmic else 0
        low = Fraction(repr(float(self.variable.low))) / self._exact_q
        high = Fraction(repr(float(self.variable.high))) / self._exact_q
        return math.ceil(low * (1 - slack)), math.floor(high * (1 + slack))

    def continuous_quantiles(self, shares: NDArray[np.float64]) -> list[JSONValue]:
        return each_distinct(self._multiples(shares), self._value)

    def at(self, index: int) -> int | float:
        if self.ends is None:
            raise self.unlisted()
        return self._value(self.ends[0] + index)

    def index_of(self, key: float) -> int:
        if self.ends is None:
            raise self.unlisted()
        return round(key / self.q) - self.ends[0]

    def share_of(self, value: float) -> float:
        multiple = round(value / self.q)
        edges = [(multiple - 0.5) * self.q, (multiple + 0.5) * self.q]
        return float(self.variable.cdf(edges).mean())

    def contains(self, value: object) -> bool:
        if not is_number(value) or abs(value / self.q) > MAX_VALUES:
            return False
        multiple = round(value / self.q)
        first, last = self.ends or (-MAX_VALUES, MAX_VALUES)
        if self.ends is None and self.is_logarithmic:
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

    def _multiples(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        most = float(MAX_VALUES)
        with np.errstate(over="ignore"):
            ratios = self.variable.quantile(shares) / self.q
        return np.rint(np.clip(ratios, -most, most))

    def _multiples_problems(self) -> Iterator[Problem]:
        first, last = self.ends or (0, 0)
        low, high = significant(self.variable.low), significant(self.variable.high)
        if first > last:
            yield Problem(
                "q",
                f"There is no multiple of {self.q} between {low} and {high}; "
                "q must be smaller or the range wider.",
            )
        elif max(abs(first), abs(last)) > MAX_VALUES:
            yield Problem(
                "q", f"q is too small for numbers between {low} and {high}: {self.q}."
            )


@dataclass(frozen=True)
class QUniform(Quantized, Bounded):
    """Multiples of q from min_value to max_value."""

    kind = "quniform"


@dataclass(frozen=True)
class QLogUniform(Quantized, LogBounded):
    """Multiples of q from e^min_value to e^max_value."""

    kind = "qloguniform"


@dataclass(frozen=True)
class QNormal(Quantized, GaussianDistribution):
    """Normal numbers rounded to multiples of q."""

    kind = "qnormal"


@dataclass(frozen=True)
class QLogNormal(Quantized, Logarithmic, GaussianDistribution):
    """Lognormal numbers rounded to multiples of q."""

    kind = "qlognormal"
