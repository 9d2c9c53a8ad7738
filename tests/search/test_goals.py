"""The goal that a metric's name suggests."""

from __future__ import annotations

import pytest

from experiments.search.records import goal_of


@pytest.mark.parametrize(
    "name",
    [
        *("loss", "val_loss", "logloss", "eval/mean_error", "rmse", "test-mae", "WER"),
        *("latency_ms", "train_time_s", "wall_time", "perplexity", "system/memory"),
    ],
)
def test_less_of_it_is_better(name: str) -> None:
    assert goal_of(name) == "minimize"


@pytest.mark.parametrize(
    "name",
    [
        "accuracy",
        "f1",
        "confidence",
        "sentiment",
        "power",
        "certainty",
        "merit",
        "fidelity",
    ],
)
def test_more_of_it_is_better(name: str) -> None:
    assert goal_of(name) == "maximize"
