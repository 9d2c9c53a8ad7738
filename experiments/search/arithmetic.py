"""Arithmetic on literal numbers, each step in constant time: `10**-4`, `1 / 3`."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import TypeAlias

from experiments.search.fields import is_number

# The largest float has 1024 bits; nothing longer is ever computed.
MOST_BITS = 1024


def _power(base: float, exponent: float) -> object:
    if isinstance(base, int) and isinstance(exponent, int) and exponent >= 0:
        if (abs(base).bit_length() - 1) * exponent > MOST_BITS:
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
