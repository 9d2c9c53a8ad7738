from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.search.fields import DefinitionError, Diagnostics, Fields
from experiments.search.records import Objective
from experiments.search.termination import BanditPolicy, make_policy, slack_warning
from tests.search.termination.policy_contract import (
    MAXIMIZE,
    MINIMIZE,
    ComparingContract,
)
from tests.search.termination.scanned import judged


class TestBanditWithAFactor(ComparingContract):
    settings: ClassVar[Mapping[str, object]] = {"type": "bandit", "slack_factor": 0.2}
    # |B| f / (1 + f) and |B| f are different gaps.
    symmetric = False


class TestBanditWithAnAmount(ComparingContract):
    settings: ClassVar[Mapping[str, object]] = {"type": "bandit", "slack_amount": 0.2}


def bandit(objective: Objective = MAXIMIZE, **slack: float) -> BanditPolicy:
    return BanditPolicy(objective=objective, **slack)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("slack", "best", "own", "stop"),
    [
        # 0.8 / 1.2 = 0.6667
        ({"slack_factor": 0.2}, 0.8, 0.66, True),
        ({"slack_factor": 0.2}, 0.8, 0.67, False),
        ({"slack_factor": 0.2}, 0.8, 0.8 / 1.2, False),
        ({"slack_amount": 0.2}, 0.8, 0.6, False),
        ({"slack_amount": 0.2}, 0.8, 0.59, True),
        ({"slack_amount": 0.2}, 0.8, 0.6 - 1e-9, True),
        # 1 / 1.1 = 0.909
        ({"slack_factor": 0.1}, 1.0, 0.9, True),
        ({"slack_factor": 0.1}, 1.0, 0.91, False),
        ({"slack_factor": 0.15}, 0.92, 0.8, False),
        ({"slack_factor": 0.15}, 0.92, 0.79, True),
    ],
)
def test_the_worked_cases_when_maximizing(
    slack: dict[str, float], best: float, own: float, stop: bool
) -> None:
    verdict = judged(bandit(**slack), [own], {3: [best], 5: [0.1]})
    assert verdict.stop is stop
    assert verdict.value == own
    assert verdict.setters == (() if own >= best else (3,))


@pytest.mark.parametrize(
    ("slack", "best", "own", "stop"),
    [
        ({"slack_factor": 0.2}, 0.5, 0.6, False),
        ({"slack_factor": 0.2}, 0.5, 0.61, True),
        ({"slack_amount": 0.2}, 0.1, 0.3, False),
        ({"slack_amount": 0.2}, 0.1, 0.31, True),
        ({"slack_factor": 0.1}, 0.2, 0.22, False),
        ({"slack_factor": 0.1}, 0.2, 0.2201, True),
    ],
)
def test_the_worked_cases_when_minimizing(
    slack: dict[str, float], best: float, own: float, stop: bool
) -> None:
    assert judged(bandit(MINIMIZE, **slack), [own], {3: [best]}).stop is stop


@pytest.mark.parametrize(
    ("objective", "best", "own", "stop"),
    [
        # The gap is 0.5 * 0.2 / 1.2 = 0.0833 when maximizing, 0.1 when minimizing.
        (MAXIMIZE, -0.5, -0.58, False),
        (MAXIMIZE, -0.5, -0.59, True),
        (MINIMIZE, -0.5, -0.41, False),
        (MINIMIZE, -0.5, -0.39, True),
        (MAXIMIZE, 0.0, 0.0, False),
        (MAXIMIZE, 0.0, -0.001, True),
    ],
)
def test_negative_metrics_have_a_gap_of_the_same_size(
    objective: Objective, best: float, own: float, stop: bool
) -> None:
    assert judged(bandit(objective, slack_factor=0.2), [own], {1: [best]}).stop is stop


@given(best=st.floats(0.001, 1e6), own=st.floats(0, 1e6), factor=st.floats(0.01, 3))
def test_for_positive_metrics_the_rule_is_the_plain_ratio(
    best: float, own: float, factor: float
) -> None:
    leader = max(best, own)
    verdict = judged(bandit(slack_factor=factor), [own], {1: [best]})
    plain = own * (1 + factor)
    if abs(plain - leader) > 1e-9 * leader:
        assert verdict.stop is (plain < leader)


def test_a_leader_has_no_setters() -> None:
    verdict = judged(bandit(slack_factor=0.2), [0.9], {1: [0.8]})
    assert not verdict.stop
    assert verdict.setters == ()
    assert verdict.threshold == pytest.approx(0.75)
    assert verdict.reason == (
        "Kept at report 1: its best 0.9 against 0.75, the limit for its own best."
    )


def test_the_sentence_names_the_leader() -> None:
    verdict = judged(bandit(slack_factor=0.2), [0.5, 0.66], {3: [0.8, 0.1], 4: [0, 0]})
    assert verdict.reason == (
        "Ended after report 2: its best 0.66 was below 0.6667, the limit for 0.8, "
        "the best of trial 3."
    )


def test_of_two_leaders_the_earlier_trial_is_named() -> None:
    verdict = judged(bandit(slack_factor=0.1), [0.5], {7: [0.8], 3: [0.8], 5: [0.1]})
    assert verdict.setters == (3,)


@pytest.mark.parametrize(
    "slack",
    [
        {},
        {"slack_factor": 0},
        {"slack_factor": 0, "slack_amount": 0},
        {"slack_factor": 0.1, "slack_amount": 0.1},
    ],
)
def test_exactly_one_slack_must_be_set(slack: dict[str, float]) -> None:
    with pytest.raises(DefinitionError) as caught:
        make_policy({"type": "bandit", **slack}, MAXIMIZE)
    (problem,) = caught.value.problems
    assert problem.path == "early_termination.slack_factor"
    assert "Exactly one of slack_factor and slack_amount" in problem.message


@pytest.mark.parametrize("value", [-0.1, "0.1", float("inf"), True])
def test_a_slack_is_a_number_from_0(value: object) -> None:
    with pytest.raises(DefinitionError) as caught:
        make_policy({"type": "bandit", "slack_amount": value}, MAXIMIZE)
    assert "early_termination.slack_amount" in caught.value.by_path()


def test_zero_means_that_the_other_one_counts() -> None:
    policy = make_policy(
        {"type": "bandit", "slack_factor": 0, "slack_amount": 0.1}, MAXIMIZE
    )
    assert policy == bandit(slack_factor=0, slack_amount=0.1)


def test_a_factor_that_looks_like_a_percentage_is_a_warning() -> None:
    diagnostics = Diagnostics()
    BanditPolicy.read(Fields({"slack_factor": 20}, "p", diagnostics), MAXIMIZE)
    assert diagnostics.problems == []
    (warning,) = diagnostics.warnings
    assert warning.path == "p.slack_factor" and "2000%" in warning.message


def test_its_words() -> None:
    assert bandit(slack_factor=0.2).in_words() == "bandit with slack factor 0.2"
    assert bandit(slack_amount=0.05).in_words() == "bandit with slack amount 0.05"


@pytest.mark.parametrize(
    ("objective", "values", "words"),
    [
        # Losses near zero: a tenth of 0.002 is nothing beside their differences.
        (MINIMIZE, [0.002, 0.3, 0.5, 0.9], "almost every trial would end"),
        (MAXIMIZE, [-0.5, -0.6, -0.52], "is negative"),
        (MAXIMIZE, [0.93, 0.9, 0.7, 0.2], None),
        (MINIMIZE, [0.3, 0.5, 0.9, float("nan")], None),
        (MINIMIZE, [0.002, 0.3], None),
        (MINIMIZE, [0.3, 0.3, 0.3], None),
    ],
)
def test_a_factor_that_does_not_fit_the_metric_gets_a_warning(
    objective: Objective, values: list[float], words: str | None
) -> None:
    warning = slack_warning(bandit(objective, slack_factor=0.1), values)
    if words is None:
        assert warning is None
    else:
        assert warning is not None and words in warning
        assert "slack_amount" in warning and warning.endswith(".")
    assert slack_warning(bandit(objective, slack_amount=0.1), values) is None
    other = make_policy({"type": "median_stopping"}, objective)
    assert other is not None and slack_warning(other, values) is None
