"""The builder's rows as Django's formsets: order, removal, conditions, constraints."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from experiments.models import Sweep
from tests.pages.builder.builder_forms import (
    X,
    form,
    page,
    preview,
    problems,
    rows_of,
    send,
    wrong_fields,
)

pytestmark = pytest.mark.django_db

OPTIMIZER = {"name": "optimizer", "kind": "choice", "values": "sgd, adam"}
MOMENTUM = {**X, "name": "momentum", "when": "optimizer", "when_values": "sgd"}


def ruled(rows: list[dict[str, str]], *rules: str, **texts: str) -> dict[str, Any]:
    """A form with constraints."""
    fields = {"constraint-TOTAL_FORMS": str(len(rules))}
    fields |= {f"constraint-{n}-rule": rule for n, rule in enumerate(rules)}
    return {**form(rows, **texts), **fields}


def test_rows_have_the_order_that_was_sent_and_removed_ones_are_gone(
    ada: Client,
) -> None:
    fields = form([{**X, "name": name} for name in "abc"])
    fields |= {"row-0-ORDER": "3", "row-1-ORDER": "1", "row-2-ORDER": "2"}
    fields |= {"row-1-DELETE": "on"}
    shown = send(ada, {**fields, "do": "update"})
    assert [row["name"] for row in rows_of(shown)] == ["c", "a"]
    assert 'name="row-1-name" value="a"' in page(shown)
    assert 'name="row-TOTAL_FORMS" value="2"' in page(shown)
    assert [row["summary"] for row in preview(ada, fields)["rows"]] == ["0 to 1"] * 2
    # A button names the row by its number in what was sent.
    moved = send(ada, {**fields, "do": "up:0"})
    assert [row["name"] for row in rows_of(moved)] == ["a", "c"]
    assert send(ada, fields).status_code == 302
    assert list(Sweep.objects.get().definition["search_space"]) == ["c", "a"]


def test_conditions_and_constraints_get_into_the_sweep_and_back(ada: Client) -> None:
    both = {**MOMENTUM, "and_when": "n", "and_values": "2, 3"}
    number = {"name": "n", "kind": "int", "low": "1", "high": "9"}
    fields = ruled([OPTIMIZER, both, number], "n <= 8", " ", "momentum < 0.5")
    assert send(ada, fields).status_code == 302
    sweep = Sweep.objects.get()
    condition = sweep.definition["search_space"]["momentum"]["when"]
    assert condition == {"optimizer": ["sgd"], "n": [2, 3]}
    assert sweep.definition["constraints"] == ["n <= 8", "momentum < 0.5"]
    opened = ada.get(reverse("sweep_edit", args=(sweep.pk,)))
    again = opened.context["form"]
    assert again.definition.dump() == sweep.definition
    assert (
        rows_of(opened)[1].items()
        >= {"when": "optimizer", "and_values": "2, 3"}.items()
    )
    assert [rule.text("rule") for rule in again.rules] == ["n <= 8", "momentum < 0.5"]
    assert "no field here" not in page(opened)


@pytest.mark.parametrize(
    ("texts", "field", "words"),
    [
        ({"when": "nothing"}, "when_values", "nothing"),
        ({"when_values": "sgd, rmsprop"}, "when_values", "rmsprop"),
        ({"when_values": ""}, "when_values", "value"),
        ({"when_values": '"sgd'}, "when_values", "not closed"),
        ({"when": " "}, "when", "Name the parameter"),
        ({"and_when": "momentum", "and_values": "1"}, "and_values", "momentum"),
    ],
)
def test_a_condition_with_a_mistake_is_told_beside_its_field(
    ada: Client, texts: dict[str, str], field: str, words: str
) -> None:
    found = problems(ada, form([OPTIMIZER, {**MOMENTUM, **texts}]))
    assert list(found) == [f"row-1-{field}"]
    assert words in found[f"row-1-{field}"]


def test_a_parameter_that_is_left_out_stays_in_the_form(ada: Client) -> None:
    fields = form([{**OPTIMIZER, "off": "on"}, X])
    assert "optimizer" not in preview(ada, fields)["yaml"]
    shown = send(ada, {**fields, "do": "update"})
    assert rows_of(shown)[0] == {**OPTIMIZER, "off": "on", "ORDER": "1"}
    assert 'id="row-0-off" checked' in page(shown)
    text = send(ada, {**fields, "do": "yaml"}).context["page"].yaml
    yaml = {**fields, "do": "apply-yaml", "yaml_mode": "1", "yaml": text}
    kept = [row["name"] for row in rows_of(send(ada, yaml))]
    assert sorted(kept) == ["optimizer", "x"]
    needed = form([{**OPTIMIZER, "off": "on"}, MOMENTUM])
    assert list(problems(ada, needed)) == ["row-1-when_values"]


def test_a_constraint_with_a_mistake_is_told_beside_its_field(ada: Client) -> None:
    fields = ruled([X], "x < 1", "", "x < y")
    found = preview(ada, fields)["problems"]
    assert [(each["field"], each["label"]) for each in found] == [
        ("constraint-2-rule", "constraint x < y")
    ]
    response = send(ada, fields)
    assert response.status_code == 422
    assert wrong_fields(response) == {"constraint-2-rule"}
    assert 'href="#constraint-2-rule"' in page(response)
    assert 'id="constraint-2-rule_error"' in page(response)


def test_constraints_that_nothing_meets_are_told_together(ada: Client) -> None:
    found = problems(ada, ruled([X], "x > 2"))
    assert list(found) == ["constraints"]


def test_constraints_are_added_and_removed_by_buttons(ada: Client) -> None:
    def rules(do: str) -> list[str]:
        shown = send(ada, ruled([X], "x < 1", "x > 0", do=do)).context["form"]
        assert [row.key for row in shown.rows] == ["x"]
        return [rule.text("rule") for rule in shown.rules]

    assert rules("add-constraint") == ["x < 1", "x > 0", ""]
    assert rules("remove-constraint:0") == ["x > 0"]
    assert rules("remove-constraint:9") == ["x < 1", "x > 0"]


@pytest.mark.parametrize("number", ["", "x", "-1", "99999", None])
def test_a_strange_number_of_rows_is_a_problem_and_never_an_error(
    ada: Client, number: str | None
) -> None:
    fields = {**form([X]), "row-TOTAL_FORMS": number}
    if number is None:
        del fields["row-TOTAL_FORMS"]
    response = send(ada, fields)
    assert response.status_code == 422
    assert "space" in wrong_fields(response)
    assert send(ada, {**fields, "do": "add"}).status_code == 200


def test_a_field_names_its_error_and_help_for_screen_readers(ada: Client) -> None:
    html = page(send(ada, form(seed="-1")))
    control = html.split('name="seed"')[1].split(">")[0]
    assert 'aria-invalid="true"' in control
    assert 'aria-describedby="field-seed_helptext field-seed_error"' in control
    assert html.split('id="field-seed_error"')[1].split("</div>")[0].count("<p") == 1
    fresh = page(ada.get(reverse("sweep_create")))
    assert "aria-invalid" not in fresh
