"""The rows of the search space as the page shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.forms import BoundField

from experiments.pages.builder.buttons import SMALLEST
from experiments.pages.builder.form import SweepForm
from experiments.pages.builder.kinds import FIELD_NAMES, KINDS, RARE
from experiments.pages.builder.parameters import CONDITIONS, ParameterForm
from experiments.pages.builder.preview import NO_PREVIEW, Preview, RowPreview
from experiments.pages.form_fields import read_number
from experiments.search.fields import is_number, shown


@dataclass(frozen=True)
class Repair:
    """A button that corrects a row."""

    do: str
    words: str


@dataclass(frozen=True)
class RowView:
    """One row of the search space, ready to be drawn."""

    row: ParameterForm
    repairs: Sequence[Repair] = ()
    preview: RowPreview = NO_PREVIEW
    is_open: bool = False

    @property
    def boxes(self) -> Sequence[tuple[BoundField, bool]]:
        """The fields for values, and whether the kind shows each."""
        used = {field.name for field in self.row.spec.fields}
        return [
            (
                self.row[name],
                name in used and (name not in RARE or bool(self.row.text(name))),
            )
            for name in FIELD_NAMES
        ]

    @property
    def condition(self) -> Sequence[BoundField]:
        return [self.row[name] for pair in CONDITIONS for name in pair]

    @property
    def has_condition(self) -> bool:
        return any(self.row.text(field.name) for field in self.condition)

    @property
    def carried(self) -> Sequence[tuple[str, str]]:
        """What the row has beyond its fields."""
        carried = self.row.carried.items()
        return [(name, carried_words(value)) for name, value in carried]


def row_views(form: SweepForm, preview: Preview) -> list[RowView]:
    wrong = next((row for row in form.rows if row.errors and form.shows), None)
    return [
        RowView(
            row,
            repairs_of(row),
            shown,
            is_open=row is wrong or row.is_blank or form.focus == row["name"].auto_id,
        )
        for row, shown in zip(form.rows, preview.rows, strict=True)
    ]


def repairs_of(row: ParameterForm) -> list[Repair]:
    low, high = (read_number(row.text(end)) for end in ("low", "high"))
    repairs = []
    logs = row.spec.key == "float-log" or row.in_natural_units
    too_low = row.has_error("low") and logs and is_number(low) and low <= 0
    if too_low and is_number(high) and high > float(SMALLEST):
        repairs.append(Repair(f"above0:{row.number}", f"Use {SMALLEST}"))
    if row.warnings and row.spec.in_logs and not row.in_natural_units:
        repairs.append(Repair(f"natural:{row.number}", "Read them as natural units"))
    return repairs


def carried_words(value: object) -> str:
    """A condition in words, anything else as in a document."""
    if isinstance(value, Mapping):
        parts = [f"{name} = {carried_words(given)}" for name, given in value.items()]
        return " and ".join(parts)
    if isinstance(value, list) and not any(isinstance(v, list | dict) for v in value):
        return " or ".join(map(str, value))
    return shown(value)


def kind_table() -> dict[str, Any]:
    """For scripts: the fields of every kind with their labels."""
    return {
        kind.key: {
            "fields": {
                field.name: field.label
                for field in kind.fields
                if field.name not in RARE
            },
            "logs": kind.in_logs,
        }
        for kind in KINDS.values()
    }
