"""How the metric arrives: the form's fields, and the place to try it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from experiments.models import Sweep
from experiments.pages.builder.collector_fields import (
    OTHER,
    collector_kind,
    try_collector,
)
from experiments.pages.builder.filling import form_of
from experiments.search.document.definition import parse_document
from tests.pages.builder.builder_forms import (
    form,
    member,
    page,
    preview,
    problems,
    send,
)

PATTERN = r"acc is (?P<accuracy>\S+)"
BOTH = {"stdout": {"format": "json"}, "tensorboard": {"path": "runs"}}
DOCUMENT: dict[str, Any] = {
    "trial": {"command": "python train.py"},
    "search_space": {"x": {"type": "uniform", "min_value": 0, "max_value": 1}},
    "objective": {"primary_metric": "accuracy", "goal": "maximize"},
    "limits": {"max_total_trials": 2},
}


@pytest.fixture
def ada(client: Client, db: None) -> Client:
    return member(client)


@pytest.mark.parametrize(
    ("texts", "collector"),
    [
        ({}, None),
        ({"collector": "automatic", "collector_pattern": "x"}, None),
        ({"collector": "none"}, {"none": {}}),
        (
            {"collector": "name_value", "collector_metrics": "loss, f1"},
            {"stdout": {"format": "name_value", "metrics": ["loss", "f1"]}},
        ),
        (
            {"collector": "regex", "collector_pattern": PATTERN},
            {"stdout": {"format": "regex", "pattern": PATTERN}},
        ),
        ({"collector": "tensorboard"}, {"tensorboard": {"path": "outputs"}}),
        (
            {"collector": "file", "collector_file": "m.csv"},
            {"file": {"path": "m.csv", "format": "csv"}},
        ),
    ],
)
def test_the_fields_become_the_document_s(
    ada: Client, texts: dict[str, str], collector: object
) -> None:
    response = send(ada, form(**texts))
    assert response.status_code == 302, response.context["problems"]
    assert Sweep.objects.get().definition.get("metrics_collector") == collector
    # The draft's form shows the same.
    answer = send(ada, form(**texts, do="update"))
    assert f'value="{texts.get("collector", "automatic")}" selected' in page(answer)


def test_a_bad_pattern_is_said_beside_its_field_with_the_place(ada: Client) -> None:
    sent = form(collector="regex", collector_pattern="acc (x")
    found = problems(ada, sent)
    assert "at character 5" in found["collector_pattern"]


@pytest.mark.parametrize(
    "collector",
    [
        None,
        {"none": {}},
        {"stdout": {"format": "json", "metrics": ["loss"]}},
        {"stdout": {"format": "regex", "pattern": PATTERN}},
        {"tensorboard": {"path": "runs"}},
        {"file": {"path": "m.csv", "format": "csv"}},
        {"file": {"path": "m.csv", "format": "json", "metrics": ["a"]}},
        BOTH,
    ],
)
def test_every_document_survives_the_form(collector: object) -> None:
    definition = parse_document({**DOCUMENT, "metrics_collector": collector})
    filled = form_of(definition)
    again = parse_document(filled.document)
    assert again.metrics_collector == definition.metrics_collector
    kind = "name_value"
    changed = filled.with_data(collector=kind).document
    assert list(changed["metrics_collector"]) == ["stdout"]


def test_what_the_form_has_no_fields_for_is_kept_as_it_is() -> None:
    assert collector_kind(BOTH) == OTHER
    assert collector_kind({"stdout": {"format": "xml"}}) == OTHER
    assert collector_kind("TensorBoard") == "tensorboard"


LINES = "epoch 3: accuracy=0.91\nnothing\n<b>loss=1</b>\n"


def test_pasted_lines_show_what_is_found_with_and_without_scripts(ada: Client) -> None:
    sent = form(collector="automatic", collector_sample=LINES)
    text = page(send(ada, {**sent, "do": "collector"}))
    assert "Found 1 value of accuracy." in text
    assert "accuracy = 0.91, step 3" in text
    assert Sweep.objects.count() == 0
    answer = preview(ada, sent)
    assert "accuracy = 0.91, step 3" in answer["collected"]
    other = preview(
        ada, {**sent, "collector": "name_value", "collector_metrics": "loss"}
    )
    assert "&lt;b&gt;loss=1" in other["collected"]


def tried(pattern: str, sample: str) -> str:
    collector = {"stdout": {"pattern": pattern}}
    found = try_collector({**DOCUMENT, "metrics_collector": collector}, sample)
    assert found is not None
    return found.words


def test_a_pattern_is_tried_in_a_process_of_its_own() -> None:
    assert tried(PATTERN, "acc is 0.5") == "Found 1 value of accuracy."
    assert "none of the primary metric" in tried(r"(?P<loss>\d+)", "5")
    assert tried(PATTERN, "no") == "Nothing is found in these lines."


def test_a_pattern_that_takes_too_long_is_cut_off() -> None:
    slow = r"(?P<accuracy>(\d+)+)$"
    assert "takes too long" in tried(slow, ("1" * 60 + "x\n") * 20)


def test_one_line_that_takes_too_long_is_enough_to_say_so() -> None:
    slow = r"(?P<accuracy>(\d+)+)$"
    assert "takes too long" in tried(slow, "accuracy=0.5\n" + "1" * 60 + "x")


def test_values_of_other_metrics_are_counted_apart() -> None:
    said = tried(r"(?P<name>\w+)=(?P<value>\S+)", "accuracy=1 loss=2\nloss=3")
    assert said == "Found 1 value of accuracy and 2 of other metrics."


def test_nothing_is_tried_without_lines_or_with_a_bad_pattern() -> None:
    assert try_collector(DOCUMENT, " ") is None
    bad = {**DOCUMENT, "metrics_collector": {"stdout": {"pattern": "("}}}
    assert try_collector(bad, "x") is None
    events = {**DOCUMENT, "metrics_collector": "tensorboard"}
    assert try_collector(events, "x") is None


def test_the_form_is_closed_unless_it_is_used(ada: Client) -> None:
    text = page(ada.get(reverse("sweep_create")))
    assert '<details class="collector" >' in text
