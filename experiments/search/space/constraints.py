"""Constraints: what the values of a configuration must be to each other.

A small language, `layers * batch_size <= 256`, read as Python's syntax tree and never
evaluated as Python: numbers, quoted text, true, false, null, parameters by name (or by
address, `network.layers`), + - * / // % **, comparisons, `in`, and, or, not, min, max
and abs. A constraint that names an inactive parameter does not apply. One with an
operation without a finite result (a division by 0, text compared with a number) is not
met. Parameters may have Python's reserved names, such as lambda: their first letter is
replaced before the text is read.
"""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from experiments.search.fields import is_number, listed, shown, unknown_name
from experiments.search.records import Params
from experiments.search.space.conditions import ABSENT, value_at
from experiments.search.space.distribution import KINDS
from experiments.search.space.source import ExpressionError, Source
from experiments.search.space.terms import (
    DIVIDING_OPERATORS,
    EQUALITIES,
    ORDERINGS,
    NoResult,
    Term,
    Test,
    Values,
    as_boolean,
    as_number,
)


@dataclass(frozen=True)
class Constraint:
    """A constraint; `addresses` are the parameters that it names."""

    text: str
    addresses: tuple[str, ...] = field(compare=False)
    check: Callable[[Values], object] = field(compare=False, repr=False)
    tree: ast.expr = field(compare=False, repr=False)

    def meets(self, params: Params) -> bool:
        """Whether a configuration is allowed.

        A constraint that names an inactive parameter does not apply, so it is met.
        """
        values = {name: value_at(params, name) for name in self.addresses}
        if any(value is ABSENT for value in values.values()):
            return True
        try:
            return self.check(values) is True
        except NoResult:
            return False


# Python's words that have a meaning in a constraint.
MEANINGFUL = {"and", "or", "not", "in", "is", "True", "False", "None"}
# Words of Python expressions, which people may write by mistake.
EXPRESSION_WORDS = {"for", "if", "else", "lambda", "await", "yield"}
# A letter of an old alphabet, which cannot be in the name of a parameter.
MARK = "\u01bf"
RESERVED = {
    f"{MARK}{name[1:]}": name for name in keyword.kwlist if name not in MEANINGFUL
}
NAME = re.compile(
    rf"""'[^'\n]*'|"[^"\n]*"|\b(?P<name>{"|".join(RESERVED.values())})\b"""
)
ESCAPED = re.compile(rf"\b(?:{'|'.join(RESERVED)})\b")


def escape_keywords(text: str, names: Collection[str]) -> str:
    """The text with other names for Python's keywords, except in quotes.

    Keywords that may be meant as Python also stay, unless a parameter has the name.
    """

    def other(found: re.Match[str]) -> str:
        name: str | None = found["name"]
        if name is None or (name in EXPRESSION_WORDS and name not in names):
            return found.group()
        return f"{MARK}{name[1:]}"

    return NAME.sub(other, text)


def unescape_keywords(text: str) -> str:
    """The text before `escape_keywords`."""
    return ESCAPED.sub(lambda found: RESERVED[found.group()], text)


MAX_CHARACTERS = 2_000
MAX_DEPTH = 50
CONSTANTS: Mapping[str, object] = {"true": True, "false": False, "null": None}
FUNCTIONS: Mapping[str, Callable[..., Any]] = {"min": min, "max": max, "abs": abs}
NUMBER, BOOLEAN = frozenset(["number"]), frozenset(["boolean"])
EXAMPLE = "layers * batch_size <= 256"


def parse_constraint(text: str, known: Mapping[str, Iterable[str]]) -> Constraint:
    """Read a constraint. `known` has the kinds of value at every address.

    Raises ExpressionError for anything else than a constraint on these.
    """
    if not text.strip():
        message = f"A constraint must not be empty. An example is {EXAMPLE}."
        raise ExpressionError(message, line=1, column=1)
    reader = _ConstraintReader(text, known)
    node = reader.whole()
    check = reader.read(node)
    reader.need(node, check, "boolean")
    if not reader.named:
        reader.refuse(node, f"A constraint must name a parameter, such as {EXAMPLE}.")
    named = tuple(reader.named)
    return Constraint(text.strip(), named, check.value, node)


class _ConstraintReader(Source):
    """Turns the syntax tree into functions of the values."""

    def __init__(self, text: str, known: Mapping[str, Iterable[str]]) -> None:
        names = {name for address in known for name in address.split(".")}
        super().__init__(escape_keywords(text, names), most=MAX_CHARACTERS)
        self._known = known
        self.named: dict[str, None] = {}

    def read(self, node: ast.expr, depth: int = 0) -> Term:
        if depth > MAX_DEPTH:
            self.refuse(node, f"Nothing may be nested deeper than {MAX_DEPTH} levels.")
        inner = depth + 1
        match node:
            case ast.Constant(value=value):
                return self._constant(node, value)
            case ast.Name(id=name) if name in CONSTANTS:
                return self._constant(node, CONSTANTS[name])
            case ast.Name() | ast.Attribute():
                return self._parameter(node)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self._negated(operand, inner)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
                sign = ast.Sub() if isinstance(node.op, ast.USub) else ast.Add()
                signed = [(node, sign, self._number(operand, inner))]
                return self._computed(Term.fixed(0), signed)
            case ast.BinOp():
                return self._operations(node, inner)
            case ast.BoolOp(op=joint, values=parts):
                return self._joined(joint, parts, inner)
            case ast.Compare():
                return self._compared(node, inner)
            case ast.Call(func=ast.Name(id=name)) if name in FUNCTIONS:
                return self._called(node, name, inner)
        self.refuse(
            node,
            "Only numbers, quoted text, parameters, + - * / // % **, comparisons, in, "
            f"and, or, not, min, max and abs are allowed here, such as {EXAMPLE}.",
        )

    def need(self, node: ast.expr, term: Term, kind: str) -> None:
        """Refuse a part that cannot be of a kind."""
        if kind not in term.kinds:
            found = listed((KINDS[k] for k in KINDS if k in term.kinds), last="or")
            self.refuse(
                node,
                f"{self._words(node)} is {found}; this needs {KINDS[kind]}, as in "
                f"{EXAMPLE}.",
            )

    def _words(self, node: ast.expr) -> str:
        return shown(unescape_keywords(self.segment(node)), most=40).strip('"')

    def _constant(self, node: ast.expr, value: object) -> Term:
        if not (value is None or isinstance(value, bool | str) or is_number(value)):
            self.refuse(node, f"{shown(value)} is neither a finite number nor text.")
        return Term.fixed(value)

    def _parameter(self, node: ast.expr) -> Term:
        names: list[str] = []
        inner = node
        while isinstance(inner, ast.Attribute):
            names.append(inner.attr)
            inner = inner.value
        if not isinstance(inner, ast.Name):
            self.refuse(
                node, "Only the name of a nested choice can have a dot after it."
            )
        address = unescape_keywords(".".join([inner.id, *reversed(names)]))
        if address not in self._known:
            message = unknown_name(address, self._known, kind="parameter")
            self.refuse(node, f"{message} Text needs quotation marks.")
        self.named[address] = None
        return Term(frozenset(self._known[address]), lambda values: values[address])

    def _number(self, node: ast.expr, depth: int) -> Term:
        term = self.read(node, depth)
        self.need(node, term, "number")
        return term

    def _operations(self, node: ast.expr, depth: int) -> Term:
        """`a + b - c`: counts as one level, however long it is."""
        steps: list[ast.BinOp] = []
        while isinstance(node, ast.BinOp):
            steps.append(node)
            node = node.left
        first = self._number(node, depth)
        return self._computed(
            first,
            [
                (step, step.op, self._number(step.right, depth))
                for step in reversed(steps)
            ],
        )

    def _computed(
        self, first: Term, steps: Sequence[tuple[ast.expr, ast.operator, Term]]
    ) -> Term:
        done: list[tuple[ast.operator, Term]] = []
        for node, sign, other in steps:
            if type(sign) not in DIVIDING_OPERATORS:
                self.refuse(node, "Only + - * / // % and ** can combine numbers.")
            if first.is_constant and other.is_constant and not done:
                term = Term(NUMBER, _left_to_right(first, [(sign, other)]))
                first = self._folded(node, term, [first, other])
            else:
                done.append((sign, other))
        return Term(NUMBER, _left_to_right(first, done)) if done else first

    def _folded(self, node: ast.expr, term: Term, parts: Sequence[Term]) -> Term:
        """A term of constants is computed once."""
        if not all(part.is_constant for part in parts):
            return term
        try:
            return Term.fixed(term.value({}))
        except NoResult:
            self.refuse(node, "This has no finite result.")

    def _called(self, node: ast.Call, name: str, depth: int) -> Term:
        if node.keywords or (len(node.args) != 1) == (name == "abs") or not node.args:
            takes = "one number" if name == "abs" else "two numbers or more"
            self.refuse(node, f"{name} takes {takes}.")
        terms = [self._number(item, depth) for item in node.args]
        function = FUNCTIONS[name]

        def value(values: Values) -> object:
            return function(*(as_number(term.value(values)) for term in terms))

        return self._folded(node, Term(NUMBER, value), terms)

    def _negated(self, operand: ast.expr, depth: int) -> Term:
        term = self._boolean(operand, depth)
        return Term(BOOLEAN, lambda values: not as_boolean(term.value(values)))

    def _joined(self, joint: ast.boolop, parts: list[ast.expr], depth: int) -> Term:
        terms = [self._boolean(part, depth) for part in parts]
        every = all if isinstance(joint, ast.And) else any
        return Term(
            BOOLEAN,
            lambda values: every(as_boolean(term.value(values)) for term in terms),
        )

    def _boolean(self, node: ast.expr, depth: int) -> Term:
        term = self.read(node, depth)
        self.need(node, term, "boolean")
        return term

    def _compared(self, node: ast.Compare, depth: int) -> Term:
        """A chain, `1 <= a < b`: every comparison must hold."""
        left, pairs = self.read(node.left, depth), []
        before: ast.expr = node.left
        for sign, after in zip(node.ops, node.comparators, strict=True):
            if isinstance(before, ast.List | ast.Tuple):
                self.refuse(
                    before,
                    "A list must be the end of a comparison. Join two comparisons "
                    "with and, such as 1 <= a and a in [1, 2].",
                )
            if isinstance(sign, ast.In | ast.NotIn):
                right = self._members(after, depth)
            else:
                right = self.read(after, depth)
            test = self._test(sign, (before, left), (after, right))
            pairs.append((left, test, right))
            before, left = after, right
        return Term(
            BOOLEAN,
            lambda values: all(
                test(one.value(values), other.value(values))
                for one, test, other in pairs
            ),
        )

    def _members(self, node: ast.expr, depth: int) -> Term:
        if not isinstance(node, ast.Tuple | ast.List) or not node.elts:
            self.refuse(node, 'in needs a list, such as optimizer in ["sgd", "adam"].')
        terms = [self.read(item, depth) for item in node.elts]
        kinds = frozenset[str]().union(*(term.kinds for term in terms))
        return Term(kinds, lambda values: [term.value(values) for term in terms])

    def _test(
        self,
        sign: ast.cmpop,
        left: tuple[ast.expr, Term],
        right: tuple[ast.expr, Term],
    ) -> Test:
        if type(sign) in ORDERINGS:
            for node, term in (left, right):
                self.need(node, term, "number")
            compare = ORDERINGS[type(sign)]
            return lambda one, other: compare(as_number(one), as_number(other))
        if isinstance(sign, ast.Is | ast.IsNot):
            self.refuse(left[0], "Compare values with == or !=, not with is.")
        if not left[1].kinds & right[1].kinds:
            self.refuse(
                right[0],
                f"{self._words(left[0])} never has the type of "
                f"{self._words(right[0])}.",
            )
        return EQUALITIES[type(sign)]


def _left_to_right(
    first: Term, steps: Sequence[tuple[ast.operator, Term]]
) -> Callable[[Values], float]:
    computed = [(DIVIDING_OPERATORS[type(sign)], term.value) for sign, term in steps]

    def value(values: Values) -> float:
        result = as_number(first.value(values))
        try:
            for compute, other in computed:
                result = as_number(compute(result, as_number(other(values))))
        except (OverflowError, ZeroDivisionError):
            raise NoResult from None
        return result

    return value
