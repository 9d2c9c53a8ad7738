"""What the form's buttons change without storing anything."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict

from experiments.code import snapshots
from experiments.models import CodeSnapshot
from experiments.pages.builder.code.fields import (
    FILES,
    keep_files,
    keep_pasted,
    kept_files,
)
from experiments.pages.builder.code.offers import proposed_command
from experiments.pages.builder.code.steps import OFFER_STEPS, after_offer
from experiments.pages.builder.context import FormContext
from experiments.pages.builder.filling import form_of, form_of_faulty
from experiments.pages.builder.form import SweepForm
from experiments.pages.builder.saved.forms import differences
from experiments.pages.builder.space.earlier_ranges import with_range
from experiments.pages.builder.space.paste import PasteError, read_pasted
from experiments.pages.builder.space.steps import ROW_STEPS, row_step
from experiments.search.document.entry import read_entry
from experiments.search.document.loading import load_document
from experiments.search.document.yaml import line_of, lines_by_path, yaml_text
from experiments.search.fields import DefinitionError, Problem

LINE = re.compile(r"Line (\d{1,7}), column")


@dataclass(frozen=True)
class TextProblem:
    """A problem of a document's text; `line` counts from 1, None if unknown."""

    line: int | None
    path: str
    message: str


@dataclass(frozen=True)
class Builder:
    """The page's state: a form, and what the last button said.

    `yaml` is the document's text while the user edits it, otherwise None.
    """

    context: FormContext
    form: SweepForm
    yaml: str | None = None
    paste_problems: Sequence[str] = ()
    yaml_problems: Sequence[TextProblem] = ()
    warnings: Sequence[str] = ()

    @classmethod
    def from_post(cls, context: FormContext, data: QueryDict) -> Builder:
        in_yaml = data.get("yaml_mode") == "1"
        text = str(data.get("yaml", "")).replace("\r\n", "\n")
        return cls(context, context.form(data), yaml=text if in_yaml else None)

    def with_texts(self, *, focus: str = "", **texts: str) -> Builder:
        return replace(self, form=self.form.with_data(focus=focus, **texts))

    def asked(self) -> Builder:
        """The form on its way to a sweep: with the text applied, and all problems."""
        return self._with_yaml_applied().with_texts(shows="1")

    def with_files(
        self, files: Sequence[UploadedFile[bytes]], *, paths: str
    ) -> Builder:
        """Store files that were sent, whatever else is wrong."""
        if not files:
            return self
        team, user = self.context.team, self.context.user
        try:
            kept = keep_files(team, files, paths=paths, user=user)
        except snapshots.SnapshotError as error:
            return self.with_texts(refused=str(error), shows="1")
        return self._with_kept(kept)

    def _with_kept(self, kept: CodeSnapshot) -> Builder:
        """These files as the code, with their script in an untouched command."""
        command = proposed_command(kept, self.form.text("command"))
        return self.with_texts(
            code=kept.digest,
            code_kind=FILES,
            refused="",
            pasted_code="",
            command=command,
        )

    def _with_pasted_code(self) -> Builder:
        team, user = self.context.team, self.context.user
        try:
            return self._with_kept(
                keep_pasted(team, self.form.text("pasted_code"), user=user)
            )
        except snapshots.SnapshotError as error:
            return self.with_texts(refused=str(error), shows="1")

    def _with_earlier_files(self, digest: str) -> Builder:
        kept = kept_files(self.context.team, self.context.user, digest)
        return self._with_kept(kept) if kept else self

    def tidied(self) -> Builder:
        """The page with its rows numbered in their order."""
        form = self.form
        for formset in (form.parameters, form.constraints):
            is_whole = formset.management_form.is_valid()
            if formset.rows != formset.forms or not is_whole:
                texts = [row.texts for row in formset.rows]
                prefix = str(formset.prefix)
                form = form.with_rows(texts, prefix=prefix, focus=form.focus)
        return replace(self, form=form)

    def after(self, do: str) -> Builder:
        """The page after a button; an unknown one does nothing."""
        verb, _, number = do.partition(":")
        if verb in ROW_STEPS:
            return replace(self, form=row_step(self.form, verb, number))
        if verb in OFFER_STEPS:
            return replace(self, form=after_offer(self.form, verb, number))
        if verb == "files":
            return self._with_earlier_files(number)
        if verb == "take":
            team = self.context.team
            return replace(self, form=with_range(team, self.form, number))
        step = STEPS.get(verb)
        return step(self) if step else self

    def _pasted(self) -> Builder:
        try:
            pasted = read_pasted(self.form.text("paste"), base=self.form.log_base)
        except PasteError as error:
            form = self.form.with_data(focus="field-paste")
            return replace(self, form=form, paste_problems=error.sentences)
        filled = pasted.put_into(self.form)
        return replace(self, form=filled, warnings=pasted.notes)

    def _sampled(self) -> Builder:
        clicks = self.form.text("samples")
        number = int(clicks[:6]) if clicks.isascii() and clicks.isdecimal() else 0
        return self.with_texts(focus="samples", samples=str(number + 1))

    def _in_yaml(self) -> Builder:
        text = yaml_text(self.form.document)
        return replace(self.with_texts(focus="field-yaml"), yaml=text)

    def _with_yaml_applied(self) -> Builder:
        """Fill the form from the text, unless the text has a problem without a field in
        the form."""
        if self.yaml is None:
            return self
        try:
            document = self.context.adopt_code(load_document(self.yaml))
            filled, warnings = _filled(document)
        except DefinitionError as error:
            found = text_problems(self.yaml, error.problems)
            return replace(self.with_texts(shows="1"), yaml_problems=found)
        off = [row for row in self.form.rows if row.text("off")]
        rows = [row.texts for row in (*filled.rows, *off)]
        data = filled.with_rows(rows).with_data(shows="1").data
        form = self.context.form(data)
        if found := self._unchangeable(filled.document, form.document):
            return replace(self.with_texts(shows="1"), yaml_problems=found)
        return Builder(self.context, form, warnings=warnings)

    def _unchangeable(
        self, asked: Mapping[str, Any], possible: Mapping[str, Any]
    ) -> list[TextProblem]:
        """What the text says differently and a sweep that has started cannot change."""
        if self.context.started is None:
            return []
        problems = [
            Problem(
                each.path, f"Cannot change any more; it is {each.that or 'not set'}."
            )
            for each in differences(asked, possible)
        ]
        return text_problems(self.yaml or "", problems)


STEPS: Mapping[str, Callable[[Builder], Builder]] = {
    "update": lambda page: page.with_texts(shows="1"),
    "code": lambda page: page._with_pasted_code(),
    "paste": lambda page: page._pasted(),
    "samples": lambda page: page._sampled(),
    "no-samples": lambda page: page.with_texts(focus="field-space", samples=""),
    "ranges": lambda page: page.with_texts(focus="ranges", ranges="1"),
    "no-ranges": lambda page: page.with_texts(focus="field-space", ranges=""),
    "collector": lambda page: page.with_texts(focus="field-collector_sample"),
    "yaml": lambda page: page._in_yaml(),
    "discard-yaml": lambda page: replace(page, yaml=None),
    "apply-yaml": lambda page: page._with_yaml_applied(),
    "nofiles": lambda page: page.with_texts(focus="field-files", code="", refused=""),
}


def _filled(document: Mapping[str, Any]) -> tuple[SweepForm, Sequence[str]]:
    """The form for a document, and the warnings of its check."""
    try:
        definition = read_entry(document)
    except DefinitionError:
        faulty = form_of_faulty(document)
        if faulty is None:
            raise
        return faulty, ()
    return form_of(definition), [str(warning) for warning in definition.warnings]


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
