from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad

from experiments.search.gp.encoding import Features
from experiments.search.gp.fit import Likelihood, fitted
from experiments.search.gp.kernel import Kernel, matern
from experiments.search.gp.model import Posterior


def some_features(count: int, seed: int = 1) -> Features:
    """Three coordinates, two categories of three values, four linear features."""
    rng = np.random.default_rng(seed)
    coordinates = rng.random((count, 3))
    extra = rng.random((count, 1))
    return Features(
        coordinates,
        rng.integers(1, 4, (count, 2)),
        np.hstack([2 * coordinates - 1, extra]),
    )


def standardized(values: np.ndarray) -> np.ndarray:
    return np.asarray((values - values.mean()) / values.std())


def test_the_gradient_is_that_of_the_likelihood() -> None:
    features = some_features(20)
    rng = np.random.default_rng(2)
    outcomes, extra = rng.standard_normal(20), 0.1 * rng.random(20)
    likelihood = Likelihood(features, outcomes, extra)
    for seed in range(5):
        theta = np.random.default_rng(seed).standard_normal(7)
        theta[-1] -= 3
        error = check_grad(
            lambda at: likelihood(at)[0], lambda at: likelihood(at)[1], theta
        )
        assert error < 1e-3


def test_the_likelihood_is_the_density_of_the_outcomes() -> None:
    features = some_features(15)
    outcomes = np.random.default_rng(3).standard_normal(15)
    value, _ = Likelihood(features, outcomes, np.zeros(15))(np.zeros(7))
    covariance = Kernel(np.ones(5), 0.1).between(features, features)
    covariance += np.eye(15) * (1 + 1e-8)
    _, size = np.linalg.slogdet(covariance)
    expected = 0.5 * (outcomes @ np.linalg.solve(covariance, outcomes) + size)
    prior = 0.5 * (np.log(0.003) / 2) ** 2
    assert value == pytest.approx(expected + prior, rel=1e-6)


def test_an_axis_that_does_not_matter_gets_a_long_scale() -> None:
    features = some_features(60)
    outcomes = standardized(np.sin(5 * features.coordinates[:, 0]))
    weights = fitted(features, outcomes, np.zeros(60)).kernel.weights
    assert weights[0] > 20 * max(weights[1:])


def test_noise_is_separated_from_signal() -> None:
    features = some_features(100)
    clean = standardized(np.sin(5 * features.coordinates[:, 0]))
    noise = np.random.default_rng(4).standard_normal(100)
    quiet = fitted(features, clean, np.zeros(100)).noise
    loud = fitted(features, standardized(clean + noise), np.zeros(100)).noise
    assert quiet < 0.01 < 0.1 < loud


def test_noise_that_is_known_is_not_counted_twice() -> None:
    features = some_features(100)
    clean = standardized(np.sin(5 * features.coordinates[:, 0]))
    noise = np.random.default_rng(4).standard_normal(100)
    found = fitted(features, standardized(clean + noise), np.full(100, 0.5))
    assert found.noise < 0.1


def test_covariances_are_those_of_the_formula() -> None:
    one, other = some_features(6, seed=5), some_features(4, seed=6)
    kernel = Kernel(np.array([1.0, 4.0, 0.5, 2.0, 3.0]), 0.2)
    found = kernel.between(one, other)
    for row in range(6):
        for column in range(4):
            far = (one.coordinates[row] - other.coordinates[column]) ** 2
            differs = one.categories[row] != other.categories[column]
            square = kernel.weights @ np.concatenate([far, differs])
            linear = one.linear[row] @ other.linear[column]
            r = np.sqrt(5 * square)
            expected = (1 + r + r * r / 3) * np.exp(-r) + 0.2 * linear
            assert found[row, column] == pytest.approx(expected, rel=1e-9)
    assert kernel.variances(one) == pytest.approx(np.diag(kernel.between(one, one)))
    assert matern(np.zeros(1))[0] == 1.0


class TestPosterior:
    features = some_features(30)
    outcomes = standardized(np.sin(5 * some_features(30).coordinates[:, 0]))
    found = fitted(features, outcomes, np.zeros(30))

    def given(self, count: int, extra: float = 0.0) -> Posterior:
        return Posterior.given(
            self.found, self.features, self.outcomes[:count], np.full(count, extra)
        )

    def test_known_outcomes_are_expected(self) -> None:
        means, deviations = self.given(30).predicted(self.features)
        assert np.abs(means - self.outcomes).max() < 0.2
        assert deviations.max() < 0.2

    def test_pending_trials_narrow_deviations_and_leave_means(self) -> None:
        questions = some_features(50, seed=9)
        alone = Posterior.given(
            self.found, self.features[slice(20)], self.outcomes[:20], np.zeros(20)
        )
        means, deviations = self.given(20).predicted(questions)
        own_means, own_deviations = alone.predicted(questions)
        assert means == pytest.approx(own_means, abs=1e-9)
        assert (deviations <= own_deviations + 1e-9).all()
        assert deviations.sum() < own_deviations.sum()
        assert self.given(20).means(questions) == pytest.approx(means, abs=1e-9)

    def test_an_uncertain_outcome_counts_less(self) -> None:
        sure, _ = self.given(30).predicted(self.features)
        unsure, _ = self.given(30, extra=10.0).predicted(self.features)
        assert np.abs(unsure).max() < 0.8 * np.abs(sure).max()
