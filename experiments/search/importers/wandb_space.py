"""The parameters of a Weights & Biases sweep."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from experiments.search.importers.names import LONGEST_NAME, Names
from experiments.search.importers.source import Source, json_value
from experiments.search.importers.wandb_laws import FIELDS, INVERSE, KNOWN, Law, law_of
from experiments.search.problems import shown
from experiments.search.records import JSONValue

DEEPEST = 8


@dataclass(frozen=True)
class Parameter:
    """One parameter or constant: its place in the foreign groups, its name here.

    `value` is the value of a constant. `text` says whether its values are text: all of
    them, none, or some (None), which no JSON text can be written for beforehand.
    """

    groups: tuple[str, ...]
    name: str
    law: Law
    value: JSONValue = None
    constant: bool = False
    text: bool | None = False
    boolean: bool = False

    @property
    def option(self) -> str:
        """The name on the command line."""
        return ".".join(self.groups)


def read_parameters(source: Source, names: Names) -> list[Parameter]:
    """Every parameter in order, groups taken apart."""
    return list(_members(source, names, ()))


def _members(
    source: Source, names: Names, groups: tuple[str, ...]
) -> Iterator[Parameter]:
    for name, value in source.entries():
        place = (*groups, name)
        if len(name) > LONGEST_NAME:
            source.problem(name, f"A name may have {LONGEST_NAME} characters.")
            continue
        member = source.mapping(name, value)
        if member.has("parameters") and len(place) < DEEPEST:
            source.changed(
                name,
                f"The group {shown(name)} is taken apart: its parameters stand by "
                f"themselves, as --{'.'.join(place)}.NAME on the command line.",
            )
            yield from _members(member.inner("parameters"), names, place)
            member.close("a group here", also=KNOWN)
        elif isinstance(value, Mapping):
            yield _parameter(source, name, member, place, names)


def _parameter(
    source: Source, key: str, member: Source, place: tuple[str, ...], names: Names
) -> Parameter:
    name = names.give("_".join(place), source.at(key))
    kind = member.text("distribution") or _implied(member)
    if kind == "constant":
        return _constant(member, name, place)
    law = law_of(member, kind)
    stands = INVERSE if kind == "inv_log_uniform" else FIELDS
    member.stands(f"search_space.{name}", stands)
    member.close("a distribution here", also=KNOWN)
    values = law.get("values")
    listed = values if isinstance(values, list) else []
    texts = {isinstance(value, str) for value in listed} or {False}
    plain = any(isinstance(value, bool) for value in listed)
    if plain or None in listed:
        member.changed(
            "values",
            "On the command line True, False and None are written true, false and null "
            "here.",
        )
    return Parameter(
        place, name, law, text=texts.pop() if len(texts) == 1 else None, boolean=plain
    )


def _constant(member: Source, name: str, place: tuple[str, ...]) -> Parameter:
    """A constant becomes an input; what no input can be becomes its JSON text."""
    value = json_value(member.take("value"))
    member.stands(f"inputs.{name}")
    member.close("a constant here", also=KNOWN)
    if not isinstance(value, bool | int | float | str):
        member.changed(
            "value", f"The constant {shown(value)} becomes an input with its JSON text."
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


def _implied(member: Source) -> str:
    """The distribution that W&B takes when none is named."""
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
