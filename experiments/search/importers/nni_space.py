"""The search space of an NNI experiment."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import TypeAlias

from experiments.search.importers.names import LONGEST_NAME, Names
from experiments.search.importers.source import Source, json_value
from experiments.search.problems import shown, unknown_name
from experiments.search.records import JSONValue

Law: TypeAlias = "dict[str, JSONValue]"
Numbers: TypeAlias = "list[float]"
DEEPEST = 6
# How many numbers each type takes.
ARGUMENTS = {
    "randint": 2,
    "uniform": 2,
    "quniform": 3,
    "loguniform": 2,
    "qloguniform": 3,
    "normal": 2,
    "qnormal": 3,
    "lognormal": 2,
    "qlognormal": 3,
}
# All numbers of a distribution stand in one list.
PLACES = {
    "values": "_value",
    **dict.fromkeys(("low", "high", "min_value", "max_value"), "_value"),
    **dict.fromkeys(("mu", "sigma", "q"), "_value"),
}
KEYS = ("_type", "_value")
FIELDS = {
    "normal": ("mu", "sigma"),
    "qnormal": ("mu", "sigma", "q"),
    "lognormal": ("mu", "sigma"),
    "qlognormal": ("mu", "sigma", "q"),
    "uniform": ("min_value", "max_value"),
    "quniform": ("min_value", "max_value", "q"),
}


def read_space(source: Source, names: Names) -> dict[str, JSONValue]:
    """The search space, nested choices as conditions."""
    return dict(_parameters(source, names, "", None, 0))


def _parameters(
    source: Source, names: Names, prefix: str, when: JSONValue, depth: int
) -> Iterator[tuple[str, JSONValue]]:
    for given, value in source.entries():
        if given == "_name":
            continue
        item = source.mapping(given, value)
        if not isinstance(value, Mapping):
            continue
        name = names.give(f"{prefix}{given}", source.at(given))
        item.stands(f"search_space.{name}", PLACES, named=False)
        kind = item.text("_type")
        if kind == "choice":
            yield from _choice(item, names, name, when, depth)
        else:
            law = _law(item, kind)
            yield name, {**law, "when": when} if when else law
        item.close("a distribution here", also=KEYS)


def _choice(
    item: Source, names: Names, name: str, when: JSONValue, depth: int
) -> Iterator[tuple[str, JSONValue]]:
    values: list[JSONValue] = []
    branches: list[tuple[str, Source]] = []
    for index, value in enumerate(item.items("_value")):
        if isinstance(value, Mapping) and depth < DEEPEST:
            branch = item.mapping(f"_value.{index}", value)
            label = branch.text("_name") or f"option_{index}"
            if len(label) > LONGEST_NAME:
                branch.problem("_name", f"A name may have {LONGEST_NAME} characters.")
                continue
            values.append(label)
            branches.append((label, branch))
        else:
            values.append(json_value(value))
    law: Law = {"type": "choice", "values": values}
    yield name, {**law, "when": when} if when else law
    for label, branch in branches:
        yield from _branch(branch, names, name, label, depth)


def _branch(
    branch: Source, names: Names, name: str, label: str, depth: int
) -> Iterator[tuple[str, JSONValue]]:
    if [key for key in branch.given() if key != "_name"]:
        branch.log.changed(
            branch.path,
            f"The parameters below {shown(label)} stand by themselves, as {name}_NAME, "
            f"and are there only when {name} is {shown(label)}.",
        )
    when: JSONValue = {name: [label]}
    yield from _parameters(branch, names, f"{name}_", when, depth + 1)


def _law(item: Source, kind: str) -> Law:
    if kind not in ARGUMENTS:
        message = unknown_name(kind, ["choice", *ARGUMENTS], kind="_type")
        item.problem("_type", message)
        item.take("_value")
        return {}
    given = item.items("_value")
    if kind == "randint" and len(given) == 1:
        given = [0, *given]
    numbers = [item.as_number("_value", value) for value in given]
    if len(numbers) != ARGUMENTS[kind]:
        item.problem(
            "_value",
            f"{kind} takes {ARGUMENTS[kind]} numbers in _value, not {len(numbers)}.",
        )
        return {}
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers) or not _are_in_range(item, kind, known):
        return {}
    return READERS.get(kind, _plain)(item, kind, known)


def _are_in_range(item: Source, kind: str, numbers: Numbers) -> bool:
    """Whether two bounds are in order and, for a logarithm, above 0; noted if not."""
    if "normal" in kind:
        return True
    low, high = numbers[:2]
    if "log" in kind and low <= 0:
        item.problem("_value", f"The bounds of {kind} must be above 0, not {low:g}.")
    elif low > high or (low == high and kind != "qloguniform"):
        item.problem(
            "_value",
            f"The upper bound of {kind} must be above the lower one, {low:g}, not "
            f"{high:g}.",
        )
    else:
        return True
    return False


def _plain(item: Source, kind: str, numbers: Numbers) -> Law:
    if kind == "quniform":
        _check_ends(item, numbers)
    pairs = zip(FIELDS[kind], numbers, strict=True)
    return {"type": kind, **dict(pairs)}


def _randint(item: Source, kind: str, numbers: Numbers) -> Law:
    return {"type": "int", "low": numbers[0], "high": numbers[1] - 1}


def _log(item: Source, kind: str, numbers: Numbers) -> Law:
    return {"type": "float", "low": numbers[0], "high": numbers[1], "log": True}


def _stepped_log(item: Source, kind: str, numbers: Numbers) -> Law:
    _check_ends(item, numbers)
    low, high = map(math.log, numbers[:2])
    return {"type": kind, "min_value": low, "max_value": high, "q": numbers[2]}


def _check_ends(item: Source, numbers: Numbers) -> None:
    """NNI cuts values off at the bounds, whether or not those are multiples of q."""
    low, high, step = numbers
    if step > 0:
        parts = [Fraction(repr(bound)) / Fraction(repr(step)) for bound in (low, high)]
        if any(part.denominator > 1 for part in parts):
            item.changed(
                "_value",
                f"Bounds that are no multiples of {step:g} are not among the values "
                "here.",
            )


READERS: Mapping[str, Callable[[Source, str, Numbers], Law]] = {
    "randint": _randint,
    "loguniform": _log,
    "qloguniform": _stepped_log,
}
