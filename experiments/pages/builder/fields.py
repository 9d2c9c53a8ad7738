"""Form fields of the sweep document: their place in it, and how texts become values and
back. What a value means is left to `search`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.utils import flatatt
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString

from experiments.pages.builder.policy_fields import Reader, Writer, read_line
from experiments.pages.form_fields import (
    read_duration,
    read_number,
    read_plain,
    read_quoted,
    write_duration,
    write_plain,
    write_quoted,
    write_scalar,
)
from experiments.search.fields import Problem, shown
from experiments.search.records import JSONValue

DOCUMENT, RUN, OBJECTIVE, SPACE, SAMPLER, TERMINATION, LIMITS = range(7)
SECTIONS: Mapping[int, str] = {
    RUN: "What to run",
    OBJECTIVE: "Objective",
    SPACE: "Search space",
    SAMPLER: "Sampler",
    TERMINATION: "Early termination",
    LIMITS: "Limits and resources",
}
Faults = Callable[[str], Sequence[str]]


@dataclass(frozen=True)
class FieldProblem:
    """One sentence beside a field of the form, about a path of the document.

    `anchor` is the control's id, and `label` what the sticky bar calls the field.
    """

    field: str
    anchor: str
    label: str
    section: int
    path: str
    message: str


class ShownField(forms.BoundField):
    """Shows errors once the form was sent, and warnings. The place of the sentences is
    always there, since scripts fill it."""

    form: PartForm

    @property
    def errors(self) -> Any:
        return super().errors if self.form.shows else self.form.error_class()

    @property
    def warnings(self) -> Sequence[str]:
        return self.form.warnings.get(self.name, ())

    @property
    def aria_describedby(self) -> str:
        ids = [f"{self.auto_id}_error"]
        return " ".join([f"{self.auto_id}_helptext", *ids] if self.help_text else ids)


class PartForm(forms.Form):
    """A form whose errors and warnings are about paths of the document.

    An error's code is its path. `shows` is whether errors are shown.
    """

    bound_field_class = ShownField
    section = DOCUMENT

    def __init__(self, *args: Any, shows: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self.shows = shows
        self.warnings: dict[str, list[str]] = {}

    @property
    def number(self) -> str:
        """The form's number in its formset, or the placeholder of a new one."""
        return str(self.prefix).rpartition("-")[2]

    def text(self, name: str) -> str:
        """What was typed; for a field that may not change, what it was."""
        if name in self.fields and self.fields[name].disabled:
            return str(self.initial.get(name, ""))
        return str(self.data.get(self.add_prefix(name), ""))

    def note(self, field: str | None, problem: Problem) -> None:
        self.add_error(field, ValidationError(problem.message, code=problem.path))

    def warn(self, field: str, problem: Problem) -> FieldProblem:
        self.warnings.setdefault(field, []).append(problem.message)
        return self._field_problem(field, problem)

    @cached_property
    def found(self) -> Sequence[FieldProblem]:
        """All errors in the order of the fields."""
        errors = self.errors.as_data()
        return [
            self._field_problem(name, Problem(error.code or "", str(error.message)))
            for name in self.fields
            for error in errors.get(name, ())
        ]

    def label_of(self, name: str) -> str:
        return str(self.fields[name].label)

    def _field_problem(self, name: str, problem: Problem) -> FieldProblem:
        bound, field = self[name], self.fields[name]
        section = getattr(field, "section", self.section)
        return FieldProblem(
            bound.html_name, bound.auto_id, self.label_of(name), section, *problem
        )


class LineInput(forms.TextInput):
    """One line of text, made without a template: a page has hundreds of them."""

    def render(
        self, name: str, value: Any, attrs: Any = None, renderer: Any = None
    ) -> SafeString:
        more = flatatt(self.build_attrs(self.attrs, attrs))
        text = self.format_value(value) or ""
        return format_html(
            '<input type="text" name="{}" value="{}"{}>', name, text, more
        )


def line(placeholder: str = "", mode: str = "", **attrs: Any) -> LineInput:
    """One line of text. `mode` is the keyboard of a phone."""
    plain = {"autocomplete": "off", "placeholder": placeholder, "inputmode": mode}
    return LineInput({name: v for name, v in plain.items() if v} | attrs)


def lines(rows: int, placeholder: str = "", *, mono: bool = True) -> forms.Textarea:
    """Several lines, of code if `mono`."""
    attrs = {"rows": rows, "cols": False, "spellcheck": "false", "autocomplete": "off"}
    more = {"placeholder": placeholder or False, "data-mono": mono}
    return forms.Textarea({**attrs, **more})


def no_faults(text: str) -> Sequence[str]:
    return ()


class DocumentField(forms.Field):
    """The field at `path` of the document; one without a path is composed elsewhere.

    It applies only while the field `only[0]` has one of the values after it. `faults`
    are sentences about a text that cannot be read whole.
    """

    def __init__(
        self,
        path: str,
        section: int,
        label: str,
        hint: str = "",
        *,
        read: Reader = read_line,
        write: Writer = write_scalar,
        faults: Faults = no_faults,
        only: Sequence[str] = (),
        rows: int = 0,
        mode: str = "",
        widget: forms.Widget | type[forms.Widget] | None = None,
        help_text: str = "",
    ) -> None:
        usual = lines(rows, hint) if rows else line(hint, mode)
        super().__init__(
            required=False, label=label, help_text=help_text, widget=widget or usual
        )
        self.path, self.section, self.only = path, section, only
        self.read, self.write, self.faults = read, write, faults

    def to_python(self, value: Any) -> JSONValue:
        return self.read("on" if value is True else value or "")

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else self.write(value)

    def applies(self, picks: Mapping[str, str]) -> bool:
        return not self.only or picks[self.only[0]] in self.only[1:]


class NumberField(DocumentField):
    def __init__(self, *args: Any, mode: str = "numeric", **options: Any) -> None:
        super().__init__(*args, read=read_number, mode=mode, **options)


class SecondsField(DocumentField):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, read=read_duration, write=write_duration, **options)


class PairsField(DocumentField):
    """Lines of `name=value`. `plain` values may be numbers, true and false; others are
    text."""

    def __init__(
        self, *args: Any, plain: bool = False, rows: int = 2, **options: Any
    ) -> None:
        options |= {"write": self.write_pairs, "rows": rows}
        super().__init__(
            *args,
            read=lambda text: self.pairs(text)[0] or None,
            faults=lambda text: self.pairs(text)[1],
            **options,
        )
        self.plain = plain

    def pairs(self, text: str) -> tuple[dict[str, JSONValue], list[str]]:
        """The pairs, and a sentence for every other line."""
        read: Reader = read_plain if self.plain else read_quoted
        pairs: dict[str, JSONValue] = {}
        faults: list[str] = []
        for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
            name, sign, value = line.partition("=")
            name = name.strip()
            if not line.strip():
                continue
            if not sign or not name:
                faults.append(
                    f"Line {number} must be name=value, such as epochs=30, "
                    f"not {shown(line.strip())}."
                )
            elif name in pairs:
                faults.append(f"Line {number} repeats {name}.")
            else:
                pairs[name] = read(value)
        return pairs, faults

    def write_pairs(self, pairs: object) -> str:
        if not isinstance(pairs, Mapping):
            return ""
        write: Callable[[Any], str] = write_plain if self.plain else write_quoted
        return "\n".join(f"{name}={write(value)}" for name, value in pairs.items())
