"""Importance, interactions, surfaces and distributions of functions that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from experiments.search.analysis.distribution import edf, knee, pareto_front
from experiments.search.analysis.factors import Factor
from experiments.search.analysis.importance import best_quarter, importance
from experiments.search.analysis.interactions import interactions
from experiments.search.analysis.surface import levels, surface

Floats = NDArray[np.float64]


def drawn(count: int, columns: int, seed: int = 1) -> Floats:
    return np.random.default_rng(seed).uniform(size=(count, columns))


def factors(points: Floats) -> list[Factor]:
    return [Factor(f"x{k}", points[:, k]) for k in range(points.shape[1])]


def shares(points: Floats, losses: Floats, **options: bool) -> dict[str, float]:
    found = importance(factors(points), losses, **options)
    assert found is not None
    return {each.name: each.share for each in found.factors}


def test_importance_orders_parameters_by_their_effect() -> None:
    """Optuna 5.0's PedAnovaImportanceEvaluator(target_quantile=0.25) finds 59, 33 and
    7 % on these points, its fANOVA evaluator the same order."""
    points = drawn(400, 5)
    losses = 9 * (points[:, 0] - 0.3) ** 2 + 3 * (points[:, 1] - 0.7) ** 2
    losses += 0.5 * points[:, 2]
    found = importance(factors(points), losses)
    assert found is not None
    assert [each.name for each in found.factors[:3]] == ["x0", "x1", "x2"]
    assert sum(each.share for each in found.factors) == pytest.approx(1)
    told_apart = {each.name for each in found.factors if each.told_apart}
    assert told_apart == {"x0", "x1", "x2"}
    assert [each.share for each in found.factors[:3]] == pytest.approx(
        [0.59, 0.33, 0.07], abs=0.06
    )
    assert all(f.told_apart == (f.share > found.chance) for f in found.factors)
    assert found.best.sum() == 100
    assert found.limit == np.sort(losses)[99]


def test_chance_alone_stands_out_in_one_of_twenty_sweeps() -> None:
    noise = 0
    for seed in range(60):
        points = drawn(60, 8, seed)
        losses = np.random.default_rng(1_000 + seed).normal(size=60)
        found = importance(factors(points), losses)
        assert found is not None
        noise += found.any_told_apart
    assert noise <= 8


def test_too_few_trials_have_no_importance() -> None:
    points = drawn(20, 2)
    losses = np.where(np.arange(20) < 9, points[:, 0], np.nan)
    assert importance(factors(points), losses) is None
    losses[9] = 0.5
    assert importance(factors(points), losses) is not None


def test_a_choice_and_a_conditional_parameter() -> None:
    """The momentum matters for sgd only, and half of the trials use it."""
    points = drawn(600, 2)
    sgd = points[:, 1] < 0.5
    momentum = np.where(sgd, points[:, 0], np.nan)
    losses = np.where(sgd, 4 * (points[:, 0] - 0.8) ** 2, 0.2)
    losses = losses + np.random.default_rng(2).normal(0, 0.01, 600)
    optimizer = Factor("optimizer", np.where(sgd, 0.0, 1.0), choices=2)
    found = importance([Factor("momentum", momentum), optimizer], losses)
    assert found is not None
    assert found.factors[0].name == "momentum"
    assert found.factors[0].told_apart and found.factors[0].trials == sgd.sum()


def test_a_range_that_the_sampler_has_left_counts_over_the_whole_range() -> None:
    """All trials are near 0.5: among them the place does not matter."""
    points = drawn(300, 2)
    points[:, 0] = 0.45 + 0.1 * points[:, 0]
    losses = points[:, 1] + 0.001 * points[:, 0]
    assert shares(points, losses)["x0"] < 0.1
    assert shares(points, losses, over_range=True)["x0"] > 0.3


def test_the_best_quarter_has_ties_in_order_and_no_trial_without_a_value() -> None:
    losses = np.array([np.nan, 1.0, 1.0, 1.0, 1.0, math.inf])
    assert np.flatnonzero(best_quarter(losses)).tolist() == [1, 2, 3]


def test_a_logarithmic_axis_and_one_value() -> None:
    values = 10 ** (-5 + 4 * drawn(200, 1)[:, 0])
    rate = Factor("lr", values, low=1e-5, high=0.1, log=True)
    assert rate.places.min() < 0.02 and abs(np.median(rate.places) - 0.5) < 0.1
    assert rate.at([0.0, 0.5, 1.0]) == pytest.approx([1e-5, 1e-3, 0.1])
    fixed = Factor("depth", np.full(200, 3.0), low=3, high=3)
    found = importance([rate, fixed], np.abs(np.log10(values) + 3))
    assert found is not None and [f.share for f in found.factors] == [1.0, 0.0]


def test_interactions_are_beyond_the_sum_of_both() -> None:
    points = drawn(300, 4)
    noise = np.random.default_rng(3).normal(0, 0.02, 300)
    added = (points[:, 0] - 0.3) ** 2 + points[:, 1] + noise
    assert not any(pair.told_apart for pair in interactions(factors(points), added))
    joint = added + 2 * (points[:, 0] - 0.5) * (points[:, 3] - 0.5)
    first, *others = interactions(factors(points), joint)
    assert (first.x, first.y, first.told_apart) == ("x0", "x3", True)
    assert not any(pair.told_apart for pair in others)
    assert interactions(factors(points[:79]), joint[:79]) == []


def test_a_surface_is_empty_where_no_trial_is_near() -> None:
    points = drawn(300, 2) * [1.0, 0.4]
    losses = (points[:, 0] - 0.25) ** 2
    found = surface(*factors(points), losses)
    assert found is not None and found.trials == 300
    assert np.isnan(found.losses[-8:]).all()
    assert not np.isnan(found.losses[:16]).any()
    lowest = np.nanargmin(found.losses[4])
    assert abs(lowest / 40 - 0.25) < 0.08
    assert surface(*factors(points[:9]), losses[:9]) is None


def test_a_surface_over_a_choice_has_a_row_for_each_value() -> None:
    points = drawn(60, 2)
    choice = Factor("c", np.floor(points[:, 1] * 3), choices=3)
    found = surface(Factor("x", points[:, 0]), choice, choice.values)
    assert found is not None and found.losses.shape == (3, 40)
    assert np.nanmean(found.losses, axis=1) == pytest.approx([0, 1, 2], abs=0.05)


def test_levels_are_round() -> None:
    assert levels(0.43, 0.97) == [0.5, 0.6, 0.7, 0.8, 0.9]
    assert levels(1.0, 1.0) == [] and levels(math.nan, 1.0) == []


def test_the_edf_counts_values_up_to_each() -> None:
    assert edf(np.array([3.0, np.nan, 1.0, 1.0, 2.0])) == [
        *((1.0, 0.5), (2.0, 0.75), (3.0, 1.0)),
    ]
    many = edf(drawn(5_000, 1)[:, 0])
    assert len(many) == 500 and many[-1][1] == 1.0
    assert edf(np.array([np.nan])) == []


def test_no_trial_of_the_front_is_beaten() -> None:
    costs = np.array([5.0, 1.0, 2.0, 2.0, np.nan, 9.0])
    losses = np.array([0.1, 0.9, 0.5, 0.4, 0.0, 0.2])
    assert pareto_front(costs, losses).tolist() == [1, 3, 0]
    assert knee(np.array([1.0, 2.0, 5.0]), np.array([0.9, 0.4, 0.1])) == 1
    assert knee(np.array([1.0, 2.0]), np.array([0.9, 0.4])) is None
