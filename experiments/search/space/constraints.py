"""Constraints: what the values of a configuration must be to each other.

An expression, `layers * batch_size <= 256`, whose names are parameters (or addresses,
`network.layers`). A constraint that names an inactive parameter does not apply. One
with an operation without a finite result (a division by 0, text compared with a number)
is not met. Parameters may have Python's reserved names, such as lambda: their first
letter is replaced before the text is read.
"""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from experiments.search.fields import shown, unknown_name
from experiments.search.records import Params
from experiments.search.space.conditions import ABSENT, value_at
from experiments.search.space.source import ExpressionError
from experiments.search.space.term_reader import TermReader
from experiments.search.space.terms import NoResult, ScalarOperations, Term, Values


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
    if not reader.addresses:
        reader.refuse(node, f"A constraint must name a parameter, such as {EXAMPLE}.")
    return Constraint(text.strip(), tuple(reader.addresses), check.value, node)


class _ConstraintReader(TermReader):
    operations = ScalarOperations()
    example = EXAMPLE

    def __init__(self, text: str, known: Mapping[str, Iterable[str]]) -> None:
        names = {name for address in known for name in address.split(".")}
        super().__init__(escape_keywords(text, names), most=MAX_CHARACTERS)
        self._known = known
        self.addresses: dict[str, None] = {}

    def refuse_part(self, node: ast.expr) -> NoReturn:
        self.refuse(
            node,
            "Only numbers, quoted text, parameters, + - * / // % **, comparisons, in, "
            f"and, or, not, min, max and abs are allowed here, such as {EXAMPLE}.",
        )

    def words(self, node: ast.expr) -> str:
        return shown(unescape_keywords(self.segment(node)), most=40).strip('"')

    def named(self, node: ast.Name | ast.Attribute) -> Term:
        names: list[str] = []
        inner: ast.expr = node
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
        self.addresses[address] = None
        return Term(frozenset(self._known[address]), lambda values: values[address])
