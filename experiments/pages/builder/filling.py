"""From a sweep document to the entries of the form."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from experiments.pages.builder.check import has_field
from experiments.pages.builder.code_fields import GIT, code_texts, repository_of
from experiments.pages.builder.collector_fields import collector_kind
from experiments.pages.builder.document import compose, left_over
from experiments.pages.builder.fields import FIELDS, PAIRS, Entries
from experiments.pages.builder.policy_fields import NO_POLICY, is_default
from experiments.pages.builder.space_rows import SpaceRow, row_from
from experiments.pages.form_fields import write_plain, write_quoted
from experiments.search.document.collector import FIELD
from experiments.search.document.definition import (
    DEFAULT_NAME,
    SweepDefinition,
    parse_document,
)
from experiments.search.fields import DefinitionError, Problem, is_number
from experiments.search.space.expressions import parse_space
from experiments.search.space.source import ExpressionError
from experiments.search.termination import POLICIES

# The default rule of random draws.
USUAL_RULE = (("sampling_algorithm", "rule"), "random")


def entries_of(definition: SweepDefinition) -> Entries:
    """The entries for a valid document."""
    document = definition.dump()
    return _with_left_over(_fill(document, exact=False), document)


def entries_of_faulty(document: Mapping[str, Any]) -> Entries | None:
    """The entries for a document with problems; None if the form would hide some."""
    filled = _with_left_over(_fill(document, exact=True), document)
    composed, problems = compose(filled), problems_of(document)
    same = problems_of(composed.document) == problems
    reachable = all(has_field(problem.path, composed, filled) for problem in problems)
    return filled if same and reachable else None


def _with_left_over(entries: Entries, document: Mapping[str, Any]) -> Entries:
    """The entries, with what the form has no field for."""
    needed = {key: _needed(key, value) for key, value in document.items()}
    needed = {key: value for key, value in needed.items() if value not in (None, {})}
    return entries.with_texts(extra=left_over(needed, compose(entries).document))


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
        parse_document(document)
    except DefinitionError as error:
        return set(error.problems)
    return set()


def _fill(document: Mapping[str, Any], *, exact: bool) -> Entries:
    whole = {**document, **_by_name(document, "sampling_algorithm", "random")}
    whole.update(_by_name(document, "early_termination", NO_POLICY))
    whole.update(_space_of(document))
    whole.update(_code_of(document))
    whole.setdefault("experiment_name", DEFAULT_NAME)
    whole.setdefault("compute", DEFAULT_NAME)
    texts = {
        name: single.write(_shown(whole, single.path))
        for name, single in FIELDS.items()
    }
    for name, pair in PAIRS.items():
        write = write_plain if name == "inputs" else write_quoted
        texts[name] = pairs_text(_at(whole, pair.path), write)
    base = _at(whole, ("sampling_algorithm", "logbase"))
    rows = space_rows(
        whole.get("search_space"),
        base=float(base) if is_number(base) and base > 1 else math.e,
        as_logs=exact,
    )
    texts["collector"] = collector_kind(whole.get(FIELD))
    return Entries({**texts, **code_texts(_at(whole, ("trial", "code")))}, rows)


def space_rows(space: object, *, base: float, as_logs: bool) -> tuple[SpaceRow, ...]:
    """A row for every parameter that fits one."""
    if not isinstance(space, Mapping):
        return ()
    rows = (
        row_from(str(name), value, base=base, as_logs=as_logs)
        for name, value in space.items()
    )
    return tuple(row for row in rows if row is not None)


def pairs_text(pairs: object, write: Callable[[Any], str]) -> str:
    """Lines `name=value`."""
    if not isinstance(pairs, Mapping):
        return ""
    return "\n".join(f"{name}={write(value)}" for name, value in pairs.items())


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
