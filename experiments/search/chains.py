"""Constraints that compare a sum or a product, such as `a + 2 * b <= 40`.

Of these only the sum so far matters, not the parameters one by one, so that the
configurations of a large space can be counted.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from experiments.search.comparisons import ORDERINGS, NoResult, Test, as_number
from experiments.search.terms import Term

PartOf: TypeAlias = Callable[[ast.expr], tuple[Term, tuple[str, ...]]]
COMPARISONS: Mapping[type[ast.cmpop], Test] = {**ORDERINGS, ast.Eq: operator.eq}


@dataclass(frozen=True)
class Link:
    """A part of the chain: a number that at most one parameter decides.

    `sign` says how it is put to what stands before it. `address` is None for a
    constant.
    """

    sign: ast.operator
    address: str | None
    term: Term

    def at(self, value: object) -> float | None:
        """The number for a value of the parameter; None where there is none."""
        try:
            return as_number(self.term.value({self.address or "": value}))
        except NoResult:
            return None


@dataclass(frozen=True)
class Chain:
    """Links, and what their result has to be.

    `low` and `high` are the ends of what passes. Where the comparison has parameters on
    both sides, one sum was taken from the other, and the chain `needs_exactness`: the
    test says the same only if no step rounds.
    """

    links: tuple[Link, ...]
    is_product: bool
    passes: Callable[[float], bool]
    low: float
    high: float
    needs_exactness: bool = False

    @property
    def addresses(self) -> list[str]:
        """What the links name, in order."""
        return [link.address for link in self.links if link.address is not None]


def chain_of(node: ast.expr, part_of: PartOf) -> Chain | None:
    """The chain that a constraint compares with constants or with another one."""
    if not isinstance(node, ast.Compare):
        return None
    if any(type(sign) not in COMPARISONS for sign in node.ops):
        return None
    sides = [node.left, *node.comparators]
    free = [place for place, side in enumerate(sides) if part_of(side)[1]]
    if len(free) == 1:
        return _against_constants(node, sides, free[0], part_of)
    if len(free) == len(sides) == 2:
        return _against_each_other(node, part_of)
    return None


def _against_constants(
    node: ast.Compare, sides: Sequence[ast.expr], place: int, part_of: PartOf
) -> Chain | None:
    links = _links(sides[place], part_of)
    if links is None:
        return None
    try:
        numbers = [
            math.nan if side is sides[place] else as_number(part_of(side)[0].value({}))
            for side in sides
        ]
    except NoResult:
        return None
    tests = [COMPARISONS[type(sign)] for sign in node.ops]
    pairs = list(zip(tests, numbers, numbers[1:], strict=False))
    others = [
        test(*two) for at, (test, *two) in enumerate(pairs) if place not in (at, at + 1)
    ]
    if not all(others):
        return None
    before = [(tests[place - 1], numbers[place - 1])] if place else []
    after = list(zip(tests[place:], numbers[place + 1 : place + 2], strict=False))

    def passes(result: float) -> bool:
        for test, number in before:
            if not test(number, result):
                return False
        return all(test(result, number) for test, number in after)

    low, high = -math.inf, math.inf
    if place > 0:
        low, high = _ends(node.ops[place - 1], numbers[place - 1], is_left=True)
    if place < len(node.ops):
        lower, upper = _ends(node.ops[place], numbers[place + 1], is_left=False)
        low, high = max(low, lower), min(high, upper)
    return Chain(links, _is_product(links), passes, low, high)


def _against_each_other(node: ast.Compare, part_of: PartOf) -> Chain | None:
    left, right = _links(node.left, part_of), _links(node.comparators[0], part_of)
    if left is None or right is None or _is_product(left) or _is_product(right):
        return None
    turned = tuple(
        Link(ast.Add() if isinstance(link.sign, ast.Sub) else ast.Sub(), *_rest(link))
        for link in right
    )
    compare: Test = COMPARISONS[type(node.ops[0])]
    low, high = _ends(node.ops[0], 0, is_left=False)
    return Chain(
        (*left, *turned),
        is_product=False,
        passes=lambda result: compare(result, 0),
        low=low,
        high=high,
        needs_exactness=True,
    )


def _rest(link: Link) -> tuple[str | None, Term]:
    return link.address, link.term


def _ends(sign: ast.cmpop, number: float, *, is_left: bool) -> tuple[float, float]:
    """Between what a result must be that is compared with a number."""
    if isinstance(sign, ast.Eq):
        return number, number
    if isinstance(sign, ast.Lt | ast.LtE) == is_left:
        return number, math.inf
    return -math.inf, number


def _links(node: ast.expr, part_of: PartOf) -> tuple[Link, ...] | None:
    """The parts of a sum or a product; None if two parameters share a part."""
    signs: tuple[type[ast.operator], ...] = (ast.Add, ast.Sub)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        signs = (ast.Mult,)
    found: list[Link | None] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, signs):
        found.append(_link(node.op, node.right, part_of))
        node = node.left
    found.append(_link(signs[0](), node, part_of))
    links = tuple(link for link in reversed(found) if link is not None)
    return links if len(links) == len(found) else None


def _link(sign: ast.operator, node: ast.expr, part_of: PartOf) -> Link | None:
    term, named = part_of(node)
    if len(named) > 1 or term.kinds != {"number"}:
        return None
    return Link(sign, named[0] if named else None, term)


def _is_product(links: Sequence[Link]) -> bool:
    return isinstance(links[0].sign, ast.Mult)
