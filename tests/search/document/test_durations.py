from __future__ import annotations

import math

import pytest

from experiments.search.document.durations import read_seconds, seconds_of
from experiments.search.fields import Diagnostics, Fields


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10 m", 600),
        ("10m", 600),
        ("1 h", 3600),
        ("1 h 30 m", 5400),
        ("1h30m", 5400),
        ("90", 90),
        ("2.5 s", 2.5),
        ("2 days", 172_800),
        ("1 week", 604_800),
        ("5 Minutes", 300),
        ("PT1M", 60),
        ("PT1H30M", 5400),
        ("P60D", 5_184_000),
        ("P1DT0.5S", 86_400.5),
        ("P1W", 604_800),
        ("pt10s", 10),
        ("1 h 0.1 s", 3600.1),
        ("4.1 m", 246),
        ("245.99999999999997 s", 246),
        ("PT4.0999999999999M", 246),
        ("0.0000001 s", 1e-6),
        ("0", 0),
    ],
)
def test_a_text_is_a_duration(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "text", ["", " ", "soon", "10 x", "P", "PT", "P1M", "-5 m", "1 h ?", "1e3", "m 10"]
)
def test_other_text_is_not(text: str) -> None:
    assert seconds_of(text) is None


@pytest.mark.parametrize(
    "text",
    ["2 h 30", "30 2 h", "1 30", "1. s", "1.5.5 s", "1" * 13, f"1.{'0' * 99} h"],
)
def test_no_part_of_a_text_is_taken_for_another_duration(text: str) -> None:
    assert seconds_of(text) is None


def read(value: object) -> tuple[float | None, Diagnostics]:
    diagnostics = Diagnostics()
    return read_seconds(Fields({"timeout": value}, "limits", diagnostics), "timeout"), (
        diagnostics
    )


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (3600, 3600),
        (0.5, 0.5),
        (60.0, 60),
        (245.99999999999997, 246),
        (1.23456789, 1.234568),
        (1e-9, 1e-6),
        ("10 m", 600),
        (0, None),
        (None, None),
    ],
)
def test_a_field_gives_seconds_or_no_limit(
    value: object, seconds: float | None
) -> None:
    found, diagnostics = read(value)
    assert found == seconds and type(found) is type(seconds)
    assert diagnostics.problems == []


@pytest.mark.parametrize(
    "value", [-1, True, "soon", math.inf, math.nan, 1e12, [], "9" * 12 + " weeks"]
)
def test_a_field_that_is_no_duration_is_a_problem(value: object) -> None:
    _, diagnostics = read(value)
    (problem,) = diagnostics.problems
    assert problem.path == "limits.timeout"
    assert "such as 2h or 90m" in problem.message
