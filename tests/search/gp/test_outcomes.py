from __future__ import annotations

import math

import numpy as np
import pytest

from experiments.search.gp.fit import SubsetSizes
from experiments.search.gp.outcomes import outcomes_of
from experiments.search.history import History
from experiments.search.records import Objective, TrialRecord
from experiments.search.space.space import SearchSpace

SPACE = SearchSpace.parse({"x": "uniform(0, 1)"})


def history(*ends: tuple[str, float | None], goal: str = "minimize") -> History:
    objective = Objective("loss", goal)  # type: ignore[arg-type]
    return History.of(
        SPACE,
        objective,
        (
            TrialRecord(number, {"x": number / len(ends)}, state, value)
            for number, (state, value) in enumerate(ends)
        ),
    )


COMPLETED = [("completed", float(value)) for value in range(8)]


def told(record: History) -> list[float]:
    """The outcomes as losses."""
    outcomes = outcomes_of(record)
    return [round(loss, 9) for loss in outcomes.losses(outcomes.values)]


def test_outcomes_have_mean_0_and_deviation_1() -> None:
    outcomes = outcomes_of(history(*COMPLETED))
    assert outcomes.values.mean() == pytest.approx(0)
    assert outcomes.values.std() == pytest.approx(1)
    assert outcomes.finite == 8


def test_lower_is_better_whatever_the_goal() -> None:
    record = history(("completed", 1.0), ("completed", 3.0), goal="maximize")
    values = outcomes_of(record).values
    assert values[1] < values[0]


def test_a_failed_trial_is_as_bad_as_the_worst() -> None:
    record = history(*COMPLETED, ("failed", None), ("failed", 0.0), ("completed", None))
    assert told(record)[-3:] == [7.0, 7.0, 7.0]
    assert outcomes_of(record).finite == 8


def test_where_all_failed_nothing_is_known() -> None:
    assert len(outcomes_of(history(("failed", None), ("failed", None)))) == 0


def test_a_disaster_does_not_hide_the_differences() -> None:
    record = history(*COMPLETED, ("completed", 1e16))
    assert told(record) == [0, 1, 2, 3, 4, 5, 6, 7, 4 + 2 * (6 - 2)]


def test_running_and_queued_trials_are_pending() -> None:
    record = history(*COMPLETED, ("running", None), ("queued", None), ("running", 0.5))
    outcomes = outcomes_of(record)
    assert outcomes.pending.tolist() == [8, 9, 10]
    assert outcomes.rows.tolist() == list(range(8))


def test_a_cancelled_trial_without_a_value_says_nothing() -> None:
    outcomes = outcomes_of(history(*COMPLETED, ("cancelled", None)))
    assert outcomes.rows.tolist() == list(range(8))
    assert outcomes.pending.tolist() == []


@pytest.mark.parametrize("state", ["running", "terminated", "cancelled"])
def test_what_is_expected_counts_with_its_uncertainty(state: str) -> None:
    record = history(*COMPLETED, (state, 6.5))
    record.expect(8, loss=2.0, spread=0.5)
    outcomes = outcomes_of(record)
    assert told(record)[-1] == 2.0
    assert outcomes.extra[-1] == pytest.approx((0.5 / outcomes.scale) ** 2)
    assert (outcomes.extra[:-1] == 0).all()
    assert outcomes.pending.tolist() == []


@pytest.mark.parametrize(("loss", "counted"), [(-5.0, 3.5), (5.0, 5.0), (1e9, 6.3)])
def test_a_trial_cut_short_says_neither_much_good_nor_much_bad(
    loss: float, counted: float
) -> None:
    record = history(*COMPLETED, ("terminated", loss))
    assert told(record)[-1] == pytest.approx(counted)
    assert outcomes_of(record).extra[-1] > 0


def test_where_all_were_cut_short_their_values_count() -> None:
    record = history(("terminated", 1.0), ("terminated", 3.0))
    assert told(record) == [1.0, 3.0]


@pytest.mark.parametrize("scale", [1e308, -1e308, 1e-320, 0.0])
def test_extreme_and_equal_losses_stay_finite(scale: float) -> None:
    for worth in (scale, scale / 2):
        record = history(*[("completed", scale)] * 5, ("completed", worth))
        outcomes = outcomes_of(record)
        assert np.isfinite(outcomes.values).all()
        assert math.isfinite(outcomes.scale) and outcomes.scale > 0


def test_of_many_the_best_the_latest_and_some_others_are_taken() -> None:
    values = np.random.default_rng(1).standard_normal(1000)
    chosen = SubsetSizes(best=10, latest=5, others=20).chosen(
        values, np.random.default_rng(2)
    )
    assert len(set(chosen.tolist())) == 35
    assert (np.diff(chosen) > 0).all()
    assert set(np.argsort(values)[:10]) <= set(chosen)
    assert {996, 997, 998, 999} <= set(chosen)


def test_of_few_all_are_taken() -> None:
    share = SubsetSizes(best=10, latest=5, others=20)
    assert len(share.chosen(np.zeros(35), np.random.default_rng(2))) == 35
