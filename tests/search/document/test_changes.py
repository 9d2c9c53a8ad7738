"""How two documents differ, in words."""

from __future__ import annotations

from typing import Any

from experiments.search.document.changes import document_changes
from experiments.search.document.definition import parse_document


def changes(**other: Any) -> list[str]:
    document: dict[str, Any] = {
        "trial": {"command": "python train.py", "environment_variables": {"KEY": "a"}},
        "objective": {"primary_metric": "loss", "goal": "minimize"},
        "search_space": {"x": {"type": "uniform", "min_value": 0, "max_value": 1}},
        "sampling_algorithm": {"type": "random", "seed": 1},
        "early_termination": {"type": "median_stopping", "delay_evaluation": 5},
        "limits": {"max_total_trials": 40},
    }
    return document_changes(
        parse_document(document), parse_document({**document, **other})
    )


def test_equal_documents_have_none_whatever_their_names_and_seeds() -> None:
    names = {"display_name": "again", "description": "a copy"}
    assert changes(**names, sampling_algorithm={"type": "random", "seed": 2}) == []


def test_each_difference_is_one_text() -> None:
    space = {
        "x": {"type": "uniform", "min_value": 0, "max_value": 2},
        "optimizer": {"type": "choice", "values": ["sgd", "adam"]},
    }
    found = changes(
        search_space=space,
        constraints=["x <= 1.5"],
        sampling_algorithm={"type": "sobol"},
        limits={"max_total_trials": 50, "timeout": "1h"},
        early_termination=None,
    )
    assert found[0].startswith("x: uniform 0 to 1 → uniform 0 to 2")
    assert found[1].startswith("optimizer: new, choice")
    assert found[2] == "constraints: new, x <= 1.5"
    assert found[3] == "sampler: sobol instead of random"
    assert found[4].startswith("early termination: none instead of median stopping")
    assert "limits.max_total_trials: 40 → 50" in found
    assert any(text.startswith("limits.timeout: not set → ") for text in found)


def test_settings_that_the_words_leave_out_still_count() -> None:
    policy = {"type": "median_stopping", "delay_evaluation": 5, "min_rivals": 7}
    (found,) = changes(early_termination=policy)
    assert found.startswith("early termination: ")


def test_values_of_environment_variables_are_not_shown() -> None:
    trial = {
        "command": "python train.py",
        "environment_variables": {"KEY": "b", "MORE": "secret"},
    }
    assert changes(trial=trial) == ["trial.environment_variables: other values"]


def test_other_uploads_are_other_files() -> None:
    old, new = (
        {"trial": {"command": "python train.py", "code": {"upload": digit * 64}}}
        for digit in "ab"
    )
    document = {
        "objective": {"primary_metric": "loss", "goal": "minimize"},
        "search_space": {"x": {"type": "uniform", "min_value": 0, "max_value": 1}},
        "limits": {"max_total_trials": 40},
    }
    found = document_changes(*(parse_document({**document, **t}) for t in (old, new)))
    assert found == ["trial.code: other files"]
