"""A search space that is pasted as text: expressions, or YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.pages.builder.fields import Entries
from experiments.pages.builder.filling import space_rows
from experiments.pages.builder.space_rows import SpaceRow
from experiments.pages.form_fields import read_mapping, write_mapping
from experiments.search.document.loading import load_document
from experiments.search.document.plan import read_plan
from experiments.search.fields import DefinitionError, Diagnostics
from experiments.search.space.document import FIELD as CONSTRAINTS
from experiments.search.space.document import converted_name
from experiments.search.space.expressions import parse_space
from experiments.search.space.source import ExpressionError


class PasteError(ValueError):
    """The text is not a space; `sentences` say why."""

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = list(sentences)


@dataclass(frozen=True)
class Pasted:
    """The rows of a text, and the sampler and constraints that it names."""

    rows: Sequence[SpaceRow]
    sampler: str | None
    constraints: Sequence[str] = ()

    def put_into(self, entries: Entries) -> Entries:
        """Replaces rows of the same name in their place, and appends the others.
        Constraints are added to those of the form.
        """
        new = {row.name_as_read: row for row in self.rows}
        kept = [
            new.pop(row.name_as_read, row) for row in entries.rows if not row.is_blank
        ]
        filled = entries.with_rows([*kept, *new.values()])
        if self.constraints:
            extra = read_mapping(filled.text("extra"))
            both = dict.fromkeys([*_texts(extra.get("constraints")), *self.constraints])
            whole = write_mapping({**extra, "constraints": list(both)})
            filled = filled.with_texts(extra=whole)
        if self.sampler is None:
            return filled
        return filled.with_texts(sampler=self.sampler)


def read_pasted(text: str, *, base: float) -> Pasted:
    """The rows of a pasted text. Raises PasteError."""
    space, sampling, constraints = _parts(text)
    diagnostics = Diagnostics()
    plan = read_plan(
        space, sampling, diagnostics, constraints=constraints, new_seed=lambda: 0
    )
    if isinstance(space, str):
        parsed = parse_space(space)
        space, sampling = parsed.parameters, sampling or parsed.sampling
    given = space if isinstance(space, Mapping) else {}
    # A row shows its value's problems; a value without a row is refused.
    mapping = {converted_name(name): value for name, value in given.items()}
    for name, entry in plan.space.dump().items():
        mapping[name] = _with_condition(entry, mapping.get(name))
    rows = space_rows(mapping, base=base, as_logs=False)
    if not rows or len(rows) < len(given):
        raise PasteError([str(problem) for problem in diagnostics.problems])
    # Constraints have no field that could show a problem.
    wrong = [
        found for found in diagnostics.problems if found.path.startswith(CONSTRAINTS)
    ]
    if wrong:
        raise PasteError([str(problem) for problem in wrong])
    return Pasted(rows, _sampler_name(sampling), _texts(constraints))


def _with_condition(entry: object, given: object) -> object:
    """The entry with its condition as written: the space leaves out a wrong one, which
    the row should show."""
    if not isinstance(entry, Mapping) or not isinstance(given, Mapping):
        return entry
    return {**entry, "when": given["when"]} if "when" in given else entry


def _sampler_name(sampling: object) -> str | None:
    if isinstance(sampling, Mapping):
        sampling = sampling.get("type")
    return sampling.lower() if isinstance(sampling, str) else None


def _texts(constraints: object) -> list[str]:
    """Constraints as a list; a single one may be a text."""
    if isinstance(constraints, str):
        return [constraints]
    if not isinstance(constraints, list):
        return []
    return [text for text in constraints if isinstance(text, str)]


def _parts(text: str) -> tuple[Any, Any, Any]:
    """The space, the sampling and the constraints in the text."""
    if not text.strip():
        raise PasteError(['Paste a space, such as {"batch_size": choice(16, 32)}.'])
    try:
        parse_space(text)
    except ExpressionError as error:
        document = _document(text, error)
    else:
        return text, None, None
    if "search_space" not in document:
        return document, None, None
    return (
        document["search_space"],
        document.get("sampling_algorithm"),
        document.get(CONSTRAINTS),
    )


def _document(text: str, error: ExpressionError) -> Mapping[str, object]:
    """The text as YAML. The error is that of the form which the text resembles."""
    try:
        return load_document(text)
    except DefinitionError as other:
        looks_like_calls = "Sampling" in text or text.lstrip().startswith("{")
        sentences = [str(problem) for problem in other.problems]
        raise PasteError([str(error)] if looks_like_calls else sentences) from None
