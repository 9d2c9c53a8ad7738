"""What failures share is told where it is clear, and not where it may be chance."""

from __future__ import annotations

import random
from typing import Any

from experiments.failures.common_values import SharedValues, shared_values

Rows = list[dict[str, Any]]


def by_name(failed: Rows, ran: Rows) -> dict[str, SharedValues]:
    return {shared.name: shared for shared in shared_values(failed, ran)}


def rows(count: int, **given: Any) -> Rows:
    dice = random.Random(count)
    return [
        {"lr": dice.random(), "model": dice.choice(["unet", "deeplab"]), "tile": 512}
        | {name: values[i % len(values)] for name, values in given.items()}
        for i in range(count)
    ]


def test_values_that_only_failures_have_are_told_first() -> None:
    failed, ran = rows(4, batch=[64, 128]), rows(22, batch=[8, 16, 32])
    found = shared_values(failed, ran)
    assert (found[0].name, found[0].verdict) == ("batch", "only")
    assert found[0].failed.listed == (64, 128)
    assert found[0].constraint == "batch < 64"
    assert {f.name: f.verdict for f in found[1:]} == {
        "lr": "no",
        "model": "no",
        "tile": "same",
    }


def test_a_choice_and_low_numbers_too() -> None:
    failed, ran = rows(6, opt=["sgd"]), rows(12, opt=["adam", "lion"])
    assert by_name(failed, ran)["opt"].constraint == "opt != 'sgd'"
    low = by_name(rows(6, width=[1, 2]), rows(12, width=[8, 16]))["width"]
    assert low.constraint == "width > 2"


def test_mostly_is_told_without_a_constraint() -> None:
    failed = rows(20, batch=[128] * 19 + [16])
    ran = rows(20, batch=[8, 16, 32, 16])
    found = by_name(failed, ran)["batch"]
    assert (found.verdict, found.constraint) == ("mostly", "")


def test_few_failures_say_nothing() -> None:
    found = by_name(rows(2, batch=[128]), rows(3, batch=[8]))
    assert found["batch"].verdict == "no"
    assert not any(s.is_significant for s in shared_values(rows(3), []))


def test_chance_is_seldom_taken_for_a_cause() -> None:
    dice = random.Random(7)
    told = 0
    for _ in range(200):
        trials = [{f"p{n}": dice.random() for n in range(8)} for _ in range(30)]
        told += any(s.is_significant for s in shared_values(trials[:6], trials[6:]))
    assert told <= 4


def test_a_parameter_that_is_not_active_is_a_value_too() -> None:
    failed = [{"opt": "sgd", "momentum": 0.9} for _ in range(8)]
    ran = [{"opt": "adam"} for _ in range(8)]
    assert by_name(failed, ran)["momentum"].verdict == "only"
    assert by_name(failed, ran)["momentum"].constraint == ""
