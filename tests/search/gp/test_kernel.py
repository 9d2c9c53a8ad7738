from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from experiments.search.gp.kernel import log_expected_improvement, log_improvement


@pytest.mark.parametrize("z", [-3.0, -1.0, -0.5, 0.0, 2.0])
def test_it_is_the_expectation_of_the_improvement(z: float) -> None:
    value, _ = integrate.quad(lambda x: (z - x) * stats.norm.pdf(x), -40, z)
    assert log_improvement(np.array([z]))[0] == pytest.approx(np.log(value), rel=1e-6)


def test_it_grows_everywhere_and_is_finite_far_from_the_best() -> None:
    z = -np.concatenate([np.geomspace(1e8, 1e-3, 4000), -np.linspace(0, 10, 100)])
    found = log_improvement(z)
    assert np.isfinite(found).all()
    assert (np.diff(found) > 0).all()


def test_it_scales_with_the_outcomes() -> None:
    means, deviations = np.array([1.0, 2.0]), np.array([0.5, 3.0])
    once = log_expected_improvement(means, deviations, 1.5)
    tenfold = log_expected_improvement(10 * means, 10 * deviations, 15.0)
    assert tenfold == pytest.approx(once + np.log(10))
