"""Durations as people type and read them."""

from __future__ import annotations

import math

import pytest
from django.core.exceptions import ValidationError
from hypothesis import example, given
from hypothesis import strategies as st

from experiments.pages.form_fields import DurationField, read_duration, write_duration
from experiments.search.document.durations import MAX_SECONDS, read_seconds
from experiments.search.fields import Diagnostics, Fields

DURATIONS = st.floats(0, MAX_SECONDS, exclude_min=True) | st.integers(1, MAX_SECONDS)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (3600, "1 h"),
        (5400, "1 h 30 m"),
        (0.5, "0.5 s"),
        (90_061, "1 d 1 h 1 m 1 s"),
        (0.00001, "0.00001 s"),
        (3600.25, "3600.25 s"),
    ],
)
def test_durations_are_written_and_read_in_units(seconds: float, text: str) -> None:
    assert write_duration(seconds) == text
    assert read_duration(text) == seconds


@given(DURATIONS)
@example(245.99999999999997)
@example(5e-324)
@example(MAX_SECONDS - 1e-7)
def test_what_is_written_is_read_as_the_same(seconds: float) -> None:
    """Whatever a document may say, and whatever a row holds."""
    diagnostics = Diagnostics()
    held = read_seconds(Fields({"timeout": seconds}, "", diagnostics), "timeout")
    text = write_duration(held)
    assert held is not None and diagnostics.problems == []
    assert read_duration(text) == held == read_duration(write_duration(seconds))
    assert len(text) < 40 and ("." not in text or not text.endswith("0 s"))
    field = DurationField(required=False)
    assert field.clean(text) == held
    assert not field.has_changed(held, text) and not field.has_changed(seconds, text)


@pytest.mark.parametrize("text", ["2 h 30", "4.1.1 m", "1 h " + "0" * 100])
def test_half_a_duration_is_refused_and_stays(text: str) -> None:
    with pytest.raises(ValidationError, match="is not a duration"):
        DurationField(required=False).clean(text)
    assert read_duration(text) == text and write_duration(text) == text


def test_what_is_no_duration_is_written_as_it_is() -> None:
    assert write_duration(None) == ""
    assert write_duration("soon") == "soon"
    assert (write_duration(0), write_duration(-3)) == ("0", "-3")
    assert write_duration(math.inf) == "Infinity"
    assert write_duration(10**400) == f"1{'0' * 400}"


def test_a_field_keeps_what_was_typed_and_knows_what_it_means() -> None:
    field = DurationField(required=False)
    assert field.clean("1 h 30 m") == 5400
    assert field.clean("  ") is None and field.clean("0 s") is None
    assert field.prepare_value("90 m") == "90 m"
    assert field.prepare_value(5400) == "1 h 30 m"
    assert not field.has_changed(5400, "90 m")
    assert field.has_changed(5400, "soon") and field.has_changed(5400, "")
    with pytest.raises(ValidationError, match='"soon" is not a duration'):
        field.clean("soon")
