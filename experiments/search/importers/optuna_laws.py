"""Optuna's distributions, of version 3 and later and the older ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import TypeAlias

from experiments.search.fields import is_number
from experiments.search.importers.source import json_value
from experiments.search.records import JSONValue

Law: TypeAlias = "dict[str, JSONValue]"
LONGEST_JSON = 100_000
SHORT = {
    "float": "FloatDistribution",
    "int": "IntDistribution",
    "categorical": "CategoricalDistribution",
}
FLOATS = (
    "FloatDistribution",
    "UniformDistribution",
    "LogUniformDistribution",
    "DiscreteUniformDistribution",
)
INTS = ("IntDistribution", "IntUniformDistribution", "IntLogUniformDistribution")
FIELDS = ("low", "high", "log", "step", "q", "choices")


def is_distribution(value: object) -> bool:
    """Whether a value is one of Optuna's distributions, or the JSON text of one."""
    kind, _ = _parts(value)
    return kind in (*FLOATS, *INTS, "CategoricalDistribution")


def is_unmistakable(value: object) -> bool:
    """Whether it is one that names its class, as no other format's does."""
    short = isinstance(value, Mapping) and "name" not in value
    return is_distribution(value) and not short


def unknown_fields(value: object) -> list[str]:
    """What a distribution holds that none of Optuna's has."""
    if isinstance(value, str):
        return []
    _, given = _parts(value)
    outer = value if isinstance(value, Mapping) and given is not value else {}
    known = ("type", "name") if given is value else ()
    return [
        *(key for key in outer if key not in ("name", "attributes")),
        *(key for key in given if key not in (*FIELDS, *known)),
    ]


def places_of(value: object) -> dict[str, str]:
    """The fields of our distribution by the paths that they have in one of Optuna's."""
    kind, given = _parts(value)
    if isinstance(value, str):
        return {}
    inside = "" if given is value else "attributes."
    step = "q" if kind == "DiscreteUniformDistribution" else "step"
    names = {"low": "low", "high": "high", "log": "log", "step": step}
    return {
        "values": f"{inside}choices",
        **{ours: f"{inside}{theirs}" for ours, theirs in names.items()},
    }


def law_of(value: object) -> Law | None:
    """The distribution here for one of Optuna's; None if it is none."""
    kind, given = _parts(value)
    if kind == "CategoricalDistribution":
        choices = given.get("choices")
        is_list = isinstance(choices, list) and choices
        return {"type": "choice", "values": json_value(choices)} if is_list else None
    if kind not in FLOATS + INTS:
        return None
    low, high = given.get("low"), given.get("high")
    if not is_number(low) or not is_number(high):
        return None
    log = bool(given.get("log")) or "Log" in kind
    step = (
        given.get("q") if kind == "DiscreteUniformDistribution" else given.get("step")
    )
    return _range(kind in INTS, low, high, log, step if is_number(step) else None)


def merged(one: Law, other: Law) -> Law | None:
    """A distribution that holds both; None if there is none."""
    if one == other:
        return one
    if one.get("type") != other.get("type") or one.get("type") == "choice":
        return None
    low, high = (
        choose(number for number in (one[key], other[key]) if is_number(number))
        for choose, key in ((min, "low"), (max, "high"))
    )
    return {**other, "low": low, "high": high}


def external(law: Law, value: object, choices: object) -> JSONValue:
    """A parameter's value from the number that Optuna stores for it."""
    if isinstance(choices, list):
        place = int(value) if is_number(value) else -1
        return json_value(choices[place]) if 0 <= place < len(choices) else None
    if not is_number(value):
        return json_value(value)
    if law.get("type") == "int":
        return int(value)
    return snapped(law, float(value))


def snapped(law: Law, value: float) -> float:
    """A value of a stepped range without the rounding of sums."""
    low, step = law.get("low"), law.get("step")
    if not is_number(low) or not is_number(step) or step <= 0:
        return value
    exact_low, exact_step = Fraction(repr(low)), Fraction(repr(step))
    return float(
        exact_low + round((Fraction(value) - exact_low) / exact_step) * exact_step
    )


def _range(whole: bool, low: float, high: float, log: bool, step: float | None) -> Law:
    if low == high and not whole:
        return {"type": "choice", "values": [low]}
    law: Law = {"type": "int" if whole else "float", "low": low, "high": high}
    if log:
        return {**law, "log": True}
    if step is None or (whole and step == 1):
        return law
    return {**law, "step": step}


def _parts(value: object) -> tuple[str, Mapping[str, object]]:
    """The class and the attributes of a distribution, in any of its notations."""
    if isinstance(value, str) and len(value) <= LONGEST_JSON:
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return "", {}
    if not isinstance(value, Mapping):
        return "", {}
    name, attributes = value.get("name"), value.get("attributes")
    if isinstance(name, str) and isinstance(attributes, Mapping):
        return name, attributes
    kind = value.get("type")
    is_short = isinstance(kind, str) and ("choices" in value or "high" in value)
    return (SHORT.get(str(kind), ""), value) if is_short else ("", {})
