"""From the form to a sweep document, valid or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.pages.builder.code.fields import FOLDER, GIT
from experiments.pages.builder.collector_fields import collector_document
from experiments.pages.builder.settings import SettingsForm
from experiments.pages.builder.space.parameters import ConstraintForm, ParameterForm
from experiments.pages.form_fields import read_mapping, write_mapping
from experiments.search.document.collector import FIELD
from experiments.search.fields import Problem, join
from experiments.search.space.document import FIELD as CONSTRAINTS

DIGEST_LENGTH = 64
# Long enough to tell snapshots apart, short enough to read.
SHORT_DIGEST = 12
SPACE_PATH = "search_space"
# Mappings with free names, which the form has completely.
FREE = frozenset({SPACE_PATH, "inputs", "tags", FIELD})
ORDER = (
    "experiment_name",
    "display_name",
    "description",
    "tags",
    "trial",
    "inputs",
    "objective",
    FIELD,
    SPACE_PATH,
    CONSTRAINTS,
    "sampling_algorithm",
    "early_termination",
    "limits",
    "compute",
    "priority",
    "retries",
)


@dataclass(frozen=True)
class RowPath:
    """The names under which a row's problems are reported."""

    row: ParameterForm
    names: tuple[str, ...]


@dataclass(frozen=True)
class Composed:
    """A document, and the problems of texts that cannot be written into it. A problem
    here replaces that of the document's own check with the same path.

    `constraints` has the forms in the document's order.
    """

    document: Mapping[str, Any]
    problems: tuple[Problem, ...]
    row_paths: tuple[RowPath, ...]
    constraints: tuple[ConstraintForm, ...]


def compose(
    form: SettingsForm,
    rows: Sequence[ParameterForm],
    constraints: Sequence[ConstraintForm],
) -> Composed:
    """The document of cleaned forms."""
    collector = collector_document(form.texts, form.picks["collector"])
    document: dict[str, Any] = {"trial": _code(form)}
    document |= {FIELD: collector} if collector is not None else {}
    problems: list[Problem] = []
    for name, field in form.document_fields.items():
        if field.applies(form.picks) and form.text(name):
            value = form.cleaned_data.get(name)
            if value is not None:
                _put(document, field.path.split("."), value)
            faults = field.faults(form.text(name))
            problems += [Problem(field.path, fault) for fault in faults]
    space, row_paths, row_problems = _space(rows)
    document[SPACE_PATH] = space
    used = [rule for rule in constraints if rule.is_used]
    if used:
        document[CONSTRAINTS] = [rule.text("rule").strip() for rule in used]
    ordered = {key: document[key] for key in ORDER if key in document}
    _carry(ordered, read_mapping(form.text("extra")))
    return Composed(ordered, (*problems, *row_problems), row_paths, tuple(used))


def left_over(document: Mapping[str, Any], composed: Mapping[str, Any]) -> str:
    """As JSON, what a document has and the form's own document does not.

    A setting with a type keeps the type: the rest has a meaning only with it.
    """
    extra: dict[str, Any] = {}
    for key, value in document.items():
        own = composed.get(key)
        if own is None:
            extra[key] = value
        elif isinstance(value, Mapping) and key not in FREE:
            more = {name: value[name] for name in value if name not in own}
            if more and "type" in value:
                more["type"] = value["type"]
            extra |= {key: more} if more else {}
    return write_mapping(extra)


def _carry(document: dict[str, Any], extra: Mapping[str, Any]) -> None:
    for key, value in extra.items():
        own = document.get(key)
        if own is None and key not in ORDER:
            document[key] = value
        elif key not in FREE and _is_rest_of(own, value):
            document[key] = {**value, **(own or {})}


def _is_rest_of(own: Any, rest: Any) -> bool:
    """Whether both are settings of one type."""
    if not isinstance(own, Mapping) or not isinstance(rest, Mapping):
        return False
    return bool(rest.get("type", own.get("type")) == own.get("type"))


def _put(document: dict[str, Any], path: Sequence[str], value: object) -> None:
    for key in path[:-1]:
        document = document.setdefault(key, {})
    document[path[-1]] = value


def _code(form: SettingsForm) -> dict[str, Any]:
    kind = form.picks["code_kind"]
    code, folder = (form.text(name).strip() for name in ("code", "folder"))
    if kind == GIT:
        return {"code": {"git": {}}}
    if kind == FOLDER:
        whole = folder.startswith("/") or not folder
        return {"code": {"folder": folder} if whole else folder}
    if code:
        short = code[:SHORT_DIGEST] if len(code) == DIGEST_LENGTH else code
        return {"code": {"upload": short}}
    return {}


def _space(
    rows: Sequence[ParameterForm],
) -> tuple[dict[str, Any], tuple[RowPath, ...], list[Problem]]:
    space: dict[str, Any] = {}
    paths: list[RowPath] = []
    problems: list[Problem] = []
    for row in rows:
        if not row.is_used:
            continue
        key = _free_key(row.key, space)
        path = join(SPACE_PATH, key)
        if key != row.key:
            message = f"There is another parameter named {row.key}."
            problems.append(Problem(path, message))
        row.siblings = rows
        space[key], faults = row.document()
        problems += [Problem(f"{path}.{fault.path}", fault.message) for fault in faults]
        names = (key, row.name_as_read) if key == row.key else (key,)
        paths.append(RowPath(row, names))
    return space, tuple(paths), problems


def _free_key(name: str, taken: Mapping[str, Any]) -> str:
    """The name, or a free key for a second row with the name, so that the rest of that
    row is checked too."""
    key, number = name, 2
    while key in taken:
        key, number = f"{name} ({number})", number + 1
    return key
