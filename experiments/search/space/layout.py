"""How the axes of a space hang together: in which order they are decided, which are
active, and how their values make up a configuration.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from experiments.search.fields import Diagnostics, join
from experiments.search.records import JSONValue, Params
from experiments.search.space.conditions import (
    Axis,
    Gate,
    When,
    all_axes,
    condition_gates,
)
from experiments.search.space.distribution import Distribution, identity, same

Values = Mapping[str, JSONValue]


@dataclass(frozen=True)
class Layout:
    """The axes of a checked space by name, in document order."""

    axes: Mapping[str, Axis]

    @cached_property
    def order(self) -> tuple[Axis, ...]:
        """Document order, but what others depend on comes before them."""
        return tuple(self.axes[name] for name in _sorted(self.axes))

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The axes' places in the unit cube."""
        return {name: place for place, name in enumerate(self.axes)}

    @cached_property
    def roots(self) -> tuple[str, ...]:
        """The parameters of the space itself."""
        return tuple(name for name, axis in self.axes.items() if "." not in name)

    def is_active(self, axis: Axis, values: Values) -> bool:
        """Whether an axis counts, given the values of the active ones before it."""
        return all(
            self.axes[gate.axis].distribution.key(values[gate.axis]) in gate.keys
            if gate.axis in values
            else gate.open
            for gate in axis.gates
        )

    def choose_values(
        self, axes: Iterable[Axis], choose: Callable[[Axis], JSONValue]
    ) -> dict[str, JSONValue]:
        """The values of the active ones of some axes, each from `choose`.

        The axes are in order, and hold all that they depend on.
        """
        values: dict[str, JSONValue] = {}
        for axis in axes:
            if self.is_active(axis, values):
                values[axis.name] = choose(axis)
        return values

    def params_of(self, values: Values) -> dict[str, JSONValue]:
        """The configuration that the values of active axes make up.

        What depends on axes without a value is left out.
        """
        return {
            name: self._built(self.axes[name], values)
            for name in self.roots
            if name in values
        }

    def values_of_params(self, params: Params) -> dict[str, JSONValue]:
        """The axes' values in a configuration; without those that are not allowed.

        A mapping is taken for the first branch that could have given it.
        """
        values: dict[str, JSONValue] = {}
        for name in self.roots:
            if name in params:
                values.update(self._parts(self.axes[name], params[name]) or {})
        return values

    def named(self, addresses: Iterable[str]) -> set[str]:
        """The axes that decide what stands at some addresses."""
        return {
            axis.name
            for address in addresses
            for axis in self.axes.values()
            if f"{address}.".startswith(f"{axis.address}.")
            or axis.address.startswith(f"{address}.")
        }

    def with_dependencies(self, names: set[str]) -> tuple[Axis, ...]:
        """The named axes and all on which they depend, in order."""
        needed = set(names)
        for axis in reversed(self.order):
            if axis.name in needed:
                needed.update(gate.axis for gate in axis.gates)
        return tuple(axis for axis in self.order if axis.name in needed)

    def _built(self, axis: Axis, values: Values) -> JSONValue:
        value = values[axis.name]
        branch = axis.branches.get(identity(value)) if axis.branches else None
        if branch is None:
            return value
        inner = axis.inner[identity(value)]
        return {
            name: self._built(self.axes[inner[name]], values)
            if name in inner
            else branch.constants[name]
            for name in branch.entries
            if name not in inner or inner[name] in values
        }

    def _parts(self, axis: Axis, value: JSONValue) -> dict[str, JSONValue] | None:
        if not isinstance(value, dict) or not axis.branches:
            return {axis.name: value} if axis.distribution.contains(value) else None
        for key, branch in axis.branches.items():
            if value.keys() != branch.entries.keys():
                continue
            alike = all(
                same(value[name], constant)
                for name, constant in branch.constants.items()
            )
            found = self._inner_parts(axis.inner[key], value) if alike else None
            if found is not None:
                return {axis.name: branch.dump(), **found}
        return None

    def _inner_parts(
        self, inner: Mapping[str, str], value: Mapping[str, JSONValue]
    ) -> dict[str, JSONValue] | None:
        parts: dict[str, JSONValue] = {}
        for name, axis in inner.items():
            found = self._parts(self.axes[axis], value[name])
            if found is None:
                return None
            parts.update(found)
        return parts


def build_layout(
    parameters: Mapping[str, Distribution],
    conditions: Mapping[str, When],
    diagnostics: Diagnostics,
    *,
    path: str,
) -> Layout:
    """The layout of a space. Problems of conditions are noted, and those left out."""
    axes = all_axes(parameters)
    for name, condition in conditions.items():
        place = join(join(path, name), "when")
        gates, problems = condition_gates(name, condition, axes)
        for problem in problems:
            diagnostics.error(join(place, problem.path), problem.message)
        axes[name] = replace(axes[name], gates=tuple(gates))
    ring = _ring(axes)
    if ring:
        diagnostics.error(
            join(join(path, ring[0]), "when"),
            f"{ring[0]} would depend on itself: {' on '.join([*ring, ring[0]])}.",
        )
        return build_layout(parameters, {}, diagnostics, path=path)
    return Layout(axes)


def _sorted(axes: Mapping[str, Axis]) -> list[str]:
    """As many as can be sorted: those in a ring of dependencies are left out."""
    places = {name: place for place, name in enumerate(axes)}
    names = list(axes)
    waiting = {name: len(_needed(axis.gates)) for name, axis in axes.items()}
    followers: dict[str, list[str]] = {name: [] for name in axes}
    for name, axis in axes.items():
        for other in _needed(axis.gates):
            followers[other].append(name)
    ready = [places[name] for name, count in waiting.items() if not count]
    done: list[str] = []
    while ready:
        done.append(names[heapq.heappop(ready)])
        for name in followers[done[-1]]:
            waiting[name] -= 1
            if not waiting[name]:
                heapq.heappush(ready, places[name])
    return done


def _needed(gates: tuple[Gate, ...]) -> set[str]:
    return {gate.axis for gate in gates}


def _ring(axes: Mapping[str, Axis]) -> list[str]:
    """Parameters that depend on each other in a ring; empty without one."""
    done = set(_sorted(axes))
    stuck = [name for name in axes if name not in done]
    if not stuck:
        return []
    walk = [stuck[0]]
    while walk[-1] not in walk[:-1]:
        needed = _needed(axes[walk[-1]].gates)
        walk.append(next(name for name in stuck if name in needed))
    ring = walk[walk.index(walk[-1]) : -1]
    return [name for name in ring if "." not in name] or ring
