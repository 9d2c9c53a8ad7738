"""Ranges for the next sweep, from the best quarter of earlier trials."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.search.space.choice import Choice
from experiments.search.space.continuous import (
    LogNormal,
    LogUniform,
    Normal,
    QUniform,
    Uniform,
)
from experiments.search.space.distribution import Distribution
from experiments.search.space.range_proposals import propose_range
from experiments.search.space.ranges import FloatRange, IntRange, RandInt
from tests.search.strategies import DISTRIBUTIONS


def values(law: Distribution, goal: float, *, trials: int = 80) -> list[object]:
    """Draws, those nearest to a goal first."""
    rng = np.random.default_rng(4)
    drawn = [law.sample(rng) for _ in range(trials)]
    scale = math.log if law.is_logarithmic else float
    return sorted(drawn, key=lambda value: abs(scale(value) - scale(goal)))


@pytest.mark.parametrize(
    ("law", "goal", "text"),
    [
        (Uniform(0, 1), 0.5, {"min_value": 0.38, "max_value": 0.62}),
        (FloatRange(1e-4, 1, log=True), 0.01, {"low": 0.0033, "high": 0.03}),
        (FloatRange(0, 1, step=0.05), 0.5, {"low": 0.35, "high": 0.65}),
        (IntRange(10, 1000, step=10), 500, {"low": 380, "high": 630}),
        (IntRange(1, 1024, log=True), 32, {"low": 11, "high": 72}),
        (RandInt(100), 5, {"type": "randint", "upper": 37}),
        (QUniform(0, 100, 5), 50, {"min_value": 35.0, "max_value": 65.0, "q": 5}),
    ],
    ids=str,
)
def test_a_range_becomes_the_box_of_the_best_and_a_margin(
    law: Distribution, goal: float, text: dict[str, object]
) -> None:
    found = propose_range(law, values(law, goal))
    assert found is not None
    assert (found.best, found.trials) == (20, 80)
    assert found.distribution.dump().items() >= text.items()


def test_logarithms_of_bounds_stay_logarithms() -> None:
    law = LogUniform(math.log(1e-4), math.log(1))
    found = propose_range(law, values(law, 0.01))
    assert found is not None
    bounds = found.distribution.dump()
    assert bounds["min_value"] == math.log(0.0033)


def test_normal_kinds_get_the_mean_and_deviation_of_the_best() -> None:
    found = propose_range(Normal(10, 3), values(Normal(10, 3), 12))
    assert found is not None
    bell = found.distribution.dump()
    assert bell["mu"] == pytest.approx(12, abs=0.5) and 0.2 < bell["sigma"] < 1
    found = propose_range(LogNormal(0, 2), values(LogNormal(0, 2), math.e))
    assert found is not None
    assert found.distribution.dump()["mu"] == pytest.approx(1, abs=0.3)


def test_a_value_that_is_never_among_the_best_is_left_out() -> None:
    law = Choice(("sgd", "adam", "lion"), (0.5, 0.25, 0.25))
    found = propose_range(law, ["adam"] * 15 + ["lion"] * 15 + ["sgd"] * 30)
    assert found is not None
    assert found.distribution == Choice(("adam",), (1.0,))
    # 2 trials of lion may be outside the best quarter by chance.
    assert propose_range(law, ["adam"] * 15 + ["sgd"] * 3 + ["lion"] * 2) is None


def test_what_makes_no_difference_gets_no_proposal() -> None:
    rng = np.random.default_rng(0)
    for law in (Uniform(0, 1), Choice((1, 2, 3)), IntRange(1, 50)):
        drawn = [law.sample(rng) for _ in range(200)]
        assert propose_range(law, drawn) is None


def test_a_range_may_grow_to_where_earlier_sweeps_found_the_best() -> None:
    found = propose_range(Uniform(0, 0.1), values(Uniform(0, 1), 0.5))
    assert found is not None and found.distribution == Uniform(0.38, 0.62)


def test_few_trials_and_other_values_say_nothing() -> None:
    assert propose_range(Uniform(0, 1), [0.5] * 19) is None
    assert propose_range(Uniform(0, 1), ["a", None, True] * 20) is None
    assert propose_range(FloatRange(0.1, 1, log=True), [0, -1] * 20) is None
    # All alike: no width.
    assert propose_range(Uniform(0, 1), [0.5] * 40) is None


@given(law=DISTRIBUTIONS, seed=st.integers(0, 99))
def test_any_proposal_is_a_distribution_of_the_same_kind(
    law: Distribution, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    drawn = [law.sample(rng) for _ in range(30)]
    found = propose_range(law, drawn)
    if found is not None:
        assert found.distribution.kind == law.kind
        assert sum(found.distribution.contains(value) for value in drawn[:8]) >= (
            0 if "normal" in law.kind else 8
        )
