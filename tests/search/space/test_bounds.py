"""Other ranges for a search space, as charts and advice propose them."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.search.fields import DefinitionError
from experiments.search.space.bounds import box_of, with_bounds
from experiments.search.space.space import SearchSpace

SPACE = SearchSpace.parse(
    {
        "lr": "loguniform(-9.21034, 0)",
        "dropout": "uniform(0, 0.8)",
        "batch": "quniform(16, 256, 16)",
        "width": "qloguniform(0, 6, 2)",
        "depth": "randint(9)",
        "optimizer": {
            "type": "choice",
            "values": ["sgd", "adam", "adamw"],
            "probabilities": [0.5, 0.25, 0.25],
        },
        "hidden": "choice(32, 64, 128)",
        "momentum": {
            "type": "float",
            "low": 0.5,
            "high": 1,
            "when": {"optimizer": "sgd"},
        },
        "noise": "normal(0, 1)",
    }
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "lr:0.001..0.01",
            {"type": "float", "low": 0.001, "high": 0.01, "log": True},
        ),
        ("dropout:..0.3", {"type": "float", "low": 0.0, "high": 0.3}),
        ("dropout:0.1..0.9", {"type": "float", "low": 0.1, "high": 0.9}),
        (
            "batch:30..100",
            {"type": "float", "low": 32.0, "high": 96.0, "step": 16.0},
        ),
        ("depth:2.5..6", {"type": "int", "low": 3, "high": 6}),
        ('optimizer:["sgd"]', {"type": "choice", "values": ["sgd"]}),
        ("hidden:64..", {"type": "choice", "values": [64, 128]}),
        ("hidden:[128,256]", {"type": "choice", "values": [128, 256]}),
        (
            "momentum:0.9..",
            {"type": "float", "low": 0.9, "high": 1.0, "when": {"optimizer": ["sgd"]}},
        ),
        ("noise:-1..1", {"type": "float", "low": -1.0, "high": 1.0}),
    ],
)
def test_a_range_replaces_that_of_the_parameter_alone(
    text: str, expected: dict[str, Any]
) -> None:
    name = text.partition(":")[0]
    changed = with_bounds(SPACE, [text])
    assert changed.pop(name) == expected
    before = SPACE.dump()
    before.pop(name)
    assert changed == before
    SearchSpace.parse({**changed, name: expected})


def test_a_quantized_logarithmic_kind_keeps_its_multiples() -> None:
    document = with_bounds(SPACE, ["width:4..40"])
    width = SearchSpace.parse(document).parameters["width"]
    assert width.contains(4)
    assert width.contains(40)
    assert not width.contains(2)
    assert not width.contains(42)
    assert not width.contains(5)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("lr", "must be a parameter, a colon"),
        ("lr:", "must be a parameter, a colon"),
        ("lr:..", "must be a parameter, a colon"),
        ("lr:low..high", "must be a parameter, a colon"),
        ("lr:nan..1", "must be a parameter, a colon"),
        ("optimizer:[sgd", "must be a parameter, a colon"),
        (
            "drop_out:0..1",
            'There is no parameter "drop_out" here; did you mean dropout?',
        ),
        ("noise:..1", "cannot have such bounds"),
        ("lr:-1..1", "cannot have such bounds"),
    ],
)
def test_nonsense_is_a_sentence(text: str, part: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        with_bounds(SPACE, [text])
    assert part in str(refused.value)


def test_the_box_of_some_configurations() -> None:
    both = {"momentum": 0.9, "depth": 3, "optimizer": "sgd", "hidden": 32}
    found = box_of(SPACE, [{**both, "lr": 0.004}, {**both, "lr": 0.00123456}])
    assert found == [
        "lr:0.001235..0.004",
        "depth:[3]",
        'optimizer:["sgd"]',
        "hidden:[32]",
        "momentum:[0.9]",
    ]
    assert with_bounds(SPACE, found)["momentum"]["values"] == [0.9]


def test_a_parameter_goes_with_the_values_that_it_needs() -> None:
    left = with_bounds(SPACE, ['optimizer:["adam", "adamw"]'])
    assert "momentum" not in left
    SearchSpace.parse(left)
    kept = with_bounds(SPACE, ['optimizer:["sgd", "adam"]'])
    assert kept["momentum"]["when"] == {"optimizer": ["sgd"]}
