"""A space that is pasted as text: the article's expressions, or YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.pages.builder.fields import Entries
from experiments.pages.builder.filling import space_rows
from experiments.pages.builder.space_rows import ParameterRow
from experiments.pages.form_fields import read_mapping, write_mapping
from experiments.search.document.loading import load_document
from experiments.search.document.plan import read_plan
from experiments.search.fields import DefinitionError, Diagnostics
from experiments.search.space.document import FIELD as CONSTRAINTS
from experiments.search.space.document import converted_name
from experiments.search.space.expressions import parse_space
from experiments.search.space.source import ExpressionError


class PasteError(ValueError):
    """Text that is no space, with the sentences that say why."""

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = list(sentences)


@dataclass(frozen=True)
class Pasted:
    """Rows, and the sampler and the constraints that the text names."""

    rows: Sequence[ParameterRow]
    sampler: str | None
    constraints: Sequence[str] = ()

    def put_into(self, entries: Entries) -> Entries:
        """Rows of the same name are replaced in their place, others come after.

        Constraints come to those that the form carries along.
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
    # Problems with a value show in its row; a value that cannot be a row is refused.
    mapping = {converted_name(name): value for name, value in given.items()}
    for name, entry in plan.space.dump().items():
        mapping[name] = _with_condition(entry, mapping.get(name))
    rows = space_rows(mapping, base=base, as_logs=False)
    if not rows or len(rows) < len(given):
        raise PasteError([str(problem) for problem in diagnostics.problems])
    # They have no field in the form where a mistake could be shown.
    wrong = [
        found for found in diagnostics.problems if found.path.startswith(CONSTRAINTS)
    ]
    if wrong:
        raise PasteError([str(problem) for problem in wrong])
    return Pasted(rows, _sampler_name(sampling), _texts(constraints))


def _with_condition(entry: object, given: object) -> object:
    """The entry, with a condition as it was given: one that is wrong is left out of the
    space, but shown in its row."""
    if not isinstance(entry, Mapping) or not isinstance(given, Mapping):
        return entry
    return {**entry, "when": given["when"]} if "when" in given else entry


def _sampler_name(sampling: object) -> str | None:
    if isinstance(sampling, Mapping):
        sampling = sampling.get("type")
    return sampling.lower() if isinstance(sampling, str) else None


def _texts(constraints: object) -> list[str]:
    """Constraints as a list; one may stand alone."""
    if isinstance(constraints, str):
        return [constraints]
    if not isinstance(constraints, list):
        return []
    return [text for text in constraints if isinstance(text, str)]


def _parts(text: str) -> tuple[Any, Any, Any]:
    """What stands for the space, the sampling and the constraints in the text."""
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
    """The text as YAML; when it is neither, the sentence of what it looks like."""
    try:
        return load_document(text)
    except DefinitionError as other:
        looks_like_calls = "Sampling" in text or text.lstrip().startswith("{")
        sentences = [str(problem) for problem in other.problems]
        raise PasteError([str(error)] if looks_like_calls else sentences) from None
