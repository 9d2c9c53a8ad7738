"""`metrics_collector` of a sweep document."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.search.document.collector import (
    pattern_problem,
    read_collector,
)
from experiments.search.document.definition import parse_document
from experiments.search.fields import DefinitionError, Diagnostics

DOCUMENT: dict[str, Any] = {
    "trial": {"command": "python train.py"},
    "search_space": {"lr": {"type": "uniform", "min_value": 0, "max_value": 1}},
    "objective": {"primary_metric": "accuracy", "goal": "maximize"},
    "limits": {"max_total_trials": 2},
}
NAMED = r"(?P<accuracy>\S+)"


def problems(value: object) -> dict[str, str]:
    with pytest.raises(DefinitionError) as error:
        parse_document({**DOCUMENT, "metrics_collector": value})
    return {path: found[0] for path, found in error.value.by_path().items()}


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        (None, None),
        ("automatic", None),
        ("none", {"none": {}}),
        ("stdout", {"stdout": {"format": "name_value"}}),
        ({"stdout": None}, {"stdout": {"format": "name_value"}}),
        ("TensorBoard", {"tensorboard": {"path": "outputs"}}),
        (
            {"tensorboard": {"path": "./runs/"}, "stdout": {"format": "JSON"}},
            {"stdout": {"format": "json"}, "tensorboard": {"path": "runs"}},
        ),
        (
            {"stdout": {"pattern": NAMED}},
            {"stdout": {"format": "regex", "pattern": NAMED}},
        ),
        (
            {"stdout": {"metrics": ["loss", "f1", "loss"]}},
            {"stdout": {"format": "name_value", "metrics": ["loss", "f1"]}},
        ),
        (
            {"file": {"path": "logs/metrics.CSV"}},
            {"file": {"path": "logs/metrics.CSV", "format": "csv"}},
        ),
        (
            {"file": {"path": "m.jsonl"}},
            {"file": {"path": "m.jsonl", "format": "json"}},
        ),
        (
            {"file": {"path": "m.txt"}},
            {"file": {"path": "m.txt", "format": "name_value"}},
        ),
    ],
)
def test_its_canonical_form(given: object, canonical: object) -> None:
    definition = parse_document({**DOCUMENT, "metrics_collector": given})
    assert definition.metrics_collector == canonical
    assert definition.dump().get("metrics_collector") == canonical
    again = parse_document(definition.dump())
    assert again.metrics_collector == canonical


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("stdot", "metrics_collector"),
        ([], "metrics_collector"),
        ({}, "metrics_collector"),
        ({"stdot": {}}, "metrics_collector.stdot"),
        ({"stdout": {"format": "xml"}}, "metrics_collector.stdout.format"),
        ({"stdout": {"format": "csv"}}, "metrics_collector.stdout.format"),
        ({"stdout": {"format": "regex"}}, "metrics_collector.stdout.pattern"),
        (
            {"stdout": {"format": "json", "pattern": "(x)"}},
            "metrics_collector.stdout.pattern",
        ),
        ({"stdout": {"pattern": "(x"}}, "metrics_collector.stdout.pattern"),
        ({"stdout": {"metrics": "loss"}}, "metrics_collector.stdout.metrics"),
        ({"stdout": {"metrics": [1]}}, "metrics_collector.stdout.metrics"),
        ({"file": None}, "metrics_collector.file.path"),
        ("file", "metrics_collector.file.path"),
        ({"file": {"path": "../x"}}, "metrics_collector.file.path"),
        ({"file": {"path": "/etc/passwd"}}, "metrics_collector.file.path"),
        ({"tensorboard": {"path": "a/../../b"}}, "metrics_collector.tensorboard.path"),
        ({"none": {}, "stdout": {}}, "metrics_collector"),
    ],
)
def test_problems_name_the_field(given: object, path: str) -> None:
    assert path in problems(given)


def test_the_place_of_an_error_in_a_pattern_is_said() -> None:
    said = problems({"stdout": {"pattern": "acc=(x"}})
    assert said["metrics_collector.stdout.pattern"] == (
        "The pattern is not a regular expression: missing ), unterminated subpattern"
        " at character 5."
    )


@pytest.mark.parametrize("pattern", ["x", r"(?P<name>\w+)", r"(?P<step>\d+)"])
def test_a_pattern_needs_a_value(pattern: str) -> None:
    assert "needs a group for the value" in pattern_problem(pattern)


@pytest.mark.parametrize(
    "pattern", ["(x)", r"(\w+)=(\S+)", r"(?P<value>x)", r"(?P<loss>x) (?P<step>y)"]
)
def test_patterns_that_are_fine(pattern: str) -> None:
    assert pattern_problem(pattern) == ""


def test_without_workers_nothing_is_collected_which_is_a_warning() -> None:
    own = {**DOCUMENT, "launches": False, "metrics_collector": "stdout"}
    (warning,) = parse_document(own).warnings
    assert warning.path == "metrics_collector"


def test_a_pattern_without_the_primary_metric_is_a_warning() -> None:
    diagnostics = Diagnostics()
    value = {"stdout": {"pattern": r"(?P<loss>\S+)"}}
    read_collector(value, diagnostics, primary="accuracy")
    (warning,) = diagnostics.warnings
    assert warning.path == "metrics_collector.stdout.pattern"
    assert "accuracy" in warning.message
