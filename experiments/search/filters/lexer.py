"""The words of a filter, and the same filter as Python's syntax would have it.

Names, texts, durations and moments become identifiers, `_0`, `_1` …, so what is left is
plain ASCII without Python's own words. Each word keeps its place in the text.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from typing import NoReturn

from experiments.search.fields import shown
from experiments.search.filters.fields import MAX_WORD, FilterField, Vocabulary
from experiments.search.space.source import ExpressionError

MAX_CHARACTERS = 2_000
UNITS: Mapping[str, float] = {
    **dict.fromkeys(("ms",), 0.001),
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
    **dict.fromkeys(("w", "week", "weeks"), 604_800.0),
}
# Possessive: one way to read the digits, or a text such as 11m11m…x takes for ever.
NUMBER = r"(?:\d++(?:\.\d*+)?+|\.\d++)(?:[eE][+-]?\d++)?+"
PART = rf"(?:{NUMBER})\s*(?:{'|'.join(sorted(UNITS, key=len, reverse=True))})(?![\w.])"
TOKEN = re.compile(
    rf"""(?P<space>\s+)
    |(?P<moment>\d{{4}}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?Z?)?(?!\w))
    |(?P<duration>{PART}(?:\s*{PART})*|(?:{NUMBER}(?:ms|[smhdw]))+(?![\w.]))
    |(?P<number>{NUMBER}(?![\w.]))
    |(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<name>`[^`]+`)
    |(?P<word>[^\W\d]\w*(?:[./:@+-]+\w+)*)
    |(?P<compare><=|>=|==|!=|<>|[=<>≤≥≠])
    |(?P<sign>\*\*|//|[+*/%-])
    |(?P<open>[(\[])|(?P<close>[)\]])|(?P<comma>,)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
DURATION_PART = re.compile(rf"({NUMBER})\s*([a-z]+)")
SIGNS: Mapping[str, str] = {
    "=": "==",
    "<>": "!=",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
}
OTHER_WORDS: Mapping[str, str] = {"&": "and", "|": "or", "!": "not", "~": "contains"}
FUNCTIONS = ("min", "max", "abs", "not_set")


class Lexeme(StrEnum):
    """What a word is."""

    FIELD = "field"
    WORD = "word"
    TEXT = "text"
    DURATION = "duration"
    MOMENT = "moment"
    NUMBER = "number"
    CONSTANT = "constant"
    FUNCTION = "function"
    COMPARE = "compare"
    SIGN = "sign"
    JOINT = "joint"
    NOT = "not"
    OPEN = "open"
    CLOSE = "close"
    COMMA = "comma"


OPERANDS = frozenset(
    {
        *(Lexeme.FIELD, Lexeme.WORD, Lexeme.TEXT, Lexeme.DURATION, Lexeme.MOMENT),
        *(Lexeme.NUMBER, Lexeme.CONSTANT),
    }
)
STARTS = OPERANDS | {Lexeme.FUNCTION, Lexeme.NOT, Lexeme.OPEN}
ENDS = OPERANDS | {Lexeme.CLOSE}
BEFORE_VALUES = frozenset({Lexeme.COMPARE, Lexeme.OPEN, Lexeme.COMMA})


class FilterError(ExpressionError):
    """A filter that cannot be read; `start` and `end` are places of its text."""

    def __init__(self, message: str, *, start: int, end: int) -> None:
        super().__init__(message, line=1, column=start + 1)
        self.start, self.end = start, max(end, start)

    def __str__(self) -> str:
        return f"Character {self.start + 1}: {self.message}"


@dataclass(frozen=True)
class FilterWord:
    """A word of a filter. `value` is what it means: a field, a text, seconds."""

    lexeme: Lexeme
    start: int
    end: int
    written: str
    python: str
    value: FilterField | str | float | None = None


def read_words(
    text: str, vocabulary: Vocabulary, *, zone: tzinfo = UTC
) -> list[FilterWord]:
    """The words. Raises FilterError for what no filter can have."""
    if len(text) > MAX_CHARACTERS:
        message = (
            f"The filter has {len(text):,} characters; {MAX_CHARACTERS:,} are allowed."
        )
        raise FilterError(message, start=MAX_CHARACTERS, end=len(text))
    return _WordReader(text, vocabulary, zone).words()


class _WordReader:
    def __init__(self, text: str, vocabulary: Vocabulary, zone: tzinfo) -> None:
        self.text, self.vocabulary, self.zone = text, vocabulary, zone

    def words(self) -> list[FilterWord]:
        found: list[FilterWord] = []
        place = 0
        while place < len(self.text):
            match = TOKEN.match(self.text, place)
            if match is None or match.lastgroup is None:
                self._refuse(place)
            place = match.end()
            if match.lastgroup != "space":
                word = self._word(match, found)
                found.append(word)
                place = word.end
        return list(_with_joined_not(found))

    def _word(self, match: re.Match[str], found: Sequence[FilterWord]) -> FilterWord:
        start, end, written = match.start(), match.end(), match.group()
        name = f"_{len(found)}"
        match match.lastgroup:
            case "moment":
                moment = moment_of(written, self.zone, start=start, end=end)
                return FilterWord(Lexeme.MOMENT, start, end, written, name, moment)
            case "duration":
                seconds = sum(
                    float(number) * UNITS[unit]
                    for number, unit in DURATION_PART.findall(written)
                )
                self._check_finite(seconds, match)
                return FilterWord(Lexeme.DURATION, start, end, written, name, seconds)
            case "number":
                self._check_finite(float(written), match)
                python = str(int(written)) if written.isdecimal() else written
                return FilterWord(Lexeme.NUMBER, start, end, written, python)
            case "quoted":
                return self._quoted(match, name)
            case "name":
                return self._named(match, name)
            case "word":
                is_value = bool(found) and found[-1].lexeme in BEFORE_VALUES
                return self._bare(match, name, is_value=is_value)
            case "compare":
                sign = SIGNS.get(written, written)
                return FilterWord(Lexeme.COMPARE, start, end, written, sign)
            case "sign" | "open" | "close" | "comma" as kind:
                return FilterWord(Lexeme(kind), start, end, written, written)
        self._refuse(start)

    def _check_finite(self, value: float, match: re.Match[str]) -> None:
        """JSON and the axes of charts have no infinity."""
        if math.isinf(value):
            message = (
                f"{shown(match.group(), most=20)} is too large; up to"
                f" {sys.float_info.max:.2g} is allowed."
            )
            raise FilterError(message, start=match.start(), end=match.end())

    def _quoted(self, match: re.Match[str], name: str) -> FilterWord:
        """Text, or a name that is followed by a comparison."""
        start, end = match.span()
        text = re.sub(r"\\(.)", r"\1", match.group()[1:-1])
        field = self.vocabulary.by_name.get(text)
        if field is not None and FOLLOWED.match(self.text, end):
            return FilterWord(Lexeme.FIELD, start, end, match.group(), name, field)
        return FilterWord(Lexeme.TEXT, start, end, match.group(), name, text)

    def _named(self, match: re.Match[str], name: str) -> FilterWord:
        start, end = match.span()
        field = self.vocabulary.by_name.get(match.group()[1:-1])
        if field is None:
            word = match.group()[1:-1]
            return FilterWord(Lexeme.WORD, start, end, match.group(), name, word)
        return FilterWord(Lexeme.FIELD, start, end, match.group(), name, field)

    def _bare(self, match: re.Match[str], name: str, *, is_value: bool) -> FilterWord:
        """A name, a word of the language, or a text without quotes."""
        start, written = match.start(), match.group()[:MAX_WORD]
        for end in _ends(written):
            part = written[:end]
            field = self.vocabulary.by_name.get(part)
            # min(a, b) is a function, even if a field has that name.
            called = part in FUNCTIONS and self._is_called(start + end)
            if field is not None and not called:
                return FilterWord(Lexeme.FIELD, start, start + end, part, name, field)
            if part in self.vocabulary.word_values or part in self.vocabulary.hints:
                return FilterWord(Lexeme.WORD, start, start + end, part, name, part)
        # A value may have a hyphen; between names it is a minus.
        short = None if is_value else re.match(r"[\w.]*\w", written)
        part = short.group() if short else written
        return self._language_word(part, start, start + len(part), name)

    def _language_word(self, part: str, start: int, end: int, name: str) -> FilterWord:
        lower = part.lower()
        if lower in ("and", "or"):
            return FilterWord(Lexeme.JOINT, start, end, part, lower)
        if lower == "not":
            return FilterWord(Lexeme.NOT, start, end, part, lower)
        if lower == "in":
            return FilterWord(Lexeme.COMPARE, start, end, part, lower)
        if lower == "contains":
            return FilterWord(Lexeme.COMPARE, start, end, part, "is")
        if lower in ("true", "false", "null"):
            return FilterWord(Lexeme.CONSTANT, start, end, part, lower)
        if part in FUNCTIONS and self._is_called(end):
            return FilterWord(Lexeme.FUNCTION, start, end, part, part)
        return FilterWord(Lexeme.WORD, start, end, part, name, part)

    def _is_called(self, end: int) -> bool:
        return re.compile(r"\s*\(").match(self.text, end) is not None

    def _refuse(self, start: int) -> NoReturn:
        found = re.compile(r"[\w.]+").match(self.text, start)
        end = found.end() if found else start + 1
        word = self.text[start:end]
        if word in "\"'`":
            message = f"The {word} has no second one that ends the text."
        elif word in OTHER_WORDS:
            message = f"{shown(word)} has no meaning here; use {OTHER_WORDS[word]}."
        else:
            message = f"{shown(word)} has no meaning here. Text needs quotation marks."
        raise FilterError(message, start=start, end=end)


FOLLOWED = re.compile(r"\s*(?:[=<>!≤≥≠]|(?:not\s+)?(?:in|contains)\b)", re.IGNORECASE)


def _ends(written: str) -> list[int]:
    """Where names may end, the longest first: `val/loss-1`, `val/loss`, `val`."""
    ends = [match.start() for match in re.finditer(r"[./:@+-]+", written)]
    return [len(written), *reversed(ends)]


def moment_of(written: str, zone: tzinfo, *, start: int, end: int) -> float:
    """Seconds since 1970. Raises FilterError."""
    try:
        moment = datetime.fromisoformat(written.strip())
        return moment.replace(tzinfo=moment.tzinfo or zone).timestamp()
    except (OverflowError, ValueError):
        message = (
            f"{shown(written)} is not a moment. Write it as 2026-11-30 or"
            " 2026-11-30T12:00."
        )
        raise FilterError(message, start=start, end=end) from None


def _with_joined_not(words: Sequence[FilterWord]) -> Sequence[FilterWord]:
    """`not contains` and `not in` are one word."""
    found: list[FilterWord] = []
    for word in words:
        before = found[-1] if found else None
        if (
            before is not None
            and before.lexeme == Lexeme.NOT
            and word.python in ("is", "in")
        ):
            python = "is not" if word.python == "is" else "not in"
            written = f"{before.written} {word.written}"
            found[-1] = FilterWord(
                Lexeme.COMPARE, before.start, word.end, written, python
            )
        else:
            found.append(word)
    return found


def check_order(words: Sequence[FilterWord], length: int) -> None:
    """Refuse words that cannot follow each other. Raises FilterError."""
    before = None
    for word in words:
        if not _follows(before, word):
            raise _misplaced(before, word)
        before = word
    _check_brackets(words, length)
    if words and words[-1].lexeme not in ENDS:
        last = words[-1]
        message = f"Something is missing after {shown(last.written)}."
        raise FilterError(message, start=last.end, end=length)


def _follows(before: FilterWord | None, after: FilterWord) -> bool:
    if before is not None and before.lexeme in ENDS:
        return after.lexeme not in STARTS
    if before is not None and before.lexeme == Lexeme.FUNCTION:
        return after.lexeme == Lexeme.OPEN
    if before is not None and after.lexeme == Lexeme.CLOSE:
        return before.lexeme == Lexeme.COMMA
    signed = after.lexeme == Lexeme.SIGN and after.python in ("+", "-")
    return after.lexeme in STARTS or signed


def _misplaced(before: FilterWord | None, after: FilterWord) -> FilterError:
    word = shown(after.written)
    if before is None:
        message = f"A filter cannot begin with {word}."
    elif before.lexeme in ENDS:
        message = (
            f"{word} is not expected here; something is missing before it, such as and"
            " or =."
        )
    elif after.lexeme == Lexeme.CLOSE and before.lexeme == Lexeme.OPEN:
        message = "There must be something between the brackets."
    else:
        message = f"{word} is not expected after {shown(before.written)}."
    return FilterError(message, start=after.start, end=after.end)


def _check_brackets(words: Sequence[FilterWord], length: int) -> None:
    opened: list[FilterWord] = []
    for word in words:
        if word.lexeme == Lexeme.OPEN:
            opened.append(word)
        elif word.lexeme == Lexeme.CLOSE:
            if not opened or (opened[-1].python == "(") != (word.python == ")"):
                message = f"There is no bracket that this {word.written} closes."
                raise FilterError(message, start=word.start, end=word.end)
            opened.pop()
    if opened:
        message = f"The bracket {opened[-1].written} is not closed."
        raise FilterError(message, start=opened[-1].start, end=length)
