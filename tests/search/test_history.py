"""The arrays that samplers compute with."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from experiments.search.history import (
    COMPLETED,
    FAILED,
    PENDING,
    History,
    empty,
)
from experiments.search.records import Objective, TrialRecord
from experiments.search.space.space import NEUTRAL, SearchSpace

SPACE = SearchSpace.parse(
    {
        "optimizer": "choice('sgd', 'adam')",
        "momentum": {
            "type": "uniform",
            "min_value": 0,
            "max_value": 1,
            "when": {"optimizer": "sgd"},
        },
    }
)
GAIN = Objective("accuracy", "maximize")


def record(
    number: int, momentum: float, state: str, value: float | None
) -> TrialRecord:
    return TrialRecord(number, {"optimizer": "sgd", "momentum": momentum}, state, value)


def test_trials_stand_in_the_order_of_their_numbers() -> None:
    records = [record(n, n / 10, "completed", n / 10) for n in (3, 0, 2, 1)]
    history = History.of(SPACE, GAIN, records)
    assert history.numbers.tolist() == [0, 1, 2, 3]
    assert history.losses.tolist() == [0.0, -0.1, -0.2, -0.3]
    assert np.allclose(history.points[:, 1], [0, 0.1, 0.2, 0.3])


def test_an_axis_that_is_not_active_stands_in_the_middle() -> None:
    history = empty(SPACE)
    history.start(0, {"optimizer": "adam"})
    assert history.active.tolist() == [[True, False]]
    assert history.points[0, 1] == NEUTRAL


def test_a_trial_is_pending_until_it_is_said_to_have_ended() -> None:
    history = empty(SPACE, GAIN)
    history.start(0, {"optimizer": "adam"})
    history.start(1, {"optimizer": "adam"})
    history.update(0, state="running", value=0.5, reports=3)
    assert history.pending.all() and not history.failed.any()
    history.update(0, state="completed", value=0.75)
    history.update(1, state="failed", value=0.9)
    assert history.states.tolist() == [COMPLETED, FAILED]
    assert history.reports.tolist() == [3, 0]
    assert history.failed.tolist() == [False, True]


def test_what_ended_without_a_finite_value_counts_as_failed() -> None:
    records = [
        record(0, 0.1, "completed", None),
        record(1, 0.1, "terminated", math.nan),
        record(2, 0.1, "running", None),
    ]
    history = History.of(SPACE, GAIN, records)
    assert history.failed.tolist() == [True, True, False]
    assert history.states[2] == PENDING


def test_what_is_expected_of_a_trial_is_kept_beside_its_value() -> None:
    history = History.of(SPACE, GAIN, [record(0, 0.1, "terminated", 0.5)])
    assert np.isnan(history.expected).all()
    history.expect(0, loss=-0.8, spread=0.05)
    assert (history.expected[0], history.spread[0]) == (-0.8, 0.05)
    assert history.losses[0] == -0.5


def test_configurations_from_elsewhere_are_left_out_and_counted() -> None:
    strange = TrialRecord(1, {"optimizer": "lion"}, "completed", 0.5)
    history = History.of(SPACE, GAIN, [record(0, 0.1, "completed", 0.5), strange])
    assert len(history) == 1 and history.outside == 1
    assert 0 in history and 1 not in history


def test_it_grows_with_thousands_of_trials() -> None:
    records = [record(n, (n % 100) / 100, "completed", 1.0) for n in range(3000)]
    history = History.of(SPACE, GAIN, records[::-1])
    assert history.numbers.tolist() == list(range(3000))
    assert np.allclose(history.points[:, 1], [(n % 100) / 100 for n in range(3000)])


def test_the_mark_of_each_configuration_is_made_once() -> None:
    history = empty(SPACE, GAIN)
    made: list[int] = []

    def marks(points: NDArray[np.float64], active: NDArray[np.bool_]) -> list[bytes]:
        made.append(len(points))
        return [point.tobytes() for point in points]

    for number in (3, 0, 1):
        history.start(number, {"optimizer": "sgd", "momentum": number / 10})
        assert len(history.marks(marks)) == len(made)
    assert made == [1, 1, 1]
