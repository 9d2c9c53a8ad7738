"""The training command: split into arguments first, values filled in afterwards.

A value is always exactly one argument, or part of one, whatever characters it has. No
shell ever runs the command.

An argument for an inactive parameter is left out, and with it the option in front of it
whose value it would be: `--momentum ${{search_space.momentum}}`,
`--momentum=${{search_space.momentum}}` or `momentum=${{search_space.momentum}}`. An
argument without a name in front cannot be left out, because the arguments after it
would move up; nor can one with something else in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeGuard

import numpy as np

from experiments.search.fields import listed, shown, unknown_name
from experiments.search.records import JSONValue, Params
from experiments.search.space.conditions import ABSENT, value_at

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


class CommandPlaceholder(NamedTuple):
    """`${{group.name}}`; a valid group is search_space or inputs."""

    group: str
    name: str

    def __str__(self) -> str:
        return f"${{{{{self.group}.{self.name}}}}}"


Word: TypeAlias = tuple["str | CommandPlaceholder", ...]


def words_of(text: str) -> list[Word]:
    """The words as a POSIX shell would split them. Raises CommandError."""
    words: list[Word] = []
    word: list[str | CommandPlaceholder] | None = None
    place = 0
    while place < len(text):
        token = TOKEN.match(text, place)
        if token is None or token["unclosed"] is not None:
            raise CommandError(_unreadable(text, place))
        place = token.end()
        if token["joint"] is not None:
            continue
        if token["space"] is None:
            # Empty quotes give no part, but they begin a word.
            word = [] if word is None else word
            word.extend(_parts(token))
        elif word is not None:
            words.append(tuple(word))
            word = None
    return words if word is None else [*words, tuple(word)]


def _parts(token: re.Match[str]) -> Iterator[str | CommandPlaceholder]:
    if token["name"] is not None:
        yield _placeholder(token["name"])
    elif token["single"] is not None:
        yield from _quoted(token["single"])
    elif token["double"] is not None:
        for part in _quoted(token["double"]):
            yield (
                part
                if isinstance(part, CommandPlaceholder)
                else ESCAPE.sub(_escape, part)
            )
    else:
        yield token["escaped"] or token["plain"] or ""


def _quoted(text: str) -> Iterator[str | CommandPlaceholder]:
    # The pattern has one group: literals and names alternate.
    for index, piece in enumerate(PLACEHOLDER.split(text)):
        if index % 2:
            yield _placeholder(piece)
        elif piece:
            yield piece


def _placeholder(inner: str) -> CommandPlaceholder:
    group, _, name = inner.strip().partition(".")
    return CommandPlaceholder(group, name)


def _escape(match: re.Match[str]) -> str:
    return "" if match[1] == "\n" else match[1]


def _unreadable(text: str, place: int) -> str:
    rest = text[place:]
    where = f"at character {place + 1}: {shown(rest, most=30)}"
    if rest.startswith("${{"):
        return f"A placeholder has no closing }}}} {where}."
    if rest.startswith("\\"):
        return f"The command must not end with a backslash {where}."
    return f"A quotation mark has no closing one {where}."


def is_parameter(part: str | CommandPlaceholder) -> TypeGuard[CommandPlaceholder]:
    """Whether a part is a parameter of the search space."""
    return isinstance(part, CommandPlaceholder) and part.group == "search_space"


def names_parameters(words: Iterable[Word]) -> bool:
    """Whether a command uses any parameter."""
    return any(is_parameter(part) for word in words for part in word)


def omitted(words: Sequence[Word], absent: Collection[str]) -> set[int]:
    """The places of the words to leave out when these parameters have no value.

    Words that cannot be left out stay.
    """
    gone: set[int] = set()
    for place, _ in _touched(words, absent):
        if _obstacle(words, place) is None:
            gone.add(place)
            if _is_bare(words[place]):
                gone.add(place - 1)
    return gone


def omission_problems(
    words: Sequence[Word], optional: Collection[str]
) -> Iterator[str]:
    """Why words with parameters that may be absent cannot be left out."""
    for place, name in _touched(words, optional):
        obstacle = _obstacle(words, place)
        if obstacle is not None:
            value = CommandPlaceholder("search_space", name)
            example = f"--{name.rpartition('.')[2]} {value}"
            yield (
                f"{name} has no value in some trials, and its argument "
                f"{shown(_text(words[place]))} cannot be left out: {obstacle}. "
                f"Write {example}."
            )


def _touched(
    words: Sequence[Word], names: Collection[str]
) -> Iterator[tuple[int, str]]:
    """The words with one of these parameters, and the first of them in each."""
    for place, word in enumerate(words):
        found = [part.name for part in word if is_parameter(part)]
        name = next((name for name in found if name in names), None)
        if name is not None:
            yield place, name


def _obstacle(words: Sequence[Word], place: int) -> str | None:
    """Why a word cannot be left out."""
    word = words[place]
    named = {part.name for part in word if is_parameter(part)}
    literal = "".join(part for part in word if isinstance(part, str))
    if len(named) > 1:
        return f"it contains both {listed(sorted(named))}"
    if any(map(str.isspace, literal)):
        return "it is text of several words"
    if _is_bare(word):
        return _bare_obstacle(words, place)
    first = word[0] if isinstance(word[0], str) else ""
    if not first.startswith("-") and not first.endswith("="):
        return "it has no name in front, so the arguments after it would move up"
    return None


def _bare_obstacle(words: Sequence[Word], place: int) -> str | None:
    if place < 2 or not _is_option(words[place - 1]):
        return "it has no option in front, so the arguments after it would move up"
    if place + 1 < len(words) and _is_bare(words[place + 1]):
        return "another value follows for the same option"
    return None


def _is_bare(word: Word) -> bool:
    return len(word) == 1 and is_parameter(word[0])


def _is_option(word: Word) -> bool:
    text = _text(word)
    plain = all(isinstance(part, str) for part in word)
    return plain and text.startswith("-") and text.strip("-") != "" and "=" not in text


def _text(word: Word) -> str:
    return "".join(map(str, word))


GROUPS = ("search_space", "inputs")

SHELL_WORD = re.compile(r"[0-9]?(?:\|\|?|&&?|;|>>?|<<?)(?:&[0-9])?")
SHELL_VARIABLE = re.compile(r"\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*\}|\()")
SINGLE_BRACE = re.compile(r"(?<![{$])\{(?:search_space|inputs)\.\w+\}")


def split_command(text: str) -> list[str]:
    """The arguments of a command, with its placeholders.

    Quotes and backslashes work as in a POSIX shell; a backslash at the end of a line
    continues it. Raises CommandError for an open quote or placeholder.
    """
    return ["".join(map(str, word)) for word in words_of(text)]


def placeholders(text: str) -> tuple[CommandPlaceholder, ...]:
    """The different placeholders of a command, in order."""
    parts = (part for word in words_of(text) for part in word)
    return tuple(dict.fromkeys(p for p in parts if isinstance(p, CommandPlaceholder)))


def render_command(text: str, params: Params, inputs: Params) -> list[str]:
    """The argument list of one trial.

    A command without a placeholder for the search space gets `--name value` for every
    active parameter. Arguments for inactive parameters are left out. Raises
    CommandError for a placeholder without a value whose argument cannot be left out.
    """
    values = {"search_space": params, "inputs": inputs}
    words = words_of(text)
    absent = {
        part.name
        for word in words
        for part in word
        if is_parameter(part) and value_at(params, part.name) is ABSENT
    }
    gone = omitted(words, absent)
    argv = [
        "".join(_filled(part, values) for part in word)
        for place, word in enumerate(words)
        if place not in gone
    ]
    if not names_parameters(words):
        for name, value in params.items():
            argv += [f"--{name}", value_text(value)]
    return argv


def value_text(value: JSONValue) -> str:
    """A value as a program reads it: text as it is, anything else as in JSON.

    Floats have the fewest digits that give the same float again.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value < 0 and "e" in repr(value):
        # Python's argparse reads -1e-05 as an option, and -0.00001 as a number.
        return str(np.format_float_positional(value, trim="0"))
    return json.dumps(value, ensure_ascii=False)


def command_problems(
    text: str,
    parameters: Iterable[str] | None,
    inputs: Iterable[str],
    optional: Collection[str] = (),
) -> Iterator[str]:
    """Why a command cannot work with these parameters (None: any) and inputs.

    The `optional` ones among the parameters have no value in some trials.
    """
    known = {"inputs": list(inputs)}
    if parameters is not None:
        known["search_space"] = list(parameters)
    try:
        if not words_of(text):
            yield "The command has no program. An example is `python train.py`."
        for placeholder in placeholders(text):
            yield from _placeholder_problems(placeholder, known)
        yield from omission_problems(words_of(text), optional)
    except CommandError as error:
        yield str(error)


def command_warnings(text: str, parameters: Iterable[str]) -> Iterator[str]:
    """What is allowed in a command but probably a mistake."""
    words = words_of(text)
    named = {
        part.name.partition(".")[0]
        for word in words
        for part in word
        if is_parameter(part)
    }
    unused = [name for name in parameters if "." not in name and name not in named]
    if named and unused:
        yield (
            f"The command does not use {listed(unused)}. The process also finds every "
            "parameter in its environment."
        )
    bare = PLACEHOLDER.sub("", re.sub(r"'[^']*'|\"[^\"]*\"", "", text))
    shell = [word for word in bare.split() if SHELL_WORD.fullmatch(word)]
    shell += [match.group() for match in SHELL_VARIABLE.finditer(bare)]
    if shell:
        yield (
            f"No shell runs the command, so {shown(shell[0])} has no special meaning. "
            "Use bash -c '…' to run a shell."
        )
    for match in SINGLE_BRACE.finditer(text):
        yield f"{match.group()} is not a placeholder; ${{{match.group()}}} is."


def _filled(part: str | CommandPlaceholder, values: Mapping[str, Params]) -> str:
    if isinstance(part, str):
        return part
    value: Any = value_at(values.get(part.group, {}), part.name)
    if value is ABSENT:
        raise CommandError(f"There is no value for {part}.")
    return value_text(value)


def _placeholder_problems(
    placeholder: CommandPlaceholder, known: Mapping[str, list[str]]
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
