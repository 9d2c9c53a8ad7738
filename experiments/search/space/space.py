"""The search space: named parameters in document order.

Why a configuration is not one of a space.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from experiments.search.fields import Diagnostics, Problem, shown, unknown_name
from experiments.search.records import JSONValue, Params
from experiments.search.space.conditions import (
    AddressKinds,
    Axis,
    When,
    addresses,
    dump_condition,
)
from experiments.search.space.constraints import Constraint
from experiments.search.space.distribution import Distribution
from experiments.search.space.document import (
    FIELD,
    MAX_PARAMETERS,
    NAME,
    converted_name,
    read_constraints,
    read_parameters,
    read_space_text,
)
from experiments.search.space.finite import FiniteSpace
from experiments.search.space.layout import Layout, Values, build_layout
from experiments.search.space.sampling import InfeasibleError, RejectionSampling


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


def param_problems(space: Space, params: Params) -> Iterator[Problem]:
    """Every problem, at the parameter's name or at the constraint that is not met."""
    values = space.layout.values_of_params(params)
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


# Where an axis that is not active stands in the unit cube.
NEUTRAL = 0.5


@dataclass(frozen=True)
class SearchSpace:
    """What every parameter of a trial may be.

    `parameters` maps names to distributions in document order. `conditions` says of
    some what other parameters must be for them to count (`when`); a parameter that is
    not active is absent from a configuration. All meet the `constraints`.

    For samplers the space is a cube with one axis for each of `axes`: parameters, and
    after a nested choice the parameters of its branches. Raises DefinitionError, at the
    first use, for conditions that cannot be.
    """

    parameters: Mapping[str, Distribution]
    conditions: Mapping[str, When] = field(default_factory=dict)
    constraints: tuple[Constraint, ...] = ()

    @classmethod
    def parse(
        cls, document: object, *, log_base: float = math.e, constraints: object = None
    ) -> SearchSpace:
        """The space of a document: a mapping, or text. DefinitionError if invalid."""
        diagnostics = Diagnostics()
        space = read_space(
            document,
            diagnostics,
            path="search_space",
            log_base=log_base,
            constraints=constraints,
        )
        diagnostics.raise_if_any()
        return space

    def __len__(self) -> int:
        return len(self.parameters)

    @cached_property
    def layout(self) -> Layout:
        """How the axes hang together."""
        diagnostics = Diagnostics()
        layout = build_layout(self.parameters, self.conditions, diagnostics, path="")
        diagnostics.raise_if_any()
        return layout

    @property
    def axes(self) -> Mapping[str, Axis]:
        """The unit cube's axes by name, in document order."""
        return self.layout.axes

    @cached_property
    def addresses(self) -> Mapping[str, AddressKinds]:
        """All that commands, conditions and constraints can name."""
        return addresses(self.parameters, self.conditions)

    @property
    def is_finite(self) -> bool:
        """Whether every parameter has finitely many values."""
        return all(axis.distribution.count() is not None for axis in self.axes.values())

    def sample(self, rng: np.random.Generator) -> dict[str, JSONValue]:
        """One configuration; a draw takes one number from the generator for each axis.

        Draws that do not meet the constraints are rejected. Raises InfeasibleError when
        almost none does.
        """
        return self.layout.params_of(self.draw(rng))

    def draw(self, rng: np.random.Generator) -> Values:
        """As `sample`, but the values of the active axes by name."""
        point = self.rejection.point(rng)
        if point is not None:
            return self._values_at(point)
        values = self.finite.drawn(rng) if self.is_finite else None
        if values is None:
            raise InfeasibleError(
                f"None of {self.rejection.max_draws:,} random configurations met the "
                "constraints."
            )
        return values

    def flat(self, params: Params) -> dict[str, JSONValue]:
        """The value of every active axis, those inside nested choices among them.

        The value of a nested choice itself is its branch as it stands in the document.
        """
        return self.layout.values_of_params(params)

    def meets_constraints(self, params: Params) -> bool:
        """Whether a configuration meets all constraints."""
        return all(constraint.meets(params) for constraint in self.constraints)

    def problems(self, params: Params) -> tuple[Problem, ...]:
        """Why a configuration is not one of this space, by parameter."""
        return tuple(param_problems(self, params))

    def contains(self, params: Params) -> bool:
        """Whether the space could have drawn the configuration."""
        return next(param_problems(self, params), None) is None

    def count(self) -> int | None:
        """The exact number of configurations; None for infinitely many.

        Conditions and constraints are counted in. None also where the space is too
        large to be gone through: `is_finite` and `count_words` tell the two apart.
        """
        return self.finite.count if self.is_finite else None

    def count_words(self) -> str:
        """The number of configurations: `12`, `about 46,000`, `infinitely many`."""
        return self.finite.count_words if self.is_finite else "infinitely many"

    def configuration(self, index: int) -> dict[str, JSONValue]:
        """The index-th configuration of a finite space, the last parameter fastest.

        A parameter that others depend on comes before them. Raises IndexError where
        there are not so many, ValueError for infinite spaces.
        """
        if not self.is_finite:
            raise ValueError("The space is not finite: its points have no numbers.")
        values = self.finite.values(index) if index >= 0 else None
        if values is None:
            words = self.count_words()
            raise IndexError(f"The space has {words} points; there is no {index:,}.")
        return self.layout.params_of(values)

    def encode(self, params: Params) -> NDArray[np.float64]:
        """A configuration as a point of the unit cube. ValueError if not inside.

        An axis is a parameter's distribution function, so that the space's own law is
        uniform on the cube; a value of a finite one is the middle of its band. An axis
        that is not active stands at NEUTRAL.
        """
        point = np.full(len(self.axes), NEUTRAL)
        values = self.flat(params)
        for place, (name, axis) in enumerate(self.axes.items()):
            if name in values:
                point[place] = axis.distribution.encode(values[name])
            elif name in params:
                raise axis.distribution.refuse(params[name])
        return point

    def decode(
        self, point: Sequence[float] | NDArray[np.float64]
    ) -> dict[str, JSONValue]:
        """The configuration at a point of the unit cube.

        What stands at axes that are not active makes no difference. Constraints are
        not looked at.
        """
        return self.layout.params_of(self._values_at(point))

    def infeasibility(self) -> str | None:
        """Why the constraints leave nothing or almost nothing; None if they do not."""
        problem = self.rejection.problem() if self.constraints else None
        if problem is None or not self.is_finite:
            return problem
        if self.count() == 0:
            return "No configuration meets all constraints."
        return problem if self.finite.rows is None else None

    def dump(self) -> dict[str, JSONValue]:
        """The mapping form of every parameter, conditions included."""
        return {name: self._dumped(name) for name in self.parameters}

    @cached_property
    def finite(self) -> FiniteSpace:
        """The space as a list of configurations, if `is_finite`."""
        return FiniteSpace(self.layout, self.constraints)

    @cached_property
    def rejection(self) -> RejectionSampling:
        """The draws that the constraints let pass, and how many were made."""
        return RejectionSampling(self.layout, self.constraints)

    def _values_at(self, point: Sequence[float] | NDArray[np.float64]) -> Values:
        shares = dict(zip(self.axes, point, strict=True))
        return self.layout.choose_values(
            self.layout.order,
            lambda axis: axis.distribution.quantile(float(shares[axis.name])),
        )

    def _dumped(self, name: str) -> dict[str, JSONValue]:
        document = self.parameters[name].dump()
        if name in self.conditions:
            document["when"] = dump_condition(self.conditions[name])
        return document


def read_space(
    document: object,
    diagnostics: Diagnostics,
    *,
    path: str,
    log_base: float,
    constraints: object = None,
) -> SearchSpace:
    """The space of a document, with problems noted; what is wrong is left out."""
    mark = len(diagnostics.problems)
    read = read_parameters(document, diagnostics, path=path, log_base=log_base)
    conditions = read.readable_conditions
    layout = build_layout(read.parameters, conditions, diagnostics, path=path)
    if len(layout.axes) > MAX_PARAMETERS:
        diagnostics.error(
            path,
            f"search_space may have {MAX_PARAMETERS} parameters, those inside choices "
            f"included, not {len(layout.axes)}.",
        )
        return SearchSpace({})
    known = addresses(read.parameters, conditions) if constraints else {}
    rules = read_constraints(constraints, known, diagnostics, unread=read.unread)
    if not diagnostics.clean_since(mark):
        return SearchSpace(read.parameters)
    space = SearchSpace(read.parameters, conditions, rules)
    problem = space.infeasibility()
    if problem:
        diagnostics.error("constraints", problem)
    return space


__all__ = [
    "NAME",
    "InfeasibleError",
    "SearchSpace",
    "converted_name",
    "read_space",
    "read_space_text",
]
