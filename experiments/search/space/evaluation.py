"""A constraint evaluated for many configurations at once, with numpy.

Floats are exact up to 2^53. Above that, and where a step has no result, numpy and
Python may differ: such rows are marked as unsure, and Python evaluates them singly.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from experiments.search.fields import is_number
from experiments.search.records import JSONValue
from experiments.search.space.conditions import Mask
from experiments.search.space.constraints import unescape_keywords
from experiments.search.space.terms import ORDERINGS, Test, combined

Column: TypeAlias = NDArray[Any]

MAX_EXACT = 2**53
WORDS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None}


def _power(base: Column, exponent: Column) -> Column:
    """Python's power: numpy's may differ by a rounding."""

    def one(number: float, times: float) -> float:
        result = combined(ast.Pow(), number, times)
        return np.nan if result is None else result

    return np.asarray(np.frompyfunc(one, 2, 1)(base, exponent), np.float64)


ARITHMETIC: Mapping[type[ast.AST], Callable[[Any, Any], Column]] = {
    ast.Add: np.add,
    ast.UAdd: np.add,
    ast.Sub: np.subtract,
    ast.USub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.remainder,
    ast.Pow: _power,
}
FUNCTIONS: Mapping[str, Callable[[Any, Any], Column]] = {
    "min": np.minimum,
    "max": np.maximum,
}


def column_of(values: Sequence[JSONValue]) -> Column | None:
    """The values as an array; None if they are of several types or too large."""
    if all(is_number(one) and abs(one) <= MAX_EXACT for one in values):
        return np.array(values, np.float64)
    if all(isinstance(one, bool) for one in values):
        return np.array(values, np.bool_)
    if all(isinstance(one, str) for one in values):
        return np.array(values, np.object_)
    return None


def met_at_once(
    tree: ast.expr, columns: Mapping[str, Column], number: int
) -> tuple[Mask, Mask]:
    """In which of `number` rows a constraint is met, and in which this is unsure."""
    evaluation = _Evaluation(columns, np.zeros(number, np.bool_))
    with np.errstate(all="ignore"):
        met = evaluation.of(tree)
    return np.array(np.broadcast_to(met, number)), evaluation.unsure


@dataclass
class _Evaluation:
    columns: Mapping[str, Column]
    unsure: Mask

    def of(self, node: ast.expr) -> Any:
        """The value of a part: an array, or one value for all rows."""
        match node:
            case ast.Constant(value=value):
                return self._constant(value)
            case ast.Name(id=name) if name in WORDS:
                return WORDS[name]
            case ast.Name(id=name):
                return self.columns[unescape_keywords(name)]
            case ast.BinOp():
                return self._computed(node)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return np.logical_not(self.of(operand))
            case ast.UnaryOp(op=sign, operand=operand):
                return self._sure(ARITHMETIC[type(sign)](0.0, self.of(operand)))
            case ast.BoolOp(op=joint, values=parts):
                join = np.logical_and if isinstance(joint, ast.And) else np.logical_or
                return reduce(join, map(self.of, parts))
            case ast.Compare():
                return self._compared(node)
            case ast.Call(func=ast.Name(id="abs"), args=[operand]):
                return np.abs(self.of(operand))
            case ast.Call(func=ast.Name(id=name), args=operands):
                return reduce(FUNCTIONS[name], map(self.of, operands))
        raise TypeError(ast.dump(node))

    def _constant(self, value: object) -> object:
        if not is_number(value):
            return value
        if isinstance(value, int) and abs(value) > MAX_EXACT:
            self.unsure[:] = True
        return float(value)

    def _computed(self, node: ast.expr) -> Any:
        """`a + b - c` from left to right, however long."""
        steps: list[ast.BinOp] = []
        while isinstance(node, ast.BinOp):
            steps.append(node)
            node = node.left
        result = self.of(node)
        for step in reversed(steps):
            compute = ARITHMETIC[type(step.op)]
            result = self._sure(compute(result, self.of(step.right)))
        return result

    def _sure(self, numbers: Column) -> Column:
        self.unsure |= ~(np.abs(numbers) <= MAX_EXACT)
        return numbers

    def _compared(self, node: ast.Compare) -> Any:
        left, met = self.of(node.left), True
        for sign, other in zip(node.ops, node.comparators, strict=True):
            right: Any = left
            if isinstance(other, ast.List | ast.Tuple):
                tests = [_equal(left, self.of(one)) for one in other.elts]
                found = reduce(np.logical_or, tests)
            else:
                right = self.of(other)
                compare: Test = ORDERINGS.get(type(sign), _equal)
                found = compare(left, right)
            if isinstance(sign, ast.NotEq | ast.NotIn):
                found = np.logical_not(found)
            met, left = np.logical_and(met, found), right
        return met


def _equal(one: Any, other: Any) -> Any:
    kinds = {np.asarray(value).dtype.kind.replace("U", "O") for value in (one, other)}
    return operator.eq(one, other) if len(kinds) == 1 else False
