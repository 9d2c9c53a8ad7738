"""A command's text split into words, each of literal text and placeholders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias, TypeGuard

from experiments.search.problems import shown

PLACEHOLDER = re.compile(r"\$\{\{([^{}]*)\}\}")
TOKEN = re.compile(
    r"""
    (?P<joint>\\\n)
    | (?P<space>\s+)
    | \$\{\{(?P<name>[^{}]*)\}\}
    | (?P<unclosed>\$\{\{)
    | '(?P<single>[^']*)'
    | "(?P<double>(?:[^"\\]|\\.)*)"
    | \\(?P<escaped>.)
    | (?P<plain>[^\s'"\\$]+|\$)
    """,
    re.VERBOSE | re.DOTALL,
)
ESCAPE = re.compile(r"\\([\"\\$`\n])")


class CommandError(ValueError):
    """A command that cannot be split or filled in."""


class Placeholder(NamedTuple):
    """`${{group.name}}`, group being search_space or inputs when it is valid."""

    group: str
    name: str

    def __str__(self) -> str:
        return f"${{{{{self.group}.{self.name}}}}}"


Word: TypeAlias = tuple["str | Placeholder", ...]


def words_of(text: str) -> list[Word]:
    """The words as a POSIX shell would split them. Raises CommandError."""
    words: list[Word] = []
    word: list[str | Placeholder] | None = None
    place = 0
    while place < len(text):
        token = TOKEN.match(text, place)
        if token is None or token["unclosed"] is not None:
            raise CommandError(_unreadable(text, place))
        place = token.end()
        if token["joint"] is not None:
            continue
        if token["space"] is None:
            # Empty quotes give no part, but they do begin a word.
            word = [] if word is None else word
            word.extend(_parts(token))
        elif word is not None:
            words.append(tuple(word))
            word = None
    return words if word is None else [*words, tuple(word)]


def _parts(token: re.Match[str]) -> Iterator[str | Placeholder]:
    if token["name"] is not None:
        yield _placeholder(token["name"])
    elif token["single"] is not None:
        yield from _quoted(token["single"])
    elif token["double"] is not None:
        for part in _quoted(token["double"]):
            yield part if isinstance(part, Placeholder) else ESCAPE.sub(_escape, part)
    else:
        yield token["escaped"] or token["plain"] or ""


def _quoted(text: str) -> Iterator[str | Placeholder]:
    # The pattern has one group: literals and names alternate.
    for index, piece in enumerate(PLACEHOLDER.split(text)):
        if index % 2:
            yield _placeholder(piece)
        elif piece:
            yield piece


def _placeholder(inner: str) -> Placeholder:
    group, _, name = inner.strip().partition(".")
    return Placeholder(group, name)


def _escape(match: re.Match[str]) -> str:
    return "" if match[1] == "\n" else match[1]


def _unreadable(text: str, place: int) -> str:
    rest = text[place:]
    where = f"at character {place + 1}: {shown(rest, most=30)}"
    if rest.startswith("${{"):
        return f"A placeholder is not closed by }}}} {where}."
    if rest.startswith("\\"):
        return f"The command must not end with a backslash {where}."
    return f"A quotation mark is never closed {where}."


def is_parameter(part: str | Placeholder) -> TypeGuard[Placeholder]:
    """Whether a part stands for a parameter of the search space."""
    return isinstance(part, Placeholder) and part.group == "search_space"


def names_parameters(words: Iterable[Word]) -> bool:
    """Whether a command uses any parameter."""
    return any(is_parameter(part) for word in words for part in word)
