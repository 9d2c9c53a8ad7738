from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.search.space.probability import (
    EvenPartition,
    ExpVariable,
    NormalVariable,
    Partition,
    RandomVariable,
    RoundedPartition,
    UniformVariable,
    WeightedPartition,
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


PARTITIONS = [
    EvenPartition(1),
    EvenPartition(7),
    WeightedPartition((0.5, 0.3, 0.2)),
    WeightedPartition((1.0, 3.0)),
    RoundedPartition(UniformVariable(1, 10), 4, 1, 2),
    RoundedPartition(ExpVariable(UniformVariable(0, 4)), 1, 1, 54),
    RoundedPartition(UniformVariable(2, 2), 1, 2, 2),
]


@pytest.mark.parametrize("partition", PARTITIONS, ids=str)
def test_bands_fill_the_unit_interval(partition: Partition) -> None:
    masses = partition.masses()
    assert len(masses) == partition.size
    assert (masses > 0).all()
    assert masses.sum() == pytest.approx(1)


@pytest.mark.parametrize("partition", PARTITIONS, ids=str)
def test_the_middle_of_a_band_lies_in_it(partition: Partition) -> None:
    middles = [partition.middle(index) for index in range(partition.size)]
    assert partition.indices(middles).tolist() == list(range(partition.size))


@pytest.mark.parametrize("partition", PARTITIONS, ids=str)
def test_a_band_is_as_wide_as_its_mass(partition: Partition) -> None:
    shares = (np.arange(100_000) + 0.5) / 100_000
    counts = np.bincount(partition.indices(shares), minlength=partition.size)
    # Each of the two ends of a band may miss by one of the equally spaced shares.
    assert np.abs(counts / 100_000 - partition.masses()).max() <= 2e-5


@pytest.mark.parametrize("partition", PARTITIONS, ids=str)
def test_both_ends_of_the_unit_interval_have_a_band(partition: Partition) -> None:
    assert partition.indices([0.0, 1.0]).tolist() == [0, partition.size - 1]


def test_ties_round_to_the_even_multiple() -> None:
    # 0.5 and 1.5 lie in the middle between multiples: to 0 and to 2.
    variable = UniformVariable(0.5, 1.5)
    assert RoundedPartition(variable, 1, 0, 2).indices([0.0, 0.5, 1.0]).tolist() == [
        0,
        1,
        2,
    ]


def test_what_rounds_outside_goes_to_the_nearest_inside() -> None:
    partition = RoundedPartition(NormalVariable(0, 100), 1, -2, 2)
    assert partition.indices([1e-9, 1 - 1e-9]).tolist() == [0, 4]
