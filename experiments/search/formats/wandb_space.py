"""The parameters of a Weights & Biases sweep and their distributions."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from experiments.search.fields import shown, unknown_name
from experiments.search.formats.mapping import (
    MAX_NAME_LENGTH,
    Names,
    are_ordered,
    bounds_of,
    stepped_log,
)
from experiments.search.formats.nodes import Node, json_value
from experiments.search.records import JSONObject, JSONValue

# Where the fields of our distributions are at W&B.
FIELDS = {
    "min_value": "min",
    "max_value": "max",
    "low": "min",
    "high": "max",
    "log": "distribution",
    **{key: key for key in ("mu", "sigma", "q", "values", "probabilities")},
}
# The lower bound of 1 / x is the upper bound of x.
INVERSE = {**FIELDS, "min_value": "max", "max_value": "min"}
BOUNDS = ("min_value", "max_value")
KEYS = ("distribution", "value", "values", "probabilities", "min", "max", "mu", "sigma")
KNOWN = (*KEYS, "q", "a", "b", "parameters")
MAX_DEPTH = 8


def distribution_of(member: Node, kind: str) -> JSONObject:
    """The distribution of a parameter; empty, with a problem, if it is wrong."""
    read = DISTRIBUTIONS.get(kind)
    if read is None:
        message = "A parameter needs values, a value, min and max, or a distribution."
        if kind:
            message = unknown_name(kind, DISTRIBUTIONS, kind="distribution")
        member.problem("distribution", message)
        member.skip(KNOWN)
        return {}
    return read(member)


def _categorical(member: Node) -> JSONObject:
    dist: JSONObject = {"type": "choice", "values": json_value(member.items("values"))}
    shares = [
        member.as_number("probabilities", share) or 0
        for share in member.items("probabilities")
    ]
    values = dist["values"]
    if not shares or not isinstance(values, list):
        return dist
    if 0 in shares and len(shares) == len(values):
        member.changed("probabilities", "Values of probability 0 are left out.")
        kept = [index for index, share in enumerate(shares) if share]
        dist["values"] = [values[index] for index in kept]
        shares = [shares[index] for index in kept]
    dist["probabilities"] = json_value(shares)
    return dist


def _between(kind: str, low: str, high: str) -> Callable[[Node], JSONObject]:
    """A distribution with unchanged bounds under our names."""

    def read(member: Node) -> JSONObject:
        bounds = bounds_of(member)
        return {} if bounds is None else {"type": kind, low: bounds[0], high: bounds[1]}

    return read


def _inverse(member: Node) -> JSONObject:
    # log(1 / x) is uniform from min to max, so log x is uniform from -max to -min.
    bounds = bounds_of(member)
    if bounds is None or not are_ordered(member, *bounds):
        return {}
    return {"type": "loguniform", "min_value": -bounds[1], "max_value": -bounds[0]}


def _log_values(member: Node) -> JSONObject:
    bounds = bounds_of(member, positive=True)
    if bounds is None:
        return {}
    return {"type": "float", "low": bounds[0], "high": bounds[1], "log": True}


def _stepped(kind: str) -> Callable[[Node], JSONObject]:
    def read(member: Node) -> JSONObject:
        dist = _between(kind, *BOUNDS)(member)
        step = _step(member)
        if dist and kind == "quniform":
            _check_ends(member, dist, step)
        return {**dist, "q": step} if dist else {}

    return read


def _step(member: Node) -> float:
    step = member.number("q")
    return 1 if step is None else step


def _stepped_log_values(member: Node) -> JSONObject:
    bounds, step = bounds_of(member, positive=True), _step(member)
    if bounds is None or not are_ordered(member, *bounds):
        return {}
    return stepped_log(*bounds, step)


def _normal(kind: str, *, stepped: bool = False) -> Callable[[Node], JSONObject]:
    def read(member: Node) -> JSONObject:
        mu, sigma = member.number("mu"), member.number("sigma")
        dist: JSONObject = {
            "type": kind,
            "mu": 0 if mu is None else mu,
            "sigma": 1 if sigma is None else sigma,
        }
        return {**dist, "q": _step(member)} if stepped else dist

    return read


def _beta(*, stepped: bool = False) -> Callable[[Node], JSONObject]:
    def read(member: Node) -> JSONObject:
        a, b = member.number("a"), member.number("b")
        dist: JSONObject = {
            "type": "quniform" if stepped else "uniform",
            "min_value": 0,
            "max_value": 1,
        }
        if (1 if a is None else a, 1 if b is None else b) != (1, 1):
            member.changed(
                "distribution",
                "There is no beta distribution here: all values from 0 to 1 become "
                "equally likely.",
                "Use a choice with probabilities to approximate its shape.",
            )
        return {**dist, "q": _step(member)} if stepped else dist

    return read


def _check_ends(member: Node, dist: JSONObject, step: float) -> None:
    """Note when W&B would round to a multiple outside the bounds."""
    if step <= 0:
        return
    for key, name in (("min", "min_value"), ("max", "max_value")):
        ratio = Fraction(repr(dist[name])) / Fraction(repr(step))
        if abs(ratio) > 10**9:
            continue
        inside = math.ceil(ratio) if key == "min" else math.floor(ratio)
        if round(ratio) != inside:
            member.changed(
                key,
                f"W&B rounds beyond {key}, to {float(round(ratio)) * step:g}; here "
                f"values end at {float(inside) * step:g}.",
            )


DISTRIBUTIONS: Mapping[str, Callable[[Node], JSONObject]] = {
    "categorical": _categorical,
    "categorical_w_probabilities": _categorical,
    "int_uniform": _between("int", "low", "high"),
    "uniform": _between("uniform", *BOUNDS),
    "q_uniform": _stepped("quniform"),
    "log_uniform": _between("loguniform", *BOUNDS),
    "log_uniform_values": _log_values,
    "q_log_uniform": _stepped("qloguniform"),
    "q_log_uniform_values": _stepped_log_values,
    "inv_log_uniform": _inverse,
    "inv_log_uniform_values": _log_values,
    "normal": _normal("normal"),
    "q_normal": _normal("qnormal", stepped=True),
    "log_normal": _normal("lognormal"),
    "q_log_normal": _normal("qlognormal", stepped=True),
    "beta": _beta(),
    "q_beta": _beta(stepped=True),
}


@dataclass(frozen=True)
class Parameter:
    """One parameter or constant: its path of groups at W&B and its name here.

    `value` is the value of a constant. `text` says whether all its values are text, or
    is None for a mix, which does not fit into one JSON text.
    """

    groups: tuple[str, ...]
    name: str
    dist: JSONObject
    value: JSONValue = None
    constant: bool = False
    text: bool | None = False
    boolean: bool = False

    @property
    def option(self) -> str:
        """The name on the command line."""
        return ".".join(self.groups)


def read_parameters(source: Node, names: Names) -> list[Parameter]:
    """Every parameter in order, also those in groups."""
    return list(_members(source, names, ()))


def _members(
    source: Node, names: Names, groups: tuple[str, ...]
) -> Iterator[Parameter]:
    for name, value in source.entries():
        place = (*groups, name)
        if len(name) > MAX_NAME_LENGTH:
            source.problem(name, f"A name may have up to {MAX_NAME_LENGTH} characters.")
            continue
        member = source.mapping(name, value)
        if member.has("parameters") and len(place) < MAX_DEPTH:
            source.changed(
                name,
                f"The parameters in the group {shown(name)} become separate ones, with "
                f"options such as --{'.'.join(place)}.NAME.",
            )
            yield from _members(member.inner("parameters"), names, place)
            member.close("a group here", also=KNOWN)
        elif isinstance(value, Mapping):
            yield _parameter(source, name, member, place, names)


def _parameter(
    source: Node, key: str, member: Node, place: tuple[str, ...], names: Names
) -> Parameter:
    name = names.give("_".join(place), source.at(key))
    kind = member.text("distribution") or _implied(member)
    if kind == "constant":
        return _constant(member, name, place)
    dist = distribution_of(member, kind)
    fields = INVERSE if kind == "inv_log_uniform" else FIELDS
    member.record_origin(f"search_space.{name}", fields)
    member.close("a distribution here", also=KNOWN)
    values = dist.get("values")
    listed = values if isinstance(values, list) else []
    texts = {isinstance(value, str) for value in listed} or {False}
    plain = any(isinstance(value, bool) for value in listed)
    if plain or None in listed:
        member.changed(
            "values",
            "On the command line True, False and None become true, false and null.",
        )
    return Parameter(
        place, name, dist, text=texts.pop() if len(texts) == 1 else None, boolean=plain
    )


def _constant(member: Node, name: str, place: tuple[str, ...]) -> Parameter:
    """A constant as an input; lists, mappings and nulls as their JSON text."""
    value = json_value(member.take("value"))
    member.record_origin(f"inputs.{name}")
    member.close("a constant here", also=KNOWN)
    if not isinstance(value, bool | int | float | str):
        member.changed(
            "value", f"The constant {shown(value)} becomes JSON text in an input."
        )
        value = json.dumps(value, ensure_ascii=False)
    return Parameter(
        place,
        name,
        {},
        value,
        constant=True,
        text=isinstance(value, str),
        boolean=isinstance(value, bool),
    )


def _implied(member: Node) -> str:
    """The distribution that W&B uses when none is given."""
    if member.has("values"):
        return "categorical"
    if "value" in member.given():
        return "constant"
    if member.has("min") or member.has("max"):
        bounds = (member.take("min"), member.take("max"))
        whole = all(isinstance(bound, int) for bound in bounds)
        return "int_uniform" if whole else "uniform"
    if member.has("mu") or member.has("sigma"):
        return "normal"
    return ""
