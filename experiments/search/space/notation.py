"""Reads a distribution in any of its forms in a document.

The mapping form `{type: uniform, min_value: 0, max_value: 1}`, Azure's wire form
`["uniform", [0, 1]]` and the expression form `uniform(0, 1)`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass
from typing import Any

from experiments.search.fields import (
    DefinitionError,
    Diagnostics,
    join,
    listed,
    shown,
    unknown_name,
)
from experiments.search.space.choice import Choice
from experiments.search.space.continuous import (
    Logarithmic,
    LogNormal,
    LogUniform,
    Normal,
    QLogNormal,
    QLogUniform,
    QNormal,
    QUniform,
    Uniform,
)
from experiments.search.space.distribution import (
    Branch,
    Distribution,
    type_problem,
    value_problem,
)
from experiments.search.space.expressions import Call, parse_call
from experiments.search.space.ranges import FloatRange, IntRange, RandInt
from experiments.search.space.source import ExpressionError

# Every distribution by its name in a sweep document.
DISTRIBUTIONS: Mapping[str, type[Distribution]] = {
    distribution.kind: distribution
    for distribution in (
        Choice,
        RandInt,
        Uniform,
        QUniform,
        LogUniform,
        QLogUniform,
        Normal,
        QNormal,
        LogNormal,
        QLogNormal,
        IntRange,
        FloatRange,
    )
}
MAPPING = "{type: uniform, min_value: 0, max_value: 1}"
# Names of other tools for our fields.
OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "min_value": ("low", "min", "lower"),
    "max_value": ("high", "max", "upper"),
    "low": ("min_value", "min", "lower"),
    "high": ("max_value", "max", "upper"),
    "mu": ("mean", "loc"),
    "sigma": ("std", "stddev", "scale"),
    "values": ("options", "choices", "categories"),
    "q": ("step",),
}


def mapping_form(
    value: object, path: str, diagnostics: Diagnostics
) -> Mapping[str, object] | None:
    """The mapping form of any form; None if there was a problem."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, Call):
        return _called(value, path, diagnostics)
    if isinstance(value, str):
        try:
            return _called(parse_call(value), path, diagnostics)
        except ExpressionError as error:
            diagnostics.error(path, str(error))
            return None
    match value:
        case [str(name), [*args]] if name.lower() in DISTRIBUTIONS:
            return _called(Call(name, tuple(args)), path, diagnostics)
    diagnostics.error(
        path,
        f"A parameter must be a distribution, {MAPPING} or choice(16, 32), "
        f"not {shown(value)}.",
    )
    return None


def _called(
    call: Call, path: str, diagnostics: Diagnostics
) -> dict[str, object] | None:
    """The mapping form of a call."""
    kind = kind_named(call.name, path, diagnostics)
    if kind is None:
        return None
    args = call.args
    if kind.kind == "choice" and args:
        # choice([1, 2]) and choice(1, 2) are the same; a list that is itself a value
        # needs another list around it: choice([[1, 2], [3]]).
        args = (args[0] if _is_only_list(args) else list(args),)
    names = [item.name for item in kind.documented_fields()]
    if len(args) > len(names):
        diagnostics.error(
            path, f"{kind.kind} takes {listed(names)}, not {len(args)} arguments."
        )
        return None
    given = dict(zip(names, args, strict=False))
    twice = given.keys() & call.keywords.keys()
    if twice:
        diagnostics.error(path, f"{listed(sorted(twice))} is given twice.")
        return None
    return {"type": kind.kind, **given, **call.keywords}


def _is_only_list(args: Sequence[object]) -> bool:
    return len(args) == 1 and isinstance(args[0], list)


def kind_named(
    name: object, path: str, diagnostics: Diagnostics
) -> type[Distribution] | None:
    """The distribution with a name in any case; None if there was a problem."""
    if name is None:
        diagnostics.error(
            join(path, "type"), f"type is required: {listed(DISTRIBUTIONS, last='or')}."
        )
        return None
    kind = DISTRIBUTIONS.get(name.lower()) if isinstance(name, str) else None
    if kind is None:
        diagnostics.error(
            join(path, "type"),
            unknown_name(str(name), DISTRIBUTIONS, kind="distribution"),
        )
    return kind


def fields_are_known(
    mapping: Mapping[str, object],
    kind: type[Distribution],
    path: str,
    diagnostics: Diagnostics,
) -> bool:
    """Whether a mapping has a kind's fields and no others; notes problems."""
    mark = len(diagnostics.problems)
    items = kind.documented_fields()
    known = [item.name for item in items]
    for name in mapping:
        if name != "type" and name not in known:
            diagnostics.error(
                join(path, str(name)), _unknown(str(name), kind.kind, known)
            )
    for item in items:
        given = mapping.get(item.name)
        if given is None and item.default is MISSING:
            diagnostics.error(
                join(path, item.name), f"{item.name} is required for {kind.kind}."
            )
        elif given is not None and (problem := type_problem(item, given)):
            diagnostics.error(join(path, item.name), problem)
    return diagnostics.clean_since(mark)


def _unknown(name: str, kind: str, known: Sequence[str]) -> str:
    for ours in known:
        if name in OTHER_NAMES.get(ours, ()):
            return f"{kind} has no field {shown(name)}; did you mean {ours}?"
    return unknown_name(name, ("type", *known))


# Levels of choices inside of choices.
MAX_DEPTH = 8
CALL = re.compile(rf"\s*(?:{'|'.join(DISTRIBUTIONS)})\s*\(", re.IGNORECASE)


def read_distribution(
    value: object, path: str, diagnostics: Diagnostics, *, log_base: float
) -> Distribution | None:
    """A distribution from any of its forms; None if there were problems.

    A condition (`when`) is not part of a distribution: the space reads it.
    """
    return read_parameter(value, path, diagnostics, log_base=log_base)[0]


def read_parameter(
    value: object, path: str, diagnostics: Diagnostics, *, log_base: float
) -> tuple[Distribution | None, object]:
    """A distribution and its unread condition (None without one)."""
    mapping = mapping_form(value, path, diagnostics)
    if mapping is None:
        return None, None
    plain = {name: given for name, given in mapping.items() if name != "when"}
    reader = _DistributionReader(diagnostics, log_base)
    return reader.distribution(plain, path, depth=0), mapping.get("when")


@dataclass(frozen=True)
class _DistributionReader:
    """Reads distributions in the mapping form, also inside choices."""

    diagnostics: Diagnostics
    log_base: float

    def distribution(
        self, mapping: Mapping[str, object], path: str, *, depth: int
    ) -> Distribution | None:
        kind = kind_named(mapping.get("type"), path, self.diagnostics)
        if kind is None or not fields_are_known(mapping, kind, path, self.diagnostics):
            return None
        arguments: dict[str, Any] = {
            name: tuple(given) if isinstance(given, list) else given
            for name, given in mapping.items()
            if name != "type" and given is not None
        }
        if issubclass(kind, Logarithmic):
            arguments["base"] = self.log_base
        mark = len(self.diagnostics.problems)
        if issubclass(kind, Choice) and isinstance(arguments.get("values"), tuple):
            arguments["values"] = self._values(arguments["values"], path, depth)
        return self._made(kind, arguments, path, mark)

    def _made(
        self, kind: type[Distribution], arguments: Any, path: str, mark: int
    ) -> Distribution | None:
        if not self.diagnostics.clean_since(mark):
            return None
        try:
            distribution = kind(**arguments)
        except DefinitionError as error:
            for problem in error.problems:
                self.diagnostics.error(join(path, problem.path), problem.message)
            return None
        for warning in distribution.warnings():
            self.diagnostics.warn(join(path, warning.path), warning.message)
        return distribution

    def _values(
        self, values: Sequence[object], path: str, depth: int
    ) -> tuple[object, ...]:
        return tuple(
            self._branch(value, join(join(path, "values"), index), depth)
            if isinstance(value, Mapping)
            else value
            for index, value in enumerate(values)
        )

    def _branch(self, value: Mapping[str, object], path: str, depth: int) -> Branch:
        if depth == MAX_DEPTH:
            self.diagnostics.error(
                path, f"Choices may be nested {MAX_DEPTH} deep, and this is deeper."
            )
            return Branch({})
        entries: dict[str, Any] = {}
        for name, entry in value.items():
            place = join(path, str(name))
            if not (str(name).isidentifier() and str(name).isascii()):
                self.diagnostics.error(
                    place,
                    "A name inside a choice must be letters, digits and underscores, "
                    f"not starting with a digit, such as momentum, not {shown(name)}.",
                )
            elif _may_be_distribution(entry):
                entries[name] = self._inner(entry, place, depth + 1)
            else:
                entries[name] = self._constant(entry, place)
        return Branch(entries)

    def _inner(self, value: object, path: str, depth: int) -> Distribution | None:
        mapping = mapping_form(value, path, self.diagnostics)
        if mapping is None:
            return None
        if mapping.get("when") is not None:
            self.diagnostics.error(
                join(path, "when"),
                "A parameter inside a nested choice counts with its branch. Conditions "
                "(when) are for parameters of the space itself.",
            )
        plain = {name: given for name, given in mapping.items() if name != "when"}
        return self.distribution(plain, path, depth=depth)

    def _constant(self, value: object, path: str) -> object:
        problem = value_problem(value)
        if problem:
            self.diagnostics.error(path, problem)
        if isinstance(value, str) and CALL.match(value):
            self.diagnostics.warn(
                path,
                f"{shown(value)} is fixed text here. A distribution inside a choice "
                f"must be a mapping, such as {MAPPING}.",
            )
        return value


def _may_be_distribution(value: object) -> bool:
    """Whether an entry of a branch is not a constant."""
    match value:
        case Mapping() | Call():
            return True
        case [str(name), list()]:
            return name.lower() in DISTRIBUTIONS
    return False
