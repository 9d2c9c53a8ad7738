from __future__ import annotations

import math

import pytest

from experiments.search.wording import counted, distinct_texts, ordinal, significant


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.71, "0.71"),
        (0.666666, "0.6667"),
        (12345.6, "12350"),
        (1.0, "1"),
        (-0.00012345, "-0.0001234"),
        (0.0, "0"),
        (1.5e-7, "1.5e-7"),
        (2.5e20, "2.5e20"),
        (math.inf, "no value"),
        (math.nan, "no value"),
    ],
)
def test_a_number_has_four_significant_digits(number: float, text: str) -> None:
    assert significant(number) == text


@pytest.mark.parametrize(
    ("one", "other", "texts"),
    [
        (0.71, 0.83, ("0.71", "0.83")),
        (0.81111, 0.81114, ("0.81111", "0.81114")),
        (0.811111, 0.811112, ("0.811111", "0.811112")),
        (0.8111111, 0.8111112, ("0.811111", "0.811111")),
        (0.5, 0.5, ("0.5", "0.5")),
    ],
)
def test_two_numbers_get_as_many_digits_as_tell_them_apart(
    one: float, other: float, texts: tuple[str, str]
) -> None:
    assert distinct_texts(one, other) == texts


def test_counts_agree_with_their_noun() -> None:
    assert counted(1, "trial") == "1 trial"
    assert counted(12_000, "trial") == "12,000 trials"
    assert counted(2, "entry", "entries") == "2 entries"


def test_ordinals_are_english() -> None:
    numbers = (1, 2, 3, 4, 11, 12, 13, 21, 102, 111)
    assert [ordinal(number) for number in numbers] == [
        *("1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th")
    ]
