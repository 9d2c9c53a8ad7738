"""The search space: named parameters in document order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

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
    read_constraints,
    read_parameters,
)
from experiments.search.space.finite import FiniteSpace
from experiments.search.space.layout import Layout, Values, build_layout
from experiments.search.space.sampling import InfeasibleError, RejectionSampling

# The coordinate of inactive axes in the unit cube.
NEUTRAL = 0.5


@dataclass(frozen=True)
class SearchSpace:
    """What every parameter of a trial may be.

    `parameters` maps names to distributions in document order. `conditions` (`when`)
    holds the values that other parameters must have for a parameter to be active; an
    inactive one is absent from a configuration. Configurations meet all `constraints`.

    For samplers the space is a unit cube with one dimension for each of `axes`:
    parameters, and after a nested choice the parameters of its branches. The first use
    raises DefinitionError for conditions that are not valid.
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
        """The axes and how they depend on each other."""
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
        """Everything that commands, conditions and constraints can name."""
        return addresses(self.parameters, self.conditions)

    @property
    def is_finite(self) -> bool:
        """Whether every parameter has finitely many values."""
        return all(axis.distribution.count() is not None for axis in self.axes.values())

    def sample(self, rng: np.random.Generator) -> dict[str, JSONValue]:
        """One configuration; a draw takes one number for each axis from the generator.

        Rejects draws that do not meet the constraints. Raises InfeasibleError if almost
        none does.
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
        """The value of every active axis, also inside nested choices.

        The value of a nested choice itself is the mapping form of its branch.
        """
        return self.layout.values_of_params(params)

    def meets_constraints(self, params: Params) -> bool:
        """Whether a configuration meets all constraints."""
        return all(constraint.meets(params) for constraint in self.constraints)

    def problems(self, params: Params) -> tuple[Problem, ...]:
        """Why the space could not have drawn a configuration.

        Paths are names of parameters, or numbers of constraints.
        """
        return tuple(self._problems(params))

    def contains(self, params: Params) -> bool:
        """Whether the space could have drawn the configuration."""
        return next(self._problems(params), None) is None

    def _problems(self, params: Params) -> Iterator[Problem]:
        values = self.flat(params)
        wrong = [name for name in params if name not in values]
        for name in wrong:
            yield Problem(name, self._value_problem(name, params[name]))
        if set(wrong).intersection(self.parameters):
            return
        yield from self._activity_problems(values)
        for number, constraint in enumerate(self.constraints):
            if not constraint.meets(params):
                yield Problem(f"{FIELD}.{number}", f"{constraint.text} is not met.")

    def count(self) -> int | None:
        """The exact number of configurations; None for infinitely many.

        Only configurations that meet conditions and constraints count. None also if the
        space is too large to enumerate; `is_finite` tells the two apart.
        """
        return self.finite.count if self.is_finite else None

    def count_words(self) -> str:
        """The number of configurations: `12`, `about 46,000`, `infinitely many`."""
        return self.finite.count_words if self.is_finite else "infinitely many"

    def configuration(self, index: int) -> dict[str, JSONValue]:
        """The configuration with an index, where the last parameter changes fastest.

        A parameter comes after those it depends on. Raises IndexError if there are
        fewer configurations, and ValueError for infinite spaces.
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

        A coordinate is the value's cumulative probability, so random configurations are
        uniform in the cube. One of finitely many values is the middle of its band. An
        inactive axis has the coordinate NEUTRAL.
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

        Coordinates of inactive axes make no difference. Constraints are not checked.
        """
        return self.layout.params_of(self._values_at(point))

    def infeasibility(self) -> str | None:
        """Why (almost) no configuration meets the constraints; None if enough do."""
        problem = self.rejection_problem
        if problem is None or not self.is_finite:
            return problem
        if self.count() == 0:
            return "No configuration meets all constraints."
        return problem if self.finite.rows is None else None

    @cached_property
    def rejection_problem(self) -> str | None:
        """Why random draws hardly ever meet the constraints; None if they do."""
        return self.rejection.problem() if self.constraints else None

    def dump(self) -> dict[str, JSONValue]:
        """The mapping form of every parameter, conditions included."""
        return {name: self._dumped(name) for name in self.parameters}

    @cached_property
    def finite(self) -> FiniteSpace:
        """The configurations as a list, if `is_finite`."""
        return FiniteSpace(self.layout, self.constraints)

    @cached_property
    def rejection(self) -> RejectionSampling:
        """Draws that meet the constraints."""
        return RejectionSampling(self.layout, self.constraints)

    def _values_at(self, point: Sequence[float] | NDArray[np.float64]) -> Values:
        shares = dict(zip(self.axes, point, strict=True))
        return self.layout.choose_values(
            self.layout.order,
            lambda axis: axis.distribution.quantile(float(shares[axis.name])),
        )

    def _value_problem(self, name: str, value: object) -> str:
        if name not in self.parameters:
            return unknown_name(name, self.parameters, kind="parameter")
        allowed = shown(self.parameters[name].dump(), most=200)
        return f"{name} is {shown(value)}; allowed is {allowed}."

    def _activity_problems(self, values: Values) -> Iterator[Problem]:
        """Active parameters without a value, and inactive ones with a value."""
        for name in self.parameters:
            active = self.layout.is_active(self.layout.axes[name], values)
            if active and name not in values:
                yield Problem(name, f"{name} has no value.")
            elif name in values and not active:
                yield Problem(name, f"{name} has a value only when {self.when(name)}.")

    def when(self, name: str) -> str:
        """A parameter's condition, for use in a sentence."""
        return shown(dump_condition(self.conditions[name]), most=200)

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
    """The space of a document. Notes problems, and leaves those parts out."""
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
