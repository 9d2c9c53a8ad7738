"""What the builder's templates and scripts are given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.template.loader import render_to_string

from experiments.models import Experiment, Team
from experiments.pages.builder.cards import (
    POLICY_CARDS,
    Card,
    card_name,
    folder_words,
    policy_cards,
    pool_choices,
    sampler_cards,
)
from experiments.pages.builder.check import Check
from experiments.pages.builder.fields import RARE_FIELDS, SECTIONS
from experiments.pages.builder.policy_advice import THRIFTY, cautious, proposal
from experiments.pages.builder.policy_fields import (
    SCHEDULED,
    missing_choices,
    policy_fields,
    usual,
)
from experiments.pages.builder.sheet import Sheet, TextProblem, text_problems
from experiments.pages.builder.space_kinds import KINDS
from experiments.pages.builder.space_rows import Row
from experiments.pages.builder.space_views import (
    by_box,
    kind_table,
    row_view,
    row_views,
)
from experiments.pages.code_files import KeptFiles
from experiments.pages.value_text import read_mapping
from experiments.search.definition import SweepDefinition, parse_document
from experiments.search.figures import counted
from experiments.search.loading import load_document
from experiments.search.problems import DefinitionError
from experiments.search.termination import POLICIES

MOST_EXPERIMENTS = 200
# Which policies a part of the form is for, as the page's scripts compare it.
POLICY_KINDS = {
    "any": tuple(POLICIES),
    "scheduled": tuple(kind for kind in POLICIES if kind in SCHEDULED),
}


def page_context(sheet: Sheet, *, token: str) -> dict[str, Any]:
    """The whole page."""
    check, bench = sheet.check, sheet.bench
    shown = check.problems if sheet.shows else ()
    return {
        "bench": bench,
        "team": bench.team,
        "sheet": sheet,
        "token": token,
        "texts": check.entries.texts,
        "kept": KeptFiles.of(sheet.kept) if sheet.kept else None,
        "wrong": {problem.place.field for problem in shown},
        "problems": shown,
        "boxes": by_box(shown),
        "warned": by_box(check.warnings),
        "told": _told(sheet),
        "sections": {str(n): n in check.wrong_sections for n in SECTIONS},
        "rows": row_views(sheet),
        "carried": list(read_mapping(check.entries.text("extra"))),
        "template_row": row_view("__row__", Row(), frozenset()),
        "kinds": list(KINDS.values()),
        "kind_table": kind_table(),
        "samplers": _samplers(sheet),
        "policies": _policies(sheet),
        "advice": {
            "trials": card_name(POLICY_CARDS, cautious()),
            "time": card_name(POLICY_CARDS, THRIFTY),
        },
        "policy_fields": policy_fields(),
        "policy_kinds": POLICY_KINDS,
        "usual_rivals": usual(check.entries.policy).get("min_rivals", 1),
        "missing_choices": missing_choices(check.entries.text("on_missing")),
        "folder_help": folder_words(bench.team),
        "python_hint": "the pool's, else the worker's own",
        "pools": pool_choices(bench.team, check.entries.text("compute")),
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
    rows = row_views(sheet)
    return {
        "yaml": preview.yaml,
        "problems": [
            {**problem.dump(), "line": line}
            for problem, line in zip(check.problems, preview.wrong_lines, strict=True)
        ],
        "warnings": [warning.dump() for warning in check.warnings],
        "combinations": preview.combinations,
        "trials": context["trials"],
        "unused": context["unused"],
        "samplers": [[card.value, card.why, card.fit] for card in _samplers(sheet)],
        "policies": [[card.value, card.note, card.why] for card in _policies(sheet)],
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
        "space_words": _space_words(sheet),
        "entries": entries,
    }


def _samplers(sheet: Sheet) -> list[Card]:
    preview = sheet.preview
    return sampler_cards(
        sheet.entries.sampler, proposal=preview.proposal, misfits=preview.misfits
    )


def _policies(sheet: Sheet) -> list[Card]:
    proposed = proposal(sheet.entries.text("timeout"))
    return policy_cards(sheet.entries.policy, proposed=proposed)


def _text_check(sheet: Sheet) -> Sequence[TextProblem]:
    """What is wrong with the text that is being typed."""
    text = sheet.yaml or ""
    try:
        parse_document(load_document(text))
    except DefinitionError as error:
        return text_problems(text, error.problems)
    return ()


def _told(sheet: Sheet) -> list[str]:
    """What a pasted document had that the form has no place for."""
    placed = {warning.message for warning in sheet.check.warnings}
    return [
        sentence
        for sentence in sheet.warnings
        if not any(sentence.endswith(message) for message in placed)
    ]


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
        total = _will_run(check.definition)
        at_once = check.definition.limits.max_concurrent_trials
    words = f"{total:,}" if isinstance(total, int) else "not set"
    return f"{words}, {at_once} at a time" if isinstance(at_once, int) else words


def _will_run(definition: SweepDefinition) -> int:
    """How many trials there will be: a grid ends with its last combination."""
    limit = definition.limits.max_total_trials
    count = definition.search_space.count()
    is_grid = definition.sampling_algorithm["type"] == "grid"
    return min(limit, count) if is_grid and count is not None else limit


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
    axes = sheet.preview.space.axes.values()
    endless = (axis.name for axis in axes if axis.law.count() is None)
    continuous = len({name.partition(".")[0] for name in endless})
    return f"{words}, {continuous} of them continuous" if continuous else words
