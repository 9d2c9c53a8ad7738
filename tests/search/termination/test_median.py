from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import pytest

from experiments.search.records import Objective
from experiments.search.termination import MedianStoppingPolicy
from tests.search.termination.policy_contract import (
    MAXIMIZE,
    MINIMIZE,
    ComparingContract,
)
from tests.search.termination.scanned import judged

A = [0.5, 0.6, 0.7, 0.75, 0.8]
B = [0.4, 0.45, 0.5, 0.55, 0.6]
C = [0.2, 0.25, 0.3, 0.3, 0.35]


class TestMedianStopping(ComparingContract):
    settings: ClassVar[Mapping[str, object]] = {"type": "median_stopping"}


def policy(objective: Objective = MAXIMIZE, **more: int) -> MedianStoppingPolicy:
    return MedianStoppingPolicy(objective=objective, **more)


@pytest.mark.parametrize(
    ("own", "others", "threshold", "stop"),
    [
        # The averages are 0.67, 0.5 and 0.28; the trial itself is not in the median.
        (C, {1: A, 2: B}, 0.585, True),
        (B, {1: A, 2: C}, 0.475, False),
        (A, {1: B, 2: C}, 0.39, False),
    ],
)
def test_the_worked_case_when_maximizing(
    own: list[float], others: dict[int, list[float]], threshold: float, stop: bool
) -> None:
    verdict = judged(policy(), own, others)
    assert verdict.stop is stop
    assert verdict.value == max(own)
    assert verdict.threshold == pytest.approx(threshold)
    assert verdict.setters == (1, 2)


@pytest.mark.parametrize("own", [A, B, C])
def test_the_worked_case_when_minimizing_keeps_all_but_the_worst_start(
    own: list[float],
) -> None:
    others = [curve for curve in (A, B, C) if curve is not own]
    verdict = judged(policy(MINIMIZE), own, dict(enumerate(others)))
    # The best are 0.5, 0.4 and 0.2; the medians of the other two 0.39, 0.475, 0.585.
    assert verdict.stop is (own is A)


def test_the_best_counts_against_the_averages() -> None:
    # Its last value is poor, its average too; its best saves it.
    verdict = judged(policy(), [0.7, 0.1, 0.1], {1: [0.6, 0.6, 0.6]})
    assert not verdict.stop


@pytest.mark.parametrize(
    ("averages", "median", "setters"),
    [
        ([0.1, 0.5, 0.9], 0.5, (1,)),
        ([0.1, 0.4, 0.6, 0.9], 0.5, (1, 2)),
        ([0.9, 0.1, 0.5], 0.5, (2,)),
        ([0.5], 0.5, (0,)),
    ],
)
def test_the_setters_are_the_middle_one_or_two(
    averages: list[float], median: float, setters: tuple[int, ...]
) -> None:
    others = {k: [average] for k, average in enumerate(averages)}
    verdict = judged(policy(), [0.45], others)
    assert verdict.stop
    assert verdict.threshold == pytest.approx(median)
    assert verdict.setters == setters


def test_a_rival_is_cut_at_the_same_report() -> None:
    # After two reports the rival stood at 0.2; what it reached later does not count.
    verdict = judged(policy(), [0.3, 0.3], {1: [0.2, 0.2, 0.9, 0.9]})
    assert not verdict.stop
    assert verdict.threshold == pytest.approx(0.2)


def test_a_rival_that_has_not_come_as_far_does_not_count() -> None:
    verdict = judged(policy(), [0.3, 0.3], {1: [0.9], 2: [0.4, 0.4]})
    assert verdict.rivals == 1
    assert verdict.setters == (2,)


def test_equality_survives_although_averages_round() -> None:
    # The average of three times 0.1 is 0.10000000000000002 when summed plainly.
    others = {1: [0.1, 0.1, 0.1], 2: [0.7, 0.1, 0.1]}
    assert not judged(policy(), [0.1, 0.1, 0.1], {1: others[1]}).stop
    assert not judged(policy(), [0.2, 0.1, 0.1], {1: [0.1, 0.2, 0.3]}).stop


def test_a_hair_worse_than_equal_ends() -> None:
    assert judged(policy(), [0.5 - 1e-9], {1: [0.5]}).stop
    assert judged(policy(MINIMIZE), [0.5 + 1e-9], {1: [0.5]}).stop


def test_the_sentence_names_both_numbers_and_the_median() -> None:
    others = {k: [0.83] for k in range(9)}
    ended = judged(policy(), [0.71], others)
    assert ended.reason == (
        "Ended after report 1: its best 0.71 was below 0.83, the median of 9 other "
        "trials' averages."
    )
    kept = judged(policy(), [0.767], {1: [0.724], 2: [0.724]})
    assert kept.reason == (
        "Kept at report 1: its best 0.767 against 0.724, the median of 2 other "
        "trials' averages."
    )
    alone = judged(policy(MINIMIZE), [0.81113], {4: [0.81112]})
    assert alone.reason == (
        "Ended after report 1: its best 0.81113 was above 0.81112, the average of "
        "trial 4."
    )


def test_huge_averages_do_not_overflow() -> None:
    verdict = judged(policy(MINIMIZE), [1.5e308], {1: [1e308], 2: [1.2e308]})
    assert verdict.stop
    assert verdict.threshold == pytest.approx(1.1e308)


def test_a_silent_rival_counts_as_the_worst() -> None:
    verdict = judged(policy(), [0.1], {1: [math.nan], 2: [0.5], 3: [math.inf]})
    assert not verdict.stop
    assert verdict.threshold is None
    assert verdict.reason == "Kept at report 1: too few others have a finite value."


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "median stopping"),
        ({"delay_evaluation": 5}, "median stopping from report 5 on"),
        (
            {"delay_evaluation": 6, "evaluation_interval": 2},
            "median stopping at every 2nd report from report 6 on",
        ),
    ],
)
def test_its_words(more: dict[str, int], words: str) -> None:
    assert policy(**more).in_words() == words
