"""Checks what was entered, and finds the field of the form for every problem."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from experiments.models import CodeSnapshot
from experiments.pages.builder.document import Composed, RowPath
from experiments.pages.builder.fields import (
    FIELDS,
    OBJECTIVE,
    PAIRS,
    RUN,
    SPACE,
    Entries,
)
from experiments.pages.builder.space_rows import SpaceRow
from experiments.search.document.collector import FIELD
from experiments.search.document.definition import SweepDefinition, parse_document
from experiments.search.fields import DefinitionError, Problem
from experiments.search.space.document import NAME

# The column of an experiment's name; documents allow longer ones.
MAX_EXPERIMENT = 100
POLICIES_PATH = "early_termination.policies"
# Parts of the document, and the field of the form that stands for the whole part.
PARTS: Mapping[str, str] = {
    "trial.code.folder": "folder",
    "trial.code.git": "git_url",
    "trial.code": "files",
    "trial": "command",
    "objective": "primary_metric",
    FIELD: "collector",
    "limits": "max_total_trials",
    "sampling_algorithm": "sampler",
    POLICIES_PATH: "policies",
    "early_termination": "policy",
    "retries": "max_attempts",
    "search_space": "space",
}
LABELS: Mapping[str, tuple[str, int]] = {
    "folder": ("folder", RUN),
    "files": ("files", RUN),
    "space": ("search space", SPACE),
    "collector": ("how the metric arrives", OBJECTIVE),
    **{name: (each.label, each.section) for name, each in {**FIELDS, **PAIRS}.items()},
}
# Fields by their path, then those with free names and whole parts by their prefix.
EXACT: Mapping[str, str] = {each.dotted: name for name, each in FIELDS.items()}
PREFIXES: Mapping[str, str] = {
    **{each.dotted: name for name, each in PAIRS.items()},
    **PARTS,
}


@dataclass(frozen=True)
class FieldProblem:
    """One sentence beside a field of the form, about a path of the document.

    `box` is the field whose box shows the sentence, and `label` what the sticky bar
    calls the field.
    """

    field: str
    box: str
    label: str
    section: int
    path: str
    message: str

    @property
    def anchor(self) -> str:
        """The id of the control."""
        is_row = self.field.startswith("row-")
        return self.field if is_row else f"field-{self.field}"

    def dump(self) -> dict[str, Any]:
        """The problem as JSON for the page's scripts."""
        return {**vars(self), "anchor": self.anchor}


@dataclass(frozen=True)
class Check:
    """What was entered, as a document, with all its problems.

    `definition` is None while there are problems; `kept` is the stored code.
    """

    entries: Entries
    composed: Composed
    definition: SweepDefinition | None
    problems: Sequence[FieldProblem]
    warnings: Sequence[FieldProblem]
    kept: CodeSnapshot | None = None

    @property
    def document(self) -> Mapping[str, Any]:
        return self.composed.document

    @cached_property
    def wrong_fields(self) -> frozenset[str]:
        return frozenset(problem.field for problem in self.problems)

    @cached_property
    def wrong_rows(self) -> frozenset[int]:
        boxes = {problem.box for problem in self.problems}
        rows = range(len(self.entries.rows))
        return frozenset(index for index in rows if f"row-{index}" in boxes)

    @cached_property
    def wrong_sections(self) -> frozenset[int]:
        return frozenset(problem.section for problem in self.problems)


def check_entries(
    entries: Entries,
    composed: Composed,
    *,
    more: Sequence[Problem] = (),
    warnings: Sequence[Problem] = (),
    kept: CodeSnapshot | None = None,
) -> Check:
    """Check the entries. `more` and `warnings` are what only the database knows.

    Of several problems with one path the first source counts: what cannot be written
    into a document, the document's own check, then `more`.
    """
    parsed, own_warnings, definition = _parsed(composed.document)
    found: list[Problem] = []
    for source in (composed.problems, parsed, (*_too_long(entries), *more)):
        taken = {problem.path for problem in found}
        found += [problem for problem in source if problem.path not in taken]
    placed = sorted(
        (_placed(problem, composed, entries) for problem in found), key=_in_order
    )
    return Check(
        entries=entries,
        composed=composed,
        definition=None if placed else definition,
        problems=placed,
        warnings=[
            _placed(problem, composed, entries)
            for problem in (*own_warnings, *warnings)
        ],
        kept=kept,
    )


def has_field(path: str, composed: Composed, entries: Entries) -> bool:
    """Whether a problem at a path of the document can be corrected in the form."""
    for index, inner in _rows_with(path, composed.row_paths):
        keys = {own.key for own in entries.rows[index].spec.fields}
        return inner.partition(".")[0] in {"", "type", "log"} | keys
    applying = [each for each in FIELDS.values() if each.applies(entries.picks)]
    free = [each.dotted for each in PAIRS.values()]
    if FIELDS["policies"] in applying:
        free.append(POLICIES_PATH)
    whole = {each.dotted for each in applying} | {*PARTS} - {POLICIES_PATH}
    return path in whole or any(_inside(path, prefix) for prefix in free)


def _parsed(
    document: Mapping[str, Any],
) -> tuple[list[Problem], Sequence[Problem], SweepDefinition | None]:
    try:
        definition = parse_document(document)
    except DefinitionError as error:
        return list(error.problems), (), None
    return [], definition.warnings, definition


def _too_long(entries: Entries) -> list[Problem]:
    name = entries.text("experiment_name").strip()
    if len(name) <= MAX_EXPERIMENT:
        return []
    message = (
        f"An experiment's name can have {MAX_EXPERIMENT} characters; this one has"
        f" {len(name)}."
    )
    return [Problem("experiment_name", message)]


def _in_order(problem: FieldProblem) -> tuple[int, int]:
    """By section, and by row within the search space."""
    box = problem.box
    row = int(box.removeprefix("row-")) if box.startswith("row-") else -1
    return problem.section, row


def _placed(problem: Problem, composed: Composed, entries: Entries) -> FieldProblem:
    path, message = problem.path, problem.message
    for index, inner in _rows_with(path, composed.row_paths):
        row = entries.rows[index]
        field, label = _row_field(row, inner)
        name = row.key or f"parameter {index + 1}"
        label = f"{name}, {label}" if label else name
        box = f"row-{index}"
        return FieldProblem(f"{box}-{field}", box, label, SPACE, path, message)
    if path == "search_space" and not composed.document.get(path):
        message = "Add at least one parameter to the search space."
    field = _field_of(path)
    label, section = LABELS.get(field, (path or "the document", 0))
    return FieldProblem(field, field, label, section, path, message)


def _field_of(path: str) -> str:
    """The field for a path of the document; "document" for one without a field."""
    if path in EXACT:
        return EXACT[path]
    found = (name for prefix, name in PREFIXES.items() if _inside(path, prefix))
    return next(found, "document")


def _inside(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}.")


def _rows_with(path: str, row_paths: Sequence[RowPath]) -> Iterator[tuple[int, str]]:
    """The rows that a path may belong to, the longest name first, and the rest of the
    path."""
    found = [
        (len(name), row.index, path.removeprefix(f"search_space.{name}").lstrip("."))
        for row in row_paths
        for name in row.names
        if _inside(path, f"search_space.{name}")
    ]
    for _, index, inner in sorted(found, key=lambda item: -item[0]):
        yield index, inner


def _row_field(row: SpaceRow, inner: str) -> tuple[str, str]:
    """The row's field for the rest of a path, and its label; without one the name or
    the kind."""
    key = inner.partition(".")[0]
    for own in row.spec.fields:
        if own.key == key:
            return own.name, own.label
    is_bad_name = not key and not NAME.fullmatch(row.name_as_read)
    return ("name" if is_bad_name else "kind"), ""
