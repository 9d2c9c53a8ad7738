"""The search space's formsets: parameters with their kinds, and constraints."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias, cast

from django import forms
from django.forms.formsets import (
    DELETION_FIELD_NAME,
    ORDERING_FIELD_NAME,
    formset_factory,
)

from experiments.pages.builder.fields import SPACE, PartForm, line
from experiments.pages.builder.space.kinds import (
    FIELD_NAMES,
    KINDS,
    LISTS,
    LN,
    NATURAL,
    TITLES,
    KindSpec,
    logarithm,
)
from experiments.pages.form_fields import (
    ValuesError,
    read_mapping,
    read_number,
    read_values,
)
from experiments.search.fields import is_number, shown
from experiments.search.records import JSONValue
from experiments.search.space.distribution import identity
from experiments.search.space.document import NAME, converted_name

# Two conditions of a parameter: the fields of the other one's name, of whether it must
# have the values or others, and of the values.
CONDITIONS = (("when", "when_is", "when_values"), ("and_when", "and_is", "and_values"))
IS, IS_NOT = "", "not"
# More than a sweep may have, so that the document's own limit is reported.
MAX_ROWS = 1000
# Of a choice that a condition negates: each such condition lists what is left.
MAX_VALUES = 200
CODE = {"autocapitalize": "off", "spellcheck": "false"}

RowTexts: TypeAlias = dict[str, str]


class Fault(NamedTuple):
    """A text that cannot be read: its field, and the path inside the parameter."""

    field: str
    path: str
    message: str


def _text_field(label: str, placeholder: str = "", **attrs: str) -> forms.Field:
    widget = line(placeholder, **CODE, **attrs)
    return forms.Field(required=False, label=label, widget=widget)


def _value_field(name: str) -> forms.Field:
    placeholder = "16, 32, sgd, true" if name == "values" else ""
    attrs = {"aria-label": TITLES[name], "class": "row-field-input"}
    return _text_field(TITLES[name], placeholder, **attrs)


def _other_field(label: str) -> forms.Field:
    """The name of another parameter. The page knows which there are."""
    attrs = {"data-other": True, "aria-label": label}
    return forms.Field(required=False, label=label, widget=forms.Select(attrs))


def _is_field() -> forms.Field:
    choices = [(IS, "is"), (IS_NOT, "is not")]
    widget = forms.Select({"aria-label": "is or is not"}, choices)
    return forms.Field(required=False, label="is", widget=widget)


class ParameterForm(PartForm):
    """One parameter. Kinds share the fields for values, so that a text survives when
    the kind is changed.

    `extra` is JSON: what the document says of the parameter beyond these fields. A
    parameter that is `off` is not in the document.
    """

    section = SPACE
    name = _text_field("Name", "learning_rate")
    kind = forms.Field(required=False, label="Kind", widget=forms.Select)
    unit = forms.Field(
        required=False,
        label="The bounds are",
        widget=forms.Select(
            choices=[(NATURAL, "values"), (LN, "logarithms")],
            attrs={"class": "row-field-input", "data-unit": True},
        ),
    )
    when = _other_field("only when")
    when_is = _is_field()
    when_values = _text_field("one of these values", "sgd, adam")
    and_when = _other_field("and")
    and_is = _is_field()
    and_values = _text_field("one of these values", "2, 3")
    off = forms.BooleanField(required=False, label="Leave out of the sweep")
    extra = forms.Field(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, log_base: float = math.e, **options: Any) -> None:
        super().__init__(*args, **options)
        self.log_base = log_base
        self.siblings: Sequence[ParameterForm] = ()
        self.fields.update({name: _value_field(name) for name in FIELD_NAMES})
        for own in self.spec.fields:
            self.fields[own.name].label = own.label
        choices = {key: kind.name for key, kind in KINDS.items()}
        self.fields["kind"].widget = forms.Select(
            choices=({self.spec.key: self.spec.key} | choices).items(),
            attrs={"data-kind": True},
        )

    @cached_property
    def is_blank(self) -> bool:
        return not any(self.text(name).strip() for name in ("name", *FIELD_NAMES))

    @property
    def is_used(self) -> bool:
        """Whether the parameter is in the document."""
        return not self.is_blank and not self.text("off")

    @property
    def spec(self) -> KindSpec:
        """The row's kind; an unknown kind has no fields."""
        kind = self.text("kind") or "choice"
        return KINDS.get(kind) or KindSpec(kind, kind, ())

    @property
    def in_natural_units(self) -> bool:
        return self.spec.in_logs and self.text("unit") != LN

    @cached_property
    def key(self) -> str:
        """The row's name in the document."""
        return self.text("name").strip()

    @cached_property
    def name_as_read(self) -> str:
        return converted_name(self.key)

    @property
    def carried(self) -> Mapping[str, JSONValue]:
        """The content of `extra`."""
        return read_mapping(self.text("extra"))

    @property
    def texts(self) -> RowTexts:
        """What was typed, without the prefix."""
        return {name: self.text(name) for name in self.fields if self.text(name)}

    def label_of(self, name: str) -> str:
        number = int(self.number) + 1 if self.number.isdigit() else 1
        own = self.key or f"parameter {number}"
        return own if name in ("name", "kind") else f"{own}, {super().label_of(name)}"

    def document(self) -> tuple[dict[str, object], list[Fault]]:
        """The parameter's mapping, and the problems of its texts."""
        mapping, faults = self.distribution()
        condition, more = self._condition()
        carried = dict(self.carried)
        other = carried.pop("when", None)
        if condition:
            mapping["when"] = {
                **(other if isinstance(other, dict) else {}),
                **condition,
            }
        elif other is not None:
            mapping["when"] = other
        return {**carried, **mapping}, [*faults, *more]

    def distribution(self) -> tuple[dict[str, object], list[Fault]]:
        """The distribution's mapping, and the problems of its texts.

        A text with a problem is in the mapping unchanged.
        """
        mapping: dict[str, object] = {"type": self.spec.type}
        faults: list[Fault] = []
        for own in self.spec.fields:
            try:
                value = self._value(own.name)
            except ValuesError as error:
                faults.append(Fault(own.name, own.key, str(error)))
                value = self.text(own.name).strip()
                if self.in_natural_units and own.name in ("low", "high"):
                    value = f"ln({value})"
            if value is not None:
                mapping[own.key] = value
        if self.spec.log:
            mapping["log"] = True
        if self.in_natural_units and not faults:
            faults += self._order_faults()
        return mapping, faults

    def field_at(self, path: str) -> str | None:
        """The field for a path inside the parameter; None if it has none."""
        key, _, rest = path.partition(".")
        for own in self.spec.fields:
            if own.key == key:
                return own.name
        if key == "when":
            return self._condition_field(rest)
        if not key and not NAME.fullmatch(self.name_as_read):
            return "name"
        return "kind" if key in ("", "type", "log") else None

    def _condition_field(self, other: str) -> str | None:
        """The field for a problem with one of the other parameters, or with none."""
        for name, _, values in CONDITIONS:
            is_filled = self.text(name).strip() or self.text(values).strip()
            if is_filled and self.text(name).strip() == other:
                return values if other else name
        return None if self.carried.get("when") else "when"

    def _condition(self) -> tuple[dict[str, JSONValue], list[Fault]]:
        condition: dict[str, JSONValue] = {}
        faults: list[Fault] = []
        for name, sign, values in CONDITIONS:
            other, text = self.text(name).strip(), self.text(values)
            if not other and not text.strip():
                continue
            if not other:
                faults.append(Fault(name, "when", "Name the parameter to depend on."))
                continue
            try:
                given = read_values(text)
                negated = self.text(sign) == IS_NOT
                condition[other] = self._others(other, given) if negated else given
            except ValuesError as error:
                condition[other] = text.strip()
                faults.append(Fault(values, f"when.{other}", str(error)))
        return condition, faults

    def _others(self, name: str, values: list[JSONValue]) -> list[JSONValue]:
        """The values of another choice without some; a document lists what is left."""
        rows = (row for row in self.siblings if row.key == name)
        row = next((row for row in rows if row.spec.key == "choice"), None)
        if row is None:
            raise ValuesError(f"“is not” needs a choice, and {name} is none.")
        choices = row.values_or_why
        if isinstance(choices, str):
            raise ValuesError(choices)
        for value in values:
            if identity(value) not in choices:
                raise ValuesError(
                    f"“is not” needs a value of {name}, and {shown(value)} is none."
                )
        without = {identity(value) for value in values}
        # Without a value there is nothing to leave out, which the document refuses.
        left = {key: value for key, value in choices.items() if key not in without}
        return list(left.values()) if values else []

    @cached_property
    def values_or_why(self) -> Mapping[object, JSONValue] | str:
        """A choice's values by identity, or why “is not” cannot list them."""
        try:
            values = read_values(self.text("values"))
        except ValuesError as error:
            return str(error)
        if len(values) > MAX_VALUES:
            return (
                f"“is not” needs a choice of at most {MAX_VALUES} values, and"
                f" {self.key} has {len(values):,}. Use “is” with the values that count."
            )
        return {identity(value): value for value in values}

    def _value(self, name: str) -> object:
        text = self.text(name)
        if name in LISTS:
            if name == "probabilities" and not text.strip():
                return None
            return read_values(text)
        value = read_number(text)
        if name in ("low", "high") and self.in_natural_units and is_number(value):
            return logarithm(value, self.log_base)
        return value

    def _order_faults(self) -> Iterator[Fault]:
        low, high = (read_number(self.text(name)) for name in ("low", "high"))
        if is_number(low) and is_number(high) and low > high:
            message = f"max must be at least min, which is {low}, not {high}."
            yield Fault("high", "max_value", message)


class ConstraintForm(PartForm):
    """One constraint, such as `a + b <= 9`."""

    section = SPACE
    rule = _text_field("Constraint", "a + b <= 9")

    @property
    def is_used(self) -> bool:
        return bool(self.text("rule").strip())

    @property
    def texts(self) -> RowTexts:
        return {"rule": self.text("rule")}

    def label_of(self, name: str) -> str:
        return f"constraint {self.text(name).strip()[:20]}"


class BaseRows(forms.BaseFormSet):  # type: ignore[type-arg]
    """Rows that can be moved and removed."""

    ordering_widget = forms.HiddenInput
    deletion_widget = forms.HiddenInput

    def total_form_count(self) -> int:
        """As many as were sent: a number alone makes no rows."""
        number = re.compile(rf"{re.escape(str(self.prefix))}-([0-9]{{1,9}})-")
        found = filter(None, map(number.match, self.data))
        sent = max((int(match[1]) for match in found), default=-1) + 1
        return min(super().total_form_count(), sent)

    @property
    def rows(self) -> list[Any]:
        """The forms in their order, without the removed ones."""
        kept = [form for form in self.forms if not form.text(DELETION_FIELD_NAME)]
        return sorted(kept, key=_place)


def _place(form: PartForm) -> int:
    text = form.text(ORDERING_FIELD_NAME)
    is_whole = text.isascii() and text.isdigit() and len(text) < 10
    return int(text) if is_whole else MAX_ROWS


ROWS: Mapping[str, Any] = {
    "formset": BaseRows,
    "extra": 0,
    "can_order": True,
    "can_delete": True,
    "max_num": MAX_ROWS,
    "absolute_max": MAX_ROWS,
}
ParameterFormSet = cast(type[BaseRows], formset_factory(ParameterForm, **ROWS))
ConstraintFormSet = cast(type[BaseRows], formset_factory(ConstraintForm, **ROWS))


def row_data(prefix: str, rows: Sequence[RowTexts]) -> dict[str, str]:
    """A formset's POST with these rows."""
    data = {f"{prefix}-TOTAL_FORMS": str(len(rows)), f"{prefix}-INITIAL_FORMS": "0"}
    for index, row in enumerate(rows):
        texts = {**row, ORDERING_FIELD_NAME: str(index + 1)}
        data |= {f"{prefix}-{index}-{name}": text for name, text in texts.items()}
    return data
