"""A choice among listed values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from experiments.search.fields import Problem, join, shown
from experiments.search.records import JSONValue
from experiments.search.space.distribution import (
    Branch,
    Distribution,
    identity,
    number_problem,
    value_problem,
)
from experiments.search.space.probability import (
    EvenPartition,
    Partition,
    WeightedPartition,
)

MAX_LISTED = 10_000


@dataclass(frozen=True)
class Choice(Distribution):
    """One of the values, each with its JSON type: 1, "1", 1.0 and true differ.

    A value that is listed twice is one value, twice as likely. `probabilities`, one for
    each value, add up to 1.

    A value may be a branch with distributions of its own (a nested choice). The choice
    then draws the branch in its mapping form; a SearchSpace draws the values of the
    branch's own parameters.
    """

    kind = "choice"

    values: tuple[JSONValue | Branch, ...]
    probabilities: tuple[float, ...] | None = None

    def range_problems(self) -> Iterator[Problem]:
        if not isinstance(self.values, tuple) or not self.values:
            allowed = "one entry or more, such as [16, 32]"
            yield Problem(
                "values", f"values must list {allowed}, not {shown(self.values)}."
            )
            return
        if len(self.values) > MAX_LISTED:
            yield Problem(
                "values",
                f"values may list {MAX_LISTED:,} values, not {len(self.values):,}.",
            )
        for index, value in enumerate(self.values):
            problem = _problem(value)
            if problem:
                yield Problem(join("values", index), problem)
        if self.probabilities is not None:
            yield from self._probability_problems()

    def warnings(self) -> Iterator[Problem]:
        if len(self.distinct) < len(self.values):
            yield Problem(
                "values",
                "A value is listed more than once, which makes it more likely. To make "
                "that clear, list it once and use probabilities.",
            )

    @cached_property
    def distinct(self) -> tuple[JSONValue, ...]:
        """The different values, in the order in which they first appear."""
        forms = map(_form, self.values)
        return tuple({identity(form): form for form in forms}.values())

    @cached_property
    def branches(self) -> Mapping[str, Branch]:
        """The branches by `key`, in order; empty for a choice among plain values."""
        return {
            identity(_form(value)): value
            for value in self.values
            if isinstance(value, Branch)
        }

    @cached_property
    def partition(self) -> Partition:
        weights = self.probabilities or (1.0,) * len(self.values)
        sums = dict.fromkeys(self._places, 0.0)
        for value, weight in zip(self.values, weights, strict=True):
            sums[identity(_form(value))] += weight
        if len(set(sums.values())) == 1:
            return EvenPartition(len(sums))
        return WeightedPartition(tuple(sums.values()))

    def at(self, index: int) -> JSONValue:
        return self.distinct[index]

    def contains(self, value: object) -> bool:
        try:
            return identity(value) in self._places
        except (TypeError, ValueError):
            return False

    def key(self, value: JSONValue) -> str:
        return identity(value)

    def index_of(self, key: str) -> int:
        return self._places[key]

    def dump(self) -> dict[str, JSONValue]:
        return {**super().dump(), "values": [_form(value) for value in self.values]}

    @cached_property
    def _places(self) -> dict[str, int]:
        return {identity(value): place for place, value in enumerate(self.distinct)}

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


def _form(value: JSONValue | Branch) -> JSONValue:
    """The form of a value in a document."""
    return value.dump() if isinstance(value, Branch) else value


def _problem(value: object) -> str | None:
    if isinstance(value, Branch):
        return None
    if isinstance(value, Mapping):
        return f"A mapping must be a Branch (a nested space), not {shown(value)}."
    return value_problem(value)
