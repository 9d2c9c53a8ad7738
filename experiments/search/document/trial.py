"""What a trial runs: `trial` and `inputs` of a document."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeGuard

from experiments.search.document.code import Code, read_code, stays_inside
from experiments.search.document.command import (
    command_problems,
    command_warnings,
    value_text,
)
from experiments.search.fields import Fields, is_number, shown
from experiments.search.records import JSONValue

# The name of a file of the code, or the lines themselves.
Requirements: TypeAlias = "str | tuple[str, ...]"

MAX_PYTHON_LENGTH = 300
MAX_LINE_LENGTH = 1000
MAX_LINES = 500
ALLOWED = (
    "requirements must be a file of the code, such as requirements.txt, or a list of "
    "lines, such as [numpy==2.1, scipy]"
)


def read_python(trial: Fields) -> str | None:
    """`python` of a trial; None if left out or invalid, after noting it."""
    named = trial.text("python", None, most=MAX_PYTHON_LENGTH)
    if named is None:
        return None
    named = named.strip()
    if not named.isprintable() or named.startswith("-"):
        allowed = (
            "a command or a path on the workers, such as python3.12 or "
            "/opt/torch/bin/python"
        )
        trial.must_be("python", allowed, value=named)
        return None
    return named


def read_requirements(trial: Fields, code: Code | None) -> Requirements | None:
    """`requirements` of a trial; None if left out or invalid, after noting it."""
    value = trial.raw("requirements")
    if isinstance(value, str):
        return _read_file(trial, value.strip(), code)
    if isinstance(value, Sequence):
        return _read_lines(trial, value)
    if value is not None:
        trial.error("requirements", f"{ALLOWED}, not {shown(value)}.")
    return None


def _read_file(trial: Fields, name: str, code: Code | None) -> str | None:
    files = code.get("files") if isinstance(code, dict) else None
    if not stays_inside(name.removeprefix("./")):
        trial.error("requirements", f"{ALLOWED}, not {shown(name)}.")
    elif trial.raw("code") is None:
        trial.error(
            "requirements",
            f"{name} would be a file of the code, but there is no code. List the "
            "lines instead, such as [numpy==2.1].",
        )
    elif isinstance(files, dict) and name.removeprefix("./") not in files:
        trial.error("requirements", f"{name} is not among the files of the code.")
    else:
        return name.removeprefix("./")
    return None


def _read_lines(trial: Fields, lines: Sequence[object]) -> tuple[str, ...] | None:
    if len(lines) > MAX_LINES:
        trial.error(
            "requirements",
            f"requirements may have {MAX_LINES} lines, not {len(lines):,}.",
        )
        return None
    read: list[str] = []
    for number, line in enumerate(lines, 1):
        if (
            not isinstance(line, str)
            or len(line) > MAX_LINE_LENGTH
            or not _is_line(line)
        ):
            trial.error(
                "requirements",
                f"Line {number} of requirements must be one line of text, such as "
                f"numpy==2.1, not {shown(line)}.",
            )
            return None
        read.append(line.strip())
    return tuple(line for line in read if line)


def _is_line(text: str) -> bool:
    return text.replace("\t", " ").isprintable()


NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
MAX_COMMAND_LENGTH = 20_000
MAX_VALUE_LENGTH = 10_000
# Fields of Azure's trial about where a cloud job runs.
IGNORED = ("environment", "distribution", "resources")
# The site sets these variables, such as the attempt's token.
RESERVED = "SWEEPSITE_"


@dataclass(frozen=True)
class TrialTemplate:
    """The command, its code (None for none) and its environment.

    `python` is the interpreter and `requirements` are the packages of a virtual
    environment; None keeps those of the worker.
    """

    command: str
    code: Code | None = None
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    python: str | None = None
    requirements: Requirements | None = None

    def dump(self) -> dict[str, JSONValue]:
        """The mapping form, without what is empty."""
        document: dict[str, JSONValue] = {}
        if self.command:
            document["command"] = self.command
        if self.code is not None:
            document["code"] = self.code
        if self.environment_variables:
            document["environment_variables"] = dict(self.environment_variables)
        if self.python is not None:
            document["python"] = self.python
        if isinstance(self.requirements, str):
            document["requirements"] = self.requirements
        elif self.requirements is not None:
            document["requirements"] = list(self.requirements)
        return document


def read_trial(
    document: Fields | None,
    *,
    parameters: Sequence[str] | None,
    inputs: Iterable[str],
    optional: Collection[str] = (),
    launches: bool = True,
) -> TrialTemplate:
    """`trial`, whose command must use names of parameters and inputs only.

    It may be left out if the site does not launch trials. `parameters` is None if the
    space could not be read; the `optional` ones have no value in some trials.
    """
    if document is None:
        return TrialTemplate("")
    example = "python train.py" if launches else ""
    command = document.text("command", "", required=example, most=MAX_COMMAND_LENGTH)
    if command:
        problems = list(command_problems(command, parameters, inputs, optional))
        _note_command(document, command, problems, parameters or ())
    code = read_code(document)
    template = TrialTemplate(
        command=command,
        code=code,
        environment_variables=_read_environment(
            document.inner("environment_variables")
        ),
        python=read_python(document),
        requirements=read_requirements(document, code),
    )
    for key in IGNORED:
        if document.raw(key) is not None:
            document.warn(
                key, f"{key} is ignored: trials run in the worker's environment."
            )
    document.close()
    return template


def read_inputs(document: Fields | None) -> dict[str, JSONValue]:
    """`inputs`: names to fixed numbers, texts or booleans."""
    if document is None:
        return {}
    inputs: dict[str, JSONValue] = {}
    for name, value in document.entries():
        if not _is_plain(value):
            document.error(
                name,
                f"The input {name} must be a number, text, true or false, "
                f"not {shown(value)}.",
            )
        elif _name_is_good(document, name, "An input's name"):
            inputs[name] = value
    return inputs


def _read_environment(document: Fields | None) -> dict[str, str]:
    if document is None:
        return {}
    environment: dict[str, str] = {}
    for name, value in document.entries():
        if name.startswith(RESERVED):
            document.error(
                name, f"Names with {RESERVED} are reserved: the site sets them."
            )
        elif not _is_plain(value):
            document.error(
                name, f'{name} must be text, such as "1", not {shown(value)}.'
            )
        elif _name_is_good(document, name, "A variable's name"):
            environment[name] = value_text(value)
    return environment


def _note_command(
    document: Fields, command: str, problems: list[str], parameters: Sequence[str]
) -> None:
    for message in problems:
        document.error("command", message)
    if not problems:
        for message in command_warnings(command, parameters):
            document.warn("command", message)


def _name_is_good(document: Fields, name: str, what: str) -> bool:
    if NAME.fullmatch(name):
        return True
    document.error(
        name,
        f"{what} must be letters, digits and underscores, not starting with a digit, "
        f"such as OMP_NUM_THREADS, not {shown(name)}.",
    )
    return False


def _is_plain(value: object) -> TypeGuard[bool | int | float | str]:
    if isinstance(value, str):
        return len(value) <= MAX_VALUE_LENGTH and "\0" not in value
    return isinstance(value, bool) or is_number(value)
