"""The forms that a distribution may have in a document, brought into one mapping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING

from experiments.search.distribution import type_problem
from experiments.search.distributions import DISTRIBUTIONS, Distribution
from experiments.search.expressions import Call, ExpressionError, parse_call
from experiments.search.problems import Findings, join, listed, shown, unknown_name

MAPPING = "{type: uniform, min_value: 0, max_value: 1}"
# What other tools call a field, by ours.
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
    value: object, path: str, findings: Findings
) -> Mapping[str, object] | None:
    """The mapping form of any form; None when a problem was noted."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, Call):
        return _called(value, path, findings)
    if isinstance(value, str):
        try:
            return _called(parse_call(value), path, findings)
        except ExpressionError as error:
            findings.error(path, str(error))
            return None
    match value:
        case [str(name), [*args]] if name.lower() in DISTRIBUTIONS:
            return _called(Call(name, tuple(args)), path, findings)
    findings.error(
        path,
        f"A parameter must be a distribution, {MAPPING} or choice(16, 32), "
        f"not {shown(value)}.",
    )
    return None


def _called(call: Call, path: str, findings: Findings) -> dict[str, object] | None:
    """The mapping form of a call."""
    kind = kind_named(call.name, path, findings)
    if kind is None:
        return None
    args = call.args
    if kind.kind == "choice" and args:
        # choice([1, 2]) and choice(1, 2) are the same; a list as a value of its own
        # needs a list around it: choice([[1, 2], [3]]).
        args = (args[0] if _is_only_list(args) else list(args),)
    names = [item.name for item in kind.documented_fields()]
    if len(args) > len(names):
        findings.error(
            path, f"{kind.kind} takes {listed(names)}: there are {len(args)} arguments."
        )
        return None
    given = dict(zip(names, args, strict=False))
    twice = given.keys() & call.keywords.keys()
    if twice:
        findings.error(path, f"{listed(sorted(twice))} is given twice.")
        return None
    return {"type": kind.kind, **given, **call.keywords}


def _is_only_list(args: Sequence[object]) -> bool:
    return len(args) == 1 and isinstance(args[0], list)


def kind_named(
    name: object, path: str, findings: Findings
) -> type[Distribution] | None:
    """The distribution of a name in any case; None when a problem was noted."""
    if name is None:
        findings.error(
            join(path, "type"), f"type is required: {listed(DISTRIBUTIONS, last='or')}."
        )
        return None
    kind = DISTRIBUTIONS.get(name.lower()) if isinstance(name, str) else None
    if kind is None:
        findings.error(
            join(path, "type"),
            unknown_name(str(name), DISTRIBUTIONS, kind="distribution"),
        )
    return kind


def fields_are_known(
    mapping: Mapping[str, object],
    kind: type[Distribution],
    path: str,
    findings: Findings,
) -> bool:
    """Whether a mapping has a kind's fields and no others; problems are noted."""
    mark = len(findings.problems)
    items = kind.documented_fields()
    known = [item.name for item in items]
    for name in mapping:
        if name != "type" and name not in known:
            findings.error(join(path, str(name)), _unknown(str(name), kind.kind, known))
    for item in items:
        given = mapping.get(item.name)
        if given is None and item.default is MISSING:
            findings.error(
                join(path, item.name), f"{item.name} is required for {kind.kind}."
            )
        elif given is not None and (problem := type_problem(item, given)):
            findings.error(join(path, item.name), problem)
    return findings.clean_since(mark)


def _unknown(name: str, kind: str, known: Sequence[str]) -> str:
    for ours in known:
        if name in OTHER_NAMES.get(ours, ()):
            return f"{kind} has no field {shown(name)}; did you mean {ours}?"
    return unknown_name(name, ("type", *known))
