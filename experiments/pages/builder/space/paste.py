"""A search space that is pasted as text: expressions, YAML, or another tool's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.pages.builder.filling import rules_of, space_rows
from experiments.pages.builder.form import SweepForm
from experiments.pages.builder.space.parameters import RowTexts
from experiments.search.document.loading import load_document
from experiments.search.document.plan import read_plan
from experiments.search.fields import DefinitionError, Diagnostics, Problem
from experiments.search.formats import FORMATS, InvalidImportError, import_sweep
from experiments.search.space.document import FIELD as CONSTRAINTS
from experiments.search.space.document import converted_name
from experiments.search.space.expressions import parse_space
from experiments.search.space.source import ExpressionError

PARTS = ("search_space", "sampling_algorithm", CONSTRAINTS)
# Formats whose rows show the problems of their values.
OWN = frozenset({"sweepsite", "azure"})


class PasteError(ValueError):
    """The text is not a space; `sentences` say why."""

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = list(sentences)


@dataclass(frozen=True)
class SpaceParts:
    """The parts of a pasted text, as in a document."""

    space: Any
    sampling: Any = None
    constraints: Any = None
    notes: Sequence[str] = ()

    @classmethod
    def of(
        cls, document: Mapping[str, Any], *, notes: Sequence[str] = ()
    ) -> SpaceParts:
        space, sampling, constraints = (document.get(part) for part in PARTS)
        return cls(space, sampling, constraints, notes)


@dataclass(frozen=True)
class Pasted:
    """The rows of a text, the sampler and constraints that it names, and sentences on
    what was changed or left out.
    """

    rows: Sequence[RowTexts]
    sampler: str | None
    constraints: Sequence[str] = ()
    notes: Sequence[str] = ()

    def put_into(self, form: SweepForm) -> SweepForm:
        """Replaces rows of the same name in their place, and appends the others.
        Constraints are added to those of the form.
        """
        new = {converted_name(row["name"]): row for row in self.rows}
        old = [row for row in form.rows if not row.is_blank]
        kept = [new.pop(row.name_as_read, row.texts) for row in old]
        rules = [rule.text("rule") for rule in form.rules if rule.is_used]
        both: Sequence[RowTexts] = [
            {"rule": rule} for rule in dict.fromkeys([*rules, *self.constraints])
        ]
        filled = form.with_rows([*kept, *new.values()])
        filled = filled.with_rows(both, prefix="constraint")
        sampler = self.sampler or form.text("sampler")
        return filled.with_data(
            focus="field-space", sampler=sampler, paste="", shows="1"
        )


def read_pasted(text: str, *, base: float) -> Pasted:
    """The rows of a pasted text. Raises PasteError."""
    parts = _imported(text) or _parts(text)
    space, sampling, constraints = parts.space, parts.sampling, parts.constraints
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
    return Pasted(rows, _sampler_name(sampling), rules_of(constraints), parts.notes)


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


def _parts(text: str) -> SpaceParts:
    """The parts of an expression, or of our own YAML."""
    if not text.strip():
        raise PasteError(['Paste a space, such as {"batch_size": choice(16, 32)}.'])
    try:
        parse_space(text)
    except ExpressionError as error:
        document = _document(text, error)
    else:
        return SpaceParts(text)
    if "search_space" not in document:
        return SpaceParts(document)
    return SpaceParts.of(document)


def _imported(text: str) -> SpaceParts | None:
    """The parts of another tool's file; None for anything else."""
    problems: Sequence[Problem] = ()
    try:
        imported = import_sweep(text)
    except InvalidImportError as error:
        imported, problems = error.imported, error.problems
    except DefinitionError:
        return None
    if imported.format in OWN or "search_space" not in imported.document:
        return None
    paths = [imported.source_map.path(part) for part in PARTS]
    wrong = [str(each) for each in problems if _inside(each.path, paths)]
    if wrong:
        raise PasteError(wrong)
    notes = [
        f"{note.path}: {note.message}"
        for note in imported.notes
        if _inside(note.path, paths)
    ]
    taken = (
        f"The search space and the sampler of {FORMATS[imported.format]} were taken."
        " To take its command, objective and limits too, import the file."
    )
    return SpaceParts.of(imported.document, notes=[taken, *notes])


def _inside(path: str, parts: Sequence[str]) -> bool:
    return any(path == part or path.startswith(f"{part}.") for part in parts)


def _document(text: str, error: ExpressionError) -> Mapping[str, object]:
    """The text as YAML. The error is that of the form which the text resembles."""
    try:
        return load_document(text)
    except DefinitionError as other:
        looks_like_calls = "Sampling" in text or text.lstrip().startswith("{")
        sentences = [str(problem) for problem in other.problems]
        raise PasteError([str(error)] if looks_like_calls else sentences) from None
