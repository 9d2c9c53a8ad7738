"""The parameters of a Katib experiment."""

from __future__ import annotations

import math
from typing import TypeAlias

from experiments.search.importers.bounds import are_ordered, bounds_of
from experiments.search.importers.names import Names
from experiments.search.importers.source import Source, json_value, number_of
from experiments.search.problems import listed, shown
from experiments.search.records import JSONValue

Law: TypeAlias = "dict[str, JSONValue]"
SHAPES = ("uniform", "logUniform", "normal", "logNormal", "unknown")
KINDS = ("double", "int", "discrete", "categorical")
# Katib takes the bounds of a normal distribution for three standard deviations.
SIGMAS = 6
# Fields of our distributions by the names that they have in Katib.
FIELDS = {
    **dict.fromkeys(("low", "min_value", "mu"), "feasibleSpace.min"),
    **dict.fromkeys(("high", "max_value", "sigma"), "feasibleSpace.max"),
    **dict.fromkeys(("step", "q"), "feasibleSpace.step"),
    "log": "feasibleSpace.distribution",
    "values": "feasibleSpace.list",
}
SPACE = ("min", "max", "list", "step", "distribution")


def read_parameters(source: Source, names: Names) -> dict[str, JSONValue]:
    """The search space of `parameters`."""
    space: dict[str, JSONValue] = {}
    parameters = source.items("parameters")
    if not parameters:
        source.problem("parameters", "parameters must list at least one parameter.")
    for index, value in enumerate(parameters):
        item = source.mapping(f"parameters.{index}", value)
        given = item.text("name")
        if not given:
            item.problem("name", "A parameter needs a name, such as lr.")
            _law(item)
            item.close("a parameter here")
            continue
        name = names.give(given, item.at("name"))
        item.stands(f"search_space.{name}", FIELDS)
        space[name] = _law(item)
        item.close("a parameter here")
    return space


def _law(item: Source) -> Law:
    kind = item.text("parameterType").lower()
    space = item.inner("feasibleSpace")
    if kind not in KINDS:
        item.problem(
            "parameterType",
            f"parameterType must be {listed(KINDS, last='or')}, not {shown(kind)}.",
        )
        law: Law = {}
        space.skip(SPACE)
    elif kind in ("discrete", "categorical"):
        law = _choice(space, kind)
    else:
        law = _range(space, kind)
    space.close("a distribution here", also=SPACE)
    return law


def _choice(space: Source, kind: str) -> Law:
    values = json_value(space.items("list"))
    listed_values = values if isinstance(values, list) else []
    if kind == "discrete":
        numbers = [number_of(value) for value in listed_values]
        if None not in numbers:
            return {"type": "choice", "values": json_value(numbers)}
        space.changed("list", "Not all of these are numbers; they are taken as text.")
    texts = [value if isinstance(value, str) else str(value) for value in listed_values]
    return {"type": "choice", "values": json_value(texts)}


def _range(space: Source, kind: str) -> Law:
    shape, step = space.text("distribution") or "uniform", space.number("step")
    bounds = bounds_of(space, positive=shape in ("logUniform", "logNormal"))
    if shape not in SHAPES:
        known = listed(SHAPES[:-1], last="or")
        message = f"distribution must be {known}, not {shown(shape)}."
        space.problem("distribution", message)
        return {}
    if bounds is None:
        return {}
    low, high = bounds
    if shape in ("normal", "logNormal"):
        return _bell(space, kind, shape, low, high)
    log = shape == "logUniform"
    law: Law = {"type": "int" if kind == "int" else "float", "low": low, "high": high}
    if kind == "int" and step == 1:
        step = None
    if log and step:
        return _stepped_log(space, low, high, step)
    return {**law, **({"log": True} if log else {}), **({"step": step} if step else {})}


def _stepped_log(space: Source, low: float, high: float, step: float) -> Law:
    space.changed(
        "step", f"The values are multiples of {step:g}, not steps counted from min."
    )
    if not are_ordered(space, low, high):
        return {}
    return {
        "type": "qloguniform",
        "min_value": math.log(low),
        "max_value": math.log(high),
        "q": step,
    }


def _bell(space: Source, kind: str, shape: str, low: float, high: float) -> Law:
    law: Law = {"type": "normal" if shape == "normal" else "lognormal"}
    if not are_ordered(space, low, high):
        return {}
    space.changed(
        "distribution",
        "Bounds stand for three standard deviations on either side, as in Katib, but "
        "here a value may lie beyond them.",
    )
    if shape == "logNormal":
        low, high = math.log(low), math.log(high)
    law |= {"mu": low / 2 + high / 2, "sigma": high / SIGMAS - low / SIGMAS}
    step = space.number("step") or (1 if kind == "int" else None)
    return {**law, "type": f"q{law['type']}", "q": step} if step else law
