from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from experiments.search.gp import model
from experiments.search.gp.encoding import Encoding, Features
from experiments.search.gp.fit import Hyperparameters, fitted
from experiments.search.gp.kernel import Kernel
from experiments.search.gp.model import Fitting, GaussianProcess, ScaleView, choose_fit
from experiments.search.gp.outcomes import outcomes_of
from experiments.search.history import History
from experiments.search.records import Objective, TrialRecord
from experiments.search.space.space import SearchSpace

LINE = SearchSpace.parse({"x": "uniform(0, 1)"})
WIDE = SearchSpace.parse({"decay": "uniform(0.00001, 1)"})
LOSS = Objective("loss", "minimize")


def model_of(
    history: History, seed: int = 1, *, likeliest: bool = False
) -> GaussianProcess:
    rng = np.random.default_rng(seed)
    outcomes = outcomes_of(history)
    return GaussianProcess.of(
        Fitting(Encoding(history.space)), history, outcomes, rng, likeliest=likeliest
    )


def line(*more: TrialRecord) -> History:
    """Losses that rise with x, from 0 to 1, and further trials."""
    known = [
        TrialRecord(number, {"x": number / 8}, "completed", number / 8)
        for number in range(9)
    ]
    return History.of(LINE, LOSS, [*known, *more])


def expected(history: History, x: float) -> float:
    point = history.space.encode({"x": x})[None]
    mean = model_of(history).expected(point, np.ones((1, 1), bool))
    return float(outcomes_of(history).losses(mean)[0])


def test_a_trial_that_runs_counts_as_expected() -> None:
    running = TrialRecord(9, {"x": 0.6}, "running", None)
    assert expected(line(running), 0.6) == pytest.approx(expected(line(), 0.6))
    assert expected(line(), 0.6) == pytest.approx(0.6, abs=0.05)


def test_a_trial_that_runs_and_is_behind_counts_as_expected() -> None:
    behind = TrialRecord(9, {"x": 0.6}, "running", 0.9)
    assert expected(line(behind), 0.6) == pytest.approx(expected(line(), 0.6))


def test_a_trial_that_runs_and_is_ahead_counts_as_what_it_has_reached() -> None:
    ahead = TrialRecord(9, {"x": 0.6}, "running", -0.5)
    assert expected(line(ahead), 0.6) < 0.5
    model = model_of(line(ahead))
    assert len(model.points) == 10


def wide(loss_at_log: float) -> History:
    """Losses that have their minimum inside the range on the logarithmic scale."""
    decays = [float(decay) for decay in np.geomspace(1e-5, 1.0, 16)]
    return History.of(
        WIDE,
        LOSS,
        [
            TrialRecord(
                number,
                {"decay": decay},
                "completed",
                math.cos(2 * (math.log10(decay) - loss_at_log)),
            )
            for number, decay in enumerate(decays)
        ],
    )


def test_the_likeliest_way_of_seeing_a_wide_range_is_found() -> None:
    assert model_of(wide(-3.0), likeliest=True).view.logarithmic
    linear = History.of(
        WIDE,
        LOSS,
        [
            TrialRecord(number, {"decay": x}, "completed", (x - 0.5) ** 2)
            for number, x in enumerate(np.linspace(0.01, 1.0, 16).tolist())
        ],
    )
    assert not model_of(linear, likeliest=True).view.logarithmic


def test_either_way_is_taken_now_and_then() -> None:
    def fit(logarithmic: bool, penalty: float) -> tuple[ScaleView, Hyperparameters]:
        kernel = Kernel(np.ones(1), 0.1)
        view = ScaleView(Encoding(WIDE), logarithmic)
        return view, Hyperparameters(kernel, 0.1, penalty)

    fits = [fit(False, 10.0), fit(True, 90.0)]
    rng = np.random.default_rng(1)
    taken = [choose_fit(fits, least=0.25, rng=rng)[0].logarithmic for _ in range(400)]
    # 100 are expected, with a standard deviation of 9.
    assert 60 < sum(taken) < 140
    assert not choose_fit(fits, least=0.0, rng=rng)[0].logarithmic
    assert choose_fit(fits[1:], least=0.25, rng=rng)[0].logarithmic


def test_many_trials_share_a_fit_and_few_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[int] = []

    def counted(features: Features, *rest: NDArray[np.float64]) -> Hyperparameters:
        made.append(len(features))
        return fitted(features, *rest)

    monkeypatch.setattr(model, "fitted", counted)
    history = History(LINE, LOSS)
    fitting = Fitting(Encoding(LINE))
    rng = np.random.default_rng(3)
    for number in range(400):
        x = float(rng.random())
        history.start(number, {"x": x})
        history.update(number, state="completed", value=x + 0.1 * rng.normal())
        if number >= 256 or number < 10:
            outcomes = outcomes_of(history)
            kept = fitting.fits(history.points, history.active, outcomes)
            if number % 50 == 0:
                fresh = Fitting(Encoding(LINE))
                made_now = len(made)
                again = fresh.fits(history.points, history.active, outcomes)
                assert [f[1].noise for f in again] == [f[1].noise for f in kept]
                del made[made_now:]
    assert made[:10] == [*range(1, 11)]
    assert 3 <= len(made[10:]) <= 6


def test_a_kept_fit_is_not_used_for_other_configurations() -> None:
    def history(shift: float, count: int) -> History:
        records = [
            TrialRecord(n, {"x": (n * 0.37 + shift) % 1}, "completed", n % 7 / 7)
            for n in range(count)
        ]
        return History.of(LINE, LOSS, records)

    fitting = Fitting(Encoding(LINE))
    for known in (history(0.0, 30), history(0.1, 30), history(0.1, 20)):
        asked = known.points, known.active, outcomes_of(known)
        fresh = Fitting(Encoding(LINE)).fits(*asked)
        assert [f[1].penalty for f in fitting.fits(*asked)] == [
            f[1].penalty for f in fresh
        ]
