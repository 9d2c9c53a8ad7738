"""What a trial runs: the `trial` and `inputs` of a document."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeGuard

from experiments.search.code import Code, read_code
from experiments.search.command import (
    command_problems,
    command_warnings,
    value_text,
)
from experiments.search.fields import Fields, is_number
from experiments.search.problems import shown
from experiments.search.records import JSONValue
from experiments.search.requirements import (
    Requirements,
    read_python,
    read_requirements,
)

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
LONGEST_COMMAND = 20_000
LONGEST_VALUE = 10_000
# Fields of Azure's trial that say where a cloud job runs.
IGNORED = ("environment", "distribution", "resources")
# The site sets these itself; among them is the attempt's token.
RESERVED = "SWEEPSITE_"


@dataclass(frozen=True)
class TrialTemplate:
    """The command, its code and its environment; `code` is None for none.

    `python` names another interpreter than the pool's, and `requirements` the packages
    of a virtual environment; None for either leaves things as the worker has them.
    """

    command: str
    code: Code | None = None
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    python: str | None = None
    requirements: Requirements | None = None

    def dump(self) -> dict[str, JSONValue]:
        """The mapping form; what is empty is left out."""
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
    """`trial`; its command is checked against the names of parameters and inputs.

    Where the site `launches` nothing, it may be left out.

    `parameters` is None when they are not known, because the space cannot be read;
    those that are `optional` have no value in some trials.
    """
    if document is None:
        return TrialTemplate("")
    example = "python train.py" if launches else ""
    command = document.text("command", "", required=example, most=LONGEST_COMMAND)
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
            document.warn(key, f"{key} is ignored: trials run as the worker does.")
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
            document.error(name, f"Names with {RESERVED} are set by the site itself.")
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
        return len(value) <= LONGEST_VALUE and "\0" not in value
    return isinstance(value, bool) or is_number(value)
