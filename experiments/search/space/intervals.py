"""What a constraint can still become while only some of its parameters have a value.

Each part has a lowest and a highest value in every row. Rounded sums, differences,
products and quotients rise and fall with their parts, so these bounds are exact. Any
other part may have any value.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.search.fields import is_number
from experiments.search.space.conditions import Mask
from experiments.search.space.constraints import unescape_keywords
from experiments.search.space.evaluation import MAX_EXACT

Bound = NDArray[np.float64] | float


class Interval(NamedTuple):
    """The lowest and the highest value, in every row or in all rows."""

    low: Bound
    high: Bound


ANYTHING = Interval(-np.inf, np.inf)
ARITHMETIC: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: np.divide,
}


def may_be_met(tree: ast.expr, known: Mapping[str, Interval], number: int) -> Mask:
    """In which of `number` rows values inside the intervals may meet a constraint."""
    with np.errstate(all="ignore"):
        found = _Bounds(known).may_be_true(tree)
    return np.array(np.broadcast_to(found, number))


@dataclass(frozen=True)
class _Bounds:
    known: Mapping[str, Interval]

    def may_be_true(self, node: ast.expr) -> Any:
        match node:
            case ast.BoolOp(op=joint, values=parts):
                join = np.logical_and if isinstance(joint, ast.And) else np.logical_or
                return reduce(join, map(self.may_be_true, parts))
            case ast.Compare():
                pairs = pairwise(map(self.of, [node.left, *node.comparators]))
                found = map(_may_compare, node.ops, pairs)
                return reduce(np.logical_and, found)
        return True

    def of(self, node: ast.expr) -> Interval:
        """The bounds of a part that is a number."""
        match node:
            case ast.Constant(value=value) if is_number(value):
                return _exact(Interval(float(value), float(value)))
            case ast.Name(id=name):
                return self.known.get(unescape_keywords(name), ANYTHING)
            case ast.BinOp():
                return self._computed(node)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                low, high = self.of(operand)
                return Interval(-high, -low)
            case ast.Call(func=ast.Name(id="abs"), args=[operand]):
                low, high = self.of(operand)
                least = np.maximum(np.maximum(low, -high), 0.0)
                return Interval(least, np.maximum(np.abs(low), np.abs(high)))
        return ANYTHING

    def _computed(self, node: ast.expr) -> Interval:
        """`a + b - c` from left to right, however long."""
        steps: list[ast.BinOp] = []
        while isinstance(node, ast.BinOp):
            steps.append(node)
            node = node.left
        found = self.of(node)
        for step in reversed(steps):
            found = _combined(step.op, found, self.of(step.right))
        return found


def _combined(sign: ast.operator, left: Interval, right: Interval) -> Interval:
    compute = ARITHMETIC.get(type(sign))
    if compute is None:
        return ANYTHING
    ends = [compute(one, other) for one in left for other in right]
    low, high = reduce(np.minimum, ends), reduce(np.maximum, ends)
    if isinstance(sign, ast.Div):
        crosses = (right.low <= 0) & (right.high >= 0)
        low, high = np.where(crosses, np.nan, low), np.where(crosses, np.nan, high)
    return _exact(Interval(low, high))


def _exact(found: Interval) -> Interval:
    """Without bounds where Python's numbers and numpy's may differ."""
    low, high = found
    exact = (np.abs(low) <= MAX_EXACT) & (np.abs(high) <= MAX_EXACT)
    return Interval(np.where(exact, low, -np.inf), np.where(exact, high, np.inf))


def _may_compare(sign: ast.cmpop, sides: tuple[Interval, Interval]) -> Any:
    left, right = sides
    match sign:
        case ast.Lt():
            return left.low < right.high
        case ast.LtE():
            return left.low <= right.high
        case ast.Gt():
            return left.high > right.low
        case ast.GtE():
            return left.high >= right.low
        case ast.Eq():
            return (left.low <= right.high) & (left.high >= right.low)
    return True
