"""The context of the builder's templates, and the answers to its scripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.template.loader import render_to_string

from experiments.models import Experiment, Team
from experiments.pages.builder.cards import (
    folder_words,
    policy_cards,
    pool_choices,
    sampler_cards,
)
from experiments.pages.builder.check import Check, FieldProblem
from experiments.pages.builder.code_fields import KeptFiles
from experiments.pages.builder.collector_fields import CHOICES, try_collector
from experiments.pages.builder.fields import RARE_FIELDS, SECTIONS, Entries
from experiments.pages.builder.form import BuilderForm, TextProblem, text_problems
from experiments.pages.builder.policy_fields import (
    CAUTIOUS,
    THRIFTY,
    common_fields,
    option_choices,
    own_fields,
    proposal,
    settings_of,
)
from experiments.pages.builder.preview import Preview, preview_of
from experiments.pages.builder.space_rows import KINDS, SpaceRow
from experiments.pages.builder.space_views import (
    RowView,
    by_box,
    kind_table,
    row_view,
    row_views,
)
from experiments.pages.form_fields import read_mapping
from experiments.search.document.collector import AUTOMATIC
from experiments.search.document.definition import SweepDefinition, parse_document
from experiments.search.document.loading import load_document
from experiments.search.fields import DefinitionError, listed
from experiments.search.termination import POLICIES
from experiments.search.wording import counted

MAX_EXPERIMENTS = 200


def page_context(form: BuilderForm, check: Check, *, token: str) -> dict[str, Any]:
    """The whole page."""
    team, entries = form.context.team, check.entries
    shown = check.problems if form.shows else ()
    preview = preview_of(check)
    return {
        "context": form.context,
        "team": team,
        "form": form,
        "token": token,
        "texts": entries.texts,
        "kept": KeptFiles.of(check.kept) if check.kept else None,
        "wrong": {problem.field for problem in shown},
        "problems": shown,
        "boxes": by_box(shown),
        "warned": by_box(check.warnings),
        "left_out": _left_out(form, check),
        "sections": {str(n): n in check.wrong_sections for n in SECTIONS},
        "rows": row_views(form, check, preview),
        "carried": list(read_mapping(entries.text("extra"))),
        "template_row": row_view("__row__", SpaceRow(), frozenset()),
        "kinds": list(KINDS.values()),
        "kind_table": kind_table(),
        **_policy_context(entries),
        "collector": _collector_context(entries, shown),
        "tried": try_collector(check.document, entries.text("collector_sample")),
        "folder_help": folder_words(form.context.pools),
        "python_hint": "the pool's, or the worker's own",
        "pools": pool_choices(team, entries.text("compute")),
        "experiments": _experiment_names(team),
        "rare_open": any(problem.field in RARE_FIELDS for problem in shown),
        **_preview_context(form, check, preview),
    }


def preview_answer(form: BuilderForm) -> dict[str, Any]:
    """The check and the preview for the page's scripts, while the user types."""
    if form.yaml is not None:
        return {"yaml_problems": [p.dump() for p in _text_check(form.yaml)]}
    check = form.checked()
    preview = preview_of(check)
    context = _preview_context(form, check, preview)
    policies, samplers = context["policies"], context["samplers"]
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
        "samplers": [[card.value, card.why, card.fit] for card in samplers],
        "policies": [[card.value, card.note, card.why] for card in policies],
        "space": context["space_words"],
        "collected": _collected(check),
        "twin": render_to_string("experiments/builder/lines.html", context),
        "draws": render_to_string("experiments/builder/draws.html", context),
        "rows": [_row_answer(view) for view in row_views(form, check, preview)],
    }


def _collected(check: Check) -> str:
    sample = check.entries.text("collector_sample")
    context = {"tried": try_collector(check.document, sample)}
    return render_to_string("experiments/builder/collected.html", context)


def _collector_context(
    entries: Entries, shown: Sequence[FieldProblem]
) -> dict[str, Any]:
    """The choices, and whether they are in view."""
    kind = entries.picks["collector"]
    own = {} if kind in CHOICES else {kind: "As in the YAML"}
    wrong = any(problem.field.startswith("collector") for problem in shown)
    is_used = kind != AUTOMATIC or bool(entries.text("collector_sample"))
    return {"choices": [*{**CHOICES, **own}.items()], "is_open": is_used or wrong}


def _row_answer(view: RowView) -> dict[str, Any]:
    preview = view.preview
    context = {"view": view, "picture": preview.picture}
    picture = render_to_string("experiments/builder/picture.html", context)
    return {
        "hint": preview.hint,
        "summary": preview.summary,
        "picture": picture,
        "repairs": [[repair.do, repair.words] for repair in view.repairs],
    }


def _policy_context(entries: Entries) -> dict[str, Any]:
    """The settings of early termination as fields."""
    common = {field.name: field for field in common_fields()}
    own = settings_of(entries.policy).get("min_rivals")
    return {
        "advice": {
            "trials": POLICIES[CAUTIOUS].title,
            "time": POLICIES[THRIFTY].title,
        },
        "policy_fields": own_fields(),
        "common_fields": common,
        "usual_rivals": own.default if own else 1,
        "missing_choices": option_choices(
            common["on_missing"].setting, entries.text("on_missing")
        ),
    }


def _preview_context(
    form: BuilderForm, check: Check, preview: Preview
) -> dict[str, Any]:
    entries = check.entries
    proposed, why = proposal(entries.text("timeout"))
    return {
        "preview": preview,
        "lines": preview.yaml_lines(marked=form.shows),
        "draws_note": _left_out_words(preview),
        "trials": _trials_words(check),
        "unused": _unused_words(entries),
        "space_words": _space_words(entries, preview),
        "entries": entries,
        "samplers": sampler_cards(
            entries.sampler,
            proposal=preview.proposal,
            sampler_problems=preview.sampler_problems,
        ),
        "policies": policy_cards(entries.policy, proposed=proposed, why=why),
    }


def _left_out_words(preview: Preview) -> str:
    names = preview.left_out
    if not preview.draws or not names:
        return ""
    return f"{listed(names)} {'appears' if len(names) == 1 else 'appear'} once valid."


def _text_check(text: str) -> Sequence[TextProblem]:
    """The problems of the YAML text while the user types."""
    try:
        parse_document(load_document(text))
    except DefinitionError as error:
        return text_problems(text, error.problems)
    return ()


def _left_out(form: BuilderForm, check: Check) -> list[str]:
    """Warnings about the pasted document without a field in the form."""
    placed = {warning.message for warning in check.warnings}
    return [
        sentence
        for sentence in form.warnings
        if not any(sentence.endswith(message) for message in placed)
    ]


def _experiment_names(team: Team) -> list[str]:
    names = Experiment.objects.filter(team=team, archived_at=None)
    return list(names.values_list("name", flat=True)[:MAX_EXPERIMENTS])


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
    """The number of trials; a grid ends with its last combination."""
    limit = definition.limits.max_total_trials
    count = definition.search_space.count()
    is_grid = definition.sampling_algorithm["type"] == "grid"
    return min(limit, count) if is_grid and count is not None else limit


def _unused_words(entries: Entries) -> str:
    """How the command gets the parameters."""
    command = entries.text("command")
    number = sum(not row.is_blank for row in entries.rows)
    if not number or "${{search_space." in command.replace(" ", ""):
        return (
            "${{search_space.name}} is replaced by a parameter, ${{inputs.name}} by"
            " an input. The command runs without a shell."
        )
    parameters = "parameter is" if number == 1 else f"{number} parameters are"
    return f"The {parameters} appended as --name value."


def _space_words(entries: Entries, preview: Preview) -> str:
    """`6 parameters, 3 of them continuous`."""
    rows = [row for row in entries.rows if not row.is_blank]
    if not rows:
        return "Which values to try"
    axes = preview.space.axes.values()
    endless = (axis.name for axis in axes if axis.distribution.count() is None)
    continuous = len({name.partition(".")[0] for name in endless})
    return parameters_words(len(rows), continuous)


def parameters_words(total: int, continuous: int) -> str:
    """`6 parameters, 3 of them continuous`."""
    words = counted(total, "parameter")
    if not continuous:
        return words
    some = f"{continuous} of them" if continuous < total else "all"
    return f"{words}, {some} continuous" if total > 1 else f"{words}, continuous"
