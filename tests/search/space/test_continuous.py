from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given

from experiments.search.fields import DefinitionError
from experiments.search.space.continuous import (
    LogNormal,
    LogUniform,
    Normal,
    QLogNormal,
    QLogUniform,
    QNormal,
    QUniform,
    Uniform,
)
from tests.search.strategies import KINDS, SHARES


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
        (QUniform, (0.05, 0.75, 1), "q", "no multiple of 1 between 0.05 and 0.75"),
        (QUniform, (0, 1, 0), "q", "above 0"),
        (QUniform, (0, 1, -2), "q", "above 0"),
        (QUniform, (0, 1, "1"), "q", "quotation marks"),
        (QUniform, (0, 1e6, 1e-12), "q", "too small"),
        (QUniform, (3, 1, 1), "max_value", "above min_value"),
        (QLogUniform, (0.5, 0.6, 1), "q", "no multiple"),
        (QNormal, (0, -1, 1), "sigma", "standard deviation"),
        (QLogNormal, (0, 1, 0), "q", "above 0"),
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


def values(distribution: QUniform) -> list[object]:
    return [distribution.at(index) for index in range(distribution.count() or 0)]


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        (QUniform(1, 10, 4), [4, 8]),
        (QUniform(0, 10, 2), [0, 2, 4, 6, 8, 10]),
        (QUniform(0, 10, 2.0), [0, 2, 4, 6, 8, 10]),
        (QUniform(0, 1, 0.25), [0.0, 0.25, 0.5, 0.75, 1.0]),
        (QUniform(0, 0.3, 0.1), [0.0, 0.1, 0.2, 0.3]),
        (QUniform(0.1, 0.7, 0.3), [0.3, 0.6]),
        (QUniform(-5, 5, 5), [-5, 0, 5]),
        (QLogUniform(0, math.log(16), 4), [4, 8, 12, 16]),
    ],
    ids=str,
)
def test_the_values_are_the_multiples_inside_the_range(
    distribution: QUniform, expected: list[object]
) -> None:
    assert values(distribution) == expected
    assert list(map(type, values(distribution))) == list(map(type, expected))


def test_a_tenth_is_written_as_a_tenth() -> None:
    # 3 * 0.1 would be 0.30000000000000004.
    assert repr(QUniform(0, 1, 0.1).at(3)) == "0.3"


def test_ties_go_to_the_even_multiple() -> None:
    distribution = QUniform(0, 4, 1)
    assert [distribution.quantile(share) for share in (0.125, 0.375, 0.625)] == [
        *(0, 2, 2)
    ]


def test_a_bad_range_and_a_bad_q_are_both_named() -> None:
    assert set(problems(QUniform, 3, 1, 0)) == {"max_value", "q"}


@given(distribution=KINDS["quniform"] | KINDS["qloguniform"], share=SHARES)
def test_a_bounded_draw_is_the_rounded_one_moved_inside(
    distribution: QUniform, share: float
) -> None:
    plain = float(distribution.variable.quantile(share))
    rounded = round(plain / distribution.q) * distribution.q
    first, last = values_at_the_ends(distribution)
    value = distribution.quantile(share)
    assert value == pytest.approx(min(max(rounded, first), last), rel=1e-12, abs=1e-12)
    slack = 1e-12 * abs(distribution.variable.high)
    assert (
        distribution.variable.low - slack <= value <= distribution.variable.high + slack
    )


def values_at_the_ends(distribution: QUniform) -> tuple[float, float]:
    last = (distribution.count() or 1) - 1
    return float(distribution.at(0)), float(distribution.at(last))


def test_an_unbounded_one_has_no_count() -> None:
    assert QNormal(0, 1, 1).count() is None
    assert QLogNormal(0, 1, 1).count() is None
    assert QNormal(7.4, 0, 1).count() == 1
    assert QNormal(7.4, 0, 1).quantile(0.9) == 7


def test_the_type_follows_from_q() -> None:
    assert type(QNormal(10, 3, 2).quantile(0.4)) is int
    assert type(QNormal(10, 3, 0.5).quantile(0.4)) is float
    assert QUniform(0, 10, 2).contains(4) and not QUniform(0, 10, 2).contains(4.0)
    assert QUniform(0, 10, 0.5).contains(4.0) and QUniform(0, 10, 0.5).contains(4)


def test_what_is_no_multiple_is_outside() -> None:
    assert not QUniform(0, 10, 2).contains(3)
    assert not QUniform(0, 10, 2).contains(12)
    assert not QNormal(0, 1, 0.5).contains(0.3)
    assert not QLogNormal(0, 1, 1).contains(-1)
    assert QLogNormal(0, 1, 1).contains(0)
    assert not QNormal(0, 1, 0.5).contains(1e308)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_farthest_draw_still_is_a_number(share: float) -> None:
    assert math.isfinite(QLogNormal(0, 500, 1).quantile(share))
    assert math.isfinite(QNormal(1e300, 1e300, 1e-3).quantile(share))
