"""The training command: split into arguments first, values filled in afterwards.

A value therefore is always exactly one argument, or a part of one, whatever characters
it has. No shell ever sees the command. An argument for a parameter that is not active
is left out, and with it the option before it (`--momentum`) whose value it would be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from experiments.search.addresses import ABSENT, value_at
from experiments.search.command_words import (
    PLACEHOLDER,
    CommandError,
    Placeholder,
    is_parameter,
    names_parameters,
    words_of,
)
from experiments.search.omissions import omission_problems, omitted
from experiments.search.problems import listed, shown, unknown_name
from experiments.search.records import JSONValue, Params

GROUPS = ("search_space", "inputs")

SHELL_WORD = re.compile(r"[0-9]?(?:\|\|?|&&?|;|>>?|<<?)(?:&[0-9])?")
SHELL_VARIABLE = re.compile(r"\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*\}|\()")
SINGLE_BRACE = re.compile(r"(?<![{$])\{(?:search_space|inputs)\.\w+\}")


def split_command(text: str) -> list[str]:
    """The arguments of a command, placeholders still in place.

    Quotes and backslashes work as in a POSIX shell, a backslash at the end of a line
    continues it. Raises CommandError for an open quote or placeholder.
    """
    return ["".join(map(str, word)) for word in words_of(text)]


def placeholders(text: str) -> tuple[Placeholder, ...]:
    """The different placeholders of a command, in the order of first mention."""
    parts = (part for word in words_of(text) for part in word)
    return tuple(dict.fromkeys(p for p in parts if isinstance(p, Placeholder)))


def render_command(text: str, params: Params, inputs: Params) -> list[str]:
    """The argument list of one trial.

    A command without a placeholder for the search space gets `--name value` for every
    parameter that is active. An argument for a parameter that is not is left out, as
    `omissions` says. Raises CommandError when there is no value for a placeholder whose
    argument cannot be left out.
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

    Floats have the fewest digits that still give the same float back.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value < 0 and "e" in repr(value):
        # Python's argparse takes -1e-05 for an option, and -0.00001 for a number.
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
            yield "The command names no program; one is `python train.py`."
        for placeholder in placeholders(text):
            yield from _placeholder_problems(placeholder, known)
        yield from omission_problems(words_of(text), optional)
    except CommandError as error:
        yield str(error)


def command_warnings(text: str, parameters: Iterable[str]) -> Iterator[str]:
    """What is allowed in a command but probably not meant."""
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


def _filled(part: str | Placeholder, values: Mapping[str, Params]) -> str:
    if isinstance(part, str):
        return part
    value: Any = value_at(values.get(part.group, {}), part.name)
    if value is ABSENT:
        raise CommandError(f"There is no value for {part}.")
    return value_text(value)


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


__all__ = [
    "CommandError",
    "Placeholder",
    "command_problems",
    "command_warnings",
    "placeholders",
    "render_command",
    "split_command",
    "value_text",
]
