"""The early-termination policies in the form: cards, advice, settings, round trips."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from experiments.models import Sweep
from experiments.pages.builder.filling import form_of, form_of_faulty, fresh_form
from experiments.pages.builder.policy_fields import (
    CAUTIOUS,
    NO_POLICY,
    policies_faults,
    read_policies,
    shown_settings,
    write_policies,
)
from experiments.search.document.definition import parse_document
from experiments.search.termination import POLICIES
from tests import factories
from tests.pages.builder.builder_forms import (
    X,
    cards,
    form,
    in_view,
    page,
    preview,
    problems,
    send,
)

pytestmark = pytest.mark.django_db

POLICY_DOCUMENTS: tuple[dict[str, Any], ...] = (
    {"type": "bandit", "slack_factor": 0.2, "delay_evaluation": 4},
    {"type": "bandit", "slack_amount": 0.05, "on_missing": "stop"},
    {"type": "median_stopping", "min_rivals": 3, "evaluation_interval": 2},
    {
        "type": "truncation_selection",
        "truncation_percentage": 25,
        "exclude_finished_jobs": True,
    },
    {"type": "asha", "min_resource": 2, "reduction_factor": 4},
    {"type": "asha", "delay_evaluation": 9},
    {"type": "hyperband", "max_resource": 27, "on_missing": "ignore"},
    {"type": "wandb_hyperband", "max_iter": 27, "s": 2, "eta": 2.5, "strict": True},
    {"type": "threshold", "value": 0.5, "by_report": 10, "lower": -1, "upper": 2.5},
    {"type": "patience", "patience": 7, "min_delta": 0.01, "min_rivals": 2},
    {
        "type": "any_of",
        "delay_evaluation": 3,
        "policies": [
            {"type": "median_stopping", "delay_evaluation": 5},
            {
                "type": "all_of",
                "policies": [{"type": "patience", "patience": 5}, {"type": "asha"}],
            },
        ],
    },
)


def policy_html(answer: dict[str, Any]) -> str:
    return str(answer["cards"]["policy"])


def policy_named(answer: dict[str, Any]) -> dict[str, str]:
    """The proposed policy, with the reason."""
    found = cards(policy_html(answer)).items()
    return {name: why for name, (note, why) in found if note == "proposed"}


def test_every_policy_has_a_card_and_a_picked_one_is_outside_the_fold(
    ada: Client,
) -> None:
    shown = policy_html(preview(ada, form([X], policy="bandit")))
    assert set(cards(shown)) == {*POLICIES, NO_POLICY}
    assert in_view(shown) == [CAUTIOUS, "median_stopping", NO_POLICY, "bandit"]
    many = policy_html(preview(ada, form([X], max_total_trials="40")))
    assert in_view(many) == [CAUTIOUS, "asha", NO_POLICY]
    assert cards(many)["asha"][1] == "Saves most, and 40 trials fill its stages."


def test_every_setting_of_every_policy_is_a_field_with_a_name_of_its_own() -> None:
    names = list(shown_settings())
    assert {"patience", "policies", "reduction_factor", "by_report"} <= set(names)
    fields = fresh_form().document_fields
    for name in names:
        assert fields[name].path == f"early_termination.{name}"


def test_a_time_for_the_whole_sweep_changes_what_is_proposed(ada: Client) -> None:
    by_trials = policy_named(preview(ada, form([X])))
    assert list(by_trials) == [CAUTIOUS]
    assert "number of trials is fixed" in by_trials[CAUTIOUS]
    by_time = policy_named(preview(ada, form([X], timeout="2 h", sampler="auto")))
    assert list(by_time) == ["predictive_halving"]
    assert "time is fixed (2 h)" in by_time["predictive_halving"]
    answer = preview(ada, form([X], timeout="2 h", sampler="random"))
    assert list(policy_named(answer)) == ["asha"]
    assert "Recommended with Random for a time of 2 h" in policy_html(answer)


@pytest.mark.parametrize(
    ("policy", "name", "usual"),
    [
        ("predictive", "chance", "0.13"),
        ("predictive_halving", "chance", "0.3"),
        ("predictive_halving", "min_resource", "3"),
        ("asha", "min_resource", "1"),
        ("patience", "min_rivals", "0"),
    ],
)
def test_a_setting_that_policies_share_shows_the_default_of_the_picked_one(
    ada: Client, policy: str, name: str, usual: str
) -> None:
    sent = form([X], policy=policy)
    placeholder, words = preview(ada, sent)["policy_settings"][name]
    assert placeholder == usual
    assert words == POLICIES[policy].declarations()[name].help
    html = page(ada.post("/sweeps/new/", {**sent, "do": "check"}))
    (shown,) = re.findall(rf'<input[^>]*name="{name}"[^>]*>', html)
    assert f'placeholder="{usual}"' in shown


def test_a_new_form_begins_with_the_proposed_policy_and_says_why(
    ada: Client,
) -> None:
    html = page(ada.get("/sweeps/new/"))
    assert f'value="{CAUTIOUS}" id="field-policy" checked' in html
    assert "The number of trials is fixed, so good ones must not be stopped." in html
    assert html.count("the n-th report of the primary metric") == 5
    assert "reports the primary metric" in html


@pytest.mark.parametrize("policy", POLICY_DOCUMENTS, ids=lambda p: str(p["type"]))
def test_a_policy_gets_from_a_sweep_to_the_form_and_back_without_loss(
    policy: dict[str, Any],
) -> None:
    definition = parse_document(factories.definition_document(early_termination=policy))
    again = parse_document(form_of(definition).document)
    assert again.early_termination == definition.early_termination


@pytest.mark.parametrize("policy", POLICY_DOCUMENTS, ids=lambda p: str(p["type"]))
def test_a_copy_of_a_sweep_with_a_policy_judges_alike(
    ada: Client, policy: dict[str, Any]
) -> None:
    document = factories.definition_document(early_termination=policy)
    first = factories.sweep(factories.team("Physics"), document=document)
    html = page(ada.get(f"/sweeps/new/?clone={first.pk}"))
    assert f'value="{policy["type"]}" id="field-policy" checked' in html
    filled = form_of(parse_document(document))
    texts = {name: filled.text(name) for name in (*filled.document_fields, "extra")}
    send(ada, form([X], **{**texts, "do": "save", "sampler": "random", "seed": "7"}))
    assert Sweep.objects.latest("pk").early_termination == first.early_termination


def test_the_form_holds_every_setting_by_itself_except_a_delay_before_rungs() -> None:
    for policy in POLICY_DOCUMENTS:
        document = factories.definition_document(early_termination=policy)
        extra = form_of(parse_document(document)).text("extra")
        delays_rungs = policy == {"type": "asha", "delay_evaluation": 9}
        assert ("early_termination" in extra) == delays_rungs, (policy, extra)


def test_settings_that_are_as_usual_need_no_text() -> None:
    document = factories.definition_document(
        early_termination={"type": "patience", "patience": 7}
    )
    filled = form_of(parse_document(document))
    assert filled.text("patience") == "7"
    for name in ("min_rivals", "on_missing", "min_delta", "value"):
        assert filled.text(name) == ""


def test_a_delay_that_was_meant_for_another_policy_does_not_move_the_rungs(
    ada: Client,
) -> None:
    fields = form([X], policy="asha", delay_evaluation="5", reduction_factor="3")
    assert "delay_evaluation" not in preview(ada, fields)["yaml"]


def test_what_a_report_of_nan_means_is_chosen_in_words(ada: Client) -> None:
    html = page(ada.get("/sweeps/new/"))
    for words in ("counts as worse", "ends the trial", "is skipped"):
        assert words in html
    fields = form([X], policy="median_stopping", on_missing="stop")
    assert "on_missing: stop" in preview(ada, fields)["yaml"]
    fields["on_missing"] = ""
    assert "on_missing" not in preview(ada, fields)["yaml"]


RULES = (
    "- {type: median_stopping, delay_evaluation: 5}\n- {type: patience, patience: 9}"
)


def test_a_combination_is_entered_one_rule_a_line(ada: Client) -> None:
    send(ada, form([X], policy="any_of", policies=RULES))
    made = Sweep.objects.latest("pk").early_termination
    assert made["type"] == "any_of"
    assert [rule["type"] for rule in made["policies"]] == [
        "median_stopping",
        "patience",
    ]
    assert write_policies(made["policies"]) == RULES


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Add the field policies"),
        ("- {type: median_stopping}", "list of 2 to 8"),
        ("type: any_of", "list of 2 to 8"),
        ("- {type: medium}\n- {type: asha}", "medium"),
        ("- {type: patience, patience: -1}\n- {type: asha}", "patience"),
        ("- {type: asha\n- b", "Line"),
        ("- &a [*a, *a]\n- 1", ""),
        ("--- <script>\n...", ""),
        ("- " * 3000, ""),
    ],
)
def test_a_combination_that_cannot_be_stands_beside_its_field(
    ada: Client, text: str, sentence: str
) -> None:
    found = problems(ada, form([X], policy="all_of", policies=text))
    assert list(found) == ["policies"]
    assert sentence in found["policies"]
    html = page(send(ada, form([X], policy="all_of", policies=text)))
    assert "<script>\n" not in html


def test_the_place_of_a_fault_is_counted_in_the_field_itself() -> None:
    assert policies_faults("- {type: asha}\n- {type: [}")[0].startswith(
        "Line 2, column "
    )
    assert read_policies("- {type: [}") == "- {type: [}"


NONSENSE = {
    "slack_factor": "bandit",
    "truncation_percentage": "truncation_selection",
    "min_resource": "asha",
    "reduction_factor": "hyperband",
    "max_resource": "hyperband",
    "value": "threshold",
    "by_report": "threshold",
    "patience": "patience",
    "min_delta": "patience",
    "on_missing": "median_stopping",
    "min_rivals": "any_of",
}


@pytest.mark.parametrize("name", NONSENSE)
@pytest.mark.parametrize("text", ["x <b>", "-3.5", "nan", "1e999", "9" * 500])
def test_nonsense_in_a_setting_is_told_beside_it(
    ada: Client, name: str, text: str
) -> None:
    fields = form([X], policy=NONSENSE[name], **{name: text})
    if name == "value" and text == "-3.5":
        assert not problems(ada, fields)
        return
    assert name in problems(ada, fields)
    if "<b>" in text:
        assert text not in page(send(ada, fields))


def test_a_fault_that_the_form_would_hide_stays_in_the_text() -> None:
    hidden = {"type": "asha", "delay_evaluation": -2}
    document = factories.definition_document(early_termination=hidden)
    assert form_of_faulty(document) is None
    shown = {"type": "any_of", "policies": [{"type": "asha"}, {"type": "patienc"}]}
    filled = form_of_faulty(factories.definition_document(early_termination=shown))
    assert filled is not None and "patienc" in filled.text("policies")


def test_without_scripts_the_settings_of_the_picked_policy_are_shown(
    ada: Client,
) -> None:
    html = page(send(ada, form([X], policy="patience", do="fields")))
    assert 'data-for-policy="patience">' in html
    assert 'data-for-policy="bandit" hidden>' in html
    assert "Show the settings of the picked policy" in html
    assert not Sweep.objects.exists()
    assert fresh_form().picks["policy"] == CAUTIOUS


def test_a_wrong_time_is_not_quoted(ada: Client) -> None:
    assert "The time is fixed (2h)" in policy_html(preview(ada, form(timeout="2h")))
    assert "bananas" not in policy_html(preview(ada, form(timeout="99 bananas")))
