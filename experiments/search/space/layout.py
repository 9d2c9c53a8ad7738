"""The axes of a space: their order, which are active, and their configurations."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

from experiments.search.fields import Diagnostics, join
from experiments.search.records import JSONValue, Params
from experiments.search.space.conditions import (
    Axis,
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
        return tuple(self.axes[name] for name in _ordered(self.axes))

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
        """The values of the active axes among some, each from `choose`.

        The axes are in order and include all that they depend on.
        """
        values: dict[str, JSONValue] = {}
        for axis in axes:
            if self.is_active(axis, values):
                values[axis.name] = choose(axis)
        return values

    def params_of(self, values: Values) -> dict[str, JSONValue]:
        """The configuration of the values of active axes.

        Parameters that depend on axes without a value are left out.
        """
        return {
            name: self._built(self.axes[name], values)
            for name in self.roots
            if name in values
        }

    def values_of_params(self, params: Params) -> dict[str, JSONValue]:
        """The axes' values in a configuration, without those that are not allowed.

        A mapping belongs to the first branch that could have given it.
        """
        values: dict[str, JSONValue] = {}
        for name in self.roots:
            if name in params:
                values.update(self._parts(self.axes[name], params[name]) or {})
        return values

    def axes_at(self, addresses: Iterable[str]) -> set[str]:
        """The names of the axes that decide the values at some addresses."""
        return {
            axis.name
            for address in addresses
            for axis in self.axes.values()
            if f"{address}.".startswith(f"{axis.address}.")
            or axis.address.startswith(f"{address}.")
        }

    def with_dependencies(self, names: set[str]) -> tuple[Axis, ...]:
        """The named axes and all that they depend on, in order."""
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
    """The layout of a space. Notes problems of conditions, and leaves those out."""
    axes = all_axes(parameters)
    for name, condition in conditions.items():
        place = join(join(path, name), "when")
        gates, problems = condition_gates(name, condition, axes)
        for problem in problems:
            diagnostics.error(join(place, problem.path), problem.message)
        axes[name] = replace(axes[name], gates=tuple(gates))
    try:
        _ordered(axes)
    except CycleError as error:
        cycle = _cycle(error, list(axes))
        diagnostics.error(
            join(join(path, cycle[0]), "when"),
            f"{cycle[0]} would depend on itself: {' on '.join([*cycle, cycle[0]])}.",
        )
        return build_layout(parameters, {}, diagnostics, path=path)
    return Layout(axes)


def _ordered(axes: Mapping[str, Axis]) -> list[str]:
    """Axes after those they depend on, else in document order. Raises CycleError."""
    names = list(axes)
    places = {name: place for place, name in enumerate(names)}
    sorter = TopologicalSorter(
        {name: {gate.axis for gate in axis.gates} for name, axis in axes.items()}
    )
    sorter.prepare()
    ready: list[int] = []
    done: list[str] = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heapq.heappush(ready, places[name])
        done.append(names[heapq.heappop(ready)])
        sorter.done(done[-1])
    return done


def _cycle(error: CycleError, names: list[str]) -> list[str]:
    """Parameters that each depend on the next one, and the last on the first."""
    cycle: list[str] = error.args[1][:0:-1]
    cycle = [name for name in cycle if "." not in name] or cycle
    start = cycle.index(min(cycle, key=names.index))
    return cycle[start:] + cycle[:start]
