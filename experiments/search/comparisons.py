"""Comparing two values of a configuration, as constraints do."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from experiments.search.fields import is_number
from experiments.search.values import same

Test: TypeAlias = Callable[[Any, Any], bool]


class NoResult(Exception):
    """An operation has no result for these values."""


def as_number(value: object) -> float:
    """The value, which has to be a finite number. Raises NoResult."""
    if not is_number(value):
        raise NoResult
    return value


def as_boolean(value: object) -> bool:
    """The value, which has to be true or false. Raises NoResult."""
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
