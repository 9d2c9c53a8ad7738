from __future__ import annotations

import math

import numpy as np
import pytest

from experiments.search.learning_curves import (
    levels_of,
    noise_of,
    noises_of,
    window_for,
)


def test_a_level_is_the_best_so_far() -> None:
    losses = np.array([math.inf, 3.0, 4.0, 2.0, 5.0])
    assert levels_of(losses).tolist() == [math.inf, 3.0, 3.0, 2.0, 2.0]


def test_a_smoothed_level_is_an_average_of_at_most_half_of_the_reports() -> None:
    losses = np.array([4.0, 2.0, 6.0, 0.0, math.inf, 2.0])
    # Over 1, 1, 2, 2, 2 and 2 reports; from the third on the lowest counts.
    assert levels_of(losses, 2).tolist() == [4.0, 2.0, 2.0, 2.0, 0.0, 0.0]
    assert levels_of(losses, 4).tolist()[:4] == [4.0, 2.0, 4.0, 3.0]


def test_noise_is_told_from_bends() -> None:
    """A straight line with noise of 0.1: 400 second differences put the estimate
    within a fifth of it, but for one seed in thousands."""
    rng = np.random.default_rng(1)
    losses = np.linspace(1, 0, 800) + 0.1 * rng.standard_normal(800)
    assert noise_of(losses) == pytest.approx(0.1, rel=0.2)
    assert noise_of(np.linspace(1, 0, 40)) == pytest.approx(0, abs=1e-12)
    assert noise_of(losses[:5]) is None


def test_the_window_grows_with_the_noise() -> None:
    windows = [window_for(noise, 1.0) for noise in (0.0, 0.05, 0.06, 0.1, 0.2, 5.0)]
    assert windows == [1, 1, 2, 4, 16, 25]
    assert window_for(0.1, 0.0) == 25 and window_for(0.0, 0.0) == 1


def test_many_curves_are_read_as_each_alone() -> None:
    rng = np.random.default_rng(2)
    curves = rng.standard_normal((5, 20))
    curves[1, 3] = curves[4, -1] = math.inf
    for window in (1, 4, 25):
        alone = [levels_of(curve, window) for curve in curves]
        assert levels_of(curves, window).tolist() == [a.tolist() for a in alone]
    assert sorted(noises_of(curves)) == sorted(
        noise for curve in curves if (noise := noise_of(curve)) is not None
    )
    assert noises_of(curves[:, :5]) == []
