from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.search.fields import DefinitionError, Diagnostics, Fields
from experiments.search.records import Objective
from experiments.search.termination import AshaPolicy, HyperbandPolicy, make_policy
from tests.search.termination.policy_contract import (
    MAXIMIZE,
    MINIMIZE,
    ComparingContract,
)
from tests.search.termination.scanned import judged


class TestAsha(ComparingContract):
    settings: ClassVar[Mapping[str, object]] = {"type": "asha", "reduction_factor": 2}
    checks: ClassVar[Collection[int]] = (1, 2, 4, 8, 16, 32, 64)


class TestHyperband(ComparingContract):
    settings: ClassVar[Mapping[str, object]] = {
        "type": "hyperband",
        "min_resource": 1,
        "reduction_factor": 2,
        "max_resource": 3,
    }
    checks: ClassVar[Collection[int]] = (1, 2)


def asha(objective: Objective = MAXIMIZE, **more: int) -> AshaPolicy:
    return AshaPolicy(objective=objective, **more)


def test_no_rung_comes_after_the_last() -> None:
    policy = asha(min_resource=3, last_rung=26)
    assert list(policy.rungs()) == [3, 9]
    assert policy.next_check(9) is None
    assert policy.rungs_in_words() == "3, 9 reports"
    with pytest.raises(DefinitionError, match="at least min_resource, 3, not 2"):
        make_policy({"type": "asha", "min_resource": 3, "last_rung": 2}, MAXIMIZE)


def hyperband(**more: int) -> HyperbandPolicy:
    return HyperbandPolicy(objective=MAXIMIZE, **{"max_resource": 81, **more})


@pytest.mark.parametrize(
    ("first", "factor", "rungs"),
    [
        (1, 3, [1, 3, 9, 27, 81]),
        (3, 3, [3, 9, 27, 81]),
        (1, 4, [1, 4, 16, 64]),
        (5, 2, [5, 10, 20, 40, 80]),
    ],
)
def test_trials_are_judged_at_the_rungs(
    first: int, factor: int, rungs: list[int]
) -> None:
    policy = asha(min_resource=first, reduction_factor=factor)
    assert [n for n in range(100) if policy.due(n)] == rungs


def test_far_rungs_have_an_end() -> None:
    assert asha(reduction_factor=10).next_check(10**9) is None


@pytest.mark.parametrize(
    ("others", "stop"),
    [
        # The best of three goes on, the best two of six, and of two both.
        ([0.9], False),
        ([0.1, 0.2], False),
        ([0.1, 0.6], True),
        ([0.9, 0.8, 0.1, 0.1, 0.1], True),
        ([0.9, 0.1, 0.1, 0.1, 0.1], False),
        ([0.9, 0.8, 0.1, 0.1], True),
        # Equal ones go on.
        ([0.5, 0.5, 0.5, 0.5, 0.5], False),
        ([0.9, 0.5, 0.5, 0.5, 0.5], False),
    ],
)
@pytest.mark.parametrize("objective", [MAXIMIZE, MINIMIZE])
def test_one_in_three_continues(
    others: list[float], stop: bool, objective: Objective
) -> None:
    sign = 1 if objective is MAXIMIZE else -1
    curves = {k: [sign * value] for k, value in enumerate(others)}
    verdict = judged(asha(objective), [sign * 0.5], curves)
    assert verdict.stop is stop


@given(
    values=st.lists(st.floats(0, 1), min_size=1, max_size=40, unique=True),
    factor=st.integers(2, 5),
)
def test_a_share_of_all_that_are_there_continues(
    values: list[float], factor: int
) -> None:
    policy = asha(reduction_factor=factor)
    curves = {k: [value] for k, value in enumerate(values)}
    kept = [
        value
        for k, value in enumerate(values)
        if not judged(
            policy, [value], {n: curve for n, curve in curves.items() if n != k}
        ).stop
    ]
    count = len(values) // factor if len(values) >= factor else len(values)
    assert sorted(kept, reverse=True) == sorted(values, reverse=True)[:count]


def test_the_sentence_says_who_is_the_last_to_go_on() -> None:
    others = {k: [value] for k, value in enumerate([0.9, 0.8, 0.1, 0.1, 0.2])}
    verdict = judged(asha(), [0.7], others)
    assert verdict.threshold == 0.8
    assert verdict.setters == (1,)
    assert verdict.reason == (
        "Ended after report 1: its best 0.7 was below 0.8, the best of trial 1: the "
        "last of the best 2 of the 5 others at this report; one in 3 continues."
    )


def test_rungs_that_the_interval_never_meets_are_a_warning() -> None:
    diagnostics = Diagnostics()
    AshaPolicy.read(Fields({"evaluation_interval": 2}, "p", diagnostics), MAXIMIZE)
    (warning,) = diagnostics.warnings
    assert warning.path == "p.evaluation_interval"
    assert "1, 3, 9 … reports" in warning.message


@pytest.mark.parametrize(
    ("field", "value"),
    [("min_resource", 0), ("reduction_factor", 1), ("reduction_factor", 2.5)],
)
def test_a_bad_setting_is_a_problem_at_its_path(field: str, value: object) -> None:
    with pytest.raises(DefinitionError) as caught:
        make_policy({"type": "asha", field: value}, MAXIMIZE)
    assert list(caught.value.by_path()) == [f"early_termination.{field}"]


def test_a_whole_trial_is_longer_than_the_first_rung() -> None:
    with pytest.raises(DefinitionError, match=r"must be above min_resource, 9, not 9"):
        make_policy(
            {"type": "hyperband", "min_resource": 9, "max_resource": 9}, MAXIMIZE
        )
    with pytest.raises(DefinitionError, match=r"Add the field max_resource"):
        make_policy({"type": "hyperband"}, MAXIMIZE)


def test_later_brackets_begin_later_and_have_fewer_trials() -> None:
    policy = hyperband()
    counts = Counter(policy.bracket(number) for number in range(1000))
    assert sorted(counts) == [0, 1, 2, 3, 4]
    assert [counts[b] for b in range(5)] == sorted(counts.values(), reverse=True)
    # A trial of bracket b costs about as many times more as there are fewer of them.
    cost = [counts[b] * 3**b * (5 - b) for b in range(5)]
    assert max(cost) < 1.1 * min(cost)


def test_a_trial_is_judged_from_the_first_rung_of_its_bracket_on() -> None:
    policy = hyperband()
    first = {policy.bracket(number): number for number in range(99, -1, -1)}
    others = {k: [0.9] * 81 for k in range(1000, 1009)}
    for bracket, number in first.items():
        ended = [
            rung
            for rung in (1, 3, 9, 27)
            if judged(policy, [0.1] * rung, others, number=number).stop
        ]
        assert ended == [1, 3, 9, 27][bracket:]


def test_the_sentence_names_the_bracket() -> None:
    policy = hyperband(max_resource=9)
    others = {k: [0.9] for k in range(1000, 1009)}
    brackets = {policy.bracket(number): number for number in range(20)}
    later = judged(policy, [0.1], others, number=brackets[1])
    assert later.reason == (
        f"Kept at report 1 with 0.1: trial {brackets[1]} belongs to bracket 2, which "
        "is judged from report 3 on."
    )
    last = judged(policy, [math.nan], others, number=brackets[2])
    assert last.reason.endswith("belongs to bracket 3, which runs to its end.")


def test_their_words() -> None:
    assert asha(min_resource=5).in_words() == (
        "successive halving (ASHA), one in 3 continues after 5, 15, 45 … reports"
    )
    assert hyperband(max_resource=9).in_words() == (
        "hyperband in 3 brackets, one in 3 continues after 1, 3 reports"
    )
