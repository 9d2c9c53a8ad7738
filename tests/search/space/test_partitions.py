from __future__ import annotations

import numpy as np
import pytest

from experiments.search.space.probability import (
    EvenPartition,
    ExpVariable,
    NormalVariable,
    Partition,
    RoundedPartition,
    UniformVariable,
    WeightedPartition,
)

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
