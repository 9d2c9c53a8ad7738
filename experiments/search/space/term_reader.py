"""Expressions of names, numbers and text: `layers * batch_size <= 256`.

They are read as Python's syntax tree and never evaluated as Python: numbers, quoted
text, true, false, null, names, + - * / // % **, comparisons, `in`, and, or, not, min,
max and abs. Constraints of a space and filters of trials are such expressions; what
names mean, and what the values are, is theirs.
"""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, NoReturn

from experiments.search.fields import is_number, listed, shown
from experiments.search.space.distribution import KINDS
from experiments.search.space.source import Source
from experiments.search.space.terms import (
    DIVIDING_OPERATORS,
    ORDERINGS,
    NoResult,
    Operations,
    Term,
)

MAX_DEPTH = 50
CONSTANTS: Mapping[str, object] = {"true": True, "false": False, "null": None}
NUMBER, BOOLEAN = frozenset(["number"]), frozenset(["boolean"])


class TermReader(Source):
    """Turns the syntax tree into functions of the values, and checks the types."""

    operations: ClassVar[Operations]
    functions: ClassVar[Collection[str]] = ("min", "max", "abs")
    example: ClassVar[str]
    # What sentences call a value of each type.
    kind_words: ClassVar[Mapping[str, str]] = KINDS

    @abstractmethod
    def named(self, node: ast.Name | ast.Attribute) -> Term:
        """What a name means."""

    @abstractmethod
    def words(self, node: ast.expr) -> str:
        """The text of a part, for sentences."""

    @abstractmethod
    def refuse_part(self, node: ast.expr) -> NoReturn:
        """Refuse what has no meaning."""

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
                return self.named(node)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Term(
                    BOOLEAN, self.operations.negated(self.condition(operand, inner))
                )
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
                sign = ast.Sub() if isinstance(node.op, ast.USub) else ast.Add()
                signed = [(node, sign, self._number(operand, inner))]
                return self._computed(Term.fixed(0), signed)
            case ast.BinOp():
                return self._operations(node, inner)
            case ast.BoolOp(op=joint, values=parts):
                terms = [self.condition(part, inner) for part in parts]
                return Term(BOOLEAN, self.operations.joined(joint, terms))
            case ast.Compare():
                return self._compared(node, inner)
            case ast.Call(func=ast.Name(id=name)) if name in self.functions:
                return self.called(node, name, inner)
        self.refuse_part(node)

    def need(self, node: ast.expr, term: Term, kind: str) -> None:
        """Refuse a part that cannot be of a kind."""
        if kind not in term.kinds:
            known = self.kind_words
            found = listed((known[k] for k in known if k in term.kinds), last="or")
            self.refuse(
                node,
                f"{self.words(node)} is {found}; this needs {known[kind]}, as in "
                f"{self.example}.",
            )

    def condition(self, node: ast.expr, depth: int) -> Term:
        """A part that must be true or false."""
        term = self.read(node, depth)
        self.need(node, term, "boolean")
        return term

    def called(self, node: ast.Call, name: str, depth: int) -> Term:
        if node.keywords or (len(node.args) != 1) == (name == "abs") or not node.args:
            takes = "one number" if name == "abs" else "two numbers or more"
            self.refuse(node, f"{name} takes {takes}.")
        terms = [self._number(item, depth) for item in node.args]
        return self._folded(
            node, Term(NUMBER, self.operations.called(name, terms)), terms
        )

    def beside(self, node: ast.expr, other: tuple[ast.expr, Term], depth: int) -> Term:
        """The right side of a comparison; `other` is the left one."""
        return self.read(node, depth)

    def _constant(self, node: ast.expr, value: object) -> Term:
        if not (value is None or isinstance(value, bool | str) or is_number(value)):
            self.refuse(node, f"{shown(value)} is neither a finite number nor text.")
        return Term.fixed(value)

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
                value = self.operations.chained(first, [(sign, other)])
                first = self._folded(node, Term(NUMBER, value), [first, other])
            else:
                done.append((sign, other))
        return Term(NUMBER, self.operations.chained(first, done)) if done else first

    def _folded(self, node: ast.expr, term: Term, parts: Sequence[Term]) -> Term:
        """A term of constants is computed once."""
        if not all(part.is_constant for part in parts):
            return term
        try:
            return Term.fixed(term.value({}))
        except NoResult:
            self.refuse(node, "This has no finite result.")

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
                right = self._members(after, (before, left), depth)
            else:
                right = self.beside(after, (before, left), depth)
            self.check_comparison(sign, (before, left), (after, right))
            pairs.append((left, sign, right))
            before, left = after, right
        return Term(BOOLEAN, self.operations.compared(pairs))

    def _members(
        self, node: ast.expr, other: tuple[ast.expr, Term], depth: int
    ) -> Term:
        items = self.list_items(node)
        terms = [self.beside(item, other, depth) for item in items]
        kinds = frozenset[str]().union(*(term.kinds for term in terms))
        return Term(kinds, lambda values: [term.value(values) for term in terms])

    def list_items(self, node: ast.expr) -> Sequence[ast.expr]:
        """What is listed after `in`."""
        if not isinstance(node, ast.Tuple | ast.List) or not node.elts:
            self.refuse(node, 'in needs a list, such as optimizer in ["sgd", "adam"].')
        return node.elts

    def check_comparison(
        self,
        sign: ast.cmpop,
        left: tuple[ast.expr, Term],
        right: tuple[ast.expr, Term],
    ) -> None:
        """Refuse a comparison that can never hold."""
        if type(sign) in ORDERINGS:
            for node, term in (left, right):
                self.need(node, term, "number")
            return
        if isinstance(sign, ast.Is | ast.IsNot):
            self.refuse(left[0], "Compare values with == or !=, not with is.")
        if not left[1].kinds & right[1].kinds:
            self.refuse(
                right[0],
                f"{self.words(left[0])} never has the type of {self.words(right[0])}.",
            )
