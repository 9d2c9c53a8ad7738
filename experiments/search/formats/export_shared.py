"""What all exporters share: distributions, values in a list, commands, own settings."""

from __future__ import annotations

import math
from collections.abc import Mapping

from experiments.search.document.command import (
    CommandError,
    CommandPlaceholder,
    placeholders,
    split_command,
)
from experiments.search.fields import Diagnostics, is_number
from experiments.search.formats.mapping import parameter_placeholder
from experiments.search.formats.nodes import Node, json_value
from experiments.search.records import JSONObject, JSONValue
from experiments.search.space.continuous import MAX_EXPONENT
from experiments.search.space.notation import read_distribution

MAX_LISTED = 1_000
# Standard deviations on either side of the mean that count as a normal one's range.
SIGMAS = 3
# How this site runs a sweep: settings that no other system has.
OURS = {
    "constraints": "There are no constraints there: every combination is possible.",
    "retries": "There are no retries after infrastructure failures there.",
    "priority": "There are no priorities there.",
    "metrics_collector": "There the script logs its metrics; no output is searched.",
}


def number(dist: Mapping[str, JSONValue], key: str, default: float = 0) -> float:
    """A number of a distribution."""
    value = dist.get(key)
    return value if is_number(value) else default


def ends_of(dist: JSONObject) -> tuple[float, float]:
    """The smallest and the largest value, logarithms resolved."""
    kind = str(dist["type"])
    if kind == "randint":
        return 0, number(dist, "upper", 1) - 1
    if kind in ("int", "float"):
        return number(dist, "low"), number(dist, "high")
    low, high = number(dist, "min_value"), number(dist, "max_value")
    if "normal" in kind:
        mu, reach = number(dist, "mu"), SIGMAS * number(dist, "sigma")
        low, high = mu - reach, mu + reach
    if "log" in kind:
        low, high = (math.exp(min(end, MAX_EXPONENT)) for end in (low, high))
    return low, high


def values_of(dist: JSONObject, *, base: float = math.e) -> list[JSONValue] | None:
    """Every value of a finite distribution; None if there are too many to list."""
    read = read_distribution(dist, "", Diagnostics(), log_base=base)
    count = None if read is None else read.count()
    if read is None or count is None or count > MAX_LISTED:
        return None
    return [read.at(index) for index in range(count)]


def listed_values(
    document: Node, name: str, dist: JSONObject
) -> list[JSONValue] | None:
    """Every value of a range, noted as a change; None if there are too many to list."""
    values = values_of(dist)
    if values is not None:
        likely = " They all become equally likely." if dist.get("log") else ""
        message = f"The range becomes a list of its {len(values)} values.{likely}"
        note_change(document, name, message)
    return values


def note_change(document: Node, name: str, message: str) -> None:
    """Note that a parameter becomes something else."""
    document.log.changed(document.at(f"search_space.{name}"), message)


def leave_weights(document: Node, name: str, dist: JSONObject, system: str) -> None:
    """Note the probabilities of a choice for a system that has none."""
    if dist.get("probabilities"):
        document.log.left_out(
            document.at(f"search_space.{name}.probabilities"),
            f"{system} has no weights: every value is equally likely.",
        )


def distributions_of(document: Node, *, base: float = math.e) -> dict[str, JSONObject]:
    """The parameters of the space without conditions, logarithms as natural ones."""
    space = document.take("search_space")
    distributions: dict[str, JSONObject] = {}
    if not isinstance(space, Mapping):
        message = "search_space must be a mapping of parameter names to distributions."
        document.problem("search_space", message)
        return distributions
    for name, value in space.items():
        dist = json_value(value)
        if isinstance(dist, dict) and "type" in dist:
            distributions[str(name)] = _natural(
                _unconditional(document, str(name), dist), base
            )
        else:
            document.problem(f"search_space.{name}", "A parameter must have a type.")
    return distributions


def _unconditional(document: Node, name: str, dist: JSONObject) -> JSONObject:
    """The distribution without `when`, which is noted."""
    if dist.get("when"):
        document.log.left_out(
            document.at(f"search_space.{name}.when"),
            f"There are no conditions there: {name} has a value in every trial.",
        )
    return {key: value for key, value in dist.items() if key != "when"}


def _natural(dist: JSONObject, base: float) -> JSONObject:
    """The distribution with its logarithms converted from a base to e."""
    if "log" not in str(dist["type"]) or base == math.e:
        return dist
    factor = math.log(base)
    names = ("min_value", "max_value", "mu", "sigma")
    scaled = {name: number(dist, name) * factor for name in names if name in dist}
    return {**dist, **scaled}


def log_base(document: Node) -> float:
    """The base of the logarithms in the space's distributions."""
    sampling = document.take("sampling_algorithm")
    base = sampling.get("logbase") if isinstance(sampling, Mapping) else None
    return float(base) if is_number(base) and base > 1 else math.e


def leave_missing(policy: Node, system: str) -> None:
    """Note a rule for values that are not finite, unless it is the default."""
    if policy.take("on_missing") not in (None, "worst"):
        policy.leave("on_missing", f"{system} has no rule for values such as NaN.")


def leave_ours(document: Node, *, gpus: str, where: str) -> None:
    """Note every setting that is still unread; `gpus` says what decides about them."""
    for key, why in OURS.items():
        if document.take(key) not in (None, {"max_attempts": 2}):
            document.leave(key, why)
    resources = document.inner("resources")
    if resources.take("gpus"):
        resources.leave("gpus", gpus)
    resources.close(where)
    document.close(where)


def complete_command(document: Node, command: str, names: list[str]) -> str:
    """The command, with every parameter as an option if it names none itself."""
    try:
        used = [item for item in placeholders(command) if item.group == "search_space"]
        split_command(command)
    except CommandError as error:
        document.problem("trial.command", str(error))
        return command
    if used:
        return command
    options = (f"--{name} {parameter_placeholder(name)}" for name in names)
    return " ".join([command, *options])


def note_unused(document: Node, inputs: Mapping[str, object], command: str) -> None:
    """Note the inputs that the command does not use, so nothing receives them."""
    used = {item.name for item in _placeholders(command) if item.group == "inputs"}
    for name in inputs:
        if name not in used:
            document.log.left_out(
                document.at(f"inputs.{name}"), "The command does not use this input."
            )


def _placeholders(command: str) -> tuple[CommandPlaceholder, ...]:
    try:
        return placeholders(command)
    except CommandError:
        return ()
