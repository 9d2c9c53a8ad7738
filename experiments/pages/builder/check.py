"""The whole check of what was entered: every problem beside its own field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from experiments.models import CodeSnapshot
from experiments.pages.builder.document import Composed, RowPath
from experiments.pages.builder.fields import (
    PAIRS,
    RUN,
    SAMPLER,
    SINGLES,
    SPACE,
    TERMINATION,
    Entries,
)
from experiments.pages.builder.space_rows import ParameterRow
from experiments.search.document.definition import SweepDefinition, parse_document
from experiments.search.fields import DefinitionError, Problem
from experiments.search.space.document import NAME

# The column of an experiment's name; documents allow more.
MAX_EXPERIMENT = 100
POLICIES_PATH = "early_termination.policies"
# Parts of the document that are one field of the form as a whole.
WHOLE_PARTS: Mapping[str, tuple[str, str, int]] = {
    "trial.code.folder": ("folder", "folder", RUN),
    "trial.code.git": ("git_url", "repository", RUN),
    "trial.code": ("files", "files", RUN),
    "trial": ("command", "command", RUN),
    "objective": ("primary_metric", "primary metric", 2),
    "limits": ("max_total_trials", "trials", 6),
    "sampling_algorithm": ("sampler", "sampler", SAMPLER),
    POLICIES_PATH: ("policies", "policies", TERMINATION),
    "early_termination": ("policy", "policy", TERMINATION),
    "retries": ("max_attempts", "attempts", 6),
    "search_space": ("space", "search space", SPACE),
}


@dataclass(frozen=True)
class FormPlace:
    """A field of the form: its id, the field whose box holds the sentence, what the
    sticky bar calls it, and its section."""

    field: str
    box: str
    label: str
    section: int

    @property
    def anchor(self) -> str:
        """The id of the control."""
        is_row = self.field.startswith("row-")
        return self.field if is_row else f"field-{self.field}"


@dataclass(frozen=True)
class FieldProblem:
    """One sentence at its place; `path` is the document's."""

    place: FormPlace
    path: str
    message: str

    def dump(self) -> dict[str, Any]:
        """The problem as JSON for the page's scripts."""
        place = self.place
        return {
            "field": place.field,
            "anchor": place.anchor,
            "box": place.box,
            "label": place.label,
            "section": place.section,
            "path": self.path,
            "message": self.message,
        }


@dataclass(frozen=True)
class Check:
    """What was entered, as a document, with everything that is wrong with it.

    `definition` is None while there are problems; `kept` are the files of the sweep,
    where they are stored already.
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
        return frozenset(problem.place.field for problem in self.problems)

    @cached_property
    def wrong_rows(self) -> frozenset[int]:
        return frozenset(
            index
            for index in range(len(self.entries.rows))
            if any(problem.place.box == f"row-{index}" for problem in self.problems)
        )

    @cached_property
    def wrong_sections(self) -> frozenset[int]:
        return frozenset(problem.place.section for problem in self.problems)


def check_entries(
    entries: Entries,
    composed: Composed,
    *,
    more: Sequence[Problem] = (),
    warnings: Sequence[Problem] = (),
    kept: CodeSnapshot | None = None,
) -> Check:
    """Check the entries; `more` is what only the database knows to be wrong, and
    `warnings` come from there too.

    Of two sources that find fault with one field, the first counts: what cannot be
    written into a document, the document's own check, then `more`.
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
    """Whether a problem at a path of the document can be mended in the form."""
    for index, inner in _rows_with(path, composed.row_paths):
        fields = {"", "type", "log"} | {s.key for s in entries.rows[index].spec.fields}
        return inner.partition(".")[0] in fields
    whole = {
        ".".join(single.path)
        for single in SINGLES.values()
        if single.applies(entries.picks)
    }
    free = [".".join(prefix) for prefix, _, _ in PAIRS.values()]
    if SINGLES["policies"].applies(entries.picks):
        free.append(POLICIES_PATH)
    whole |= {*WHOLE_PARTS} - {POLICIES_PATH}
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
        f"An experiment's name has at most {MAX_EXPERIMENT} characters, such as "
        f"digits; this one has {len(name)}."
    )
    return [Problem("experiment_name", message)]


def _in_order(problem: FieldProblem) -> tuple[int, int]:
    """By section, and by row within the search space."""
    box = problem.place.box
    row = int(box.removeprefix("row-")) if box.startswith("row-") else -1
    return problem.place.section, row


def _placed(problem: Problem, composed: Composed, entries: Entries) -> FieldProblem:
    place = _place(problem.path, composed.row_paths, entries.rows)
    return FieldProblem(place, problem.path, problem.message)


def _place(
    path: str, row_paths: Sequence[RowPath], rows: Sequence[ParameterRow]
) -> FormPlace:
    for name, single in SINGLES.items():
        if path == ".".join(single.path):
            return FormPlace(name, name, single.label, single.section)
    for name, (prefix, label, section) in PAIRS.items():
        if _inside(path, ".".join(prefix)):
            return FormPlace(name, name, label, section)
    for index, inner in _rows_with(path, row_paths):
        return _row_place(index, rows[index], inner)
    for part, (field, label, section) in WHOLE_PARTS.items():
        if _inside(path, part):
            return FormPlace(field, field, label, section)
    return FormPlace("document", "document", path or "the document", 0)


def _inside(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}.")


def _rows_with(path: str, row_paths: Sequence[RowPath]) -> Iterator[tuple[int, str]]:
    """The rows that a path is of, the longest name first, and the rest of the path."""
    found = [
        (len(name), row.index, path.removeprefix(f"search_space.{name}").lstrip("."))
        for row in row_paths
        for name in row.names
        if _inside(path, f"search_space.{name}")
    ]
    for _, index, inner in sorted(found, key=lambda item: -item[0]):
        yield index, inner


def _row_place(index: int, row: ParameterRow, inner: str) -> FormPlace:
    field_name = _field_name(row, inner)
    labels = {field.name: field.label for field in row.spec.fields}
    word = labels.get(field_name, field_name)
    name = row.key or f"parameter {index + 1}"
    label = name if field_name in ("name", "kind") else f"{name}, {word}"
    return FormPlace(f"row-{index}-{field_name}", f"row-{index}", label, SPACE)


def _field_name(row: ParameterRow, inner: str) -> str:
    """The row's field for the rest of a path; without one, its name or its kind."""
    key = inner.partition(".")[0]
    for field in row.spec.fields:
        if field.key == key:
            return field.name
    if not key and not NAME.fullmatch(row.name_as_read):
        return "name"
    return "kind"
