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
    """A distribution over equally spaced whole numbers."""

    @cached_property
    def numbers(self) -> range:
        """The values in order."""
        raise NotImplementedError

    @cached_property
    def partition(self) -> Partition:
        return EvenPartition(len(self.numbers))

    def at(self, index: int) -> int:
        return self.numbers[index]

    def encode(self, value: JSONValue) -> float:
        if not isinstance(value, int) or not self.contains(value):
            raise self.refuse(value)
        return self.partition.middle(self.numbers.index(value))

    def contains(self, value: object) -> bool:
        if not isinstance(value, int) or isinstance(value, bool):
            return False
        return value in self.numbers


@dataclass(frozen=True)
class RandInt(IntegerDistribution):
    """A whole number from 0 to below `upper`, every one alike."""

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
            yield Problem(
                "high",
                f"high must be at least low, which is {self.low}, not {self.high}.",
            )
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

    @cached_property
    def numbers(self) -> range:
        return range(self.low, self.high + 1, self.step)

    @cached_property
    def partition(self) -> Partition:
        if not self.log:
            return EvenPartition(len(self.numbers))
        variable = ExpVariable(
            UniformVariable(math.log(self.low - 0.5), math.log(self.high + 0.5))
        )
        return RoundedPartition(variable, 1, self.low, self.high)


@dataclass(frozen=True)
class FloatRange(Distribution):
    """A real number from low to high; with `log` every scale is equally likely.

    With `step` the values are low, low + step and so on up to high, all alike. Values
    are always floats.
    """

    kind = "float"

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def range_problems(self) -> Iterator[Problem]:
        if not self.low < self.high:
            yield Problem(
                "high", f"high must be above low, which is {self.low}, not {self.high}."
            )
        if self.log and self.low <= 0:
            yield Problem(
                "low",
                "low must be above 0 with log: true, because the logarithm of 0 has no "
                f"value; it is {self.low}. Allowed: any number above 0 and below high, "
                "such as 0.000001.",
            )
        if self.step is not None:
            yield from self._step_problems(self.step)

    @cached_property
    def variable(self) -> UniformVariable | ExpVariable:
        """The law without steps."""
        if self.log:
            return ExpVariable(UniformVariable(math.log(self.low), math.log(self.high)))
        return UniformVariable(self.low, self.high)

    @cached_property
    def partition(self) -> Partition | None:
        if self.step is None:
            return None
        return EvenPartition(math.floor(self._steps_to(self.high)) + 1)

    def continuous_quantile(self, share: float) -> float:
        # e to the logarithm of a bound may miss the bound by a rounding.
        if share in (0, 1):
            return float(self.high if share else self.low)
        number = float(self.variable.quantile(share))
        return min(max(number, float(self.low)), float(self.high))

    def quantiles(self, shares: NDArray[np.float64]) -> list[JSONValue]:
        if self.partition is not None:
            return super().quantiles(shares)
        numbers = np.clip(
            self.variable.quantile(shares), float(self.low), float(self.high)
        )
        numbers = np.where(shares == 0, float(self.low), numbers)
        found: list[JSONValue] = np.where(
            shares == 1, float(self.high), numbers
        ).tolist()
        return found

    def at(self, index: int) -> float:
        if self.step is None:
            raise self.unlisted()
        return float(Fraction(repr(self.low)) + index * Fraction(repr(self.step)))

    def encode(self, value: JSONValue) -> float:
        if not is_number(value) or not self.contains(value):
            raise self.refuse(value)
        if self.partition is not None:
            return self.partition.middle(round(self._steps_to(value)))
        return float(self.variable.cdf(value))

    def contains(self, value: object) -> bool:
        if not is_number(value) or not self.low <= value <= self.high:
            return False
        if self.step is None:
            return True
        index = round(self._steps_to(value))
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
