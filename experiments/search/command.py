"""The training command: split into arguments first, values filled in afterwards.

A value therefore is always exactly one argument, or a part of one, whatever characters
it has. No shell ever sees the command.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias, TypeGuard

import numpy as np

from experiments.search.problems import listed, shown, unknown_name
from experiments.search.records import JSONValue, Params

GROUPS = ("search_space", "inputs")

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
SHELL_WORD = re.compile(r"[0-9]?(?:\|\|?|&&?|;|>>?|<<?)(?:&[0-9])?")
SHELL_VARIABLE = re.compile(r"\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*\}|\()")
SINGLE_BRACE = re.compile(r"(?<![{$])\{(?:search_space|inputs)\.\w+\}")


class CommandError(ValueError):
    """A command that cannot be split or filled in."""


class Placeholder(NamedTuple):
    """`${{group.name}}`, group being search_space or inputs when it is valid."""

    group: str
    name: str

    def __str__(self) -> str:
        return f"${{{{{self.group}.{self.name}}}}}"


Word: TypeAlias = tuple["str | Placeholder", ...]


def split_command(text: str) -> list[str]:
    """The arguments of a command, placeholders still in place.

    Quotes and backslashes work as in a POSIX shell, a backslash at the end of a line
    continues it. Raises CommandError for an open quote or placeholder.
    """
    return ["".join(map(str, word)) for word in _words(text)]


def placeholders(text: str) -> tuple[Placeholder, ...]:
    """The different placeholders of a command, in the order of first mention."""
    parts = (part for word in _words(text) for part in word)
    return tuple(dict.fromkeys(p for p in parts if isinstance(p, Placeholder)))


def render_command(text: str, params: Params, inputs: Params) -> list[str]:
    """The argument list of one trial.

    A command without a placeholder for the search space gets `--name value` for every
    parameter. Raises CommandError when a placeholder has no value.
    """
    values = {"search_space": params, "inputs": inputs}
    words = _words(text)
    argv = ["".join(_filled(part, values) for part in word) for word in words]
    if not _names_parameters(words):
        for name, value in params.items():
            argv += [f"--{name}", value_text(value)]
    return argv


def value_text(value: JSONValue) -> str:
    """A value as a program reads it: text as it is, anything else as in JSON.

    Floats have the fewest digits that still give the same float back.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value < 0 and "e" in repr(value):
        # Python's argparse takes -1e-05 for an option, and -0.00001 for a number.
        return str(np.format_float_positional(value, trim="0"))
    return json.dumps(value, ensure_ascii=False)


def command_problems(
    text: str, parameters: Iterable[str] | None, inputs: Iterable[str]
) -> Iterator[str]:
    """Why a command cannot work with these parameters (None: any) and inputs."""
    known = {"inputs": list(inputs)}
    if parameters is not None:
        known["search_space"] = list(parameters)
    try:
        if not _words(text):
            yield "The command names no program; one is `python train.py`."
        for placeholder in placeholders(text):
            yield from _placeholder_problems(placeholder, known)
    except CommandError as error:
        yield str(error)


def command_warnings(text: str, parameters: Iterable[str]) -> Iterator[str]:
    """What is allowed in a command but probably not meant."""
    words = _words(text)
    named = {part.name for word in words for part in word if _is_parameter(part)}
    unused = [name for name in parameters if name not in named]
    if named and unused:
        yield (
            f"The command does not use {listed(unused)}; the process still finds every "
            "parameter in its environment."
        )
    bare = PLACEHOLDER.sub("", re.sub(r"'[^']*'|\"[^\"]*\"", "", text))
    shell = [word for word in bare.split() if SHELL_WORD.fullmatch(word)]
    shell += [match.group() for match in SHELL_VARIABLE.finditer(bare)]
    if shell:
        yield (
            f"No shell runs the command, so {shown(shell[0])} has no special meaning; "
            "bash -c '…' would give it one."
        )
    for match in SINGLE_BRACE.finditer(text):
        yield f"{match.group()} stays as it is; a placeholder is ${{{match.group()}}}."


def _words(text: str) -> list[Word]:
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


def _filled(part: str | Placeholder, values: Mapping[str, Params]) -> str:
    if isinstance(part, str):
        return part
    try:
        return value_text(values[part.group][part.name])
    except KeyError:
        raise CommandError(f"There is no value for {part}.") from None


def _is_parameter(part: str | Placeholder) -> TypeGuard[Placeholder]:
    return isinstance(part, Placeholder) and part.group == "search_space"


def _names_parameters(words: Iterable[Word]) -> bool:
    return any(_is_parameter(part) for word in words for part in word)


def _placeholder_problems(
    placeholder: Placeholder, known: Mapping[str, list[str]]
) -> Iterator[str]:
    if placeholder.group not in GROUPS:
        yield (
            f"{placeholder} is not known; placeholders are ${{{{search_space.NAME}}}} "
            "and ${{inputs.NAME}}."
        )
        return
    names = known.get(placeholder.group, [placeholder.name])
    if placeholder.name not in names:
        kind = "parameter" if placeholder.group == "search_space" else "input"
        if not names:
            yield f"{placeholder} is not known: the document has no {kind}s."
        else:
            yield unknown_name(placeholder.name, names, kind=kind)
