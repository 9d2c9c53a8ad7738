"""The arguments that the continuous and the quantised distributions share."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from experiments.search.distribution import UNDOCUMENTED, Distribution
from experiments.search.figures import significant
from experiments.search.laws import ExpLaw, Law, NormalLaw, UniformLaw
from experiments.search.problems import Problem

# Powers of e up to here are neither 0 nor infinite.
MOST_EXPONENT = 700.0


@dataclass(frozen=True)
class Lawful(Distribution):
    """A distribution that follows from the law of a real number."""

    @abstractmethod
    def plain_law(self, factor: float) -> Law:
        """The law of the arguments, each of them multiplied by a factor."""

    @cached_property
    def law(self) -> Law:
        """The law before rounding."""
        return self.plain_law(1.0)


@dataclass(frozen=True)
class Bounded(Lawful):
    """Arguments that are two bounds, both included."""

    min_value: float
    max_value: float

    def plain_law(self, factor: float) -> Law:
        return UniformLaw(self.min_value * factor, self.max_value * factor)

    def range_problems(self) -> Iterator[Problem]:
        if not self.min_value < self.max_value:
            yield Problem(
                "max_value",
                f"max_value must be above min_value, which is {self.min_value}, "
                f"not {self.max_value}.",
            )


@dataclass(frozen=True)
class Bell(Lawful):
    """Arguments that are a mean and a standard deviation."""

    mu: float
    sigma: float

    def plain_law(self, factor: float) -> Law:
        return NormalLaw(self.mu * factor, self.sigma * factor)

    def range_problems(self) -> Iterator[Problem]:
        if self.sigma < 0:
            yield Problem(
                "sigma",
                "sigma is a standard deviation and must be 0 or more, "
                f"not {self.sigma}.",
            )


@dataclass(frozen=True)
class Logarithmic(Lawful):
    """Arguments that are logarithms: the value is the base to the power of the draw."""

    base: float = field(default=math.e, kw_only=True, metadata=UNDOCUMENTED)

    @cached_property
    def law(self) -> Law:
        return ExpLaw(self.plain_law(math.log(self.base)))


@dataclass(frozen=True)
class LogBounded(Logarithmic, Bounded):
    """Bounds that are logarithms, the lower not above the upper."""

    def range_problems(self) -> Iterator[Problem]:
        if self.min_value > self.max_value:
            yield Problem(
                "max_value",
                f"max_value must be at least min_value, which is {self.min_value}, "
                f"not {self.max_value}.",
            )
        for name in ("min_value", "max_value"):
            exponent = getattr(self, name) * math.log(self.base)
            if abs(exponent) > MOST_EXPONENT:
                yield Problem(name, self._out_of_reach(name))

    def warnings(self) -> Iterator[Problem]:
        low, high = self.min_value, self.max_value
        natural = 0 < low < 0.1 or 0 < low < high <= 1
        if natural or high * math.log(self.base) > 30:
            yield Problem(
                "min_value",
                f"The bounds of {self.kind} are logarithms: {low} to {high} gives "
                f"values from {significant(self.law.low)} to "
                f"{significant(self.law.high)}. For bounds in natural units use "
                f"{{type: float, low: {low}, high: {high}, log: true}}.",
            )

    def _out_of_reach(self, name: str) -> str:
        base = "e" if self.base == math.e else str(self.base)
        most = MOST_EXPONENT / math.log(self.base)
        return (
            f"{name} is a logarithm to base {base} and must be between {-most:.4g} and "
            f"{most:.4g}, not {getattr(self, name)}; use type float with log: true for "
            "bounds in natural units."
        )
