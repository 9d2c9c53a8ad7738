"""What the builder's templates and scripts are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.template.loader import render_to_string

from experiments.clock import database_now
from experiments.models import Experiment, Team
from experiments.pages.builder_bench import new_token
from experiments.pages.builder_check import Check, FieldProblem
from experiments.pages.builder_fields import RARE_FIELDS, SECTIONS
from experiments.pages.builder_sheet import Sheet, text_problems
from experiments.pages.builder_steps import SMALLEST
from experiments.pages.code_files import KeptFiles, kept_files
from experiments.pages.slots import slot_map
from experiments.pages.space_kinds import KINDS, RARE, SLOTS
from experiments.pages.space_pictures import Picture
from experiments.pages.space_rows import Row
from experiments.search.fields import is_number
from experiments.search.figures import counted
from experiments.search.loading import load_document
from experiments.search.problems import DefinitionError
from experiments.search.samplers import SAMPLERS
from experiments.search.termination import POLICIES
from experiments.pages.value_text import read_number
from experiments.search.definition import parse_document

MOST_EXPERIMENTS = 200
SAMPLER_CARDS = (
    ("random", "Random", "Independent draws. Good for a first look and very many trials."),
    ("grid", "Grid", "Every combination of listed values, in order."),
)
POLICY_CARDS = (
    ("median_stopping", "Median stopping", "Ends what is worse than the typical trial. Safe default."),
    ("bandit", "Bandit", "Ends what is far from the best. Needs a known slack."),
    ("truncation_selection", "Truncation", "Ends the worst share at every check."),
    ("none", "None", "Every trial runs to its end."),
)
SLOT_NAMES: Mapping[str, str] = {
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
class Card:
    """One choice among a few, with a sentence on when to use it."""

    value: str
    name: str
    text: str


@dataclass(frozen=True)
class Box:
    """One slot's input in a row."""

    slot: str
    label: str
    title: str
    text: str
    used: bool
    wrong: bool


@dataclass(frozen=True)
class Repair:
    """A button that makes a wrong row right."""

    do: str
    words: str


@dataclass(frozen=True)
class RowView:
    """One row of the search space, ready to be drawn. `index` is a number, or a mark
    in the row that scripts copy."""

    index: int | str
    row: Row
    boxes: Sequence[Box]
    name_wrong: bool = False
    kind_wrong: bool = False
    problems: Sequence[FieldProblem] = ()
    warnings: Sequence[FieldProblem] = ()
    repairs: Sequence[Repair] = ()
    picture: Picture | None = None
    hint: str = ""
    summary: str = ""
    is_open: bool = False

    @property
    def box(self) -> str:
        return f"row-{self.index}"

    @property
    def known_kind(self) -> bool:
        return self.row.kind in KINDS


def page_context(sheet: Sheet, *, token: str) -> dict[str, Any]:
    """The whole page."""
    check, bench = sheet.check, sheet.bench
    shown = check.problems if sheet.shows else ()
    return {
        "bench": bench,
        "team": bench.team,
        "sheet": sheet,
        "token": token or new_token(),
        "texts": check.entries.texts,
        "kept": _kept(sheet),
        "wrong": {problem.place.field for problem in shown},
        "problems": shown,
        "boxes": _by_box(shown),
        "warned": _by_box(check.warnings),
        "told": _told(sheet),
        "sections": {str(n): n in check.wrong_sections for n in SECTIONS},
        "rows": _rows(sheet),
        "template_row": _row_view("__row__", Row(), frozenset()),
        "kinds": list(KINDS.values()),
        "kind_table": _kind_table(),
        "samplers": _cards(SAMPLER_CARDS, SAMPLERS, check.entries.sampler),
        "policies": _cards(POLICY_CARDS, (*POLICIES, "none"), check.entries.policy),
        "pools": _pools(bench.team, check.entries.text("compute")),
        "experiments": _experiment_names(bench.team),
        "rare_open": any(problem.place.field in RARE_FIELDS for problem in shown),
        **_preview_context(sheet),
    }


def preview_answer(sheet: Sheet) -> dict[str, Any]:
    """The same for the page's scripts, which ask while somebody types."""
    if sheet.yaml is not None:
        return {"yaml_problems": [p.dump() for p in _text_check(sheet)]}
    check, preview = sheet.check, sheet.preview
    context = _preview_context(sheet)
    rows = _rows(sheet)
    return {
        "yaml": preview.yaml,
        "problems": [problem.dump() for problem in check.problems],
        "warnings": [warning.dump() for warning in check.warnings],
        "combinations": preview.combinations,
        "trials": context["trials"],
        "unused": context["unused"],
        "grid": context["grid_text"],
        "space": context["space_words"],
        "twin": render_to_string("experiments/builder/lines.html", context),
        "draws": render_to_string("experiments/builder/draws.html", context),
        "rows": [
            {
                "hint": view.hint,
                "summary": view.summary,
                "picture": render_to_string(
                    "experiments/builder/picture.html", {"view": view}
                ),
                "repairs": [[repair.do, repair.words] for repair in view.repairs],
            }
            for view in rows
        ],
    }


def _preview_context(sheet: Sheet) -> dict[str, Any]:
    preview, entries = sheet.preview, sheet.entries
    return {
        "preview": preview,
        "lines": preview.yaml_lines(marked=sheet.shows),
        "draws": preview.draws,
        "trials": _trials_words(sheet.check),
        "unused": _unused_words(sheet.check),
        "grid_text": preview.in_the_grid_way,
        "space_words": _space_words(sheet),
        "entries": entries,
    }


def _text_check(sheet: Sheet) -> Sequence[Any]:
    """What is wrong with the text that is being typed."""
    text = sheet.yaml or ""
    try:
        parse_document(load_document(text))
    except DefinitionError as error:
        return text_problems(text, error.problems)
    return ()


def _rows(sheet: Sheet) -> list[RowView]:
    check, preview = sheet.check, sheet.preview
    shown = check.problems if sheet.shows else ()
    boxes, warned = _by_box(shown), _by_box(check.warnings)
    wrong = frozenset(problem.place.field for problem in shown)
    first_wrong = next((n for n in sorted(check.wrong_rows) if sheet.shows), None)
    views = []
    for index, row in enumerate(check.entries.rows):
        box = f"row-{index}"
        views.append(
            _row_view(
                index,
                row,
                wrong,
                problems=boxes.get(box, ()),
                warnings=warned.get(box, ()),
                repairs=_repairs(index, row, check),
                picture=preview.picture(index),
                hint=preview.hint(index),
                summary=preview.summary(index),
                is_open=index == first_wrong
                or sheet.focus == f"{box}-name"
                or row.is_blank,
            )
        )
    return views


def _row_view(
    index: int | str, row: Row, wrong: frozenset[str], **more: Any
) -> RowView:
    used = {slot.slot: slot for slot in row.law.slots}
    boxes = [
        Box(
            slot=name,
            label=used[name].label if name in used else "",
            title=SLOT_NAMES[name],
            text=row.text(name),
            used=name in used and (name not in RARE or bool(row.text(name))),
            wrong=f"row-{index}-{name}" in wrong,
        )
        for name in SLOTS
    ]
    return RowView(
        index,
        row,
        boxes,
        name_wrong=f"row-{index}-name" in wrong,
        kind_wrong=f"row-{index}-kind" in wrong,
        **more,
    )


def _repairs(index: int, row: Row, check: Check) -> list[Repair]:
    box = f"row-{index}"
    wrong = f"{box}-low" in check.wrong_fields
    low, high = (read_number(row.text(slot)) for slot in ("low", "high"))
    repairs = []
    logs = row.kind in ("float-log",) or row.in_natural_units
    if wrong and logs and is_number(low) and low <= 0:
        if is_number(high) and high > float(SMALLEST):
            repairs.append(Repair(f"above0:{index}", f"Use {SMALLEST}"))
    warned = any(warning.place.box == box for warning in check.warnings)
    if warned and row.law.in_logs and not row.in_natural_units:
        repairs.append(Repair(f"natural:{index}", "Read them as natural units"))
    return repairs


def _by_box(problems: Sequence[FieldProblem]) -> dict[str, list[FieldProblem]]:
    boxes: dict[str, list[FieldProblem]] = {}
    for problem in problems:
        boxes.setdefault(problem.place.box, []).append(problem)
    return boxes


def _told(sheet: Sheet) -> list[str]:
    """What a pasted document had that the form has no place for."""
    placed = {warning.message for warning in sheet.check.warnings}
    return [
        sentence
        for sentence in sheet.warnings
        if not any(sentence.endswith(message) for message in placed)
    ]


def _kept(sheet: Sheet) -> KeptFiles | None:
    bench = sheet.bench
    found = kept_files(bench.team, bench.user, sheet.entries.text("code"))
    return KeptFiles.of(found) if found else None


def _kind_table() -> dict[str, Any]:
    """For scripts: the slots of every kind with their labels."""
    return {
        kind.key: {
            "slots": {
                slot.slot: slot.label for slot in kind.slots if slot.slot not in RARE
            },
            "logs": kind.in_logs,
        }
        for kind in KINDS.values()
    }


def _cards(
    known: Sequence[tuple[str, str, str]], registry: Any, picked: str
) -> list[Card]:
    """The cards; one more for whatever is picked that has none."""
    cards = [Card(*card) for card in known]
    names = [card.value for card in cards]
    others = [name for name in registry if name not in names]
    cards += [Card(name, name.replace("_", " ").capitalize(), "") for name in others]
    if picked not in [card.value for card in cards]:
        cards.append(Card(picked, picked[:60], "Not known here."))
    return cards


def _pools(team: Team, picked: str) -> list[tuple[str, str]]:
    """Every pool of the team with its slots in words; the picked one in any case."""
    slots = slot_map(team, database_now())
    pools = [(pool.pool.name, _slot_words(pool)) for pool in slots.pools]
    if picked not in [name for name, _ in pools]:
        words = "not one of the team's pools" if picked else "choose a pool"
        pools.append((picked, words))
    return pools


def _slot_words(pool: Any) -> str:
    if not pool.total:
        return "no worker now"
    return f"{counted(pool.total, 'slot')}, {pool.total - pool.busy} free now"


def _experiment_names(team: Team) -> list[str]:
    names = Experiment.objects.filter(team=team, archived_at=None)
    return list(names.values_list("name", flat=True)[:MOST_EXPERIMENTS])


def _trials_words(check: Check) -> str:
    """`40, 4 at a time`."""
    limits = check.document.get("limits", {})
    total, at_once = (
        limits.get(name) for name in ("max_total_trials", "max_concurrent_trials")
    )
    if check.definition is not None:
        total = check.definition.limits.max_total_trials
        at_once = check.definition.limits.max_concurrent_trials
    words = f"{total:,}" if isinstance(total, int) else "not set"
    return f"{words}, {at_once} at a time" if isinstance(at_once, int) else words


def _unused_words(check: Check) -> str:
    """What the command does with the parameters."""
    command = check.entries.text("command")
    number = sum(not row.is_blank for row in check.entries.rows)
    if not number or "${{search_space." in command.replace(" ", ""):
        return (
            "${{search_space.name}} stands for a parameter, ${{inputs.name}} for an"
            " input. No shell runs it."
        )
    parameters = counted(number, "parameter")
    them = "is" if number == 1 else "are"
    return f"The {parameters} that it does not name {them} appended as --name value."


def _space_words(sheet: Sheet) -> str:
    """`6 parameters, 3 of them continuous`."""
    rows = [row for row in sheet.entries.rows if not row.is_blank]
    if not rows:
        return "Which values shall be tried"
    words = counted(len(rows), "parameter")
    laws = sheet.preview.space.parameters.values()
    continuous = sum(law.count() is None for law in laws)
    return f"{words}, {continuous} of them continuous" if continuous else words
