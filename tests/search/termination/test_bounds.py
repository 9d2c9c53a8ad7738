from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.search.fields import DefinitionError
from experiments.search.records import Objective
from experiments.search.termination import PatiencePolicy, ThresholdPolicy, make_policy
from tests.search.termination.policy_contract import MAXIMIZE, MINIMIZE, PolicyContract
from tests.search.termination.scanned import judged


class TestThresholdOfAValue(PolicyContract):
    settings: ClassVar[Mapping[str, object]] = {"type": "threshold", "value": 0}


class TestThresholdOfBounds(PolicyContract):
    settings: ClassVar[Mapping[str, object]] = {
        "type": "threshold",
        "lower": -5,
        "upper": 5,
    }


class TestPatience(PolicyContract):
    settings: ClassVar[Mapping[str, object]] = {
        "type": "patience",
        "patience": 2,
        "min_delta": 0.5,
    }


def threshold(objective: Objective = MAXIMIZE, **more: float) -> ThresholdPolicy:
    return ThresholdPolicy(objective=objective, **more)  # type: ignore[arg-type]


def patience(
    count: int, objective: Objective = MAXIMIZE, min_delta: float = 0
) -> PatiencePolicy:
    return PatiencePolicy(objective=objective, patience=count, min_delta=min_delta)


@pytest.mark.parametrize(
    ("objective", "values", "stop"),
    [
        (MAXIMIZE, [0.1, 0.2], False),
        (MAXIMIZE, [0.1, 0.2, 0.49], True),
        (MAXIMIZE, [0.1, 0.2, 0.5], False),
        (MAXIMIZE, [0.6, 0.2, 0.3], False),
        (MINIMIZE, [0.9, 0.8, 0.51], True),
        (MINIMIZE, [0.9, 0.4, 0.8], False),
        (MINIMIZE, [0.9, 0.8, 0.7, 0.6], True),
        (MAXIMIZE, [math.nan] * 3, True),
    ],
)
def test_a_value_must_be_reached_by_a_report(
    objective: Objective, values: list[float], stop: bool
) -> None:
    policy = threshold(objective, value=0.5, by_report=3)
    assert judged(policy, values, {}).stop is stop


@pytest.mark.parametrize(
    ("objective", "value", "stop"),
    [
        (objective, value, stop)
        for objective in (MAXIMIZE, MINIMIZE)
        for value, stop in [(0, False), (1, False), (-0.1, True), (1.1, True)]
    ]
    + [(MAXIMIZE, math.nan, True), (MINIMIZE, math.inf, True)],
)
def test_every_report_stays_within_bounds(
    objective: Objective, value: float, stop: bool
) -> None:
    policy = threshold(objective, lower=0, upper=1)
    assert judged(policy, [0.5, value], {}).stop is stop
    assert not judged(policy, [value, 0.5], {}).stop


def test_the_sentences_of_bounds() -> None:
    policy = threshold(value=0.5, by_report=2, lower=-1, upper=1)
    assert judged(policy, [0.1, 0.3], {}).reason == (
        "Ended after report 2: its best 0.3 has not reached 0.5, which was required "
        "by report 2."
    )
    assert judged(policy, [-2], {}).reason == (
        "Ended after report 1: its last value -2 is beyond the lower bound, -1."
    )
    assert judged(policy, [math.nan], {}).reason == (
        "Ended after report 1: a report without a finite value is beyond the lower "
        "bound, -1."
    )
    assert judged(policy, [1.5], {}).reason == (
        "Ended after report 1: its last value 1.5 is beyond the upper bound, 1."
    )
    kept = judged(policy, [0.1], {})
    assert kept.reason == "Kept at report 1: its last value 0.1 misses no bound."
    assert kept.threshold is None
    assert judged(policy, [-2], {}).threshold == -1


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({}, "value"),
        ({"value": "0.5"}, "value"),
        ({"value": 0.5, "by_report": 0}, "by_report"),
        ({"lower": 1, "upper": 1}, "upper"),
    ],
)
def test_bad_bounds_are_problems(settings: dict[str, object], field: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        make_policy({"type": "threshold", **settings}, MAXIMIZE)
    assert f"early_termination.{field}" in caught.value.by_path()


@pytest.mark.parametrize(
    ("values", "stop"),
    [
        ([0.1, 0.1], False),
        ([0.1, 0.1, 0.1], True),
        ([0.1, 0.2, 0.2], False),
        ([0.1, 0.2, 0.2, 0.1], True),
        ([0.1, math.nan, math.nan], True),
        ([math.nan, math.nan, 0.1], False),
        ([math.nan, math.nan, math.nan], True),
    ],
)
@pytest.mark.parametrize("objective", [MAXIMIZE, MINIMIZE])
def test_a_trial_must_improve_within_the_patience(
    values: list[float], stop: bool, objective: Objective
) -> None:
    sign = 1 if objective is MAXIMIZE else -1
    curve = [sign * value for value in values]
    assert judged(patience(2, objective), curve, {}).stop is stop


@given(
    values=st.lists(st.integers(0, 20).map(float), min_size=2, max_size=12),
    count=st.integers(1, 5),
    delta=st.sampled_from([0, 1, 2.5]),
)
def test_patience_is_what_it_says(
    values: list[float], count: int, delta: float
) -> None:
    stop = len(values) > count and max(values) <= max(values[:-count]) + delta
    assert judged(patience(count, min_delta=delta), values, {}).stop is stop


def test_the_sentences_of_patience() -> None:
    assert judged(patience(2), [0.1, 0.1, 0.1], {}).reason == (
        "Ended after report 3: its best 0.1 has not improved in the last 2 reports."
    )
    assert judged(patience(1, min_delta=0.5), [0.1, 0.2], {}).reason == (
        "Ended after report 2: its best 0.2 has not improved by more than 0.5 in the "
        "last 1 report."
    )
    assert judged(patience(2), [0.1, 0.2, 0.3], {}).reason == (
        "Kept at report 3: its best 0.3 has improved in the last 2 reports."
    )
    assert judged(patience(2), [0.1], {}).reason == (
        "Kept at report 1 with 0.1: patience lasts for 2 reports."
    )


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({}, "patience"),
        ({"patience": 0}, "patience"),
        ({"patience": 1, "min_delta": -1}, "min_delta"),
    ],
)
def test_bad_patience_is_a_problem(settings: dict[str, object], field: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        make_policy({"type": "patience", **settings}, MAXIMIZE)
    assert list(caught.value.by_path()) == [f"early_termination.{field}"]


def test_their_words() -> None:
    assert threshold(value=0.5, by_report=10).in_words() == (
        "threshold: 0.5 by report 10"
    )
    assert threshold(lower=-1, upper=2.5).in_words() == (
        "threshold: never below -1, never above 2.5"
    )
    assert patience(1).in_words() == "patience of 1 report"
    assert patience(5, min_delta=0.01).in_words() == (
        "patience of 5 reports for a gain of 0.01"
    )
