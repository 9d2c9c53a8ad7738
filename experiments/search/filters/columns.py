"""The values of many rows, and what filters compute from them, with numpy.

A comparison with a value that a row does not have is false. Numbers that cannot be
computed, such as a division by 0, count as no value.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from experiments.search.fields import is_number
from experiments.search.records import JSONValue
from experiments.search.space.distribution import identity
from experiments.search.space.terms import ORDERINGS, Term, Value, equal

RowMask: TypeAlias = NDArray[np.bool_]
Numbers: TypeAlias = NDArray[np.float64]
NONE = -1


@dataclass(frozen=True)
class FilterColumn:
    """One value for each row: a number, or the label of a code.

    `numbers` are NaN and `codes` are -1 where there is no such value.
    """

    numbers: Numbers | None = None
    codes: NDArray[np.int32] | None = None
    labels: tuple[JSONValue, ...] = ()

    @classmethod
    def of(cls, values: Sequence[JSONValue | None]) -> FilterColumn:
        """None is no value."""
        numbers = np.full(len(values), np.nan)
        codes = np.full(len(values), NONE, np.int32)
        labels: dict[Hashable, int] = {}
        kept: list[JSONValue] = []
        for place, value in enumerate(values):
            if is_number(value):
                numbers[place] = value
            elif value is not None:
                key = identity(value)
                if key not in labels:
                    labels[key] = len(kept)
                    kept.append(value)
                codes[place] = labels[key]
        return cls(numbers, codes if kept else None, tuple(kept))

    def present(self) -> RowMask:
        parts = []
        if self.numbers is not None:
            parts.append(~np.isnan(self.numbers))
        if self.codes is not None:
            parts.append(self.codes != NONE)
        return reduce(np.logical_or, parts)

    def equal_to(self, value: JSONValue) -> Any:
        if is_number(value):
            return False if self.numbers is None else self.numbers == value
        return self.having(lambda label: equal(label, value))

    def having(self, test: Callable[[JSONValue], bool]) -> Any:
        """Where the label meets a test."""
        if self.codes is None:
            return False
        met = np.array([*map(test, self.labels), False], np.bool_)
        return met[self.codes]

    def numbers_at(self, rows: NDArray[np.intp]) -> list[float | None]:
        """None where there is no number."""
        if self.numbers is None:
            return [None] * len(rows)
        return [None if v != v else v for v in self.numbers[rows].tolist()]

    def labels_at(self, rows: NDArray[np.intp]) -> list[JSONValue]:
        """None where there is no label."""
        if self.codes is None:
            return [None] * len(rows)
        codes = self.codes[rows].tolist()
        return [None if code == NONE else self.labels[code] for code in codes]

    def true(self) -> Any:
        return self.having(lambda label: label is True)


@dataclass(frozen=True)
class SeveralColumn:
    """Any number of texts for each row: `rows` has the row of each code, ascending."""

    size: int
    rows: NDArray[np.int64]
    codes: NDArray[np.int32]
    labels: tuple[str, ...]

    @classmethod
    def of(cls, values: Sequence[Iterable[str]]) -> SeveralColumn:
        pairs = [(row, text) for row, texts in enumerate(values) for text in texts]
        labels = tuple(dict.fromkeys(text for _, text in pairs))
        places = {label: place for place, label in enumerate(labels)}
        codes = [places[text] for _, text in pairs]
        rows = np.array([row for row, _ in pairs], np.int64)
        return cls(len(values), rows, np.array(codes, np.int32), labels)

    def texts(self, rows: NDArray[np.intp]) -> list[str]:
        """The labels of some rows, each row's as one text."""
        starts = np.searchsorted(self.rows, rows).tolist()
        ends = np.searchsorted(self.rows, rows, side="right").tolist()
        return [
            ", ".join(self.labels[code] for code in self.codes[start:end])
            for start, end in zip(starts, ends, strict=True)
        ]

    def present(self) -> RowMask:
        return self._at(self.rows)

    def equal_to(self, value: object) -> RowMask:
        return self.having(lambda label: label == value)

    def having(self, test: Callable[[str], bool]) -> RowMask:
        """Where at least one label meets a test."""
        met = np.array([*map(test, self.labels), False], np.bool_)
        return self._at(self.rows[met[self.codes]])

    def _at(self, rows: NDArray[np.int64]) -> RowMask:
        found = np.zeros(self.size, np.bool_)
        found[rows] = True
        return found


AnyColumn: TypeAlias = FilterColumn | SeveralColumn


class FilterTable(Protocol):
    """Rows, and their columns by the keys of fields."""

    @property
    def size(self) -> int: ...

    def column(self, key: str) -> AnyColumn: ...


@dataclass(frozen=True)
class RowTable:
    """A table of rows in memory."""

    rows: Sequence[Mapping[str, Any]]

    @property
    def size(self) -> int:
        return len(self.rows)

    def column(self, key: str) -> AnyColumn:
        return FilterColumn.of([row.get(key) for row in self.rows])


# --- operations ---------------------------------------------------------------------

ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.remainder,
    ast.Pow: np.float_power,
}
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "min": lambda *parts: reduce(np.minimum, parts),
    "max": lambda *parts: reduce(np.maximum, parts),
    "abs": np.abs,
}


def numbers_of(value: Any) -> Any:
    """An array of numbers, or one for all rows; NaN where there is none."""
    if isinstance(value, FilterColumn):
        return np.nan if value.numbers is None else value.numbers
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return value
    return float(value) if is_number(value) else np.nan


def truths_of(value: Any) -> Any:
    """Where a condition holds: an array, or one for all rows."""
    if isinstance(value, FilterColumn):
        return value.true()
    if isinstance(value, np.ndarray):
        return value
    # numpy's own True is not True.
    return isinstance(value, bool | np.bool_) and bool(value)


def present(value: Any) -> Any:
    """Where there is a value."""
    if isinstance(value, FilterColumn | SeveralColumn):
        return value.present()
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return ~np.isnan(value)
    return True


class ColumnOperations:
    """All rows at once; terms take a FilterTable."""

    def chained(self, first: Term, steps: Sequence[tuple[ast.operator, Term]]) -> Value:
        def value(table: FilterTable) -> Any:
            result = numbers_of(first.value(table))
            with np.errstate(all="ignore"):
                for sign, term in steps:
                    computed = ARITHMETIC[type(sign)](
                        result, numbers_of(term.value(table))
                    )
                    result = np.where(np.isfinite(computed), computed, np.nan)
            return float(result) if np.ndim(result) == 0 else result

        return value

    def called(self, name: str, terms: Sequence[Term]) -> Value:
        return lambda table: FUNCTIONS[name](
            *(numbers_of(term.value(table)) for term in terms)
        )

    def negated(self, term: Term) -> Value:
        return lambda table: np.logical_not(truths_of(term.value(table)))

    def joined(self, joint: ast.boolop, terms: Sequence[Term]) -> Value:
        join = np.logical_and if isinstance(joint, ast.And) else np.logical_or
        return lambda table: reduce(
            join, (truths_of(term.value(table)) for term in terms)
        )

    def compared(self, pairs: Sequence[tuple[Term, ast.cmpop, Term]]) -> Value:
        return lambda table: reduce(
            np.logical_and,
            (
                _compared(sign, one.value(table), other.value(table))
                for one, sign, other in pairs
            ),
        )


def _compared(sign: ast.cmpop, one: Any, other: Any) -> Any:
    if type(sign) in ORDERINGS:
        return ORDERINGS[type(sign)](numbers_of(one), numbers_of(other))
    match sign:
        case ast.Is() | ast.IsNot():
            found = _contains(one, other)
        case ast.In() | ast.NotIn():
            found = reduce(np.logical_or, (_equal(one, each) for each in other))
        case _:
            found = _equal(one, other)
    if isinstance(sign, ast.NotEq | ast.NotIn | ast.IsNot):
        there = [_comparable(each) for each in (one, other)]
        return reduce(np.logical_and, there, np.logical_not(found))
    return found


def _comparable(value: Any) -> Any:
    """No tag is different from any tag, but no number is not different from 1."""
    return isinstance(value, SeveralColumn | list) or present(value)


def _equal(one: Any, other: Any) -> Any:
    if isinstance(other, FilterColumn | SeveralColumn):
        one, other = other, one
    if isinstance(one, FilterColumn | SeveralColumn):
        if isinstance(one, FilterColumn) and isinstance(other, FilterColumn):
            return _equal_columns(one, other)
        if not isinstance(other, np.ndarray):
            return one.equal_to(other)
        is_truth = other.dtype.kind == "b"
        return truths_of(one) == other if is_truth else numbers_of(one) == other
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        array, each = (one, other) if isinstance(one, np.ndarray) else (other, one)
        return operator.eq(array, each)
    return equal(one, other)


def _equal_columns(one: FilterColumn, other: FilterColumn) -> Any:
    found = numbers_of(one) == numbers_of(other)
    if one.codes is None or other.codes is None:
        return found
    places = {identity(label): place for place, label in enumerate(one.labels)}
    same = [places.get(identity(label), NONE - 1) for label in other.labels]
    translated = np.array([*same, NONE - 1], np.int32)[other.codes]
    return np.logical_or(found, one.codes == translated)


def _contains(one: Any, text: object) -> Any:
    part = str(text).casefold()

    def test(label: object) -> bool:
        return isinstance(label, str) and part in label.casefold()

    if isinstance(one, FilterColumn | SeveralColumn):
        return one.having(test)
    return test(one)
