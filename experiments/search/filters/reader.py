"""Filters as people write them: read, checked, and ready to choose rows."""

from __future__ import annotations

import ast
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from itertools import accumulate
from typing import Any, NoReturn

import numpy as np

from experiments.search.fields import listed, nearest, shown
from experiments.search.filters.columns import (
    ColumnOperations,
    FilterTable,
    RowMask,
    present,
    truths_of,
)
from experiments.search.filters.conditions import FilterCondition, conditions_of
from experiments.search.filters.fields import FilterField, Vocabulary
from experiments.search.filters.lexer import (
    FilterError,
    FilterWord,
    Lexeme,
    check_order,
    moment_of,
    read_words,
)
from experiments.search.space.distribution import KINDS
from experiments.search.space.source import ExpressionError
from experiments.search.space.term_reader import BOOLEAN, TermReader
from experiments.search.space.terms import ORDERINGS, Term

EXAMPLE = "lr < 0.01 and state = completed"
MAX_NAMES = 6
KIND_WORDS = {**KINDS, "duration": "a duration", "moment": "a moment"}
ORDERED = frozenset({"number", "duration", "moment"})


@dataclass(frozen=True)
class Filter:
    """A filter; without text it matches all rows. ``fields`` are those whose values it
    compares."""

    text: str
    fields: tuple[FilterField, ...] = ()
    conditions: tuple[FilterCondition, ...] = ()
    check: Callable[[FilterTable], Any] | None = None

    def mask(self, table: FilterTable) -> RowMask:
        """Which rows match."""
        met = True if self.check is None else truths_of(self.check(table))
        return np.array(np.broadcast_to(met, table.size), np.bool_)

    def names(self, key: str) -> bool:
        return any(field.key == key for field in self.fields)


def parse_filter(text: str, vocabulary: Vocabulary, *, zone: tzinfo = UTC) -> Filter:
    """Read a filter. Moments without a zone are of `zone`. Raises FilterError."""
    words = read_words(text, vocabulary, zone=zone)
    if not words:
        return Filter("")
    check_order(words, len(text))
    reader = _FilterReader(text, words, vocabulary, zone)
    term = reader.whole_term()
    conditions = conditions_of(text, words)
    return Filter(text.strip(), tuple(reader.fields), conditions, term.value)


class _FilterReader(TermReader):
    operations = ColumnOperations()
    functions = ("min", "max", "abs", "not_set")
    example = EXAMPLE
    kind_words = KIND_WORDS

    def __init__(
        self,
        text: str,
        words: Sequence[FilterWord],
        vocabulary: Vocabulary,
        zone: tzinfo,
    ) -> None:
        super().__init__(" ".join(word.python for word in words))
        self._original = text
        self._words = words
        self._by_name = {word.python: word for word in words}
        self._vocabulary = vocabulary
        self._zone = zone
        self._starts = [0, *accumulate(len(word.python) + 1 for word in words)]
        self.fields: dict[FilterField, None] = {}

    def whole_term(self) -> Term:
        """The filter, which must be a condition."""
        try:
            node = self.whole()
        except FilterError:
            raise
        except ExpressionError as error:
            self._fail("This cannot be read: it is nested too deeply.", error.column)
        return self.condition(node, 0)

    # --- places and sentences -------------------------------------------------------

    def refuse(self, node: ast.AST | None, message: str) -> NoReturn:
        first = self._word_at(getattr(node, "col_offset", 0))
        last = self._word_at(getattr(node, "end_col_offset", 1) - 1)
        raise FilterError(message, start=first.start, end=last.end)

    def _unreadable(self, error: SyntaxError) -> NoReturn:
        self._fail("", max(error.offset or 1, 1))

    def _fail(self, message: str, column: int) -> NoReturn:
        word = self._word_at(column - 1)
        message = message or f"{shown(word.written)} is not expected here."
        raise FilterError(message, start=word.start, end=word.end)

    def _word_at(self, place: int) -> FilterWord:
        number = bisect_right(self._starts, place) - 1
        return self._words[min(max(number, 0), len(self._words) - 1)]

    def words(self, node: ast.expr) -> str:
        first = self._word_at(node.col_offset)
        last = self._word_at((node.end_col_offset or 1) - 1)
        return shown(self._original[first.start : last.end], most=40).strip('"')

    def refuse_part(self, node: ast.expr) -> NoReturn:
        self.refuse(
            node,
            f"{self.words(node)} has no meaning here. A filter is a comparison, such as"
            f" {EXAMPLE}.",
        )

    # --- names ----------------------------------------------------------------------

    def named(self, node: ast.Name | ast.Attribute) -> Term:
        word = self._by_name.get(node.id) if isinstance(node, ast.Name) else None
        if word is None:
            self.refuse_part(node)
        value = word.value
        if isinstance(value, FilterField):
            return self._field(value)
        match word.lexeme:
            case Lexeme.TEXT:
                return Term.fixed(value)
            case Lexeme.DURATION | Lexeme.MOMENT as kind:
                return Term(frozenset([str(kind)]), lambda table: value)
        self._unknown(node, word)

    def _field(self, field: FilterField) -> Term:
        self.fields[field] = None
        return Term(field.kinds, lambda table: table.column(field.key))

    def _unknown(self, node: ast.expr, word: FilterWord) -> NoReturn:
        name = str(word.value)
        hint = self._vocabulary.hints.get(name)
        if hint is None:
            known = self._vocabulary.by_name
            close = nearest(name, known)
            hint = (
                f"Did you mean {close}?"
                if close
                else f"There are {', '.join(list(known)[:MAX_NAMES])} and others; text"
                " needs quotation marks."
            )
        self.refuse(node, f"There is no name {shown(name)} here. {hint}")

    def condition(self, node: ast.expr, depth: int) -> Term:
        """A bare name of a fact asks whether there is a value."""
        term = self.read(node, depth)
        field = self._field_of(node)
        if field is not None and not field.is_parameter and "boolean" not in term.kinds:
            return Term(BOOLEAN, lambda table: present(term.value(table)))
        self.need(node, term, "boolean")
        return term

    def _field_of(self, node: ast.expr) -> FilterField | None:
        word = self._by_name.get(node.id) if isinstance(node, ast.Name) else None
        value = word.value if word is not None else None
        return value if isinstance(value, FilterField) else None

    def called(self, node: ast.Call, name: str, depth: int) -> Term:
        if name != "not_set":
            return super().called(node, name, depth)
        field = self._field_of(node.args[0]) if len(node.args) == 1 else None
        if field is None:
            self.refuse(node, "not_set takes one name, such as not_set(momentum).")
        key = field.key
        return Term(BOOLEAN, lambda table: np.logical_not(present(table.column(key))))

    # --- comparisons ----------------------------------------------------------------

    def beside(self, node: ast.expr, other: tuple[ast.expr, Term], depth: int) -> Term:
        """A word beside something that may be text is text."""
        word = self._by_name.get(node.id) if isinstance(node, ast.Name) else None
        field, kinds = self._field_of(other[0]), other[1].kinds
        if word is not None:
            is_text = word.lexeme in (Lexeme.WORD, Lexeme.TEXT)
            if "moment" in kinds and word.lexeme == Lexeme.TEXT:
                seconds = moment_of(
                    str(word.value), self._zone, start=word.start, end=word.end
                )
                return Term(frozenset(["moment"]), lambda table: seconds)
            known = field.values if field is not None else ()
            if "text" in kinds and (
                is_text or word.written in known or _is_no_text(word, kinds)
            ):
                text = str(word.value) if is_text else word.written
                return Term.fixed(self._known_text(node, text, field))
        return self.read(node, depth)

    def _known_text(self, node: ast.expr, text: str, field: FilterField | None) -> str:
        if field is None or not field.closed or text.lower() in field.values:
            return text.lower() if field is not None and field.closed else text
        close = nearest(text, field.values)
        meant = f" Did you mean {close}?" if close else ""
        self.refuse(
            node,
            f"{field.name} is one of {', '.join(field.values)}, not {shown(text)}."
            + meant,
        )

    def list_items(self, node: ast.expr) -> Sequence[ast.expr]:
        if isinstance(node, ast.Tuple | ast.List):
            return node.elts
        return [node]

    def check_comparison(
        self,
        sign: ast.cmpop,
        left: tuple[ast.expr, Term],
        right: tuple[ast.expr, Term],
    ) -> None:
        kinds = left[1].kinds & right[1].kinds
        if isinstance(sign, ast.Is | ast.IsNot):
            for node, term in (left, right):
                self.need(node, term, "text")
        elif type(sign) in ORDERINGS:
            if not kinds & ORDERED:
                self._refuse_types(left, right, "compared by size")
        elif not kinds:
            self._refuse_types(left, right, "equal")

    def _refuse_types(
        self,
        left: tuple[ast.expr, Term],
        right: tuple[ast.expr, Term],
        what: str,
    ) -> NoReturn:
        one, other = (
            listed((KIND_WORDS[k] for k in KIND_WORDS if k in term.kinds), last="or")
            for _, term in (left, right)
        )
        self.refuse(
            right[0],
            f"{self.words(left[0])} is {one} and {self.words(right[0])} is {other};"
            f" they cannot be {what}.",
        )


def _is_no_text(word: FilterWord, kinds: frozenset[str]) -> bool:
    """Whether a name can only be meant as text: `tag = best`."""
    named = word.value.kinds if isinstance(word.value, FilterField) else kinds
    return not named & kinds
