"""The builder's form: its settings and formsets, checked as one document."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from django.core.exceptions import ValidationError
from django.http import QueryDict

from experiments.models import CodeSnapshot
from experiments.pages.builder.document import SPACE_PATH, Composed, compose
from experiments.pages.builder.fields import SPACE, FieldProblem, PartForm
from experiments.pages.builder.settings import SettingsForm
from experiments.pages.builder.space.parameters import (
    BaseRows,
    ConstraintForm,
    ConstraintFormSet,
    ParameterForm,
    ParameterFormSet,
    RowTexts,
    row_data,
)
from experiments.search.document.collector import FIELD
from experiments.search.document.definition import SweepDefinition, parse_document
from experiments.search.document.entry import read_entry
from experiments.search.fields import DefinitionError, Problem
from experiments.search.records import goal_of
from experiments.search.space.document import FIELD as CONSTRAINTS

POLICIES_PATH = "early_termination.policies"
# Parts of the document, and the field of the form that stands for the whole part.
PARTS: Mapping[str, str] = {
    "inputs": "inputs",
    "trial.environment_variables": "environment",
    "tags": "tags",
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
}
# Fields whose texts have paths inside.
FREE_PARTS = ("inputs", "trial.environment_variables", "tags")
# What a problem without a field belongs to, and what a problem of all rows does.
WHOLE, ROWS, RULES = "document", "space", "constraints"
EMPTY_SPACE = "Add at least one parameter to the search space."


@dataclass(frozen=True)
class Findings:
    """What only the database knows of a form; `kept` is the stored code."""

    problems: Sequence[Problem] = ()
    warnings: Sequence[Problem] = ()
    kept: CodeSnapshot | None = None


class SweepForm(SettingsForm):
    """A sweep as entered.

    It is always bound: a form that is opened has the texts of a document as its data.
    `clean` composes the document, and its problems become errors of fields and rows.
    `judge` finds what only the database knows. `stored` has the texts of a sweep that
    has started: most of its fields may not change.
    """

    data: QueryDict

    def __init__(
        self,
        data: QueryDict,
        *,
        judge: Judge | None = None,
        focus: str = "",
        stored: Mapping[str, str] | None = None,
    ) -> None:
        shows = data.get("shows") == "1"
        data = data if stored else _with_goal(data)
        super().__init__(data, auto_id="field-%s", shows=shows, initial=stored)
        self.judge, self.focus = judge, focus
        kwargs = {"shows": shows, "log_base": self.log_base}
        self.parameters: BaseRows = ParameterFormSet(
            data, prefix="row", auto_id="%s", form_kwargs=kwargs
        )
        self.constraints: BaseRows = ConstraintFormSet(
            data, prefix="constraint", auto_id="%s", form_kwargs={"shows": shows}
        )
        self.findings = Findings()
        self._warned: list[FieldProblem] = []

    @property
    def shows_goal(self) -> bool:
        """Not before there is a metric: without scripts the form would keep it."""
        return self.text("goal") != self.text("guessed_goal") or bool(
            self.text("primary_metric").strip()
        )

    @cached_property
    def rows(self) -> list[ParameterForm]:
        return self.parameters.rows

    @cached_property
    def rules(self) -> list[ConstraintForm]:
        return self.constraints.rows

    def is_valid(self) -> bool:
        formsets = (self.parameters, self.constraints)
        return super().is_valid() and all(each.is_valid() for each in formsets)

    @property
    def checked(self) -> Composed:
        """The document and its paths, after the check."""
        self.errors  # noqa: B018 - Django's way to run `clean`
        return self._composed

    @property
    def document(self) -> Mapping[str, Any]:
        return self.checked.document

    @property
    def definition(self) -> SweepDefinition | None:
        """The sweep; None while there are problems."""
        return self._definition if self.is_valid() else None

    def clean(self) -> None:
        """Compose and check the document.

        Of several problems with one path the first source counts: what cannot be
        written into a document, the document's own check, then what the database knows.
        """
        self.parameters.is_valid()
        self.constraints.is_valid()
        composed = self._composed = compose(self, self.rows, self.rules)
        problems, warnings, self._definition = _parsed(
            composed.document, parse_document if self.initial else read_entry
        )
        if self.judge is not None:
            self.findings = self.judge(self)
        taken: set[str] = set()
        for source in (composed.problems, problems, self.findings.problems):
            for problem in source:
                if problem.path not in taken:
                    self._put_error(problem)
            taken |= {problem.path for problem in source}
        for warning in (*warnings, *self.findings.warnings):
            form, field = self._place(warning.path)
            self._warned.append(form.warn(field or "command", warning))

    @cached_property
    def problems(self) -> Sequence[FieldProblem]:
        """All errors in the order of the page."""
        self.errors  # noqa: B018
        whole = [_whole(WHOLE, 0, error) for error in self.non_field_errors().as_data()]
        return [*whole, *sorted((*self.found, *self._space_problems()), key=_section)]

    def _space_problems(self) -> Iterator[FieldProblem]:
        for name, formset in ((ROWS, self.parameters), (RULES, self.constraints)):
            for error in formset.non_form_errors().as_data():
                yield _whole(name, SPACE, error)
            for form in formset.rows:
                yield from form.found

    @property
    def warned(self) -> Sequence[FieldProblem]:
        """All warnings."""
        self.errors  # noqa: B018
        return self._warned

    def has_field(self, path: str) -> bool:
        """Whether a problem at a path of the document can be corrected in the form."""
        for row, inner in self._rows_with(path):
            return row.field_at(inner) is not None
        if inside(path, CONSTRAINTS):
            return True
        fields = self.document_fields.values()
        applying = {field.path for field in fields if field.applies(self.picks)}
        free = [*FREE_PARTS, *({POLICIES_PATH} & applying)]
        whole = applying | {*PARTS, SPACE_PATH} - {POLICIES_PATH}
        return path in whole or any(inside(path, prefix) for prefix in free)

    def with_data(self, *, focus: str = "", **texts: str) -> SweepForm:
        """The form with other texts."""
        data = self.data.copy()
        for name, text in texts.items():
            data[name] = text
        return self._again(data, focus=focus)

    def with_rows(
        self, rows: Sequence[RowTexts], *, focus: str = "", prefix: str = "row"
    ) -> SweepForm:
        """The form with other rows, numbered anew."""
        data = self.data.copy()
        for name in [name for name in data if name.startswith(f"{prefix}-")]:
            del data[name]
        data.update(row_data(prefix, rows))
        return self._again(data, focus=focus)

    def _again(self, data: QueryDict, *, focus: str) -> SweepForm:
        stored = self.initial
        return SweepForm(data, judge=self.judge, focus=focus, stored=stored)

    def _put_error(self, problem: Problem) -> None:
        form, field = self._place(problem.path)
        if field is not None:
            form.note(field, problem)
            return
        error = ValidationError(problem.message, code=problem.path)
        if problem.path == SPACE_PATH:
            if not self.document.get(SPACE_PATH):
                error = ValidationError(EMPTY_SPACE, code=problem.path)
            self.parameters.non_form_errors().append(error)
        elif inside(problem.path, CONSTRAINTS):
            self.constraints.non_form_errors().append(error)
        else:
            self.add_error(None, error)

    def _place(self, path: str) -> tuple[PartForm, str | None]:
        """The form and field for a path of the document."""
        for row, inner in self._rows_with(path):
            return row, row.field_at(inner) or "kind"
        if inside(path, CONSTRAINTS):
            return self._rule_at(path)
        for name, field in self.document_fields.items():
            if field.path == path:
                return self, name
        found = (name for prefix, name in PARTS.items() if inside(path, prefix))
        return self, next(found, None)

    def _rule_at(self, path: str) -> tuple[PartForm, str | None]:
        number = path.removeprefix(f"{CONSTRAINTS}.")
        rules = self._composed.constraints
        if number.isdigit() and int(number) < len(rules):
            return rules[int(number)], "rule"
        return self, None

    def _rows_with(self, path: str) -> Iterator[tuple[ParameterForm, str]]:
        """The rows that a path may belong to, the longest name first, and the rest of
        the path."""
        found = [
            (len(name), each.row, path.removeprefix(f"{SPACE_PATH}.{name}").lstrip("."))
            for each in self._composed.row_paths
            for name in each.names
            if inside(path, f"{SPACE_PATH}.{name}")
        ]
        for _, row, inner in sorted(found, key=lambda item: -item[0]):
            yield row, inner


Judge: TypeAlias = Callable[[SweepForm], Findings]


def _with_goal(data: QueryDict) -> QueryDict:
    """The data with a goal by the metric's name, until somebody has chosen one."""
    if "goal" in data and data["goal"] != (data.get("guessed_goal") or None):
        return data
    data = data.copy()
    data["goal"] = data["guessed_goal"] = goal_of(data.get("primary_metric", ""))
    return data


def _whole(name: str, section: int, error: ValidationError) -> FieldProblem:
    """A problem of the whole document, or of all rows."""
    label = {ROWS: "search space", RULES: "constraints"}.get(name, "")
    path = error.code or ""
    label = label or path or "the document"
    return FieldProblem(name, f"field-{name}", label, section, path, str(error.message))


def _section(problem: FieldProblem) -> int:
    return problem.section


def inside(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}.")


def _parsed(
    document: Mapping[str, Any], read: Callable[[Mapping[str, Any]], SweepDefinition]
) -> tuple[Sequence[Problem], Sequence[Problem], SweepDefinition | None]:
    try:
        definition = read(document)
    except DefinitionError as error:
        return error.problems, (), None
    return (), definition.warnings, definition
