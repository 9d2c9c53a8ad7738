"""Whole and real numbers in natural units: randint, int and float."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments.search.fields import Problem, is_number
from experiments.search.records import JSONValue
from experiments.search.space.distribution import Distribution
from experiments.search.space.probability import (
    MAX_VALUES,
    EvenPartition,
    ExpVariable,
    Partition,
    RoundedPartition,
    UniformVariable,
)


@dataclass(frozen=True)
class IntegerDistribution(Distribution):
    """A distribution over equally spaced integers."""

    @cached_property
    def numbers(self) -> range:
        """The values in order."""
        raise NotImplementedError

    @cached_property
    def partition(self) -> Partition:
        return EvenPartition(len(self.numbers))

    def at(self, index: int) -> int:
        return self.numbers[index]

    def index_of(self, key: int) -> int:
        return self.numbers.index(key)

    def contains(self, value: object) -> bool:
        if not isinstance(value, int) or isinstance(value, bool):
            return False
        return value in self.numbers


@dataclass(frozen=True)
class RandInt(IntegerDistribution):
    """A whole number from 0 to below `upper`, all equally likely."""

    kind = "randint"

    upper: int

    def range_problems(self) -> Iterator[Problem]:
        if self.upper < 1:
            yield Problem(
                "upper", f"upper must be 1 or more, such as 10, not {self.upper}."
            )

    @cached_property
    def numbers(self) -> range:
        return range(self.upper)


@dataclass(frozen=True)
class IntRange(IntegerDistribution):
    """A whole number from low to high, both included, in steps.

    With `log` the probability of k is proportional to ln((k + 0.5) / (k - 0.5)): all
    scales are equally likely.
    """

    kind = "int"

    low: int
    high: int
    step: int = 1
    log: bool = False

    def range_problems(self) -> Iterator[Problem]:
        if self.low > self.high:
            yield self.order_problem("low", "high", rule="at least")
        if self.step < 1:
            yield Problem("step", f"step must be 1 or more, not {self.step}.")
        if self.log and self.low < 1:
            yield Problem(
                "low",
                "low must be 1 or more with log: true, because the logarithm of 0 has "
                f"no value; it is {self.low}.",
            )
        if self.log and self.step != 1:
            yield Problem("step", f"step must be 1 with log: true, not {self.step}.")

    @property
    def is_logarithmic(self) -> bool:
        return self.log

    @cached_property
    def numbers(self) -> range:
        return range(self.low, self.high + 1, self.step)

    @cached_property
    def partition(self) -> Partition:
        if not self.log:
            return EvenPartition(len(self.numbers))
        bounds = math.log(self.low - 0.5), math.log(self.high + 0.5)
        return RoundedPartition(
            ExpVariable(UniformVariable(*bounds)), 1, self.low, self.high
        )


@dataclass(frozen=True)
class FloatRange(Distribution):
    """A real number from low to high; with `log` every scale is equally likely.

    With `step` the values are low, low + step and so on up to high, all equally
    likely. Values are always floats.
    """

    kind = "float"

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def range_problems(self) -> Iterator[Problem]:
        if not self.low < self.high:
            yield self.order_problem("low", "high", rule="above")
        if self.log and self.low <= 0:
            yield Problem(
                "low",
                "low must be above 0 with log: true, because the logarithm of 0 has no "
                f"value; it is {self.low}. Allowed: any number above 0 and below high, "
                "such as 0.000001.",
            )
        if self.step is not None:
            yield from self._step_problems(self.step)

    @property
    def is_logarithmic(self) -> bool:
        return self.log

    @cached_property
    def variable(self) -> UniformVariable | ExpVariable:
        """The variable without steps."""
        if self.log:
            return ExpVariable(UniformVariable(math.log(self.low), math.log(self.high)))
        return UniformVariable(self.low, self.high)

    @cached_property
    def partition(self) -> Partition | None:
        if self.step is None:
            return None
        return EvenPartition(math.floor(self._steps_to(self.high)) + 1)

    def continuous_quantiles(self, shares: NDArray[np.float64]) -> list[JSONValue]:
        low, high = float(self.low), float(self.high)
        numbers = np.clip(self.variable.quantile(shares), low, high)
        # e to the logarithm of a bound may miss the bound by a rounding.
        exact = np.where(shares == 0, low, np.where(shares == 1, high, numbers))
        found: list[JSONValue] = exact.tolist()
        return found

    def at(self, index: int) -> float:
        if self.step is None:
            raise self.unlisted()
        return float(Fraction(repr(self.low)) + index * Fraction(repr(self.step)))

    def index_of(self, key: float) -> int:
        return round(self._steps_to(key))

    def share_of(self, value: float) -> float:
        return float(self.variable.cdf(value))

    def contains(self, value: object) -> bool:
        if not is_number(value) or not self.low <= value <= self.high:
            return False
        if self.step is None:
            return True
        index = self.index_of(value)
        return index < (self.count() or 0) and self.at(index) == value

    def _steps_to(self, value: float) -> Fraction:
        distance = Fraction(repr(value)) - Fraction(repr(self.low))
        return distance / Fraction(repr(self.step))

    def _step_problems(self, step: float) -> Iterator[Problem]:
        if self.log:
            yield Problem("step", f"step cannot be used with log: true; it is {step}.")
        if step <= 0:
            yield Problem("step", f"step must be above 0, such as 0.1, not {step}.")
        elif self.low < self.high and self._steps_to(self.high) > MAX_VALUES:
            yield Problem("step", f"step is too small for this range: {step}.")
