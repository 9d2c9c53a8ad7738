"""What one parameter of a search space may be: distributions, branches and values."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import Field, dataclass, fields
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from experiments.search.fields import DefinitionError, Problem, is_number, shown
from experiments.search.records import JSONValue
from experiments.search.space.probability import MAX_VALUES, Partition

# The metadata of a dataclass field that is not a field of the sweep document.
UNDOCUMENTED = {"documented": False}


@dataclass(frozen=True)
class Distribution(ABC):
    """The distribution of one parameter's values, with the document's fields.

    The constructor raises DefinitionError with every problem of its arguments. Values
    are drawn through the inverse of the cumulative distribution function: one uniform
    number in [0, 1) gives one value. A distribution over finitely many values has a
    `partition` of [0, 1); `at` and `index_of` number its bands.
    """

    kind: ClassVar[str]

    def __post_init__(self) -> None:
        problems = tuple(self.problems())
        if problems:
            raise DefinitionError(problems)

    @classmethod
    def documented_fields(cls) -> list[Field[Any]]:
        """The fields of the sweep document, in the order of positional arguments."""
        return [item for item in fields(cls) if item.metadata.get("documented", True)]

    def problems(self) -> Iterator[Problem]:
        """What is wrong with the arguments, by field."""
        found = [
            Problem(item.name, message)
            for item in fields(self)
            if (message := type_problem(item, getattr(self, item.name)))
        ]
        yield from found or self.range_problems()

    @abstractmethod
    def range_problems(self) -> Iterator[Problem]:
        """What is wrong with arguments of the right type."""

    def order_problem(self, low: str, high: str, *, rule: str) -> Problem:
        """The problem of two bounds in the wrong order, such as `high must be above
        low`; `rule` is "above" or "at least"."""
        return Problem(
            high,
            f"{high} must be {rule} {low}, which is {getattr(self, low)}, "
            f"not {getattr(self, high)}.",
        )

    def warnings(self) -> Iterator[Problem]:
        """What is allowed but probably a mistake, by field."""
        return iter(())

    @property
    def is_logarithmic(self) -> bool:
        """Whether values are spread evenly on a logarithmic scale."""
        return False

    @cached_property
    @abstractmethod
    def partition(self) -> Partition | None:
        """The bands of the values; None when there are infinitely many."""

    def quantile(self, share: float) -> JSONValue:
        """The value below which a share in [0, 1] of the probability is."""
        if self.partition is None:
            return self.continuous_quantiles(np.array([share]))[0]
        return self.at(int(self.partition.indices(share)))

    def quantiles(self, shares: NDArray[np.float64]) -> list[JSONValue]:
        """As `quantile`, of many shares at once."""
        if self.partition is None:
            return self.continuous_quantiles(shares)
        return each_distinct(self.partition.indices(shares), self.at)

    def continuous_quantiles(self, shares: NDArray[np.float64]) -> list[JSONValue]:
        """As `quantiles`, where there are infinitely many values."""
        raise NotImplementedError

    def encode(self, value: JSONValue) -> float:
        """A share in [0, 1] whose quantile is the value, the middle one if many are.

        Raises ValueError for a value that is not one of the distribution's.
        """
        if not self.contains(value):
            raise self.refuse(value)
        if self.partition is None:
            return self.share_of(value)
        return self.partition.middle(self.index_of(self.key(value)))

    def share_of(self, value: Any) -> float:
        """As `encode`, for one of infinitely many values."""
        raise NotImplementedError

    @abstractmethod
    def contains(self, value: object) -> bool:
        """Whether the value can be drawn, its JSON type included."""

    @abstractmethod
    def at(self, index: int) -> JSONValue:
        """The value of a band; ValueError when there are infinitely many."""

    @abstractmethod
    def index_of(self, key: Any) -> int:
        """The band of the value with a key, where there are finitely many."""

    def key(self, value: Any) -> Hashable:
        """Equal for two values exactly when they are one value of the distribution."""
        key: Hashable = value
        return key

    def sample(self, rng: np.random.Generator) -> JSONValue:
        """One value; takes one number from the generator."""
        return self.quantile(float(rng.random()))

    def count(self) -> int | None:
        """The number of values; None when there are infinitely many."""
        return None if self.partition is None else self.partition.size

    def dump(self) -> dict[str, JSONValue]:
        """The mapping form; fields at their default are left out."""
        document: dict[str, JSONValue] = {"type": self.kind}
        for item in self.documented_fields():
            value = getattr(self, item.name)
            if value != item.default:
                document[item.name] = list(value) if isinstance(value, tuple) else value
        return document

    def refuse(self, value: object) -> ValueError:
        """The error for a value that is not one of the distribution's."""
        return ValueError(f"{shown(value)} is not a value of {shown(self.dump())}.")

    def unlisted(self) -> ValueError:
        """The error for an index where there are infinitely many values."""
        return ValueError(f"{self.kind} has infinitely many values here.")


def each_distinct(
    numbers: NDArray[Any], make: Callable[[int], JSONValue]
) -> list[JSONValue]:
    """`make` of every number, called once for equal ones."""
    if len(numbers) == 1:
        return [make(int(numbers[0]))]
    found, places = np.unique(numbers, return_inverse=True)
    values = [make(int(number)) for number in found.tolist()]
    return [values[place] for place in places.tolist()]


def type_problem(item: Field[Any], value: object) -> str | None:
    """What is wrong with an argument's type, by the annotation of its field."""
    if item.type == "float" or (item.type == "float | None" and value is not None):
        return number_problem(item.name, value)
    if item.type == "int":
        return integer_problem(item.name, value)
    if item.type == "bool" and not isinstance(value, bool):
        return f"{item.name} must be true or false, not {shown(value)}."
    return None


def integer_problem(name: str, value: object) -> str | None:
    """What is wrong with a value that must be a whole number of up to 2^48."""
    if not isinstance(value, int) or isinstance(value, bool):
        return f"{name} must be a whole number, such as 10, not {shown(value)}."
    if abs(value) > MAX_VALUES:
        return f"{name} must be between -2^48 and 2^48, not {shown(value)}."
    return None


def number_problem(name: str, value: object) -> str | None:
    """What is wrong with a value that must be a finite number."""
    if is_number(value):
        return None
    hint = ""
    if isinstance(value, str) and _reads_as_number(value):
        hint = "; leave out the quotation marks"
    return f"{name} must be a finite number, such as 0.1, not {shown(value)}{hint}."


def _reads_as_number(text: str) -> bool:
    try:
        return math.isfinite(float(text[:100]))
    except ValueError:
        return False


@dataclass(frozen=True)
class Branch:
    """A value of a nested choice: names with constants or distributions.

    Its distributions count only while the branch is chosen. A trial has the mapping
    with a value for every one of them.
    """

    entries: Mapping[str, JSONValue | Distribution]

    @cached_property
    def distributions(self) -> Mapping[str, Distribution]:
        """The entries that are distributions."""
        return {
            name: entry
            for name, entry in self.entries.items()
            if isinstance(entry, Distribution)
        }

    @cached_property
    def constants(self) -> Mapping[str, JSONValue]:
        """The entries that are fixed values."""
        return {
            name: entry
            for name, entry in self.entries.items()
            if not isinstance(entry, Distribution)
        }

    def dump(self) -> dict[str, JSONValue]:
        """The mapping form."""
        return {
            name: entry.dump() if isinstance(entry, Distribution) else entry
            for name, entry in self.entries.items()
        }


# Longer texts make pages, tables and command lines useless.
MAX_TEXT_LENGTH = 10_000

# The JSON types, and what sentences call a value of each.
KINDS = {
    "number": "a number",
    "text": "text",
    "boolean": "true or false",
    "null": "null",
    "list": "a list",
    "mapping": "a mapping",
}


def identity(value: object) -> str:
    """Text that is equal exactly for equal values of equal JSON type.

    Raises TypeError or ValueError for anything that is not a JSON value.
    """
    return json.dumps(value, sort_keys=True, allow_nan=False)


def same(one: object, other: object) -> bool:
    """Whether two values are equal and of one JSON type."""
    try:
        return identity(one) == identity(other)
    except (TypeError, ValueError):
        return False


def kind_of(value: object) -> str:
    """One of KINDS."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "text"
        case list() | tuple():
            return "list"
        case dict():
            return "mapping"
    return "number"


def value_problem(value: object) -> str | None:
    """Why a value cannot be a parameter's value; None if it can."""
    try:
        identity(value)
    except (TypeError, ValueError, RecursionError):
        return (
            "A value must be text, a finite number, true, false, null or a list of "
            f"these, not {shown(value)}."
        )
    return next(filter(None, map(_simple_problem, _simple_values(value))), None)


def _simple_values(value: object) -> Iterator[object]:
    """The keys and values inside lists and mappings, or the value itself."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from _simple_values(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _simple_values(each)
    else:
        yield value


def _simple_problem(value: object) -> str | None:
    if isinstance(value, str):
        if "\0" in value:
            return "A value must not contain the character NUL."
        if len(value) > MAX_TEXT_LENGTH:
            return (
                f"A text must have at most {MAX_TEXT_LENGTH:,} characters;"
                f" {shown(value)} has {len(value):,}."
            )
    if isinstance(value, int) and not _fits_float(value):
        return f"A number must be at most 1.7e308 in size, not {shown(value)}."
    return None


def _fits_float(value: int) -> bool:
    try:
        float(value)
    except OverflowError:
        return False
    return True
