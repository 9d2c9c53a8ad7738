"""The context of the builder's templates, and the answers to its scripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.template.loader import render_to_string
from django.utils.html import escape

from experiments.models import Experiment, Team
from experiments.pages.builder.buttons import Builder, TextProblem, text_problems
from experiments.pages.builder.cards import (
    Deck,
    folder_words,
    policy_deck,
    pool_choices,
    sampler_deck,
)
from experiments.pages.builder.code.fields import KeptFiles, earlier_files
from experiments.pages.builder.code.steps import form_offers
from experiments.pages.builder.collector_fields import try_collector
from experiments.pages.builder.fields import SECTIONS
from experiments.pages.builder.forecast import forecast_of, will_run
from experiments.pages.builder.form import SweepForm
from experiments.pages.builder.policy_fields import settings_of, shown_settings
from experiments.pages.builder.preview import Preview, preview_of
from experiments.pages.builder.space.views import (
    RowView,
    RuleView,
    kind_table,
    offer_names,
    space_answer,
    space_context,
)
from experiments.pages.builder.started import changes_in_words, page_values
from experiments.pages.form_fields import read_mapping
from experiments.search.document.collector import AUTOMATIC
from experiments.search.document.entry import read_entry
from experiments.search.document.loading import load_document
from experiments.search.fields import DefinitionError, listed
from experiments.search.samplers import SAMPLERS
from experiments.search.termination import Policy
from experiments.search.wording import counted

MAX_EXPERIMENTS = 200
# What buttons that work in place may change besides the rows.
CHANGED = (
    *(
        "command",
        "inputs",
        "primary_metric",
        "goal",
        "guessed_goal",
        "code",
        "refused",
        "pasted_code",
    ),
    "row-TOTAL_FORMS",
)


def page_context(page: Builder, *, token: str) -> dict[str, Any]:
    """The whole page."""
    team, form = page.context.team, page.form
    offer_names(form)
    shown = form.problems if form.shows else ()
    preview = preview_of(form)
    form["command"].help_text = _unused_words(form)
    form["folder"].help_text = escape(folder_words(page.context.pools))
    pools = pool_choices(page.context, form.text("compute"))
    form.fields["compute"].widget.choices = [
        (name, ", ".join(filter(None, (name, words)))) for name, words in pools
    ]
    kept = form.findings.kept
    return {
        "page": page,
        "context": page.context,
        "team": team,
        "form": form,
        "token": token,
        "kept": KeptFiles.of(kept) if kept else None,
        "earlier_files": earlier_files(team, page.context.user),
        "problems": shown,
        "left_out": _left_out(page),
        "sections": {str(n): n in _wrong_sections(form) for n in SECTIONS},
        "changes": _changes(page),
        **space_context(page, preview),
        "carried": list(read_mapping(form.text("extra"))),
        "template_row": RowView(form.parameters.empty_form),
        "template_rule": RuleView(form.constraints.empty_form),
        "kind_table": kind_table(),
        **_policy_context(form),
        "forecast": forecast_of(form, page.context),
        **page_values(page.context, form),
        "collector_open": _collector_open(form),
        "tried": try_collector(form.document, form.text("collector_sample")),
        "experiments": _experiment_names(team),
        "rare_open": any(form.text(n) or form.has_error(n) for n in form.rare),
        **_preview_context(form, preview),
    }


def preview_answer(page: Builder) -> dict[str, Any]:
    """The check and the preview for the page's scripts, while the user types."""
    if page.yaml is not None:
        return {"yaml_problems": [vars(found) for found in _text_check(page.yaml)]}
    form = page.form
    preview = preview_of(form)
    context = _preview_context(form, preview)
    simulates = form.data.get("simulates") == "1"
    forecast = forecast_of(form, page.context, simulates=simulates)
    context |= {"forecast": forecast}
    return {
        "yaml": preview.yaml,
        "problems": [
            {**vars(problem), "line": line}
            for problem, line in zip(form.problems, preview.wrong_lines, strict=True)
        ],
        "warnings": [vars(warning) for warning in form.warned],
        "combinations": preview.combinations,
        "trials": context["trials"],
        "unused": _unused_words(form),
        "goals": {name: form.text(name) for name in ("goal", "guessed_goal")},
        "policy_settings": _own_settings(form),
        "cards": {
            name: _cards(form, name, context[deck])
            for name, deck in (("sampler", "samplers"), ("policy", "policies"))
        },
        "space": context["space_words"],
        "duration": forecast.duration,
        "compute": forecast.compute,
        "basis": forecast.basis,
        "usual": forecast.usual,
        "pending": forecast.is_pending,
        "estimate": render_to_string("experiments/builder/estimate.html", context),
        "savings": render_to_string("experiments/builder/savings.html", context),
        "collected": _collected(form),
        **{
            name: render_to_string(f"experiments/builder/{name}.html", context)
            for name in ("read", "space_offers", "metric_offers")
        },
        "twin": render_to_string("experiments/builder/lines.html", context),
        "draws": render_to_string("experiments/builder/draws.html", context),
        "changes": render_to_string(
            "experiments/builder/changes.html",
            {"changes": _changes(page), "context": page.context},
        ),
        **space_answer(page, preview),
    }


def button_answer(before: Builder, do: str) -> dict[str, Any]:
    """The same after a button that works in place, with what it may have changed."""
    page = before.after(do)
    answer, form = preview_answer(page), page.form
    if page.yaml is not None:
        return answer
    kept = form.findings.kept
    return {
        **answer,
        "fields": {name: form.text(name) for name in CHANGED},
        "kept": vars(KeptFiles.of(kept)) if kept else None,
        "row_html": _row_html(page) if _rows(form) != _rows(before.form) else None,
    }


def _rows(form: SweepForm) -> dict[str, str]:
    texts = form.data.items()
    return {name: str(text) for name, text in texts if name.startswith("row-")}


def _row_html(page: Builder) -> str:
    offer_names(page.form)
    views = space_context(page, preview_of(page.form))["rows"]
    template = "experiments/builder/row.html"
    return "".join(render_to_string(template, {"view": view}) for view in views)


def _cards(form: SweepForm, name: str, deck: Deck) -> str:
    context = {"field": form[name], "deck": deck}
    return render_to_string("experiments/builder/cards.html", context)


def _changes(page: Builder) -> list[str]:
    """How the sweep would differ from the one that it copies or changes."""
    if page.context.started is not None:
        return changes_in_words(page.context, page.form)
    return page.context.changes(page.form)


def _wrong_sections(form: SweepForm) -> set[int]:
    return {problem.section for problem in form.problems}


def _collected(form: SweepForm) -> str:
    tried = try_collector(form.document, form.text("collector_sample"))
    return render_to_string("experiments/builder/collected.html", {"tried": tried})


def _collector_open(form: SweepForm) -> bool:
    """Whether the choices of how the metric arrives are in view."""
    is_used = form.picks["collector"] != AUTOMATIC or form.text("collector_sample")
    wrong = (name for name in form.errors if name.startswith("collector"))
    return bool(is_used) or (form.shows and any(wrong))


def _policy_context(form: SweepForm) -> dict[str, Any]:
    """The settings of early termination as fields."""
    for name, (placeholder, words) in _own_settings(form).items():
        form.fields[name].widget.attrs["placeholder"] = placeholder
        form.fields[name].help_text = words
    return {
        "policy_fields": [
            form[name] for name in shown_settings() if name not in Policy.declarations()
        ],
    }


def _own_settings(form: SweepForm) -> dict[str, tuple[str, str]]:
    """The placeholder and the help of the picked policy's numbers, by field: policies
    share fields, and differ in these."""
    settings = settings_of(form.picks["policy"]).items()
    return {
        name: (each.placeholder, each.help)
        for name, each in settings
        if each.control == "number"
    }


def _preview_context(form: SweepForm, preview: Preview) -> dict[str, Any]:
    used = sum(row.is_used for row in form.rows)
    return {
        "preview": preview,
        "offers": form_offers(form),
        "lines": preview.yaml_lines(marked=form.shows),
        "draws_note": _left_out_words(preview),
        "trials": _trials_words(form),
        "space_words": _space_words(form, preview),
        "samplers": sampler_deck(
            form.picks["sampler"],
            preview.samplers,
            title=f"Recommended for {counted(used, 'parameter')} and {preview.trials}",
            problems=preview.sampler_problems,
        ),
        "policies": policy_deck(
            form.picks["policy"],
            preview.policies,
            title=f"Recommended with {_sampler_title(form)} for {preview.fixed}",
        ),
    }


def _sampler_title(form: SweepForm) -> str:
    sampler = SAMPLERS.get(form.picks["sampler"])
    return sampler.title if sampler else form.picks["sampler"][:60]


def _left_out_words(preview: Preview) -> str:
    names = preview.left_out
    if not preview.draws or not names:
        return ""
    return f"{listed(names)} {'appears' if len(names) == 1 else 'appear'} once valid."


def _text_check(text: str) -> Sequence[TextProblem]:
    """The problems of the YAML text while the user types."""
    try:
        read_entry(load_document(text))
    except DefinitionError as error:
        return text_problems(text, error.problems)
    return ()


def _left_out(page: Builder) -> list[str]:
    """Warnings about the pasted document without a field in the form."""
    placed = {warning.message for warning in page.form.warned}
    return [
        sentence
        for sentence in page.warnings
        if not any(sentence.endswith(message) for message in placed)
    ]


def _experiment_names(team: Team) -> list[str]:
    names = Experiment.objects.filter(team=team, archived_at=None)
    return list(names.values_list("name", flat=True)[:MAX_EXPERIMENTS])


def _trials_words(form: SweepForm) -> str:
    """`40, 4 at a time`."""
    limits = form.document.get("limits", {})
    total, at_once = (
        limits.get(name) for name in ("max_total_trials", "max_concurrent_trials")
    )
    if form.definition is not None:
        total = will_run(form.definition)
        at_once = form.definition.limits.max_concurrent_trials
    words = f"{total:,}" if isinstance(total, int) else "not set"
    return f"{words}, {at_once} at a time" if isinstance(at_once, int) else words


def _unused_words(form: SweepForm) -> str:
    """How the command gets the parameters."""
    command = form.text("command")
    number = sum(row.is_used for row in form.rows)
    if not number or "${{search_space." in command.replace(" ", ""):
        return (
            "${{search_space.name}} is replaced by a parameter, ${{inputs.name}} by"
            " an input. The command runs without a shell."
        )
    parameters = "parameter is" if number == 1 else f"{number} parameters are"
    return f"The {parameters} appended as --name value."


def _space_words(form: SweepForm, preview: Preview) -> str:
    """`6 parameters, 3 of them continuous, 1 constraint`."""
    rows = [row for row in form.rows if row.is_used]
    if not rows:
        return "Which values to try"
    axes = preview.space.axes.values()
    endless = (axis.name for axis in axes if axis.distribution.count() is None)
    continuous = len({name.partition(".")[0] for name in endless})
    words = parameters_words(len(rows), continuous)
    rules = sum(rule.is_used for rule in form.rules)
    if rules:
        words += f", {counted(rules, 'constraint')}"
    count = preview.combinations if not continuous else ""
    return f"{words}, {count} combinations" if count[-1:].isdigit() else words


def parameters_words(total: int, continuous: int) -> str:
    """`6 parameters, 3 of them continuous`."""
    words = counted(total, "parameter")
    if not continuous:
        return words
    some = f"{continuous} of them" if continuous < total else "all"
    return f"{words}, {some} continuous" if total > 1 else f"{words}, continuous"
