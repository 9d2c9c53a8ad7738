"""The builder: the same sweep as YAML, in both directions."""

from __future__ import annotations

import math
from typing import Any

import pytest
from django.test import Client

from experiments.models import CodeSnapshot, Sweep
from experiments.pages.builder.document import left_over
from experiments.pages.builder.filling import fresh_form, row_from
from tests.pages.builder.builder_forms import (
    BATCH,
    KEEP,
    RATE,
    X,
    form,
    preview,
    rows_of,
    send,
    wrong_fields,
)

pytestmark = pytest.mark.django_db


def test_the_form_and_its_yaml_say_the_same_in_both_directions(ada: Client) -> None:
    rows = [row for row, _ in ((RATE, 0), (KEEP, 0), (BATCH, 0))]
    opened = send(ada, form(rows, do="yaml", inputs="epochs=30"))
    text = opened.context["page"].yaml
    assert "learning_rate: {type: normal, mu: 10, sigma: 3}" in text
    changed = text.replace("mu: 10", "mu: 11").replace("epochs: 30", "epochs: 60")
    fields = form(rows, do="apply-yaml", yaml_mode="1", yaml=changed)
    response = send(ada, fields)
    sent = response.context["form"]
    assert response.context["page"].yaml is None
    assert sent.rows[0].text("mu") == "11"
    assert sent.text("inputs") == "epochs=60"


def yaml_form(text: str, do: str = "apply-yaml") -> dict[str, Any]:
    return form(yaml_mode="1", yaml=text, do=do)


def test_yaml_with_a_fault_that_has_a_field_fills_the_form(ada: Client) -> None:
    text = """
trial: {command: python train.py}
objective: {primary_metric: auc, goal: maximize}
search_space: {lr: [uniform, [1, 0]], n: {type: choice, values: [1, a]}}
limits: {max_total_trials: many}
"""
    response = send(ada, yaml_form(text))
    sent = response.context["form"]
    assert response.context["page"].yaml is None
    assert sent.text("max_total_trials") == "many"
    assert wrong_fields(response) == {"row-0-high", "max_total_trials"}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("trial: {command: x}\nsurprise: 1\n", 2, "no field"),
        ("search_space:\n  x: {type: uniform, mode: 3}\n", 2, "no field"),
        ("resources:\n  gpus: 65\n", 2, "gpus"),
        ("a: [1\nb: 2\n", 2, "Line 2"),
        ("just words", None, "mapping"),
        ("x: &a [1]\ny: [" + "*a, " * 300 + "]", None, "aliases"),
    ],
)
def test_yaml_that_the_form_cannot_hold_stays_as_it_is_with_every_problem(
    ada: Client, text: str, line: int | None, words: str
) -> None:
    for do in ("apply-yaml", "save", "start"):
        sent = send(ada, yaml_form(text, do)).context["page"]
        assert sent.yaml == text
        found = [p for p in sent.yaml_problems if words in p.message]
        assert [problem.line for problem in found] == [line]
    assert not Sweep.objects.exists()


def test_yaml_that_was_not_applied_counts_when_the_sweep_is_started(
    ada: Client,
) -> None:
    text = send(ada, form(do="yaml")).context["page"].yaml
    changed = text.replace("max_total_trials: 4", "max_total_trials: 9")
    assert send(ada, yaml_form(changed, "start")).status_code == 302
    assert Sweep.objects.get().max_total_trials == 9


def test_files_written_into_yaml_are_kept(ada: Client) -> None:
    text = (
        send(ada, form(do="yaml"))
        .context["page"]
        .yaml.replace("trial:\n", "trial:\n  code: {files: {train.py: print(1)}}\n")
    )
    sent = send(ada, yaml_form(text)).context["form"]
    assert sent.text("code") == CodeSnapshot.objects.get().digest


def test_wrong_lines_are_marked_in_the_twin(ada: Client) -> None:
    response = send(ada, form([{**X, "low": "2"}]))
    marked = [text for text, is_wrong in response.context["lines"] if is_wrong]
    assert marked == ["  x: {type: uniform, min_value: 2, max_value: 1}"]


def test_yaml_is_checked_while_it_is_typed(ada: Client) -> None:
    answer = preview(ada, yaml_form("trial: {command: x}\nsurprise: 1\n"))
    lines = {problem["path"]: problem["line"] for problem in answer["yaml_problems"]}
    assert lines["surprise"] == 2


def test_what_has_no_field_is_carried_along_with_its_type() -> None:
    policy = {"type": "asha", "reduction_factor": 3}
    document = {"later": {"a": [1]}, "early_termination": policy}
    fresh = fresh_form(policy="asha")
    carried = fresh.with_data(extra=left_over(document, fresh.document))
    found = carried.document
    assert found["later"] == {"a": [1]}
    assert found["early_termination"]["reduction_factor"] == 3
    other = carried.with_data(policy="bandit").document
    assert "reduction_factor" not in other["early_termination"]


def test_a_row_carries_what_it_has_no_field_for(ada: Client) -> None:
    condition = {"a": ["x"], "b": [1, True], "c": ["1"]}
    given = {"type": "uniform", "min_value": 0, "max_value": 1, "when": condition}
    row = row_from("x", given, base=math.e, as_logs=False)
    assert row is not None and row["when"] == "a" and row["and_values"] == "1, true"
    filled = fresh_form().with_rows([row])
    assert filled.document["search_space"] == {"x": given}
    left = rows_of(send(ada, form([row], do="plain:0")))[0]
    assert "extra" not in left and left["when"] == "a"


@pytest.mark.parametrize("extra", ["[1]", "{", '"x"', '{"trial": 1}', "[" * 9999])
def test_a_forged_carried_text_changes_nothing(ada: Client, extra: str) -> None:
    fields = form([{**X, "extra": extra.replace("trial", "type")}], extra=extra)
    assert send(ada, fields).status_code == 302
    definition = Sweep.objects.get().definition
    assert definition["search_space"]["x"]["type"] == "uniform"
    assert definition["trial"] == {"command": "python train.py"}
