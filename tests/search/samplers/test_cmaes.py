from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from experiments.search.fields import DefinitionError
from experiments.search.gp.cube import UnitCube
from experiments.search.gp.outcomes import outcomes_of
from experiments.search.history import History
from experiments.search.records import Objective, TrialRecord
from experiments.search.samplers import make_sampler
from experiments.search.samplers.cmaes import CmaesSampler, Evolution, OrderedAxes
from experiments.search.samplers.cmaes_normal import (
    Categories,
    Gaussian,
    Weights,
    usual_size,
    with_margin,
)
from experiments.search.space.space import SearchSpace
from tests.search.samplers.learning_contract import LearningContract

LOSS = Objective("loss", "minimize")


class TestCmaes(LearningContract):
    kind = "cmaes"


def ellipsoid(point: np.ndarray) -> float:
    scales = 10.0 ** np.linspace(0, 4, len(point))
    return float((scales * (point - 0.3) ** 2).sum())


def test_it_adapts_to_an_ellipsoid_a_hundred_times_as_long_as_wide() -> None:
    axes = 5
    weights, law = Weights(usual_size(axes), axes), Gaussian.around(np.full(axes, 0.5))
    rng = np.random.default_rng(1)
    for _ in range(300):
        points = np.array([law.drawn(rng) for _ in range(weights.size)])
        order = np.argsort([ellipsoid(point) for point in points])
        law = law.after(points[order[: len(weights.recombination)]], weights)
    # 2,400 points. Random ones do not come below 1, and steps alike in all directions
    # not below 0.001.
    assert ellipsoid(law.mean) < 1e-8
    assert law.condition > 10


def test_a_trial_from_far_away_does_not_upset_it() -> None:
    weights, law = Weights(6, 2), Gaussian.around(np.full(2, 0.5))
    law = Gaussian(**{**vars(law), "step": 0.001})
    after = law.after(np.array([[1.0, 1.0], [0.5, 0.5], [0.5, 0.5]]), weights)
    assert np.abs(after.mean - 0.5).max() < 0.005
    assert after.step < 0.005


@pytest.mark.parametrize("mean", [0.01, 0.3, 0.5, 0.62, 0.99])
def test_every_neighboring_value_keeps_a_probability(mean: float) -> None:
    bounds = np.array([0.25, 0.5, 0.75])
    law = Gaussian.around(np.array([mean, 0.5]))
    law = Gaussian(**{**vars(law), "step": 1e-5})
    kept = with_margin(law, {0: bounds}, 0.1)
    masses = np.diff(ndtr((bounds - kept.mean[0]) / kept.deviations[0]), prepend=0)
    place = int(np.searchsorted(bounds, kept.mean[0]))
    masses = np.append(masses, 1 - masses.sum())
    beside = [at for at in (place - 1, place + 1) if 0 <= at < 4]
    assert all(masses[at] >= 0.0499 for at in beside)
    assert place == int(np.searchsorted(bounds, mean))
    assert kept.mean[1] == law.mean[1]
    assert kept.deviations[1] == pytest.approx(law.deviations[1])


def test_a_wide_law_needs_no_margin() -> None:
    law = Gaussian.around(np.array([0.45]))
    kept = with_margin(law, {0: np.array([0.25, 0.5, 0.75])}, 0.01)
    assert kept.mean == pytest.approx(law.mean, abs=1e-6)
    assert kept.deviations == pytest.approx(law.deviations, rel=1e-6)


def test_categories_converge_and_none_disappears() -> None:
    weights = Weights(8, 1)
    laws = Categories((np.full(4, 0.25), np.full(2, 0.5)))
    active = np.ones((4, 2), np.bool_)
    for _ in range(60):
        laws = laws.after(np.array([[2, 1]] * 4), active, weights)
    assert laws.laws[0][2] > 0.8 and laws.laws[0].min() > 0.01
    assert all(law.sum() == pytest.approx(1) for law in laws.laws)


def test_an_axis_that_no_trial_has_keeps_its_law() -> None:
    laws = Categories((np.array([0.7, 0.3]),))
    inactive = np.zeros((4, 1), np.bool_)
    after = laws.after(np.zeros((4, 1), np.int64), inactive, Weights(8, 1))
    assert np.allclose(after.laws[0], [0.7, 0.3])


def evolved(trials: int) -> tuple[SearchSpace, History, CmaesSampler]:
    space = SearchSpace.parse({"x": "uniform(0, 1)", "y": "int(0, 9)"})
    sampler = CmaesSampler(space=space, seed=3)
    history = History(space, LOSS)
    for number in range(trials):
        suggestion = sampler.suggest(number, history)
        assert suggestion is not None
        x, y = suggestion.params["x"], suggestion.params["y"]
        assert isinstance(x, float) and isinstance(y, int)
        history.start(number, suggestion.params)
        value = (x - 0.8) ** 2 + ((y - 2) / 10) ** 2
        history.update(number, state="completed", value=value)
    return space, history, sampler


def test_a_start_that_has_settled_is_followed_by_a_larger_one() -> None:
    space, history, sampler = evolved(400)
    strategy = Evolution(OrderedAxes(UnitCube(space)), 3).of(
        history, outcomes_of(history)
    )
    assert strategy.restarts >= 1
    assert strategy.weights.size == usual_size(2) * 2**strategy.restarts
    assert f"start {strategy.restarts + 1}" in sampler.in_words(history)
    best = space.decode(history.points[history.losses.argmin()])
    assert best["y"] == 2 and best["x"] == pytest.approx(0.8, abs=0.01)


def test_a_trial_that_ends_late_takes_its_place_by_its_number() -> None:
    space, history, _ = evolved(40)
    late = [
        TrialRecord(
            int(number),
            space.decode(point),
            "completed",
            float(loss),
        )
        for number, point, loss in zip(
            history.numbers, history.points, history.losses, strict=True
        )
    ]
    whole = History.of(space, LOSS, late[1:] + late[:1])
    evolution = Evolution(OrderedAxes(UnitCube(space)), 3)
    one, other = (evolution.of(log, outcomes_of(log)) for log in (history, whole))
    assert np.array_equal(one.law.covariance, other.law.covariance)


def test_too_many_ordered_axes_are_refused_in_words() -> None:
    space = SearchSpace.parse({f"x{index}": "uniform(0, 1)" for index in range(101)})
    with pytest.raises(DefinitionError, match="at most 100 parameters"):
        make_sampler({"type": "cmaes"}, space)
