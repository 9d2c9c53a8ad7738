from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.search.fields import DefinitionError
from experiments.search.records import Objective
from experiments.search.termination import TruncationSelectionPolicy, make_policy
from tests.search.termination.policy_contract import (
    MAXIMIZE,
    MINIMIZE,
    ComparingContract,
)
from tests.search.termination.scanned import judged


class TestTruncationSelection(ComparingContract):
    settings: ClassVar[Mapping[str, object]] = {
        "type": "truncation_selection",
        "truncation_percentage": 50,
    }


def truncation(
    percentage: int, objective: Objective = MAXIMIZE, *, running_only: bool = False
) -> TruncationSelectionPolicy:
    return TruncationSelectionPolicy(
        objective=objective,
        truncation_percentage=percentage,
        exclude_finished_jobs=running_only,
    )


def ended(policy: TruncationSelectionPolicy, values: list[float]) -> list[float]:
    """The values of the trials that end when each is judged among all."""
    return [
        value
        for index, value in enumerate(values)
        if judged(
            policy,
            [value],
            {k: [other] for k, other in enumerate(values) if k != index},
        ).stop
    ]


@pytest.mark.parametrize(
    ("percentage", "trials", "count"),
    [
        (20, 4, 0),
        (25, 4, 1),
        (20, 10, 2),
        (20, 9, 1),
        (50, 3, 1),
        (99, 10, 9),
        (1, 99, 0),
        (1, 100, 1),
    ],
)
@pytest.mark.parametrize("objective", [MAXIMIZE, MINIMIZE])
def test_the_share_is_rounded_down(
    percentage: int, trials: int, count: int, objective: Objective
) -> None:
    values = [float(value) for value in range(trials)]
    worst = values if objective is MAXIMIZE else values[::-1]
    assert sorted(ended(truncation(percentage, objective), values)) == sorted(
        worst[:count]
    )


def test_ties_at_the_border_survive() -> None:
    # Two of ten may end, and three share the last place: none of them has eight better.
    assert ended(truncation(20), [1.0] * 3 + [2.0] * 7) == []
    assert ended(truncation(20), [1.0] * 2 + [2.0] * 8) == [1.0, 1.0]
    assert ended(truncation(50), [1.0] * 4) == []


@given(
    values=st.lists(st.integers(0, 9).map(float), min_size=2, max_size=12),
    percentage=st.integers(1, 99),
)
def test_no_more_than_the_share_ends_and_only_the_worst(
    values: list[float], percentage: int
) -> None:
    gone = ended(truncation(percentage), values)
    assert len(gone) <= len(values) * percentage // 100
    kept = sorted(values)[len(gone) :]
    assert sorted(gone) == sorted(values)[: len(gone)]
    assert all(value > max(gone, default=-1) for value in kept)


def test_the_setter_is_the_last_that_stays() -> None:
    others = {4: [0.9], 2: [0.8], 9: [0.7], 1: [0.6]}
    verdict = judged(truncation(20), [0.5], others)
    assert verdict.stop
    assert verdict.threshold == 0.6
    assert verdict.setters == (1,)
    assert verdict.rivals == 4
    assert verdict.reason == (
        "Ended after report 1: its best 0.5 was below 0.6, the best of trial 1; the "
        "last 1 of 5 trials end."
    )


def test_when_the_share_is_less_than_one_trial_none_ends() -> None:
    verdict = judged(truncation(20), [0.1], {1: [0.9], 2: [0.8]})
    assert not verdict.stop
    assert verdict.threshold is None
    assert verdict.reason == "Kept at report 1 with 0.1: no trial ends at this point."


def test_early_values_of_older_trials_are_met_by_younger_ones() -> None:
    verdict = judged(truncation(50), [0.3, 0.3], {1: [0.2, 0.25, 0.9], 2: [0.1] * 9})
    assert not verdict.stop


def test_finished_trials_may_be_left_out() -> None:
    curves = {1: [0.9], 2: [0.8], 3: [0.1]}
    ended = [1, 2]
    assert judged(truncation(50), [0.5], curves, ended=ended).stop
    running_only = truncation(50, running_only=True)
    verdict = judged(running_only, [0.5], curves, ended=ended)
    assert not verdict.stop
    assert verdict.rivals == 1
    assert judged(running_only, [0.5], curves, ended=[1, 2, 3]).rivals == 0


@pytest.mark.parametrize("value", [None, 0, 100, 150, 20.5, "20", True])
def test_a_percentage_is_a_whole_number_from_1_to_99(value: object) -> None:
    with pytest.raises(DefinitionError) as caught:
        make_policy(
            {"type": "truncation_selection", "truncation_percentage": value}, MAXIMIZE
        )
    assert list(caught.value.by_path()) == ["early_termination.truncation_percentage"]


def test_its_words() -> None:
    assert truncation(20).in_words() == "truncation of the last 20 %"
