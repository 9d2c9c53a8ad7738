from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import ClassVar

import pytest

from experiments.search.fields import DefinitionError
from experiments.search.termination import AllOf, MedianStoppingPolicy, make_policy
from tests.search.termination.policy_contract import MAXIMIZE, PolicyContract
from tests.search.termination.scanned import judged

COMMON = {
    "evaluation_interval": 1,
    "delay_evaluation": 0,
    "min_rivals": 1,
    "on_missing": "worst",
}
MEDIAN = {"type": "median_stopping", **COMMON}
PATIENCE = {
    "type": "patience",
    **COMMON,
    "min_rivals": 0,
    "patience": 2,
    "min_delta": 0,
}


class TestAnyOf(PolicyContract):
    settings: ClassVar[Mapping[str, object]] = {
        "type": "any_of",
        "policies": [MEDIAN, {**PATIENCE, "delay_evaluation": 3}],
    }


class TestAllOf(PolicyContract):
    settings: ClassVar[Mapping[str, object]] = {
        "type": "all_of",
        "policies": [
            MEDIAN,
            {**PATIENCE, "evaluation_interval": 2},
            {**MEDIAN, "evaluation_interval": 3, "delay_evaluation": 7},
        ],
    }
    checks: ClassVar[Collection[int]] = range(12, 1000, 6)


def combined(kind: str, *policies: object, **more: object) -> AllOf:
    made = make_policy({"type": kind, "policies": list(policies), **more}, MAXIMIZE)
    assert made is not None
    return made  # type: ignore[return-value]


STEADY = [0.5, 0.5, 0.5]
RISING = [0.3, 0.4, 0.5]
LOW, HIGH = {1: [0.1] * 3}, {1: [0.9] * 3}


@pytest.mark.parametrize(
    ("values", "others", "any_stops", "all_stops"),
    [
        (RISING, LOW, False, False),
        (STEADY, LOW, True, False),
        (RISING, HIGH, True, False),
        (STEADY, HIGH, True, True),
    ],
)
def test_any_or_all_of_the_rules_end_a_trial(
    values: list[float],
    others: dict[int, list[float]],
    any_stops: bool,
    all_stops: bool,
) -> None:
    assert judged(combined("any_of", MEDIAN, PATIENCE), values, others).stop is (
        any_stops
    )
    assert judged(combined("all_of", MEDIAN, PATIENCE), values, others).stop is (
        all_stops
    )


def test_the_verdict_is_that_of_the_rule_which_decided() -> None:
    verdict = judged(combined("any_of", PATIENCE, MEDIAN), RISING, HIGH)
    assert verdict.threshold == pytest.approx(0.9)
    assert verdict.setters == (1,)
    assert verdict.reason == (
        "Ended after report 3: its best 0.5 was below 0.9, the average of trial 1."
    )
    kept = judged(combined("all_of", MEDIAN, PATIENCE), STEADY, LOW)
    assert kept.reason == (
        "Kept at report 3: its best 0.5 against 0.1, the average of trial 1."
    )


def test_all_deciding_rules_are_named() -> None:
    assert judged(combined("any_of", MEDIAN, PATIENCE), RISING, LOW).reason == (
        "Kept at report 3: its best 0.5 against 0.1, the average of trial 1; "
        "its best 0.5 has improved in the last 2 reports."
    )
    assert judged(combined("all_of", MEDIAN, PATIENCE), STEADY, HIGH).reason == (
        "Ended after report 3: its best 0.5 was below 0.9, the average of trial 1; its "
        "best 0.5 has not improved in the last 2 reports."
    )


def test_rules_with_different_schedules_agree_where_they_meet() -> None:
    asha = {"type": "asha", "min_resource": 2, "reduction_factor": 3}
    policy = combined("all_of", asha, MEDIAN)
    assert [n for n in range(100) if policy.due(n)] == [2, 6, 18, 54]
    assert policy.next_check(6) == 18
    either = combined("any_of", asha, {**MEDIAN, "evaluation_interval": 5})
    assert [n for n in range(21) if either.due(n)] == [2, 5, 6, 10, 15, 18, 20]
    never = combined("all_of", asha, {**MEDIAN, "evaluation_interval": 5})
    assert never.next_check(0) is None


def test_the_next_check_of_a_late_combination_is_found_at_once() -> None:
    policy = combined("any_of", MEDIAN, PATIENCE, delay_evaluation=10**9)
    assert policy.next_check(3) == 10**9


def test_combinations_may_be_nested() -> None:
    inner = {"type": "all_of", "policies": ["median_stopping", PATIENCE]}
    policy = combined("any_of", inner, {"type": "threshold", "value": 0.2})
    assert policy.in_words() == (
        "median stopping and patience of 2 reports or threshold: 0.2 by report 1"
    )
    assert make_policy(policy.settings(), MAXIMIZE) == policy
    first = policy.policies[0]
    assert isinstance(first, AllOf)
    assert isinstance(first.policies[0], MedianStoppingPolicy)


@pytest.mark.parametrize(
    ("policies", "path"),
    [
        (None, "policies"),
        ([], "policies"),
        ([MEDIAN], "policies"),
        ([MEDIAN] * 9, "policies"),
        ("median_stopping", "policies"),
        ([MEDIAN, {"type": "medium"}], "policies.1.type"),
        ([{"type": "patience"}, MEDIAN], "policies.0.patience"),
        ([MEDIAN, {**MEDIAN, "delay": 1}], "policies.1.delay"),
        ([MEDIAN, 3], "policies.1"),
    ],
)
def test_a_problem_has_the_path_of_its_rule(policies: object, path: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        make_policy({"type": "any_of", "policies": policies}, MAXIMIZE)
    assert list(caught.value.by_path()) == [f"early_termination.{path}"]


def test_combinations_are_nested_two_deep_at_most() -> None:
    policy: dict[str, object] = {"type": "median_stopping"}
    for _ in range(2):
        policy = {"type": "any_of", "policies": [policy, {"type": "median_stopping"}]}
    make_policy(policy, MAXIMIZE)
    policy = {"type": "any_of", "policies": [policy, {"type": "median_stopping"}]}
    with pytest.raises(DefinitionError, match="2 deep"):
        make_policy(policy, MAXIMIZE)
