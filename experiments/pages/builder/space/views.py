"""The rows of the search space as the page shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.forms import BoundField
from django.template.loader import render_to_string

from experiments.pages.builder.buttons import Builder
from experiments.pages.builder.form import SweepForm
from experiments.pages.builder.preview import (
    NO_PREVIEW,
    DrawTable,
    Preview,
    RowPreview,
    draw_table,
)
from experiments.pages.builder.space.earlier_ranges import ranges_for
from experiments.pages.builder.space.kinds import FIELD_NAMES, KINDS, RARE
from experiments.pages.builder.space.parameters import (
    CONDITIONS,
    IS_NOT,
    ConstraintForm,
    ParameterForm,
)
from experiments.pages.builder.space.steps import SMALLEST
from experiments.pages.form_fields import read_number
from experiments.search.fields import is_number, shown
from experiments.search.space.sampling import InfeasibleError
from experiments.search.space.shares import (
    MIN_KEPT,
    SpaceShares,
    share_words,
    space_shares,
)

SAMPLES = 10


@dataclass(frozen=True)
class Repair:
    """A button that corrects a row."""

    do: str
    words: str


@dataclass(frozen=True)
class ConditionLine:
    """One part of a condition: another parameter, is or is not, and its values."""

    name: BoundField
    sign: BoundField
    values: BoundField

    @property
    def words(self) -> str:
        """`optimizer = sgd`; empty without a parameter."""
        equals = "\N{NOT EQUAL TO}" if self.sign.data == IS_NOT else "="
        return f"{self.name.data} {equals} {self.values.data}" if self.name.data else ""

    @property
    def is_empty(self) -> bool:
        return not self.name.data and not self.values.data

    @property
    def is_wrong(self) -> bool:
        return bool(self.name.errors or self.values.errors)


@dataclass(frozen=True)
class RowView:
    """One row of the search space, ready to be drawn. `share` says in how many draws a
    parameter with a condition is set."""

    row: ParameterForm
    repairs: Sequence[Repair] = ()
    preview: RowPreview = NO_PREVIEW
    is_open: bool = False
    asks_when: bool = False
    share: str = ""

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
    def conditions(self) -> Sequence[ConditionLine]:
        row = self.row
        return [ConditionLine(row[n], row[s], row[v]) for n, s, v in CONDITIONS]

    @property
    def condition(self) -> str:
        """`optimizer = sgd and layers = 2`."""
        return " and ".join(line.words for line in self.conditions if line.words)

    @property
    def has_condition(self) -> bool:
        return any(not line.is_empty for line in self.conditions)

    @property
    def shows_condition(self) -> bool:
        """Whether the condition is open for editing."""
        return self.asks_when or any(line.is_wrong for line in self.conditions)

    @property
    def carried(self) -> Sequence[tuple[str, str]]:
        """What the row has beyond its fields."""
        carried = self.row.carried.items()
        return [(name, carried_words(value)) for name, value in carried]


@dataclass(frozen=True)
class RuleView:
    """A constraint, and how many draws it keeps; `state` is good or few, or empty while
    that is not known."""

    rule: ConstraintForm
    words: str = ""
    state: str = ""


def row_views(
    form: SweepForm, preview: Preview, shares: SpaceShares | None
) -> list[RowView]:
    wrong = next((row for row in form.rows if row.errors and form.shows), None)
    return [
        RowView(
            row,
            repairs_of(row),
            shown,
            is_open=row is wrong
            or row.is_blank
            or form.focus.startswith(f"{row.prefix}-"),
            asks_when=form.focus == row["when"].auto_id,
            share=_share_of(row, shares),
        )
        for row, shown in zip(form.rows, preview.rows, strict=True)
    ]


def offer_names(form: SweepForm) -> None:
    """Each parameter may depend on the others. Only for a page: its scripts list them
    themselves."""
    names = [row.key for row in form.rows if row.key]
    for row in form.rows:
        for field, *_ in CONDITIONS:
            others = [*(name for name in names if name != row.key), row.text(field)]
            choices = [(name, name) for name in dict.fromkeys(others) if name]
            row.fields[field].widget.choices = [("", "parameter"), *choices]


def _share_of(row: ParameterForm, shares: SpaceShares | None) -> str:
    for name, _, values in CONDITIONS:
        if row.text(name).strip() and not row.text(values).strip():
            return f"Choose the value of {row.text(name).strip()}."
    share = shares.active.get(row.name_as_read) if shares else None
    if share is None or not row.text("when"):
        return ""
    if share == 1:
        return "All of the draws: the condition is always met."
    return f"{share_words(share)}; otherwise {row.key} is not set."


def shares_of(preview: Preview) -> SpaceShares | None:
    """The shares of what is right already."""
    return space_shares(preview.space) if preview.space else None


def rule_views(form: SweepForm, shares: SpaceShares | None) -> list[RuleView]:
    found = shares.each if shares else {}
    views = []
    for rule in form.rules:
        share = found.get(rule.text("rule").strip())
        if share is None:
            views.append(RuleView(rule))
        else:
            state = "good" if share.kept >= MIN_KEPT else "few"
            views.append(RuleView(rule, share.words, state))
    return views


def samples_of(form: SweepForm, preview: Preview) -> DrawTable | None:
    """Ten random draws, others at each click; None before the first one."""
    clicks = form.text("samples")
    if not clicks.isdecimal() or not clicks.isascii() or not preview.space:
        return None
    rng = np.random.default_rng(int(clicks[:6]))
    try:
        drawn = [preview.space.sample(rng) for _ in range(SAMPLES)]
    except InfeasibleError:
        return None
    return draw_table(preview.space, drawn)


def space_context(page: Builder, preview: Preview) -> dict[str, Any]:
    """What the card of the search space shows."""
    form = page.form
    shares = shares_of(preview)
    return {
        "rows": row_views(form, preview, shares),
        "rules": rule_views(form, shares),
        "rules_problem": shares.problem if shares else "",
        "samples": samples_of(form, preview),
        "ranges": ranges_for(page.context.team, form),
    }


def space_answer(page: Builder, preview: Preview) -> dict[str, Any]:
    """The same for scripts."""
    context = space_context(page, preview)
    return {
        "rows": [_row_answer(view) for view in context["rows"]],
        "rules": [[view.words, view.state] for view in context["rules"]],
        "rules_problem": context["rules_problem"],
        "samples": render_to_string("experiments/builder/samples.html", context),
        "ranges": render_to_string("experiments/builder/ranges.html", context),
    }


def _row_answer(view: RowView) -> dict[str, Any]:
    preview = view.preview
    context = {"view": view, "picture": preview.picture}
    picture = render_to_string("experiments/builder/picture.html", context)
    return {
        "hint": preview.hint,
        "summary": preview.summary,
        "picture": picture,
        "condition": view.condition,
        "share": view.share,
        "repairs": [[repair.do, repair.words] for repair in view.repairs],
    }


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
