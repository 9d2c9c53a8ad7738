from __future__ import annotations

import math

import pytest
from hypothesis import given

from experiments.search.fields import DefinitionError
from experiments.search.space.continuous import (
    QLogNormal,
    QLogUniform,
    QNormal,
    QUniform,
)
from tests.search.strategies import KINDS, SHARES


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


@pytest.mark.parametrize(
    ("kind", "args", "field", "words"),
    [
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
    with pytest.raises(DefinitionError) as caught:
        kind(*args)
    found = caught.value.by_path()
    assert list(found) == [field]
    assert words in found[field][0]


def test_a_bad_range_and_a_bad_q_are_both_named() -> None:
    with pytest.raises(DefinitionError) as caught:
        QUniform(3, 1, 0)
    assert set(caught.value.by_path()) == {"max_value", "q"}


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
