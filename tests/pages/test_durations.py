"""Durations as people type and read them."""

from __future__ import annotations

import math

import pytest
from django.core.exceptions import ValidationError

from experiments.pages.durations import (
    DurationField,
    read_duration,
    write_duration,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3600, "1 h"), (5400, "1 h 30 m"), (0.5, "0.5 s"), (90_061, "1 d 1 h 1 m 1 s")],
)
def test_durations_are_written_and_read_in_units(seconds: float, text: str) -> None:
    assert write_duration(seconds) == text
    assert read_duration(text) == seconds


def test_what_is_no_duration_is_written_as_it_is() -> None:
    assert write_duration(None) == ""
    assert write_duration("soon") == "soon"
    assert (write_duration(0), write_duration(-3)) == ("0", "-3")
    assert write_duration(math.inf) == "Infinity"


def test_a_field_keeps_what_was_typed_and_knows_what_it_means() -> None:
    field = DurationField(required=False)
    assert field.clean("1 h 30 m") == 5400
    assert field.clean("  ") is None and field.clean("0 s") is None
    assert field.prepare_value("90 m") == "90 m"
    assert field.prepare_value(5400) == "1 h 30 m"
    assert not field.has_changed(5400, "90 m")
    assert field.has_changed(5400, "soon") and field.has_changed(5400, "")
    with pytest.raises(ValidationError, match='"soon" is no duration'):
        field.clean("soon")
