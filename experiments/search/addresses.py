"""What a document can name: parameters, and the entries of nested choices.

The address of an entry is the choice's name, a dot and its own: `network.layers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from experiments.search.branch import Branch
from experiments.search.choice import Choice
from experiments.search.distribution import Distribution
from experiments.search.records import JSONValue, Params
from experiments.search.values import kind_of

# What `value_at` gives where there is no value.
ABSENT = object()


@dataclass(frozen=True)
class Named:
    """What stands at an address: the kinds of its values (`values.KINDS`), and whether
    every configuration has one."""

    kinds: frozenset[str]
    always: bool = True


def addresses(
    parameters: Mapping[str, Distribution], conditional: Iterable[str]
) -> dict[str, Named]:
    """Every address of a space; `conditional` parameters are not always there."""
    maybe = set(conditional)
    found: dict[str, Named] = {}
    for name, law in parameters.items():
        for rest, named in _entries(law).items():
            always = named.always and name not in maybe
            found[f"{name}{rest}"] = Named(named.kinds, always)
    return found


def value_at(params: Params, address: str) -> object:
    """The value at an address of a configuration, or ABSENT."""
    value: object = params
    if "." not in address:
        return params.get(address, ABSENT)
    for name in address.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return ABSENT
        value = value[name]
    return value


def _entries(law: Distribution) -> dict[str, Named]:
    """A law's own values, under "", and those inside them (".layers")."""
    if not isinstance(law, Choice):
        return {"": Named(frozenset(["number"]))}
    own = {"": Named(frozenset(map(kind_of, law.distinct)))}
    branches = law.branches.values()
    inner = [_of_branch(branch) for branch in branches]
    whole = len(law.branches) == len(law.distinct)
    found: dict[str, list[Named]] = {}
    for entries in inner:
        for rest, named in entries.items():
            found.setdefault(rest, []).append(named)
    for rest, all_named in found.items():
        kinds = frozenset[str]().union(*(named.kinds for named in all_named))
        everywhere = whole and len(all_named) == len(inner)
        always = everywhere and all(named.always for named in all_named)
        own[rest] = Named(kinds, always)
    return own


def _of_branch(branch: Branch) -> dict[str, Named]:
    found: dict[str, Named] = {}
    for name, entry in branch.entries.items():
        for rest, named in _of_entry(entry).items():
            found[f".{name}{rest}"] = named
    return found


def _of_entry(entry: JSONValue | Distribution) -> dict[str, Named]:
    if isinstance(entry, Distribution):
        return _entries(entry)
    return {"": Named(frozenset([kind_of(entry)]))}
