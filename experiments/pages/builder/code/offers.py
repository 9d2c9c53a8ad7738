"""What the form offers from the script: its arguments as parameters or inputs, and its
metrics as the objective.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.code.scripts.findings import (
    ScriptArgument,
    ScriptMetric,
    ScriptReading,
    UnreadArgument,
)
from experiments.code.scripts.proposals import Proposal, propose, proposed_metric
from experiments.code.scripts.stored import StoredScript, likely_script, stored_script
from experiments.models import CodeSnapshot
from experiments.pages.builder.code.fields import script_of
from experiments.pages.form_fields import write_plain
from experiments.search.document.command import (
    CommandError,
    placeholders,
    split_command,
    value_text,
)
from experiments.search.fields import nearest
from experiments.search.records import goal_of
from experiments.search.wording import counted

# The command of a new form.
UNTOUCHED = "python train.py"
SEARCHED, FIXED = "search_space", "inputs"
MAX_METRICS, MAX_UNREAD = 8, 3
LIBRARIES = "argparse, click, typer or fire"


@dataclass(frozen=True)
class ArgumentOffer:
    """An argument that is not a parameter yet; `is_kept`: it is an input."""

    argument: ScriptArgument
    proposal: Proposal
    is_kept: bool

    @property
    def may_be_kept(self) -> bool:
        """Whether an input can pass it: not to a script that reads `params()`."""
        is_passed = "{}" in self.argument.template
        return is_passed and not self.is_kept

    @property
    def kind(self) -> str:
        if not self.argument.is_searchable:
            return "switch"
        return "input" if self.proposal.is_fixed else self.proposal.kind

    @property
    def values(self) -> str:
        if not self.argument.is_searchable:
            return f"Takes no value: write {self.argument.template} in the command"
        if self.proposal.is_fixed:
            return "the same for every trial"
        return self.proposal.values

    @property
    def origin(self) -> str:
        """`default 0.1, line 18`."""
        default = self.argument.default
        words = "no default" if default is None else f"default {value_text(default)}"
        return f"{words[:60]}, line {self.argument.line}"


@dataclass(frozen=True)
class MetricOffer:
    """A metric for the objective; `is_proposed` is the most probable one."""

    metric: ScriptMetric
    is_proposed: bool
    is_picked: bool


@dataclass(frozen=True)
class Offers:
    """Everything that is read from the script of a form."""

    path: str
    reading: ScriptReading
    arguments: Sequence[ArgumentOffer] = ()
    metrics: Sequence[MetricOffer] = ()
    stale: Sequence[str] = ()
    primary_metric: str = ""

    @property
    def meant(self) -> str:
        """The metric that a misspelt primary metric probably means."""
        names = [metric.name for metric in self.reading.metrics]
        if self.primary_metric in names:
            return ""
        return nearest(self.primary_metric, names) or ""

    @property
    def chips(self) -> Iterator[str]:
        """`9 arguments`, `4 metrics`, `reports every epoch`."""
        found = self.reading
        if found.arguments:
            yield counted(len(found.arguments), "argument")
        if found.metrics:
            yield counted(len(found.metrics), "metric")
            yield f"reports {self.metrics[0].metric.often}"

    @property
    def doubt(self) -> str:
        """`1 argument not understood`."""
        count = len(self.reading.unread)
        return f"{counted(count, 'argument')} not understood" if count else ""

    @property
    def sentences(self) -> Iterator[str]:
        """What was left out, and why."""
        if self.reading.problem:
            yield f"{self.path} was not read: {self.reading.problem}."
        elif not self.reading.arguments and not self.reading.unread:
            yield f"No {LIBRARIES} found in {self.path}. Add parameters by hand."
        for unread in self.reading.unread[:MAX_UNREAD]:
            yield _left_out(unread)

    @property
    def count(self) -> str:
        return counted(len(self.arguments), "more argument")

    @property
    def names_for_all(self) -> list[str]:
        """What *Add all* adds: what is worth a search and not kept fixed."""
        return [
            offer.argument.name
            for offer in self.arguments
            if offer.argument.is_searchable
            and not offer.proposal.is_fixed
            and not offer.is_kept
        ]


def _left_out(unread: UnreadArgument) -> str:
    name = unread.name or "The argument"
    return f"{name} in line {unread.line} was left out: {unread.why}."


@dataclass(frozen=True)
class EnteredTexts:
    """The texts of a form that offers depend on and change."""

    command: str
    inputs: str = ""
    primary_metric: str = ""
    names: Sequence[str] = ()


def offers_of(kept: CodeSnapshot | None, entered: EnteredTexts) -> Offers | None:
    """The offers of the command's script; None if it is not among the files."""
    script = entered_script(kept, entered.command)
    if script is None:
        return None
    inputs = _input_names(entered.inputs)
    words = _words(entered.command)
    arguments = [
        ArgumentOffer(each, propose(each), each.name in inputs)
        for each in script.reading.arguments
        if each.name not in entered.names
        and (each.name in inputs or not _is_written(each, words))
    ]
    best = proposed_metric(script.reading.metrics)
    metrics = sorted(script.reading.metrics, key=lambda metric: metric.name != best)
    return Offers(
        script.path,
        script.reading,
        arguments,
        [
            MetricOffer(each, each.name == best, each.name == entered.primary_metric)
            for each in metrics[:MAX_METRICS]
        ],
        stale_names(entered),
        entered.primary_metric,
    )


def entered_script(kept: CodeSnapshot | None, command: str) -> StoredScript | None:
    """The script that the command runs, if it is among the files."""
    return stored_script(kept, script_of(command)) if kept else None


def proposed_command(kept: CodeSnapshot, command: str) -> str:
    """The command for these files, if the form still has the one it started with."""
    if command.strip() != UNTOUCHED:
        return command
    path = likely_script(kept)
    quoted = f'"{path}"' if " " in path else path
    return f"python {quoted}" if path else command


def metric_texts(name: str) -> dict[str, str]:
    """The objective for a metric."""
    return {"primary_metric": name, "goal": goal_of(name)}


def distributions(
    reading: ScriptReading, entered: EnteredTexts, names: Sequence[str]
) -> dict[str, Any]:
    """The proposed search space for arguments that are not parameters yet."""
    return {
        each.name: propose(each).distribution
        for each in reading.arguments
        if each.name in names and each.name not in entered.names and each.is_searchable
    }


def texts_with_searched(
    reading: ScriptReading, entered: EnteredTexts, names: Sequence[str]
) -> dict[str, str]:
    """The command and inputs once these arguments are parameters."""
    known = {each.name: each for each in reading.arguments}
    command = entered.command
    for name in names:
        command = _swapped(command, name, FIXED, SEARCHED)
    every = [*entered.names, *names]
    needed = [name for name in every if not _is_appended(known.get(name))]
    if needed or _placeholder(SEARCHED) in command.replace(" ", ""):
        # One placeholder, and nothing is appended any more.
        for name in every:
            command = _with_argument(command, name, known.get(name), SEARCHED)
    lines = entered.inputs.splitlines()
    kept = [line for line in lines if line.partition("=")[0].strip() not in names]
    return {"command": command, "inputs": "\n".join(kept)}


def stale_names(entered: EnteredTexts) -> list[str]:
    """Names that the command passes but that are no longer parameters."""
    try:
        found = placeholders(entered.command)
    except CommandError:
        return []
    names = [each.name for each in found if each.group == SEARCHED]
    return [name for name in names if name.partition(".")[0] not in entered.names]


def command_without(command: str, name: str) -> str:
    """The command without the argument for a parameter."""
    # Bounded, or long runs of spaces or dashes would take a time with their square.
    argument = (
        r"\s{0,9}(?:--?[\w-]{1,99}[ =])?"
        rf"\$\{{\{{\s*{SEARCHED}\.{re.escape(name)}\s*\}}\}}"
    )
    return re.sub(argument, "", command)


def texts_with_kept(
    reading: ScriptReading, entered: EnteredTexts, name: str
) -> dict[str, str]:
    """The command and inputs once this argument is an input."""
    argument = next((each for each in reading.arguments if each.name == name), None)
    if argument is None or name in _input_names(entered.inputs):
        return {}
    value = argument.fixed_value
    line = f"{name}={'' if value is None else write_plain(value)}"
    inputs = "\n".join(filter(None, (entered.inputs.rstrip(), line)))
    return {
        "command": _with_argument(entered.command, name, argument, FIXED),
        "inputs": inputs,
    }


def _is_appended(argument: ScriptArgument | None) -> bool:
    return argument is None or argument.is_appended


def _with_argument(
    command: str, name: str, argument: ScriptArgument | None, group: str
) -> str:
    """The command with an argument for a parameter or input, unless it has one."""
    value = _placeholder(group, name)
    template = argument.template if argument else f"--{name} {{}}"
    if value in command.replace(" ", "") or not template:
        return command
    return f"{command.rstrip()} {template.replace('{}', value)}"


def _placeholder(group: str, name: str = "") -> str:
    return f"${{{{{group}.{name}}}}}" if name else f"${{{{{group}."


def _swapped(command: str, name: str, old: str, new: str) -> str:
    """The command with a parameter in place of the input of that name."""
    spaced = rf"\$\{{\{{\s*{old}\.{re.escape(name)}\s*\}}\}}"
    return re.sub(spaced, lambda _: _placeholder(new, name), command)


def _input_names(inputs: str) -> set[str]:
    return {line.partition("=")[0].strip() for line in inputs.splitlines()}


def _words(command: str) -> Sequence[str]:
    try:
        return split_command(command)
    except CommandError:
        return ()


def _is_written(argument: ScriptArgument, words: Sequence[str]) -> bool:
    """Whether the command already passes an argument of that name."""
    flag = argument.template.partition(" ")[0].partition("=")[0]
    flags = {flag, *map(str, argument.choices)} if flag == "{}" else {flag}
    options = (word.partition("=")[0] for word in words if word.startswith("-"))
    return any(option in flags for option in options)
