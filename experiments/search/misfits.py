"""Why a configuration is not one of a space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from experiments.search.conditions import When, dump_condition
from experiments.search.constraints import Constraint
from experiments.search.distribution import Distribution
from experiments.search.layout import Layout, Values
from experiments.search.problems import Problem, shown, unknown_name
from experiments.search.records import Params
from experiments.search.restrictions import FIELD


class Space(Protocol):
    """What is asked of a space."""

    @property
    def parameters(self) -> Mapping[str, Distribution]: ...
    @property
    def conditions(self) -> Mapping[str, When]: ...
    @property
    def constraints(self) -> tuple[Constraint, ...]: ...
    @property
    def layout(self) -> Layout: ...


def misfits(space: Space, params: Params) -> Iterator[Problem]:
    """Every problem, at the parameter's name or at the constraint that is not met."""
    values = space.layout.traced(params)
    wrong = [name for name in params if name not in values]
    for name in wrong:
        yield Problem(name, _not_allowed(space, name, params))
    if set(wrong).intersection(space.parameters):
        return
    yield from _activity(space, values)
    for number, constraint in enumerate(space.constraints):
        if not constraint.meets(params):
            yield Problem(f"{FIELD}.{number}", f"{constraint.text} is not met.")


def _not_allowed(space: Space, name: str, params: Params) -> str:
    if name not in space.parameters:
        return unknown_name(name, space.parameters, kind="parameter")
    allowed = shown(space.parameters[name].dump(), most=200)
    return f"{name} is {shown(params[name])}; allowed is {allowed}."


def _activity(space: Space, values: Values) -> Iterator[Problem]:
    """Parameters that have no value and should, or the other way round."""
    for name in space.parameters:
        active = space.layout.is_active(space.layout.axes[name], values)
        if active and name not in values:
            yield Problem(name, f"{name} has no value.")
        elif name in values and not active:
            condition = shown(dump_condition(space.conditions[name]), most=200)
            yield Problem(name, f"{name} has a value only when {condition}.")
