"""The parts of an expression: terms, comparisons and arithmetic on numbers."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from experiments.search.fields import is_number
from experiments.search.space.distribution import kind_of, same

# The values of the named parameters, by address.
Values: TypeAlias = Mapping[str, object]


@dataclass(frozen=True)
class Term:
    """A part: the kinds that its value may have, and how to compute the value."""

    kinds: frozenset[str]
    value: Callable[[Any], Any]
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


# --- what expressions compute -------------------------------------------------------

Value: TypeAlias = Callable[[Any], Any]
FUNCTIONS: Mapping[str, Callable[..., Any]] = {"min": min, "max": max, "abs": abs}


class Operations(Protocol):
    """How the values of terms are combined; each method returns a term's value."""

    def chained(self, first: Term, steps: Sequence[tuple[ast.operator, Term]]) -> Value:
        """Arithmetic from left to right."""

    def called(self, name: str, terms: Sequence[Term]) -> Value:
        """min, max or abs."""

    def negated(self, term: Term) -> Value:
        """not"""

    def joined(self, joint: ast.boolop, terms: Sequence[Term]) -> Value:
        """and, or"""

    def compared(self, pairs: Sequence[tuple[Term, ast.cmpop, Term]]) -> Value:
        """Whether all comparisons hold."""


class ScalarOperations:
    """One configuration at a time. Raises NoResult where there is none."""

    def chained(self, first: Term, steps: Sequence[tuple[ast.operator, Term]]) -> Value:
        computed = [
            (DIVIDING_OPERATORS[type(sign)], term.value) for sign, term in steps
        ]

        def value(values: Values) -> float:
            result = as_number(first.value(values))
            try:
                for compute, other in computed:
                    result = as_number(compute(result, as_number(other(values))))
            except (OverflowError, ZeroDivisionError):
                raise NoResult from None
            return result

        return value

    def called(self, name: str, terms: Sequence[Term]) -> Value:
        function = FUNCTIONS[name]
        return lambda values: function(*(as_number(t.value(values)) for t in terms))

    def negated(self, term: Term) -> Value:
        return lambda values: not as_boolean(term.value(values))

    def joined(self, joint: ast.boolop, terms: Sequence[Term]) -> Value:
        every = all if isinstance(joint, ast.And) else any
        return lambda values: every(as_boolean(t.value(values)) for t in terms)

    def compared(self, pairs: Sequence[tuple[Term, ast.cmpop, Term]]) -> Value:
        tests = [(one.value, _test(sign), other.value) for one, sign, other in pairs]
        return lambda values: all(
            test(one(values), other(values)) for one, test, other in tests
        )


def _test(sign: ast.cmpop) -> Test:
    if type(sign) not in ORDERINGS:
        return EQUALITIES[type(sign)]
    compare = ORDERINGS[type(sign)]
    return lambda one, other: compare(as_number(one), as_number(other))
