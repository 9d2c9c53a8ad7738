from __future__ import annotations

import math

import numpy as np
import pytest

from experiments.search.fields import DefinitionError
from experiments.search.space.continuous import LogNormal, LogUniform, Normal, Uniform


def problems(kind: type, *args: object, **named: object) -> dict[str, list[str]]:
    with pytest.raises(DefinitionError) as caught:
        kind(*args, **named)
    return caught.value.by_path()


@pytest.mark.parametrize(
    ("kind", "args", "field", "words"),
    [
        (Uniform, (1, 1), "max_value", "above min_value, which is 1, not 1"),
        (Uniform, (2, 1), "max_value", "above"),
        (Uniform, ("0", 1), "min_value", "leave out the quotation marks"),
        (Uniform, ("low", 1), "min_value", 'such as 0.1, not "low".'),
        (Uniform, (math.nan, 1), "min_value", "finite"),
        (Uniform, (0, math.inf), "max_value", "finite"),
        (Uniform, (0, 10**400), "max_value", "finite"),
        (Uniform, (True, 2), "min_value", "finite number"),
        (LogUniform, (2, 1), "max_value", "at least min_value"),
        (LogUniform, (0, 1000), "max_value", "type float with log: true"),
        (LogUniform, (-1000, 0), "min_value", "between -700 and 700"),
        (Normal, (0, -1), "sigma", "standard deviation"),
        (LogNormal, (0, -1), "sigma", "0 or more"),
    ],
)
def test_bad_arguments_are_named(
    kind: type, args: tuple[object, ...], field: str, words: str
) -> None:
    found = problems(kind, *args)
    assert list(found) == [field]
    assert words in found[field][0]


def test_every_bad_argument_is_named_at_once() -> None:
    assert set(problems(Uniform, "a", None)) == {"min_value", "max_value"}


def test_the_bounds_of_a_uniform_can_be_drawn() -> None:
    distribution = Uniform(0.05, 0.1)
    assert distribution.quantile(0) == 0.05
    assert distribution.quantile(1) == 0.1
    assert distribution.contains(0.05) and distribution.contains(0.1)
    assert not distribution.contains(0.0499) and not distribution.contains(0.1001)


def test_log_bounds_are_natural_logarithms() -> None:
    # The range that belongs to loguniform(-6, -1), and its median.
    distribution = LogUniform(-6, -1)
    assert distribution.quantile(0) == pytest.approx(0.00248, abs=1e-5)
    assert distribution.quantile(1) == pytest.approx(0.3679, abs=1e-4)
    assert distribution.quantile(0.5) == pytest.approx(0.0302, abs=1e-4)


def test_a_log_base_changes_what_the_bounds_mean() -> None:
    distribution = LogUniform(-4, -1, base=10)
    assert distribution.quantile(0) == pytest.approx(1e-4)
    assert distribution.quantile(1) == pytest.approx(1e-1)
    assert distribution.dump() == {
        "type": "loguniform",
        "min_value": -4,
        "max_value": -1,
    }


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ((0.0001, 0.1), "from 1 to 1.105"),
        ((0.1, 1), "from 1.105 to 2.718"),
        ((1, 100), "from 2.718 to 2.688e43"),
    ],
)
def test_bounds_that_look_natural_give_a_warning_with_the_range(
    bounds: tuple[float, float], words: str
) -> None:
    (warning,) = LogUniform(*bounds).warnings()
    assert words in warning.message
    low, high = bounds
    assert f"{{type: float, low: {low}, high: {high}, log: true}}" in warning.message


@pytest.mark.parametrize("bounds", [(-6, -1), (0, 1), (0, 5), (1, 6), (-9.2, -2.3)])
def test_bounds_that_are_logarithms_give_no_warning(
    bounds: tuple[float, float],
) -> None:
    assert list(LogUniform(*bounds).warnings()) == []


@pytest.mark.parametrize(
    ("distribution", "value"),
    [(Normal(3, 0), 3.0), (LogNormal(0, 0), 1.0), (LogUniform(2, 2), math.exp(2))],
)
def test_a_law_without_spread_has_one_value(distribution: Normal, value: float) -> None:
    assert distribution.count() == 1
    assert distribution.quantile(0.01) == distribution.at(0) == value
    assert distribution.encode(value) == 0.5
    assert not distribution.contains(value + 1)


@pytest.mark.parametrize("share", [0.0, 1e-300, 0.5, 1.0])
@pytest.mark.parametrize(
    "distribution", [Normal(0, 1e308), LogNormal(0, 500), LogNormal(-600, 80)]
)
def test_even_the_farthest_draw_is_finite_and_inside(
    distribution: Normal, share: float
) -> None:
    value = distribution.quantile(share)
    assert math.isfinite(value)
    assert distribution.contains(value)


def test_a_lognormal_is_above_zero() -> None:
    assert not LogNormal(0, 1).contains(0)
    assert not LogNormal(0, 1).contains(-1)
    assert LogNormal(0, 1).contains(1e-300)


def test_whole_numbers_are_inside_a_continuous_range() -> None:
    assert Uniform(0, 2).contains(1)
    assert not Uniform(0, 2).contains(True)


def test_a_range_from_zero_begins_at_zero() -> None:
    whole = Uniform(0, 0.5)
    assert whole.quantile(0.0) == 0.0
    assert whole.quantiles(np.array([0.0, 1.0])) == [0.0, 0.5]
    assert LogNormal(-800.0, 1.0).quantile(0.0) > 0
