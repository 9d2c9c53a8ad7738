"""Distributions and whole spaces as text: `choice(16, 32)`. Parsed, never evaluated.

The text is read as Python's syntax tree, in which only literals, plain arithmetic on
numbers and calls by a bare name have a meaning; `notation` knows the names. Everything
else is refused with its line and column.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from experiments.search.fields import cut, is_number, shown
from experiments.search.space.source import Source
from experiments.search.space.terms import OPERATORS, combined

MAX_DEPTH = 20
MAX_RANGE = 10_000

SAMPLINGS: Mapping[str, str] = {
    "RandomParameterSampling": "random",
    "GridParameterSampling": "grid",
    "BayesianParameterSampling": "bayesian",
}
CONSTANTS: Mapping[str, object] = {"true": True, "false": False, "null": None}

# A JSON value, or one with calls in it.
Literal: TypeAlias = object


@dataclass(frozen=True)
class Call:
    """A call in the text: `uniform(0, max_value=1)`."""

    name: str
    args: tuple[Literal, ...] = ()
    keywords: Mapping[str, Literal] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}(…)"


@dataclass(frozen=True)
class SpaceText:
    """A whole space: its parameters in order, and the sampling that it names."""

    parameters: Mapping[str, Literal]
    sampling: str | None = None


def parse_call(text: str) -> Call:
    """Read one distribution, such as `choice(16, 32)`. Raises ExpressionError."""
    reader = _ExpressionReader(text)
    node = reader.expression()
    value = reader.read(node, calls=True)
    if not isinstance(value, Call):
        reader.refuse(node, "This must be a distribution, such as uniform(0, 1).")
    return value


def parse_space(text: str) -> SpaceText:
    """Read a whole space, a mapping of names to distributions.

    It may be wrapped in RandomParameterSampling( … ) or its like, and assigned to a
    name, as in a Python script. Raises ExpressionError.
    """
    reader = _ExpressionReader(text)
    node, sampling = reader.expression(), None
    if isinstance(node, ast.Call):
        sampling, node = reader.sampling(node)
    parameters = reader.read(node, calls=True)
    if not isinstance(parameters, dict):
        example = '{"learning_rate": uniform(0, 1), "batch_size": choice(16, 32)}'
        reader.refuse(
            node, f"This must be a mapping of names to distributions: {example}."
        )
    return SpaceText(parameters, sampling)


class _ExpressionReader(Source):
    """Reads the values and calls of a text."""

    def expression(self) -> ast.expr:
        """The one expression of the text, also if it is assigned to a name."""
        body = self.module().body
        if len(body) != 1:
            place = body[1] if body else None
            self.refuse(place, "There must be exactly one expression here.")
        statement = body[0]
        if isinstance(statement, ast.Expr):
            return statement.value
        if (
            isinstance(statement, ast.Assign)
            and len(statement.targets) == 1
            and isinstance(statement.targets[0], ast.Name)
        ):
            return statement.value
        self.refuse(statement, "There must be an expression here, not a statement.")

    def sampling(self, call: ast.Call) -> tuple[str, ast.expr]:
        """The sampling that wraps a space, and the space."""
        name = self._name(call)
        if name not in SAMPLINGS:
            self.refuse(
                call,
                f"{cut(name)}( … ) cannot wrap a space; {', '.join(SAMPLINGS)} can.",
            )
        given = list(call.args)
        for keyword in call.keywords:
            if keyword.arg == "parameter_space":
                given.append(keyword.value)
            elif keyword.arg != "properties":
                unknown = cut(keyword.arg or "**")
                self.refuse(keyword.value, f"{name} has no argument {unknown}.")
        if len(given) != 1:
            self.refuse(call, f"{name} takes one space, not {len(given)}.")
        return SAMPLINGS[name], given[0]

    def read(self, node: ast.expr, *, calls: bool = False, depth: int = 0) -> Literal:
        """A node's value. A call is allowed at the top and as a mapping's value."""
        if depth > MAX_DEPTH:
            self.refuse(node, f"Nothing may be nested deeper than {MAX_DEPTH} levels.")
        inner = depth + 1
        match node:
            case ast.Constant(value=value):
                return self._constant(node, value)
            case ast.Name(id=name) if name in CONSTANTS:
                return CONSTANTS[name]
            case ast.Name(id=name):
                word = cut(name)
                self.refuse(
                    node,
                    f"{word} has no meaning here; text needs quotes, such as "
                    f'choice("{word}").',
                )
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return [self.read(item, depth=inner) for item in items]
            case ast.Dict():
                return self._mapping(node, inner)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
                return self._signed(node, inner)
            case ast.BinOp():
                return self._computed(node, inner)
            case ast.Call() if calls:
                return self._call(node, inner)
        self.refuse(
            node,
            "Only numbers, quoted text, true, false, null, lists of these and "
            "distributions by their bare names are allowed here.",
        )

    def _constant(self, node: ast.Constant, value: object) -> Literal:
        if isinstance(value, str) and self.holds_texts_side_by_side(node):
            self.refuse(node, "There must be a comma between two texts.")
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, int | float):
            return self._finite(node, value)
        self.refuse(node, f"{shown(value)} is neither a number nor text.")

    def _finite(self, node: ast.expr, value: object) -> float:
        if not is_number(value):
            self.refuse(
                node,
                "This is not a finite number of at most 308 digits before the dot.",
            )
        return value

    def _computed(self, node: ast.BinOp, depth: int) -> float:
        left, right = (self._number(side, depth) for side in (node.left, node.right))
        if type(node.op) not in OPERATORS:
            self.refuse(node, "Only + - * / and ** can combine numbers.")
        return self._finite(node, combined(node.op, left, right))

    def _number(self, node: ast.expr, depth: int) -> float:
        value = self.read(node, depth=depth)
        if is_number(value):
            return value
        self.refuse(node, f"Arithmetic needs numbers, not {shown(value)}.")

    def _signed(self, node: ast.UnaryOp, depth: int) -> float:
        number = self._number(node.operand, depth)
        return -number if isinstance(node.op, ast.USub) else number

    def _mapping(self, node: ast.Dict, depth: int) -> dict[str, Literal]:
        mapping: dict[str, Literal] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            name = key.value if isinstance(key, ast.Constant) else None
            if not isinstance(name, str):
                self.refuse(key or value, 'A name must be quoted text: "batch_size".')
            if name in mapping:
                self.refuse(key, f"The name {shown(name)} is given twice.")
            mapping[name] = self.read(value, calls=True, depth=depth)
        return mapping

    def _call(self, node: ast.Call, depth: int) -> Call:
        name = self._name(node)
        args = tuple(self._argument(item, depth) for item in node.args)
        keywords: dict[str, Literal] = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                self.refuse(keyword.value, "** cannot be used here.")
            keywords[keyword.arg] = self._argument(keyword.value, depth)
        return Call(name, args, keywords)

    def _name(self, node: ast.Call) -> str:
        if not isinstance(node.func, ast.Name):
            self.refuse(
                node, "Call a distribution by its bare name, such as choice(1, 2)."
            )
        return node.func.id

    def _argument(self, node: ast.expr, depth: int) -> Literal:
        if isinstance(node, ast.Call) and self._name(node) == "range":
            return self._range(node, depth)
        return self.read(node, depth=depth)

    def _range(self, node: ast.Call, depth: int) -> list[int]:
        bounds = [self.read(item, depth=depth) for item in node.args]
        whole = [bound for bound in bounds if type(bound) is int]
        if node.keywords or not 1 <= len(whole) <= 3 or len(whole) < len(bounds):
            self.refuse(node, "range takes one to three whole numbers.")
        if len(whole) == 3 and whole[2] == 0:
            self.refuse(node, "The step of range must not be 0.")
        numbers = range(*whole)
        if len(numbers[: MAX_RANGE + 1]) > MAX_RANGE:
            self.refuse(node, f"range may give up to {MAX_RANGE:,} numbers.")
        return list(numbers)
