"""The parts of a constraint: terms, comparisons and arithmetic on numbers."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from experiments.search.fields import is_number
from experiments.search.space.distribution import kind_of, same

# The values of the named parameters, by address.
Values: TypeAlias = Mapping[str, object]


@dataclass(frozen=True)
class Term:
    """A part: the kinds that its value may have, and how to compute the value."""

    kinds: frozenset[str]
    value: Callable[[Values], object]
    is_constant: bool = False

    @classmethod
    def fixed(cls, value: object) -> Term:
        """A constant."""
        return cls(frozenset([kind_of(value)]), lambda values: value, is_constant=True)


Test: TypeAlias = Callable[[Any, Any], bool]


class NoResult(Exception):
    """An operation has no result for these values."""


def as_number(value: object) -> float:
    """The value if it is a finite number; raises NoResult otherwise."""
    if not is_number(value):
        raise NoResult
    return value


def as_boolean(value: object) -> bool:
    """The value if it is true or false; raises NoResult otherwise."""
    if not isinstance(value, bool):
        raise NoResult
    return value


def equal(one: object, other: object) -> bool:
    """Numbers are equal by value, 1 and 1.0 too; anything else by type and value."""
    if is_number(one) and is_number(other):
        return one == other
    return same(one, other)


ORDERINGS: Mapping[type[ast.cmpop], Test] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
EQUALITIES: Mapping[type[ast.cmpop], Test] = {
    ast.Eq: equal,
    ast.NotEq: lambda one, other: not equal(one, other),
    ast.In: lambda one, others: any(equal(one, other) for other in others),
    ast.NotIn: lambda one, others: not any(equal(one, other) for other in others),
}


# The largest float has 1024 bits; longer integers are never computed.
MAX_BITS = 1024


def _power(base: float, exponent: float) -> object:
    if isinstance(base, int) and isinstance(exponent, int) and exponent >= 0:
        if (abs(base).bit_length() - 1) * exponent > MAX_BITS:
            raise OverflowError
        return base**exponent
    return float(base) ** float(exponent)


Operators: TypeAlias = Mapping[type[ast.operator], Callable[[float, float], object]]
OPERATORS: Operators = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right,
    ast.Pow: _power,
}


# Constraints compare whole numbers, too.
DIVIDING_OPERATORS: Operators = {
    **OPERATORS,
    ast.FloorDiv: lambda left, right: left // right,
    ast.Mod: lambda left, right: left % right,
}


def combined(
    operator: ast.operator,
    left: object,
    right: object,
    *,
    operators: Operators = OPERATORS,
) -> float | None:
    """The result of one step; None when it is not a finite number, or not allowed."""
    compute = operators.get(type(operator))
    if compute is None or not is_number(left) or not is_number(right):
        return None
    try:
        result = compute(left, right)
    except (OverflowError, ZeroDivisionError):
        return None
    return result if is_number(result) else None
