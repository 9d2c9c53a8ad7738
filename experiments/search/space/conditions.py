"""Axes of a space, and conditions (`when`) on them.

A condition names parameters, or entries of nested choices by their address
(`network.kind`), each with the values of which it must have one.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from experiments.search.fields import (
    Diagnostics,
    Problem,
    join,
    listed,
    shown,
    unknown_name,
)
from experiments.search.records import JSONValue, Params
from experiments.search.space.choice import Choice
from experiments.search.space.continuous import Quantized
from experiments.search.space.distribution import (
    Branch,
    Distribution,
    identity,
    kind_of,
    value_problem,
)

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Gate:
    """What an axis needs of another one: that it is active with one of some values.

    `keys` are the values' keys in the other axis's distribution. An `open` gate also
    lets pass while the other axis is not active.
    """

    axis: str
    keys: frozenset[Hashable]
    open: bool = False

    def passing(
        self, distribution: Distribution, digits: NDArray[np.int64], active: Mask
    ) -> Mask:
        """In which rows the gate lets pass, by the other axis's digits."""
        keys = [distribution.index_of(key) for key in self.keys]
        allowed = np.isin(digits, np.array(keys, np.int64))
        passing: Mask = np.where(active, allowed, self.open)
        return passing


@dataclass(frozen=True)
class Axis:
    """One dimension of a space: a parameter, or one inside a nested choice.

    An axis inside a choice is called `choice.inner`, and is active only while its
    branch is chosen. `address` is its name in documents; the two differ where branches
    give one name different distributions (`choice.1.inner`). An axis is active when all
    its gates let it pass. `inner` maps the key of a branch to the axes of the branch's
    own parameters.
    """

    name: str
    address: str
    distribution: Distribution
    gates: tuple[Gate, ...] = ()
    inner: Mapping[Hashable, Mapping[str, str]] = field(default_factory=dict)

    @property
    def branches(self) -> Mapping[str, Branch]:
        """The branches by key; empty for anything but a nested choice."""
        law = self.distribution
        return law.branches if isinstance(law, Choice) else {}

    @property
    def is_nested(self) -> bool:
        """Whether this is a nested choice, or inside of one."""
        return "." in self.name or bool(self.branches)


def all_axes(parameters: Mapping[str, Distribution]) -> dict[str, Axis]:
    """Every axis by name, in document order, without the gates of conditions."""
    axes: dict[str, Axis] = {}
    for name, distribution in parameters.items():
        _add(axes, Axis(name, name, distribution))
    return axes


def _add(axes: dict[str, Axis], axis: Axis) -> None:
    axes[axis.name] = axis
    inner: dict[Hashable, dict[str, str]] = {
        key: {
            name: _add_inner(axes, axis, (number, key), name, distribution)
            for name, distribution in branch.distributions.items()
        }
        for number, (key, branch) in enumerate(axis.branches.items())
    }
    axes[axis.name] = replace(axis, inner=inner)


def _add_inner(
    axes: dict[str, Axis],
    outer: Axis,
    branch: tuple[int, str],
    name: str,
    distribution: Distribution,
) -> str:
    """The name of the axis for one entry of a branch (its number and key).

    Branches that give a name the same distribution share its axis.
    """
    number, key = branch
    own = f"{outer.name}.{name}"
    twin = axes.get(own)
    if twin is not None and repr(twin.distribution) == repr(distribution):
        (gate,) = twin.gates
        axes[own] = replace(twin, gates=(replace(gate, keys=gate.keys | {key}),))
        return own
    if twin is not None:
        own = f"{outer.name}.{number}.{name}"
    gate = Gate(outer.name, frozenset([key]))
    _add(axes, Axis(own, f"{outer.address}.{name}", distribution, (gate,)))
    return own


When: TypeAlias = Mapping[str, tuple[JSONValue, ...]]


def read_condition(value: object, path: str, diagnostics: Diagnostics) -> When:
    """A condition; a single value needs no list. Notes problems."""
    if not isinstance(value, Mapping) or not value:
        diagnostics.error(
            path,
            "when must be a mapping of other parameters to the values that they must "
            f"have, such as {{optimizer: [sgd]}}, not {shown(value)}.",
        )
        return {}
    condition: dict[str, tuple[JSONValue, ...]] = {}
    for name, given in value.items():
        place = join(path, str(name))
        values = tuple(given) if isinstance(given, list | tuple) else (given,)
        problem = _values_problem(values, str(name))
        if problem:
            diagnostics.error(place, problem)
        else:
            condition[str(name)] = values
    return condition


def dump_condition(condition: When) -> dict[str, JSONValue]:
    """The mapping form, every value in a list."""
    return {name: list(values) for name, values in condition.items()}


def condition_gates(
    name: str, condition: When, axes: Mapping[str, Axis]
) -> tuple[list[Gate], list[Problem]]:
    """The gates of a parameter's condition, and its problems."""
    gates: list[Gate] = []
    problems: list[Problem] = []
    for address, values in condition.items():
        search = _AddressSearch(axes, values)
        problem = _name_problem(name, address, axes) or search.run(address)
        if problem:
            problems.append(Problem(address, problem))
            continue
        gates += search.gates.values()
    return gates, problems


def _values_problem(values: tuple[object, ...], name: str) -> str | None:
    if not values:
        return "A condition needs at least one value, such as [sgd]."
    if any(isinstance(value, Mapping) for value in values):
        return (
            "A condition cannot list a mapping. Name an entry of it instead, such as "
            f"{{{name}.kind: [a]}}."
        )
    return next(filter(None, map(value_problem, values)), None)


def _name_problem(name: str, address: str, axes: Mapping[str, Axis]) -> str | None:
    root = address.partition(".")[0]
    if root == name:
        return f"{name} cannot depend on itself."
    if root not in axes:
        known = [other for other in axes if "." not in other and other != name]
        if not known:
            return "There is no other parameter to depend on."
        return unknown_name(address, known, kind="parameter")
    return None


@dataclass
class _AddressSearch:
    """Finds the axes and constants at an address, and which have one of the values."""

    axes: Mapping[str, Axis]
    values: tuple[JSONValue, ...]
    gates: dict[str, Gate] = field(default_factory=dict)
    distributions: list[Distribution] = field(default_factory=list)
    constants: list[JSONValue] = field(default_factory=list)

    def run(self, address: str) -> str | None:
        """Find the gates; returns what is wrong."""
        root, *rest = address.split(".")
        self._visit(self.axes[root], rest, is_open=False)
        if not self.distributions and not self.constants:
            return f"No value of {root} is a mapping with {shown(address)} in it."
        return next(self._problems(address), None)

    def _problems(self, address: str) -> Iterator[str]:
        for distribution in self.distributions:
            if distribution.count() is None and not isinstance(distribution, Quantized):
                yield (
                    f"{address} is {distribution.kind} and has infinitely many values; "
                    "a condition needs a parameter whose values can be listed."
                )
        constants = set(map(identity, self.constants))
        for value in self.values:
            possible = any(law.contains(value) for law in self.distributions)
            if not possible and identity(value) not in constants:
                allowed = [shown(law.dump(), most=120) for law in self.distributions]
                words = listed([*allowed, *map(shown, self.constants)], last="or")
                yield f"{address} is never {shown(value)}: it is {words}."

    def _visit(self, axis: Axis, rest: Sequence[str], *, is_open: bool) -> None:
        if rest:
            keys = [
                key
                for key, branch in axis.branches.items()
                if self._may_hold(axis, key, branch, rest)
            ]
            self.gates[axis.name] = Gate(axis.name, frozenset(keys), is_open)
            return
        distribution = axis.distribution
        self.distributions.append(distribution)
        found = frozenset(
            distribution.key(one) for one in self.values if distribution.contains(one)
        )
        self.gates[axis.name] = Gate(axis.name, found, is_open)

    def _may_hold(
        self, axis: Axis, key: str, branch: Branch, rest: Sequence[str]
    ) -> bool:
        """Whether the condition may hold in a branch.

        Another axis at the address gets an open gate of its own, because in other
        branches it does not count.
        """
        name, *further = rest
        if name in branch.distributions:
            inner = self.axes[axis.inner[key][name]]
            if inner.name not in self.gates:
                self._visit(inner, further, is_open=True)
            return True
        if further or name not in branch.constants:
            return False
        constant = branch.constants[name]
        self.constants.append(constant)
        return identity(constant) in map(identity, self.values)


# What `value_at` returns where there is no value.
ABSENT = object()


@dataclass(frozen=True)
class AddressKinds:
    """The kinds of the values at an address (`KINDS`), and whether every configuration
    has one."""

    kinds: frozenset[str]
    always: bool = True


def addresses(
    parameters: Mapping[str, Distribution], conditional: Iterable[str]
) -> dict[str, AddressKinds]:
    """Every address of a space; `conditional` parameters may be absent."""
    maybe = set(conditional)
    found: dict[str, AddressKinds] = {}
    for name, distribution in parameters.items():
        for rest, named in _entries(distribution).items():
            always = named.always and name not in maybe
            found[f"{name}{rest}"] = AddressKinds(named.kinds, always)
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


def _entries(entry: JSONValue | Distribution) -> dict[str, AddressKinds]:
    """The own values of an entry, under "", and those inside them (".layers")."""
    if not isinstance(entry, Distribution):
        return {"": AddressKinds(frozenset([kind_of(entry)]))}
    if not isinstance(entry, Choice):
        return {"": AddressKinds(frozenset(["number"]))}
    own = {"": AddressKinds(frozenset(map(kind_of, entry.distinct)))}
    found: dict[str, list[AddressKinds]] = {}
    for branch in entry.branches.values():
        for name, inner in branch.entries.items():
            for rest, named in _entries(inner).items():
                found.setdefault(f".{name}{rest}", []).append(named)
    for rest, all_named in found.items():
        kinds = frozenset[str]().union(*(named.kinds for named in all_named))
        everywhere = len(all_named) == len(entry.distinct)
        always = everywhere and all(named.always for named in all_named)
        own[rest] = AddressKinds(kinds, always)
    return own
