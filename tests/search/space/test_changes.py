"""What differs between two spaces, and which configurations still count."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.search.space.changes import is_valid_in, space_changes
from experiments.search.space.space import SearchSpace

BASE: dict[str, Any] = {
    "lr": {"type": "float", "low": 1e-5, "high": 0.1, "log": True},
    "layers": {"type": "int", "low": 1, "high": 4},
    "optimizer": {"type": "choice", "values": ["sgd", "adam"]},
}


def space(*, constraints: list[str] | None = None, **changes: Any) -> SearchSpace:
    document = {name: law for name, law in {**BASE, **changes}.items() if law}
    return SearchSpace.parse(document, constraints=constraints)


def told(**changes: Any) -> list[str]:
    return [str(change) for change in space_changes(space(), space(**changes))]


def test_nothing_is_told_where_nothing_differs() -> None:
    assert told() == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"lr": {"type": "float", "low": 1e-4, "high": 0.01, "log": True}},
            "lr: float 1e-5 to 0.1 → float 0.0001 to 0.01",
        ),
        ({"layers": None}, "layers: removed, was int 1 to 4"),
        ({"drop": "uniform(0, 0.5)"}, "drop: new, uniform 0 to 0.5"),
        ({"drop": "normal(10, 3)"}, "drop: new, normal with mu 10, sigma 3"),
        ({"drop": "quniform(0, 8, 2)"}, "drop: new, quniform 0 to 8, step 2"),
        (
            {"optimizer": "choice('sgd')"},
            "optimizer: choice of sgd, adam → choice of sgd",
        ),
        (
            {"drop": {"type": "uniform", "min_value": 0, "max_value": 1}
             | {"when": {"optimizer": ["sgd"]}}},
            'drop: new, uniform 0 to 1, when {"optimizer": ["sgd"]}',
        ),
        ({"constraints": ["layers < 3"]}, "constraints: new, layers < 3"),
    ],
)  # fmt: skip
def test_each_change_is_told_with_old_and_new(changes: Any, words: str) -> None:
    assert told(**changes) == [words]


def test_what_the_words_do_not_tell_is_told_as_it_stands() -> None:
    weights = {"type": "choice", "values": ["sgd", "adam"], "probabilities": [0.9, 0.1]}
    (line,) = told(optimizer=weights)
    assert "0.9" in line.partition("→")[2]


def test_long_values_are_cut() -> None:
    (line,) = told(optimizer={"type": "choice", "values": ["x" * 500, "y"]})
    assert len(line) < 300


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, True),
        ({"lr": {"type": "float", "low": 1e-4, "high": 0.1, "log": True}}, True),
        ({"lr": {"type": "float", "low": 0.01, "high": 0.1, "log": True}}, False),
        ({"layers": "choice(2)"}, True),
        ({"layers": "choice(3)"}, False),
        ({"layers": None}, True),
        ({"drop": "uniform(0, 0.5)"}, False),
        ({"constraints": ["layers < 3"]}, True),
        ({"constraints": ["layers > 2"]}, False),
        ({"optimizer": "choice('sgd', 'lion')"}, False),
    ],
)
def test_a_trial_counts_where_the_new_space_could_have_drawn_it(
    changes: Any, counts: bool
) -> None:
    params = {"lr": 1e-3, "layers": 2, "optimizer": "adam"}
    assert is_valid_in(space(**changes), params) is counts


def test_a_condition_that_no_longer_holds_leaves_a_trial_out() -> None:
    new = space(layers={**BASE["layers"], "when": {"optimizer": ["sgd"]}})
    assert is_valid_in(new, {"lr": 1e-3, "layers": 2, "optimizer": "sgd"})
    assert not is_valid_in(new, {"lr": 1e-3, "layers": 2, "optimizer": "adam"})
