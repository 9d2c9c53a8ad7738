"""From a sweep document to the form."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from django.http import QueryDict

from experiments.pages.builder.code.fields import GIT, code_texts, repository_of
from experiments.pages.builder.collector_fields import collector_kind
from experiments.pages.builder.document import left_over
from experiments.pages.builder.form import SweepForm
from experiments.pages.builder.policy_fields import CAUTIOUS, NO_POLICY, is_default
from experiments.pages.builder.settings import PROPOSED
from experiments.pages.builder.space.kinds import (
    KINDS,
    LISTS,
    LN,
    KindSpec,
    kind_key,
    natural_text,
)
from experiments.pages.builder.space.parameters import CONDITIONS, RowTexts, row_data
from experiments.pages.form_fields import write_mapping, write_scalar, write_values
from experiments.search.document.collector import FIELD
from experiments.search.document.definition import DEFAULT_NAME, SweepDefinition
from experiments.search.document.entry import read_entry
from experiments.search.fields import DefinitionError, Problem, is_number
from experiments.search.space.document import FIELD as CONSTRAINTS
from experiments.search.space.expressions import Call, parse_call, parse_space
from experiments.search.space.notation import DISTRIBUTIONS
from experiments.search.space.source import ExpressionError
from experiments.search.termination import POLICIES

# The default rule of random draws.
USUAL_RULE = (("sampling_algorithm", "rule"), "random")
FRESH: Mapping[str, str] = {
    "command": "python train.py",
    "sampler": PROPOSED,
    "policy": CAUTIOUS,
    "max_total_trials": "40",
    "max_concurrent_trials": "4",
}


def form_data(
    texts: Mapping[str, str], rows: Sequence[RowTexts], rules: Sequence[str] = ()
) -> QueryDict:
    """The POST of a form with these texts."""
    data = QueryDict(mutable=True)
    constraints = row_data("constraint", [{"rule": rule} for rule in rules])
    data.update({**texts, **row_data("row", rows), **constraints})
    return data


def fresh_form(**texts: str) -> SweepForm:
    """A new form: usual settings and an empty parameter."""
    return SweepForm(form_data({**FRESH, **texts}, [{}]))


def form_of(definition: SweepDefinition) -> SweepForm:
    """The form for a valid document."""
    document = definition.dump()
    return _with_left_over(_fill(document, exact=False), document)


def form_of_any(document: Mapping[str, Any]) -> SweepForm | None:
    """The form for a document, valid or not; None if it would hide a problem."""
    try:
        return form_of(read_entry(document))
    except DefinitionError:
        return form_of_faulty(document)


def form_of_faulty(document: Mapping[str, Any]) -> SweepForm | None:
    """The form for a document with problems; None if it would hide some."""
    filled = _with_left_over(_fill(document, exact=True), document)
    problems = problems_of(document)
    same = problems_of(filled.document) == problems
    reachable = all(filled.has_field(problem.path) for problem in problems)
    return filled if same and reachable else None


def _with_left_over(form: SweepForm, document: Mapping[str, Any]) -> SweepForm:
    """The form, with what it has no field for."""
    needed = {key: _needed(key, value) for key, value in document.items()}
    needed = {k: value for k, value in needed.items() if value not in (None, {}, [])}
    return form.with_data(extra=left_over(needed, form.document))


def _needed(key: str, value: Any) -> Any:
    """A setting without defaults that the form leaves out."""
    if key == "resources" and value == {"gpus": 0}:
        return None
    if not isinstance(value, Mapping):
        return value
    kind = str(value.get("type"))
    return {n: v for n, v in value.items() if not _is_plain((key, n), v, kind)}


def problems_of(document: Mapping[str, Any]) -> set[Problem]:
    """The problems of a document."""
    try:
        read_entry(document)
    except DefinitionError as error:
        return set(error.problems)
    return set()


def _fill(document: Mapping[str, Any], *, exact: bool) -> SweepForm:
    whole = {**document, **_by_name(document, "sampling_algorithm", "random")}
    whole.update(_by_name(document, "early_termination", NO_POLICY))
    whole.update(_space_of(document))
    whole.update(_code_of(document))
    whole.setdefault("experiment_name", DEFAULT_NAME)
    whole.setdefault("compute", DEFAULT_NAME)
    empty = SweepForm(QueryDict())
    texts = {
        name: field.write(_shown(whole, tuple(field.path.split("."))))
        for name, field in empty.document_fields.items()
    }
    base = _at(whole, ("sampling_algorithm", "logbase"))
    rows = space_rows(
        whole.get("search_space"),
        base=float(base) if is_number(base) and base > 1 else math.e,
        as_logs=exact,
    )
    texts["collector"] = collector_kind(whole.get(FIELD))
    texts |= code_texts(_at(whole, ("trial", "code")))
    return SweepForm(form_data(texts, rows, rules_of(whole.get(CONSTRAINTS))))


def rules_of(constraints: object) -> list[str]:
    """Constraints as texts; a single one may be a text."""
    if isinstance(constraints, str):
        return [constraints]
    if not isinstance(constraints, list):
        return []
    return [text for text in constraints if isinstance(text, str)]


def space_rows(space: object, *, base: float, as_logs: bool) -> list[RowTexts]:
    """A row for every parameter that fits one."""
    if not isinstance(space, Mapping):
        return []
    rows = (
        row_from(str(name), value, base=base, as_logs=as_logs)
        for name, value in space.items()
    )
    return [row for row in rows if row is not None]


def _shown(document: Mapping[str, Any], path: tuple[str, ...]) -> object:
    value = _at(document, path)
    kind = str(_at(document, (path[0], "type")))
    return None if _is_plain(path, value, kind) else value


def _is_plain(path: tuple[str, ...], value: object, kind: str) -> bool:
    """Whether a setting of a document needs no text in the form."""
    if path[0] == "early_termination" and len(path) > 1:
        return is_default(kind, path[1], value)
    return (path, value) == USUAL_RULE


def _at(document: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        document = document.get(key) if isinstance(document, Mapping) else None
    return document


def _by_name(document: Mapping[str, Any], key: str, default: str) -> dict[str, Any]:
    """A setting that may be just a name, as a mapping with the usual spelling."""
    value = document.get(key) or default
    given = value if isinstance(value, Mapping) else {"type": value}
    name = str(given.get("type", default))
    plain = {kind.replace("_", ""): kind for kind in POLICIES}
    known = plain.get(name.lower().replace("_", ""), name.lower())
    return {key: {**given, "type": known}}


def _space_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """A space that is written as text, as a mapping with the sampling it names."""
    space = document.get("search_space")
    if not isinstance(space, str):
        return {}
    try:
        text = parse_space(space)
    except ExpressionError:
        return {}
    named = (
        {}
        if text.sampling is None or document.get("sampling_algorithm")
        else {"sampling_algorithm": {"type": text.sampling}}
    )
    return {"search_space": text.parameters, **named}


def _code_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The code as a mapping, where a repository is written as text."""
    trial = document.get("trial")
    code = _at(document, ("trial", "code"))
    if not isinstance(trial, Mapping) or code_texts(code)["code_kind"] != GIT:
        return {}
    return {"trial": {**trial, "code": {"git": repository_of(code)}}}


def row_from(
    name: str, value: object, *, base: float, as_logs: bool
) -> RowTexts | None:
    """The texts of a row for a distribution of a document; None if no row fits.

    `as_logs` keeps the bounds of logarithmic kinds as logarithms. Otherwise they
    are shown in natural units if those are exact and short.
    """
    mapping = _mapping(value)
    type_name = str((mapping or {}).get("type", "")).lower()
    if mapping is None or type_name not in DISTRIBUTIONS:
        return None
    key = kind_key(type_name, log=mapping.get("log") is True)
    kind = KINDS.get(key) or KindSpec(key, key, ())
    texts = {own.name: _written(own.name, mapping.get(own.key)) for own in kind.fields}
    condition, rest = _condition_texts(mapping.get("when"))
    own = {"type", "log", "when", *(field.key for field in kind.fields)}
    extra = {key: given for key, given in mapping.items() if key not in own}
    if rest is not None:
        extra["when"] = rest
    row = {"name": name, "kind": key, **texts, **condition}
    if kind.in_logs:
        natural = None if as_logs else _natural_bounds(mapping, base)
        row |= natural or {"unit": LN}
    return row | {"extra": write_mapping(extra)}


def _condition_texts(when: object) -> tuple[RowTexts, object]:
    """The texts of a condition, and what has no field."""
    if not isinstance(when, Mapping) or not when:
        return {}, when
    texts: RowTexts = {}
    rest = dict(when)
    for (name, _, values), other in zip(CONDITIONS, when, strict=False):
        given = rest.pop(other)
        texts[name] = str(other)
        texts[values] = write_values(given if isinstance(given, list) else [given])
    return texts, rest or None


def _natural_bounds(mapping: Mapping[str, object], base: float) -> RowTexts | None:
    low = natural_text(mapping.get("min_value"), base)
    high = natural_text(mapping.get("max_value"), base)
    return None if low is None or high is None else {"low": low, "high": high}


def _mapping(value: object) -> Mapping[str, object] | None:
    """A distribution as a mapping, in whichever form it is written."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, str):
        try:
            value = parse_call(value)
        except ExpressionError:
            return None
    match value:
        case [str(name), [*args]]:
            value = Call(name, tuple(args))
    if not isinstance(value, Call) or value.name.lower() not in DISTRIBUTIONS:
        return None
    kind = DISTRIBUTIONS[value.name.lower()]
    given = value.args
    if kind.kind == "choice" and given:
        only_list = len(given) == 1 and isinstance(given[0], list)
        given = (given[0] if only_list else list(given),)
    names = (item.name for item in kind.documented_fields())
    return {
        "type": kind.kind,
        **dict(zip(names, given, strict=False)),
        **value.keywords,
    }


def _written(name: str, value: object) -> str:
    if name in LISTS and isinstance(value, list):
        return write_values(value)
    return write_scalar(value)
