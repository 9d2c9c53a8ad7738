from __future__ import annotations

import numpy as np
import pytest

from experiments.search.history import History
from experiments.search.likely_best import likely_best
from experiments.search.records import Objective, TrialRecord
from experiments.search.space.space import SearchSpace

SPACE = SearchSpace.parse({"x": "uniform(0, 1)"})
LOSS = Objective("loss", "minimize")


def history(
    *ends: tuple[float, float | None, str], objective: Objective = LOSS
) -> History:
    """One trial for each x, value and state."""
    records = [
        TrialRecord(number, {"x": x}, state, value)
        for number, (x, value, state) in enumerate(ends)
    ]
    return History.of(SPACE, objective, records)


def noisy_line(count: int, seed: int) -> list[tuple[float, float, str]]:
    """Losses that fall with x, and noise about as large as the slope."""
    rng = np.random.default_rng(seed)
    return [
        (x, 1 - x + 0.3 * rng.standard_normal(), "completed")
        for x in np.linspace(0, 1, count).tolist()
    ]


def test_without_results_there_is_none() -> None:
    assert likely_best(history()) == []
    assert likely_best(history((0.5, None, "failed"), (0.6, 1.0, "running"))) == []


def test_few_results_count_as_they_are() -> None:
    found = likely_best(history((0.1, 3.0, "completed"), (0.2, 1.0, "completed")))
    assert [one.numbers for one in found] == [(1,), (0,)]
    assert [one.loss for one in found] == [1.0, 3.0]


def test_one_lucky_result_does_not_win() -> None:
    ends = noisy_line(30, seed=1)
    ends[6] = (ends[6][0], -0.7, "completed")
    others = [value for place, (_, value, _) in enumerate(ends) if place != 6]
    assert min(others) > -0.7
    best = likely_best(history(*ends))[0]
    assert best.numbers != (6,)
    assert ends[best.numbers[0]][0] > 0.7


def test_over_many_sweeps_the_choice_is_better_than_the_lowest_result() -> None:
    chosen, lowest = [], []
    for seed in range(20):
        ends = noisy_line(25, seed)
        chosen.append(ends[likely_best(history(*ends))[0].numbers[0]][0])
        lowest.append(min(ends, key=lambda end: end[1])[0])
    assert np.mean(chosen) > np.mean(lowest)


def test_repeats_are_one_configuration_and_count_more() -> None:
    ends = [(x, 0.5, "completed") for x in (0.0, 0.2, 0.4, 0.6, 0.8)]
    once = likely_best(history(*ends, (1.0, 0.0, "completed")))[0]
    repeated = likely_best(history(*ends, *[(1.0, 0.0, "completed")] * 4))[0]
    assert repeated.numbers == (5, 6, 7, 8) and repeated.repeats == 4
    assert repeated.mean_loss == repeated.best_loss == 0.0
    assert abs(repeated.loss) < abs(once.loss)


def test_the_better_of_two_that_were_repeated_as_often_is_first() -> None:
    ends = [(x, 1 - x, "completed") for x in np.linspace(0, 1, 16).tolist()]
    # By its neighbors, the first should have a loss near 1.
    pairs = [(0.05, -0.01, "completed"), (0.98, 0.01, "completed")] * 2
    best, second = likely_best(history(*ends, *pairs), count=2)
    assert best.numbers == (16, 18) and best.loss == -0.01
    assert second.numbers == (17, 19)


def test_repeats_with_the_same_bits_are_told_from_others() -> None:
    ends = [(0.1, 1 / 3, "completed")] * 3
    assert likely_best(history(*ends))[0].are_identical
    assert not likely_best(history(*ends, (0.1, 0.34, "completed")))[0].are_identical
    assert not likely_best(history(ends[0]))[0].are_identical


def test_completed_trials_come_before_those_cut_short() -> None:
    ends = [(0.1, 2.0, "completed"), (0.2, 1.0, "terminated")]
    assert [one.numbers for one in likely_best(history(*ends))] == [(0,)]
    assert [one.numbers for one in likely_best(history(ends[1]))] == [(0,)]


def test_with_clean_results_the_best_result_is_named() -> None:
    ends = [(x, (x - 0.4) ** 2, "completed") for x in np.linspace(0, 1, 21).tolist()]
    best = likely_best(history(*ends))[0]
    assert best.numbers == (8,)
    assert best.loss == pytest.approx(0.0, abs=1e-3)


def test_losses_stand_for_values_of_either_goal() -> None:
    accuracy = Objective("accuracy", "maximize")
    ends = [(x, x, "completed") for x in (0.1, 0.5, 0.9, 0.3, 0.7)]
    found = likely_best(history(*ends, objective=accuracy), count=2)
    assert [one.numbers for one in found] == [(2,), (4,)]
    assert accuracy.value(found[0].best_loss) == 0.9
