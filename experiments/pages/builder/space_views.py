"""The rows of the search space as the page shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.pages.builder.check import Check, FieldProblem
from experiments.pages.builder.form import SMALLEST, BuilderForm
from experiments.pages.builder.preview import NO_PREVIEW, Preview, RowPreview
from experiments.pages.builder.space_rows import FIELD_NAMES, KINDS, RARE, SpaceRow
from experiments.pages.form_fields import read_number
from experiments.search.fields import is_number, shown

FIELD_TITLES: Mapping[str, str] = {
    "low": "lower bound",
    "high": "upper bound",
    "mu": "mean",
    "sigma": "standard deviation",
    "upper": "upper end, not included",
    "step": "step",
    "values": "values",
    "probabilities": "probabilities",
}


@dataclass(frozen=True)
class RowInput:
    """One field of a row, ready to be drawn."""

    name: str
    label: str
    title: str
    text: str
    used: bool
    wrong: bool


@dataclass(frozen=True)
class Repair:
    """A button that corrects a row."""

    do: str
    words: str


@dataclass(frozen=True)
class RowView:
    """One row of the search space, ready to be drawn. `index` is a number, or a
    placeholder in the row that scripts copy."""

    index: int | str
    row: SpaceRow
    boxes: Sequence[RowInput]
    name_wrong: bool = False
    kind_wrong: bool = False
    problems: Sequence[FieldProblem] = ()
    warnings: Sequence[FieldProblem] = ()
    repairs: Sequence[Repair] = ()
    preview: RowPreview = NO_PREVIEW
    is_open: bool = False

    @property
    def carried(self) -> Sequence[tuple[str, str]]:
        """What the row has beyond its fields: `when`, `optimizer = sgd`."""
        return [
            (name, carried_words(value)) for name, value in self.row.carried.items()
        ]

    @property
    def known_kind(self) -> bool:
        return self.row.kind in KINDS


def row_views(form: BuilderForm, check: Check, preview: Preview) -> list[RowView]:
    shown = check.problems if form.shows else ()
    boxes, warned = by_box(shown), by_box(check.warnings)
    wrong = frozenset(problem.field for problem in shown)
    first_wrong = next((n for n in sorted(check.wrong_rows) if form.shows), None)
    views = []
    for index, row in enumerate(check.entries.rows):
        box = f"row-{index}"
        views.append(
            row_view(
                index,
                row,
                wrong,
                problems=boxes.get(box, ()),
                warnings=warned.get(box, ()),
                repairs=_repairs(index, row, check),
                preview=preview.rows[index],
                is_open=index == first_wrong
                or form.focus == f"{box}-name"
                or row.is_blank,
            )
        )
    return views


def row_view(
    index: int | str, row: SpaceRow, wrong: frozenset[str], **more: Any
) -> RowView:
    used = {field.name: field for field in row.spec.fields}
    boxes = [
        RowInput(
            name=name,
            label=used[name].label if name in used else "",
            title=FIELD_TITLES[name],
            text=row.text(name),
            used=name in used and (name not in RARE or bool(row.text(name))),
            wrong=f"row-{index}-{name}" in wrong,
        )
        for name in FIELD_NAMES
    ]
    return RowView(
        index,
        row,
        boxes,
        name_wrong=f"row-{index}-name" in wrong,
        kind_wrong=f"row-{index}-kind" in wrong,
        **more,
    )


def _repairs(index: int, row: SpaceRow, check: Check) -> list[Repair]:
    box = f"row-{index}"
    wrong = f"{box}-low" in check.wrong_fields
    low, high = (read_number(row.text(end)) for end in ("low", "high"))
    repairs = []
    logs = row.kind == "float-log" or row.in_natural_units
    too_low = wrong and logs and is_number(low) and low <= 0
    if too_low and is_number(high) and high > float(SMALLEST):
        repairs.append(Repair(f"above0:{index}", f"Use {SMALLEST}"))
    warned = any(warning.box == box for warning in check.warnings)
    if warned and row.spec.in_logs and not row.in_natural_units:
        repairs.append(Repair(f"natural:{index}", "Read them as natural units"))
    return repairs


def carried_words(value: object) -> str:
    """A condition in words, anything else as in a document."""
    if isinstance(value, Mapping):
        parts = [f"{name} = {carried_words(given)}" for name, given in value.items()]
        return " and ".join(parts)
    if isinstance(value, list) and not any(isinstance(v, list | dict) for v in value):
        return " or ".join(map(str, value))
    return shown(value)


def by_box(problems: Sequence[FieldProblem]) -> dict[str, list[FieldProblem]]:
    boxes: dict[str, list[FieldProblem]] = {}
    for problem in problems:
        boxes.setdefault(problem.box, []).append(problem)
    return boxes


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
