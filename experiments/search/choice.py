"""A choice among listed values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from experiments.search.distribution import Distribution, number_problem
from experiments.search.partitions import Even, Partition, Weighted
from experiments.search.problems import Problem, join, shown
from experiments.search.records import JSONValue

MOST_LISTED = 10_000


@dataclass(frozen=True)
class Choice(Distribution):
    """One of the values, each with its JSON type: 1, "1", 1.0 and true differ.

    A value that is listed twice is one value, twice as likely. `probabilities`, one for
    each value, add up to 1.
    """

    kind = "choice"

    values: tuple[JSONValue, ...]
    probabilities: tuple[float, ...] | None = None

    def range_problems(self) -> Iterator[Problem]:
        if not isinstance(self.values, tuple) or not self.values:
            yield Problem(
                "values",
                "values must be a list of at least one value, such as [16, 32], "
                f"not {shown(self.values)}.",
            )
            return
        if len(self.values) > MOST_LISTED:
            yield Problem(
                "values",
                f"values may list {MOST_LISTED:,} values, not {len(self.values):,}.",
            )
        for index, value in enumerate(self.values):
            problem = _value_problem(value)
            if problem:
                yield Problem(join("values", index), problem)
        if self.probabilities is not None:
            yield from self._probability_problems()

    def warnings(self) -> Iterator[Problem]:
        if len(self.distinct) < len(self.values):
            yield Problem(
                "values",
                "A value is listed more than once, which makes it more likely; "
                "probabilities would say so openly.",
            )

    @cached_property
    def distinct(self) -> tuple[JSONValue, ...]:
        """The different values, in the order of their first mention."""
        return tuple({_identity(value): value for value in self.values}.values())

    @cached_property
    def partition(self) -> Partition:
        weights = self.probabilities or (1.0,) * len(self.values)
        sums = dict.fromkeys(self._places, 0.0)
        for value, weight in zip(self.values, weights, strict=True):
            sums[_identity(value)] += weight
        if len(set(sums.values())) == 1:
            return Even(len(sums))
        return Weighted(tuple(sums.values()))

    def quantile(self, share: float) -> JSONValue:
        return self.at(int(self.partition.indices(share)))

    def at(self, index: int) -> JSONValue:
        return self.distinct[index]

    def encode(self, value: JSONValue) -> float:
        if not self.contains(value):
            raise self.refuse(value)
        return self.partition.middle(self._places[_identity(value)])

    def contains(self, value: object) -> bool:
        try:
            return _identity(value) in self._places
        except (TypeError, ValueError):
            return False

    @cached_property
    def _places(self) -> dict[str, int]:
        return {_identity(value): place for place, value in enumerate(self.distinct)}

    def _probability_problems(self) -> Iterator[Problem]:
        given = self.probabilities
        if not isinstance(given, tuple) or len(given) != len(self.values):
            yield Problem(
                "probabilities",
                f"probabilities must be a list of {len(self.values):,} numbers, one "
                f"for each value, not {shown(given)}.",
            )
        elif any(number_problem("", share) or not share > 0 for share in given):
            yield Problem(
                "probabilities",
                f"probabilities must be numbers above 0, not {shown(given)}.",
            )
        elif abs(sum(given) - 1) > 0.01:
            yield Problem(
                "probabilities",
                f"probabilities must add up to 1, not {sum(given):.4g}.",
            )


def _identity(value: object) -> str:
    """Text that is equal exactly for equal values of equal JSON type."""
    return json.dumps(value, sort_keys=True, allow_nan=False)


def _value_problem(value: object) -> str | None:
    if isinstance(value, Mapping):
        return (
            "A value that is a mapping (a nested space) is not supported yet; list "
            f"plain values, not {shown(value)}."
        )
    try:
        _identity(value)
    except (TypeError, ValueError, RecursionError):
        return (
            "A value must be text, a finite number, true, false, null or a list of "
            f"these, not {shown(value)}."
        )
    if _holds_nul(value):
        return "A value must not contain the character NUL."
    return None


def _holds_nul(value: object) -> bool:
    if isinstance(value, list):
        return any(_holds_nul(item) for item in value)
    return isinstance(value, str) and "\0" in value
