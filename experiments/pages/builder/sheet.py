"""One state of the builder's form: what was entered, and what is said about it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict

from experiments import snapshots
from experiments.document_yaml import line_of, lines_by_path
from experiments.models import CodeSnapshot
from experiments.pages.builder.bench import Bench, adopted
from experiments.pages.builder.check import Check, check_entries
from experiments.pages.builder.entries import Entries
from experiments.pages.builder.fill import entries_of, entries_of_faulty
from experiments.pages.builder.preview import Preview
from experiments.pages.builder.scripts import missing_script
from experiments.pages.builder.source_fields import FILES
from experiments.pages.builder.space_paste import PasteError, read_pasted
from experiments.pages.builder.steps import step
from experiments.pages.code_files import keep_files, kept_files
from experiments.search.loading import load_document
from experiments.search.problems import DefinitionError, Problem

LONGEST_REFUSAL = 1000
LINE = re.compile(r"Line (\d{1,7}), column")


@dataclass(frozen=True)
class TextProblem:
    """What is wrong with a document's text; `line` counts from 1, None if unknown."""

    line: int | None
    path: str
    message: str

    def dump(self) -> dict[str, Any]:
        """The problem as JSON for the page's scripts."""
        return {"line": self.line, "path": self.path, "message": self.message}


@dataclass(frozen=True)
class Sheet:
    """`shows` says whether problems are shown: not before something was sent.

    `yaml` is the document as text while it is edited as text, else None.
    `file_problem` says why the files that were chosen last could not be kept; it
    stays until others are chosen or all are removed.
    """

    bench: Bench
    entries: Entries
    shows: bool = False
    focus: str = ""
    paste: str = ""
    paste_problems: Sequence[str] = ()
    yaml: str | None = None
    yaml_problems: Sequence[TextProblem] = ()
    file_problem: str = ""
    warnings: Sequence[str] = ()

    @cached_property
    def check(self) -> Check:
        more = self.bench.problems(self.entries)
        if self.file_problem and self.entries.code_kind == FILES:
            more.insert(0, Problem("trial.code", self.file_problem))
        return check_entries(self.entries, more=more, doubts=self._doubts)

    @cached_property
    def kept(self) -> CodeSnapshot | None:
        """The files of the sweep, where they are kept already."""
        code = self.entries.text("code")
        return kept_files(self.bench.team, self.bench.user, code)

    @property
    def _doubts(self) -> Sequence[Problem]:
        """What the files and the values of earlier trials give reason to doubt."""
        return [*self._script_doubts(), *self.bench.doubts(self.entries)]

    def _script_doubts(self) -> Iterator[Problem]:
        """Whether the command's script comes with the files, where they are known."""
        known = self.kept or not self.entries.text("code").strip()
        if self.file_problem or self.entries.code_kind != FILES or not known:
            return
        paths = {str(file["path"]) for file in self.kept.files} if self.kept else ()
        words = missing_script(self.entries.text("command"), paths)
        if words:
            yield Problem("trial.code", words)

    @cached_property
    def preview(self) -> Preview:
        return Preview(self.check)

    @property
    def is_right(self) -> bool:
        """Whether a sweep can be made of the sheet."""
        return self.yaml is None and self.check.definition is not None

    def asked(self) -> Sheet:
        """The sheet once somebody wants a sweep of it: everything wrong is shown."""
        return replace(self, shows=True)

    def with_files(self, files: Sequence[UploadedFile[bytes]], paths: str) -> Sheet:
        """Keep files that were sent, whatever else is wrong."""
        if not files:
            return self
        try:
            kept = keep_files(self.bench.team, files, paths=paths, user=self.bench.user)
        except snapshots.CodeError as error:
            return replace(self, file_problem=str(error), shows=True)
        entries = self.entries.with_texts(code=kept.digest, code_kind=FILES)
        return replace(self, entries=entries, file_problem="")

    def after(self, do: str) -> Sheet:
        """The sheet after a button that stores nothing."""
        if do == "paste":
            return self._pasted()
        if do == "yaml":
            return replace(self, yaml=self.preview.yaml, focus="field-yaml")
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

    def with_yaml_applied(self) -> Sheet:
        """Fill the form from the text, if it can hold all that stands there.

        A text with a problem that the form has no field for stays as it is.
        """
        if self.yaml is None:
            return self
        try:
            document = self.bench.adopt_code(load_document(self.yaml))
            filled, warnings = self._filled(document)
        except DefinitionError as error:
            found = text_problems(self.yaml, error.problems)
            return replace(self, yaml_problems=found, shows=True)
        return replace(self, yaml=None, entries=filled, shows=True, warnings=warnings)

    def _filled(self, document: Mapping[str, Any]) -> tuple[Entries, Sequence[str]]:
        try:
            definition = adopted(self.bench, document)
        except DefinitionError:
            faulty = entries_of_faulty(document)
            if faulty is None:
                raise
            return faulty, ()
        ignored = [str(warning) for warning in definition.warnings]
        return entries_of(definition), ignored

    def _pasted(self) -> Sheet:
        try:
            pasted = read_pasted(self.paste, base=self.entries.log_base)
        except PasteError as error:
            return replace(self, paste_problems=error.sentences, focus="field-paste")
        entries = pasted.put_into(self.entries)
        return replace(self, entries=entries, paste="", focus="field-space", shows=True)


def posted_sheet(bench: Bench, data: QueryDict) -> Sheet:
    """The sheet that was sent."""
    in_yaml = data.get("yaml_mode") == "1"
    return Sheet(
        bench,
        Entries.from_post(data),
        shows=data.get("shows") == "1",
        paste=data.get("paste", ""),
        yaml=data.get("yaml", "").replace("\r\n", "\n") if in_yaml else None,
        file_problem=data.get("refused", "")[:LONGEST_REFUSAL],
    )


def text_problems(text: str, problems: Sequence[Problem]) -> list[TextProblem]:
    """The problems of a document's text with their lines."""
    # A text that could not be read has problems without a path, and must not be
    # walked: its aliases may stand for any number of lines.
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
    """The line that a sentence about unreadable text begins with."""
    named = LINE.match(message)
    return int(named[1]) if named else None
