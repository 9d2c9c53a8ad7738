"""The builder: from every field to a sweep, and every problem at its field."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from experiments.models import Sweep
from experiments.search.document.definition import parse_document
from tests.pages.builder.builder_forms import (
    X,
    form,
    page,
    preview,
    problems,
    send,
    texts_of,
    wrong_fields,
)

pytestmark = pytest.mark.django_db


LOG = {"unit": "ln"}
DISTRIBUTIONS = [
    (
        {"kind": "choice", "values": '16, "16", sgd, true, null, 1.0'},
        {"type": "choice", "values": [16, "16", "sgd", True, None, 1.0]},
    ),
    (
        {"kind": "choice", "values": "1, 2", "probabilities": "0.25, 0.75"},
        {"type": "choice", "values": [1, 2], "probabilities": [0.25, 0.75]},
    ),
    ({"kind": "randint", "upper": "10"}, {"type": "randint", "upper": 10}),
    (
        {"kind": "uniform", "low": "0.05", "high": "0.1"},
        {"type": "uniform", "min_value": 0.05, "max_value": 0.1},
    ),
    (
        {"kind": "quniform", "low": "1", "high": "9", "step": "2"},
        {"type": "quniform", "min_value": 1, "max_value": 9, "q": 2},
    ),
    (
        {"kind": "loguniform", "low": "-9.2", "high": "-2.3", **LOG},
        {"type": "loguniform", "min_value": -9.2, "max_value": -2.3},
    ),
    (
        {"kind": "loguniform", "low": "0.0001", "high": "0.1"},
        {
            "type": "loguniform",
            "min_value": -9.210340371976182,
            "max_value": -2.3025850929940455,
        },
    ),
    (
        {"kind": "qloguniform", "low": "0", "high": "3", "step": "1", **LOG},
        {"type": "qloguniform", "min_value": 0, "max_value": 3, "q": 1},
    ),
    (
        {"kind": "normal", "mu": "10", "sigma": "3"},
        {"type": "normal", "mu": 10, "sigma": 3},
    ),
    (
        {"kind": "qnormal", "mu": "10", "sigma": "3", "step": "0.5"},
        {"type": "qnormal", "mu": 10, "sigma": 3, "q": 0.5},
    ),
    (
        {"kind": "lognormal", "mu": "0", "sigma": "1"},
        {"type": "lognormal", "mu": 0, "sigma": 1},
    ),
    (
        {"kind": "qlognormal", "mu": "2", "sigma": "1", "step": "1"},
        {"type": "qlognormal", "mu": 2, "sigma": 1, "q": 1},
    ),
    (
        {"kind": "int", "low": "1", "high": "9", "step": "2"},
        {"type": "int", "low": 1, "high": 9, "step": 2},
    ),
    (
        {"kind": "int-log", "low": "1", "high": "64"},
        {"type": "int", "low": 1, "high": 64, "log": True},
    ),
    (
        {"kind": "float", "low": "0", "high": "1", "step": "0.25"},
        {"type": "float", "low": 0, "high": 1, "step": 0.25},
    ),
    (
        {"kind": "float-log", "low": "0.0001", "high": "0.1"},
        {"type": "float", "low": 0.0001, "high": 0.1, "log": True},
    ),
]


@pytest.mark.parametrize(("texts", "expected"), DISTRIBUTIONS)
def test_every_distribution_gets_from_the_form_to_a_sweep_and_back(
    ada: Client, texts: dict[str, str], expected: dict[str, Any]
) -> None:
    assert send(ada, form([{"name": "p", **texts}])).status_code == 302
    sweep = Sweep.objects.get()
    assert sweep.definition["search_space"] == {"p": expected}
    types = [type(value) for value in sweep.definition["search_space"]["p"].values()]
    assert types == [type(value) for value in expected.values()]
    # The draft's own form says the same again.
    url = reverse("sweep_edit", args=(sweep.pk,))
    context = ada.get(url).context
    assert context["form"].definition == parse_document(sweep.definition)


def test_all_of_the_form_gets_into_the_sweep(ada: Client) -> None:
    fields = form(
        display_name="first look",
        description="Which rate?\nAnd why.",
        tags="data=optdigits",
        command="python train.py\n  --epochs ${{inputs.epochs}}",
        inputs='epochs=30\nname="12"\nfast=true',
        environment="OMP_NUM_THREADS=1",
        target="0.99",
        seed="7",
        policy="bandit",
        slack_factor="0.2",
        evaluation_interval="2",
        delay_evaluation="5",
        min_rivals="3",
        timeout="1 h 30 m",
        trial_timeout="90",
        max_failed_trials="3",
        max_attempts="4",
    )
    assert send(ada, fields).status_code == 302
    sweep = Sweep.objects.get()
    document = sweep.definition
    assert (sweep.name, sweep.description) == ("first look", "Which rate?\nAnd why.")
    assert sweep.tags == {"data": "optdigits"}
    assert document["inputs"] == {"epochs": 30, "name": "12", "fast": True}
    assert document["trial"]["environment_variables"] == {"OMP_NUM_THREADS": "1"}
    assert document["objective"]["target"] == 0.99
    assert document["sampling_algorithm"]["seed"] == 7
    assert document["early_termination"] == {
        "type": "bandit",
        "slack_factor": 0.2,
        "slack_amount": 0,
        "evaluation_interval": 2,
        "delay_evaluation": 5,
        "min_rivals": 3,
        "on_missing": "worst",
    }
    assert (sweep.timeout, sweep.trial_timeout) == (5400, 90)
    assert (sweep.max_failed_trials, document["retries"]) == (3, {"max_attempts": 4})


def test_truncation_takes_its_percentage_and_box(ada: Client) -> None:
    fields = form(
        policy="truncation_selection",
        truncation_percentage="20",
        exclude_finished_jobs="on",
        slack_factor="0.5",
    )
    assert send(ada, fields).status_code == 302
    settings = Sweep.objects.get().early_termination
    assert settings["truncation_percentage"] == 20
    assert settings["exclude_finished_jobs"] is True


WRONG = [
    ({"command": ""}, "command"),
    ({"command": "python ${{search_space.nope}}"}, "command"),
    ({"primary_metric": " "}, "primary_metric"),
    ({"goal": "sideways"}, "goal"),
    ({"target": "high"}, "target"),
    ({"sampler": "magic"}, "sampler"),
    ({"seed": "-1"}, "seed"),
    ({"logbase": "0"}, "logbase"),
    ({"policy": "wild"}, "policy"),
    ({"policy": "bandit"}, "slack_factor"),
    ({"policy": "bandit", "slack_factor": "0.1", "slack_amount": "x"}, "slack_amount"),
    ({"policy": "truncation_selection"}, "truncation_percentage"),
    ({"policy": "median_stopping", "delay_evaluation": "soon"}, "delay_evaluation"),
    ({"policy": "median_stopping", "evaluation_interval": "-1"}, "evaluation_interval"),
    ({"policy": "median_stopping", "min_rivals": "0"}, "min_rivals"),
    ({"max_total_trials": ""}, "max_total_trials"),
    ({"max_total_trials": "0"}, "max_total_trials"),
    ({"max_concurrent_trials": "many"}, "max_concurrent_trials"),
    ({"timeout": "tomorrow"}, "timeout"),
    ({"trial_timeout": "-5"}, "trial_timeout"),
    ({"max_failed_trials": "0"}, "max_failed_trials"),
    ({"max_attempts": "99"}, "max_attempts"),
    ({"compute": "elsewhere"}, "compute"),
    ({"experiment_name": "n" * 201}, "experiment_name"),
    ({"display_name": "n" * 201}, "display_name"),
    ({"inputs": "epochs 30"}, "inputs"),
    ({"inputs": "1x=30"}, "inputs"),
    ({"environment": "SWEEPSITE_TOKEN=x"}, "environment"),
    ({"environment": "A=1\nA=2"}, "environment"),
    ({"code": "0" * 64}, "files"),
    ({"folder": "./src"}, "folder"),
    ({"code_kind": "folder"}, "folder"),
    ({"code_kind": "folder", "folder": "/etc"}, "folder"),
    ({"code_kind": "git"}, "git_url"),
    ({"code_kind": "git", "git_url": "https://a:b@h/r.git"}, "git_url"),
    ({"code_kind": "git", "git_url": "file:///etc"}, "git_url"),
    ({"code_kind": "git", "git_url": "git@h:r", "git_ref": "-x"}, "git_ref"),
    ({"code_kind": "git", "git_url": "git@h:r", "git_path": "/x"}, "git_path"),
    ({"python": "-c"}, "python"),
    ({"requirements": "requirements.txt"}, "requirements"),
]


@pytest.mark.parametrize(("texts", "field"), WRONG)
def test_every_error_lands_beside_its_field_and_nothing_is_lost(
    ada: Client, texts: dict[str, str], field: str
) -> None:
    fields = form(**texts)
    assert list(problems(ada, fields)) == [field]
    response = send(ada, fields)
    assert response.status_code == 422
    assert not Sweep.objects.exists()
    assert wrong_fields(response) == {field}
    assert f'href="#field-{field}"' in page(response)
    assert f'id="field-{field}"' in page(response)
    for name, text in texts.items():
        assert texts_of(response)[name] == text


ROWS_WRONG = [
    ({"kind": "uniform", "low": "a", "high": "1"}, "low", "finite number"),
    ({"kind": "uniform", "low": "2", "high": "1"}, "high", "above min_value"),
    ({"kind": "uniform", "low": "2"}, "high", "required"),
    ({"kind": "quniform", "low": "0", "high": "1", "step": "0"}, "step", "above 0"),
    ({"kind": "loguniform", "low": "0", "high": "1"}, "low", "has no logarithm"),
    ({"kind": "loguniform", "low": "0.1", "high": "0.01"}, "high", "which is 0.1"),
    ({"kind": "loguniform", "low": "x", "high": "1"}, "low", "finite number"),
    ({"kind": "loguniform", "low": "-1", "high": "-2", **LOG}, "high", "at least"),
    ({"kind": "normal", "mu": "0", "sigma": "-1"}, "sigma", "0 or more"),
    ({"kind": "normal", "sigma": "1"}, "mu", "required"),
    ({"kind": "randint", "upper": "0"}, "upper", "1 or more"),
    ({"kind": "choice", "values": ""}, "values", "one entry or more"),
    ({"kind": "choice", "values": '16, "32'}, "values", "not closed"),
    (
        {"kind": "choice", "values": "1, 2", "probabilities": "1"},
        "probabilities",
        "2 numbers",
    ),
    ({"kind": "int", "low": "1.5", "high": "3"}, "low", "whole number"),
    ({"kind": "int", "low": "1", "high": "3", "step": "0"}, "step", "1 or more"),
    ({"kind": "float-log", "low": "0", "high": "0.01"}, "low", "above 0"),
    ({"kind": "unheard"}, "kind", "unheard"),
    ({"name": "2x"}, "name", "letters, digits"),
    ({"name": ""}, "name", "letters, digits"),
]


@pytest.mark.parametrize(("texts", "slot", "words"), ROWS_WRONG)
def test_an_error_of_a_row_lands_in_its_slot_and_the_text_stays(
    ada: Client, texts: dict[str, str], slot: str, words: str
) -> None:
    row = {"name": "p", "kind": "uniform", **texts}
    if "kind" not in texts:
        row |= {"low": "0", "high": "1"}
    fields = form([X, row])
    found = problems(ada, fields)
    assert list(found) == [f"row-1-{slot}"]
    assert words in found[f"row-1-{slot}"]
    response = send(ada, fields)
    assert response.status_code == 422
    assert f'href="#row-1-{slot}"' in page(response)
    kept = response.context["form"].rows[1]
    assert kept.text("name") == row["name"]
    for name, text in texts.items():
        if name not in ("name", "kind", "unit"):
            assert kept.text(name) == text


def test_all_problems_are_reported_at_once(ada: Client) -> None:
    rows = [{"name": "x", "kind": "uniform", "low": "a", "high": "b"}, X]
    found = problems(ada, form(rows, command="", max_total_trials="x"))
    assert list(found) == [
        "command",
        "row-0-low",
        "row-0-high",
        "row-1-kind",
        "max_total_trials",
    ]
    assert "another parameter" in found["row-1-kind"]


def test_a_space_without_parameters_is_a_problem_of_the_space(ada: Client) -> None:
    assert list(problems(ada, form([]))) == ["space"]
    blank = {"name": " ", "kind": "choice", "values": ""}
    assert list(problems(ada, form([blank]))) == ["space"]


def test_a_fresh_form_shows_no_problems_before_something_was_sent(ada: Client) -> None:
    response = ada.get(reverse("sweep_create"))
    assert response.status_code == 200
    assert response.context["problems"] == ()
    assert "field-error" not in page(response).split("<template")[0]


def test_bounds_that_look_natural_are_warned_about_and_can_be_repaired(
    ada: Client,
) -> None:
    row = {"name": "lr", "kind": "loguniform", "low": "0.0001", "high": "0.1", **LOG}
    answer = preview(ada, form([row]))
    assert "values from 1 to 1.105" in answer["warnings"][0]["message"]
    assert answer["warnings"][0]["field"] == "row-0-low"
    assert answer["rows"][0]["repairs"] == [["natural:0", "Read them as natural units"]]
    response = send(ada, form([row], do="natural:0"))
    assert response.context["form"].rows[0].text("unit") == "natural"
    assert (
        response.context["rows"][0].preview.hint
        == "ln \N{MINUS SIGN}9.21 to \N{MINUS SIGN}2.30"
    )


def test_a_lower_bound_of_zero_is_repaired_by_a_button(ada: Client) -> None:
    row = {"name": "wd", "kind": "float-log", "low": "0", "high": "0.01"}
    assert preview(ada, form([row]))["rows"][0]["repairs"][0][0] == "above0:0"
    repaired = send(ada, form([row], do="above0:0")).context["form"]
    assert repaired.rows[0].text("low") == "0.000001"
    assert not repaired.problems


def test_rows_are_added_moved_and_removed_with_everything_kept(ada: Client) -> None:
    rows = [{**X, "name": name, "low": "oops"} for name in "abc"]

    def names(do: str) -> list[str]:
        response = send(ada, form(rows, do=do, max_total_trials="many"))
        assert response.status_code == 200
        sent = response.context["form"]
        assert sent.text("max_total_trials") == "many"
        assert all(row.text("low") in ("oops", "") for row in sent.rows)
        return [row.key for row in sent.rows]

    assert names("add") == ["a", "b", "c", ""]
    assert names("up:1") == ["b", "a", "c"]
    assert names("down:0") == ["b", "a", "c"]
    assert names("remove:1") == ["a", "c"]
    for nothing in ("up:0", "down:2", "remove:9", "up:x", "up:", "up:\u0662", "?"):
        assert names(nothing) == ["a", "b", "c"]


def test_changing_the_kind_keeps_the_texts_of_the_other_kind(ada: Client) -> None:
    row = {"name": "p", "kind": "uniform", "low": "0", "high": "1", "values": "a, b"}
    response = send(ada, form([row], do="update"))
    kept = response.context["rows"][0]
    boxes = {box.name: (box.value(), used) for box, used in kept.boxes}
    assert boxes["values"] == ("a, b", False)
    assert boxes["low"] == ("0", True)


def test_the_metric_s_name_decides_the_goal_until_somebody_chooses(
    ada: Client,
) -> None:
    fresh = ada.get(reverse("sweep_create"))
    assert fresh.context["form"].shows_goal is False
    fields = {**form(primary_metric="val_loss"), "guessed_goal": "maximize"}
    goals = {"goal": "minimize", "guessed_goal": "minimize"}
    assert preview(ada, fields)["goals"] == goals
    del fields["goal"]
    assert preview(ada, fields)["goals"] == goals
    chosen = {**fields, "goal": "maximize", "guessed_goal": "minimize"}
    assert send(ada, chosen).status_code == 302
    assert Sweep.objects.latest("pk").definition["objective"]["goal"] == "maximize"
    assert send(ada, {**fields, "form_token": "another-token"}).status_code == 302
    assert Sweep.objects.latest("pk").definition["objective"]["goal"] == "minimize"
