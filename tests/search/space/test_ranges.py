from __future__ import annotations

import pytest

from experiments.search.fields import DefinitionError
from experiments.search.space.distribution import Distribution
from experiments.search.space.ranges import FloatRange, IntRange, RandInt


def values(distribution: Distribution) -> list[object]:
    return [distribution.at(index) for index in range(distribution.count() or 0)]


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        (RandInt(3), [0, 1, 2]),
        (RandInt(1), [0]),
        (IntRange(1, 4), [1, 2, 3, 4]),
        (IntRange(5, 5), [5]),
        (IntRange(0, 10, 4), [0, 4, 8]),
        (IntRange(-3, 3, 3), [-3, 0, 3]),
        (IntRange(1, 3, log=True), [1, 2, 3]),
        (FloatRange(0, 1, step=0.3), [0.0, 0.3, 0.6, 0.9]),
        (FloatRange(0.1, 0.3, step=0.1), [0.1, 0.2, 0.3]),
        (FloatRange(1, 2, step=1), [1.0, 2.0]),
    ],
    ids=str,
)
def test_the_values_of_a_finite_range(
    distribution: Distribution, expected: list[object]
) -> None:
    assert values(distribution) == expected
    assert list(map(type, values(distribution))) == list(map(type, expected))


@pytest.mark.parametrize(
    ("kind", "args", "field", "words"),
    [
        (RandInt, (0,), "upper", "1 or more"),
        (RandInt, (3.0,), "upper", "whole number"),
        (RandInt, (True,), "upper", "whole number"),
        (RandInt, (2**60,), "upper", "2^48"),
        (IntRange, (4, 1), "high", "at least low, which is 4, not 1"),
        (IntRange, (1, 4, 0), "step", "1 or more"),
        (IntRange, (0, 4, 1, True), "low", "the logarithm of 0"),
        (IntRange, (1, 4, 2, True), "step", "must be 1 with log"),
        (IntRange, (1, 4, 1, "yes"), "log", "true or false"),
        (FloatRange, (1, 1), "high", "above low"),
        (FloatRange, (0, 0.01, True), "low", "Allowed: any number above 0"),
        (FloatRange, (1, 2, True, 0.5), "step", "cannot be used with log"),
        (FloatRange, (1, 2, False, 0), "step", "above 0"),
        (FloatRange, (0, 1e9, False, 1e-12), "step", "too small"),
        (FloatRange, (1, 2, False, "0.1"), "step", "quotation marks"),
    ],
)
def test_bad_arguments_are_named(
    kind: type, args: tuple[object, ...], field: str, words: str
) -> None:
    with pytest.raises(DefinitionError) as caught:
        kind(*args)
    found = caught.value.by_path()
    assert list(found) == [field]
    assert words in found[field][0]


def test_a_range_without_step_is_infinite() -> None:
    assert FloatRange(0, 1).count() is None
    assert FloatRange(0, 1).contains(0.123)
    assert not FloatRange(0, 1).contains(1.0001)


def test_a_float_range_reaches_its_very_bounds() -> None:
    distribution = FloatRange(0.0001, 0.1, log=True)
    assert distribution.quantile(0) == 0.0001
    assert distribution.quantile(1) == 0.1
    assert type(FloatRange(0, 1).quantile(0)) is float


def test_whole_numbers_are_ints_and_nothing_else() -> None:
    assert IntRange(1, 4).contains(2)
    for value in (2.0, True, "2", 0, 5, None):
        assert not IntRange(1, 4).contains(value)
    assert not IntRange(0, 10, 4).contains(2)


def test_a_step_range_holds_its_steps_only() -> None:
    distribution = FloatRange(0, 1, step=0.3)
    assert distribution.contains(0.9) and distribution.contains(0)
    assert not distribution.contains(1.0) and not distribution.contains(0.31)


def test_defaults_are_not_dumped() -> None:
    assert IntRange(1, 4).dump() == {"type": "int", "low": 1, "high": 4}
    assert FloatRange(1, 4, step=0.5).dump() == {
        "type": "float",
        "low": 1,
        "high": 4,
        "step": 0.5,
    }


def test_a_huge_range_costs_nothing() -> None:
    distribution = RandInt(2**48)
    assert distribution.count() == 2**48
    value = distribution.quantile(0.3)
    assert distribution.quantile(distribution.encode(value)) == value
