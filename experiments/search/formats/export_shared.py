"""What every exporter does alike: laws in natural units, values listed, commands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeAlias

from experiments.search.document.command import (
    CommandError,
    Placeholder,
    placeholders,
    split_command,
)
from experiments.search.fields import Diagnostics, is_number
from experiments.search.formats.mapping import parameter
from experiments.search.formats.nodes import Node, json_value
from experiments.search.records import JSONValue
from experiments.search.space.notation import read_distribution

Law: TypeAlias = "dict[str, JSONValue]"
MAX_LISTED = 1_000
# Fields of ours that say how this site runs a sweep; none of them exists elsewhere.
OURS = {
    "constraints": "Constraints have no counterpart; every combination is possible.",
    "retries": "Retries after failures of the infrastructure have no counterpart.",
    "priority": "Priorities have no counterpart.",
}


def number(law: Mapping[str, JSONValue], key: str, default: float = 0) -> float:
    """A number of a law."""
    value = law.get(key)
    return value if is_number(value) else default


def natural(law: Law, base: float) -> Law:
    """The law with its logarithms to the base e, whatever base they are given in."""
    if "log" not in str(law.get("type")) or base == math.e:
        return law
    factor = math.log(base)
    names = ("min_value", "max_value", "mu", "sigma")
    scaled = {name: number(law, name) * factor for name in names if name in law}
    return {**law, **scaled}


def values_of(law: Law, *, base: float = math.e) -> list[JSONValue] | None:
    """Every value of a finite law; None if there are none or too many to list."""
    plain = {key: value for key, value in law.items() if key != "when"}
    read = read_distribution(plain, "", Diagnostics(), log_base=base)
    count = None if read is None else read.count()
    if read is None or count is None or count > MAX_LISTED:
        return None
    return [read.at(index) for index in range(count)]


def laws_of(source: Node) -> dict[str, Law]:
    """The parameters of a document's space; what is no mapping is a problem."""
    space = source.take("search_space")
    laws: dict[str, Law] = {}
    if not isinstance(space, Mapping):
        source.problem(
            "search_space",
            "search_space must be a mapping of names to mappings; a space as text has "
            "to be parsed first.",
        )
        return laws
    for name, value in space.items():
        law = json_value(value)
        if isinstance(law, dict) and "type" in law:
            laws[str(name)] = law
        else:
            source.problem(f"search_space.{name}", "A parameter must have a type.")
    return laws


def without_condition(source: Node, name: str, law: Law) -> Law:
    """The law without `when`, which is noted."""
    if law.get("when"):
        source.log.left_out(
            source.at(f"search_space.{name}.when"),
            f"{name} has a value in every trial there, whatever the others are.",
        )
    return {key: value for key, value in law.items() if key != "when"}


def leave_missing(policy: Node, where: str) -> None:
    """Note a rule for values that are not finite, where it is not the usual one."""
    if policy.take("on_missing") not in (None, "worst"):
        policy.leave("on_missing", f"{where} has no rule for values such as NaN.")


def named_command(source: Node, command: str, names: list[str]) -> str:
    """The command with a place for every parameter, where it names none itself."""
    try:
        used = [item for item in placeholders(command) if item.group == "search_space"]
        split_command(command)
    except CommandError as error:
        source.problem("trial.command", str(error))
        return command
    if used:
        return command
    return " ".join([command, *(f"--{name} {parameter(name)}" for name in names)])


def note_unused(source: Node, inputs: Mapping[str, object], command: str) -> None:
    """Note the inputs that the command does not name, and that thus go nowhere."""
    named = {item.name for item in _placeholders(command) if item.group == "inputs"}
    for name in inputs:
        if name not in named:
            source.log.left_out(
                source.at(f"inputs.{name}"), "The command does not use this input."
            )


def _placeholders(command: str) -> tuple[Placeholder, ...]:
    try:
        return placeholders(command)
    except CommandError:
        return ()


def log_base(source: Node) -> float:
    """The base of the logarithms that the space's log types are given in."""
    sampling = source.take("sampling_algorithm")
    base = sampling.get("logbase") if isinstance(sampling, Mapping) else None
    return float(base) if is_number(base) and base > 1 else math.e
