from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.search.space.probability import (
    ExpVariable,
    NormalVariable,
    RandomVariable,
    UniformVariable,
)

LAWS = [
    UniformVariable(-2, 3),
    NormalVariable(10, 3),
    ExpVariable(UniformVariable(-6, -1)),
    ExpVariable(NormalVariable(0, 0.5)),
]


@pytest.mark.parametrize("law", LAWS, ids=str)
@given(share=st.floats(0.001, 0.999))
def test_the_distribution_function_undoes_the_quantile(
    law: RandomVariable, share: float
) -> None:
    assert float(law.cdf(law.quantile(share))) == pytest.approx(share, abs=1e-9)


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_quantiles_rise_and_stay_inside(law: RandomVariable) -> None:
    numbers = law.quantile(np.linspace(0, 1, 101))
    assert (np.diff(numbers) > 0).all()
    assert numbers.min() >= law.low and numbers.max() <= law.high
    assert np.isfinite(numbers).all()


@pytest.mark.parametrize(
    ("law", "share", "number"),
    [
        (UniformVariable(0.05, 0.1), 0.5, 0.075),
        (NormalVariable(10, 3), 0.5, 10),
        # 97.725 % of a normal law lies below two standard deviations.
        (NormalVariable(10, 3), 0.9772498680518208, 16),
        (ExpVariable(UniformVariable(-6, -1)), 0.5, math.exp(-3.5)),
        (ExpVariable(NormalVariable(1, 2)), 0.5, math.e),
    ],
)
def test_known_quantiles(law: RandomVariable, share: float, number: float) -> None:
    assert float(law.quantile(share)) == pytest.approx(number)


@pytest.mark.parametrize(
    "law",
    [UniformVariable(2, 2), NormalVariable(2, 0), ExpVariable(UniformVariable(0, 0))],
    ids=str,
)
def test_a_law_of_one_number_is_constant(law: RandomVariable) -> None:
    number = float(law.quantile(0.3))
    assert law.constant
    assert float(law.quantile(0.9)) == number
    assert float(law.cdf(number)) == 1 and float(law.cdf(number - 1e-9)) == 0


def test_a_range_as_wide_as_the_floats_does_not_overflow() -> None:
    law = UniformVariable(-1.7e308, 1.7e308)
    assert float(law.quantile(0.5)) == 0
    assert float(law.cdf(0.0)) == 0.5


def test_nothing_lies_below_an_exponential() -> None:
    assert float(ExpVariable(NormalVariable(0, 1)).cdf(-1.0)) == 0
    assert ExpVariable(NormalVariable(0, 1)).low == 0
    assert ExpVariable(NormalVariable(0, 1)).high == math.inf
