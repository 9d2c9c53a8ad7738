"""Conditions (`when`): a parameter that counts only while others have certain values.

A condition names parameters, or entries of nested choices (`network.kind`), each with
the values that it must have one of. All of them must be active themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from experiments.search.axes import Axis, Gate
from experiments.search.branch import Branch
from experiments.search.distribution import Distribution
from experiments.search.problems import (
    Findings,
    Problem,
    join,
    listed,
    shown,
    unknown_name,
)
from experiments.search.quantised import Quantised
from experiments.search.records import JSONValue
from experiments.search.values import identity, value_problem

When: TypeAlias = Mapping[str, tuple[JSONValue, ...]]


def read_condition(value: object, path: str, findings: Findings) -> When:
    """A condition; a single value may stand without a list. Problems are noted."""
    if not isinstance(value, Mapping) or not value:
        findings.error(
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
            findings.error(place, problem)
        else:
            condition[str(name)] = values
    return condition


def dump_condition(condition: When) -> dict[str, JSONValue]:
    """The mapping form, every value in a list."""
    return {name: list(values) for name, values in condition.items()}


def condition_gates(
    name: str, condition: When, axes: Mapping[str, Axis]
) -> tuple[list[Gate], list[Problem]]:
    """What a parameter's condition asks of the axes, and what is wrong with it."""
    gates: list[Gate] = []
    problems: list[Problem] = []
    for address, values in condition.items():
        search = _Search(axes, values)
        problem = _unmeant(name, address, axes) or search.run(address)
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
            "A condition cannot list a mapping; it can name an entry of it, such as "
            f"{{{name}.kind: [a]}}."
        )
    return next(filter(None, map(value_problem, values)), None)


def _unmeant(name: str, address: str, axes: Mapping[str, Axis]) -> str | None:
    root = address.partition(".")[0]
    if root == name:
        return f"{name} cannot depend on itself."
    if root not in axes:
        known = [other for other in axes if "." not in other and other != name]
        if not known:
            return "There is no other parameter that it could depend on."
        return unknown_name(address, known, kind="parameter")
    return None


@dataclass
class _Search:
    """Finds the places where an address leads, and what they have of some values."""

    axes: Mapping[str, Axis]
    values: tuple[JSONValue, ...]
    gates: dict[str, Gate] = field(default_factory=dict)
    laws: list[Distribution] = field(default_factory=list)
    constants: list[JSONValue] = field(default_factory=list)

    def run(self, address: str) -> str | None:
        """Find the gates; the answer is what is wrong."""
        root, *rest = address.split(".")
        self._visit(self.axes[root], rest, is_open=False)
        if not self.laws and not self.constants:
            return f"No value of {root} is a mapping with {shown(address)} in it."
        return next(self._problems(address), None)

    def _problems(self, address: str) -> Iterator[str]:
        for law in self.laws:
            if not _takes_single_values(law):
                yield (
                    f"{address} is {law.kind} and takes infinitely many values; a "
                    "condition needs one with values that can be listed."
                )
        constants = set(map(identity, self.constants))
        for value in self.values:
            if identity(value) in constants:
                continue
            if not any(law.contains(value) for law in self.laws):
                allowed = [shown(law.dump(), most=120) for law in self.laws]
                allowed += map(shown, self.constants)
                words = listed(allowed, last="or")
                yield f"{address} is never {shown(value)}: it is {words}."

    def _visit(self, axis: Axis, rest: Sequence[str], *, is_open: bool) -> None:
        if rest:
            keys = [
                key
                for key, branch in axis.branches.items()
                if self._leads_on(axis, key, branch, rest)
            ]
            self.gates[axis.name] = Gate(axis.name, frozenset(keys), is_open)
            return
        law = axis.law
        self.laws.append(law)
        found = frozenset(law.key(one) for one in self.values if law.contains(one))
        self.gates[axis.name] = Gate(axis.name, found, is_open)

    def _leads_on(
        self, axis: Axis, key: str, branch: Branch, rest: Sequence[str]
    ) -> bool:
        """Whether the condition may hold in a branch.

        Where the address leads to another axis, that axis has a gate of its own, which
        is open: in other branches it is not asked.
        """
        name, *further = rest
        if name in branch.laws:
            inner = self.axes[axis.inner[key][name]]
            if inner.name not in self.gates:
                self._visit(inner, further, is_open=True)
            return True
        if further or name not in branch.constants:
            return False
        constant = branch.constants[name]
        self.constants.append(constant)
        return identity(constant) in map(identity, self.values)


def _takes_single_values(law: Distribution) -> bool:
    return law.count() is not None or isinstance(law, Quantised)
