"""A state of the builder's form, and what its buttons change without storing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict

from experiments.code import snapshots
from experiments.pages.builder.check import Check
from experiments.pages.builder.code_fields import FILES, keep_files
from experiments.pages.builder.context import FormContext
from experiments.pages.builder.document import compose
from experiments.pages.builder.fields import MAX_ROWS, Entries
from experiments.pages.builder.filling import entries_of, entries_of_faulty
from experiments.pages.builder.space_paste import PasteError, read_pasted
from experiments.pages.builder.space_rows import NATURAL, SpaceRow
from experiments.search.document.definition import parse_document
from experiments.search.document.loading import load_document
from experiments.search.document.yaml import line_of, lines_by_path, yaml_text
from experiments.search.fields import DefinitionError, Problem

MAX_REFUSAL = 1000
# The lower bound with which a repair replaces 0.
SMALLEST = "0.000001"
LINE = re.compile(r"Line (\d{1,7}), column")


@dataclass(frozen=True)
class TextProblem:
    """A problem of a document's text; `line` counts from 1, None if unknown."""

    line: int | None
    path: str
    message: str

    def dump(self) -> dict[str, Any]:
        """The problem as JSON for the page's scripts."""
        return {"line": self.line, "path": self.path, "message": self.message}


@dataclass(frozen=True)
class BuilderForm:
    """`shows`: whether problems are shown, which they are once the form was sent.

    `yaml` is the document's text while the user edits it, otherwise None.
    `file_problem` says why the files that were chosen last are not stored, until the
    user chooses others or removes them.
    """

    context: FormContext
    entries: Entries
    shows: bool = False
    focus: str = ""
    paste: str = ""
    paste_problems: Sequence[str] = ()
    yaml: str | None = None
    yaml_problems: Sequence[TextProblem] = ()
    file_problem: str = ""
    warnings: Sequence[str] = ()

    def checked(self) -> Check:
        """The check of the entries."""
        return self.context.check(self.entries, file_problem=self.file_problem)

    def asked(self) -> BuilderForm:
        """The form on its way to a sweep, with all problems shown."""
        return replace(self, shows=True)

    def with_files(
        self, files: Sequence[UploadedFile[bytes]], paths: str
    ) -> BuilderForm:
        """Store files that were sent, whatever else is wrong."""
        if not files:
            return self
        try:
            kept = keep_files(
                self.context.team, files, paths=paths, user=self.context.user
            )
        except snapshots.SnapshotError as error:
            return replace(self, file_problem=str(error), shows=True)
        entries = self.entries.with_texts(code=kept.digest, code_kind=FILES)
        return replace(self, entries=entries, file_problem="")

    def after(self, do: str) -> BuilderForm:
        """The form after a button that stores nothing."""
        if do == "paste":
            return self._pasted()
        if do == "collector":
            return replace(self, focus="field-collector_sample")
        if do == "yaml":
            text = yaml_text(compose(self.entries).document)
            return replace(self, yaml=text, focus="field-yaml")
        if do == "discard-yaml":
            return replace(self, yaml=None)
        if do == "apply-yaml":
            return self.with_yaml_applied()
        stepped = step(self.entries, do)
        shows = self.shows or do == "update"
        return replace(
            self,
            entries=stepped.entries,
            focus=stepped.focus,
            shows=shows,
            file_problem="" if do == "nofiles" else self.file_problem,
        )

    def with_yaml_applied(self) -> BuilderForm:
        """Fill the form from the text, unless the text has a problem without a field in
        the form."""
        if self.yaml is None:
            return self
        try:
            filled, warnings = _filled(
                self.context.adopt_code(load_document(self.yaml))
            )
        except DefinitionError as error:
            found = text_problems(self.yaml, error.problems)
            return replace(self, yaml_problems=found, shows=True)
        return replace(self, yaml=None, entries=filled, shows=True, warnings=warnings)

    def _pasted(self) -> BuilderForm:
        try:
            pasted = read_pasted(self.paste, base=self.entries.log_base)
        except PasteError as error:
            return replace(self, paste_problems=error.sentences, focus="field-paste")
        entries = pasted.put_into(self.entries)
        return replace(self, entries=entries, paste="", focus="field-space", shows=True)


def _filled(document: Mapping[str, Any]) -> tuple[Entries, Sequence[str]]:
    """The entries for a document, and the warnings of its check."""
    try:
        definition = parse_document(document)
    except DefinitionError:
        faulty = entries_of_faulty(document)
        if faulty is None:
            raise
        return faulty, ()
    return entries_of(definition), [str(warning) for warning in definition.warnings]


def posted_form(context: FormContext, data: QueryDict) -> BuilderForm:
    """The form that was sent."""
    in_yaml = data.get("yaml_mode") == "1"
    return BuilderForm(
        context,
        Entries.from_post(data),
        shows=data.get("shows") == "1",
        paste=data.get("paste", ""),
        yaml=data.get("yaml", "").replace("\r\n", "\n") if in_yaml else None,
        file_problem=data.get("refused", "")[:MAX_REFUSAL],
    )


def text_problems(text: str, problems: Sequence[Problem]) -> list[TextProblem]:
    """The problems of a document's text with their lines."""
    # Unreadable text has problems without a path, and must not be walked: its
    # aliases may expand to any number of lines.
    lines = lines_by_path(text) if any(problem.path for problem in problems) else {}
    return [
        TextProblem(
            _named_line(problem.message) or line_of(problem.path, lines),
            problem.path,
            problem.message,
        )
        for problem in problems
    ]


def _named_line(message: str) -> int | None:
    """The line at the start of a sentence about unreadable text."""
    named = LINE.match(message)
    return int(named[1]) if named else None


@dataclass(frozen=True)
class Stepped:
    """The entries after a step, and the id of the field that gets the focus."""

    entries: Entries
    focus: str = ""


def step(entries: Entries, do: str) -> Stepped:
    """Do `add`, `up:2`, `down:2`, `remove:2` or a repair; others do nothing."""
    verb, _, rest = do.partition(":")
    if verb == "add" and len(entries.rows) < MAX_ROWS:
        rows = [*entries.rows, SpaceRow()]
        return Stepped(entries.with_rows(rows), f"row-{len(rows) - 1}-name")
    if verb == "nofiles":
        return Stepped(entries.with_texts(code=""), "field-files")
    index = _index(rest, entries)
    if index is None:
        return Stepped(entries)
    if verb in ("up", "down"):
        return _moved(entries, index, -1 if verb == "up" else 1)
    if verb == "remove":
        rows = [row for place, row in enumerate(entries.rows) if place != index]
        return Stepped(entries.with_rows(rows), "field-space")
    if verb in ("natural", "above0", "plain"):
        return _repaired(entries, index, verb)
    return Stepped(entries)


def _index(text: str, entries: Entries) -> int | None:
    """The index of a row; None for anything else."""
    if not text.isascii() or not text.isdigit() or len(text) > 4:
        return None
    return int(text) if int(text) < len(entries.rows) else None


def _moved(entries: Entries, index: int, by: int) -> Stepped:
    rows, place = list(entries.rows), index + by
    if not 0 <= place < len(rows):
        return Stepped(entries)
    rows[index], rows[place] = rows[place], rows[index]
    return Stepped(entries.with_rows(rows), f"row-{place}-name")


def _repaired(entries: Entries, index: int, verb: str) -> Stepped:
    row = entries.rows[index]
    if verb == "natural":
        row = replace(row, unit=NATURAL)
    elif verb == "plain":
        row = replace(row, extra="")
    else:
        row = row.with_text("low", SMALLEST)
    focus = "name" if verb == "plain" else "low"
    return Stepped(entries.with_row(index, row), f"row-{index}-{focus}")
