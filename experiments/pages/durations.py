"""Durations as people type and read them: `90`, `90 s`, `2 h`, `1 d 4 h`."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from experiments.pages.value_text import write_scalar
from experiments.search.durations import LONGEST, exact, seconds_of
from experiments.search.problems import shown
from experiments.search.records import JSONValue
from experiments.words import exact_duration_text

ALLOWED = (
    "Write a number of seconds such as 90, or 90 s, 10 m, 2 h, 1 d 4 h, up to 3,650"
    " days; leave it empty for no limit."
)


class DurationField(forms.CharField):
    """A duration in seconds, shown in units. Nothing, and 0, mean None: no limit."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            widget=forms.TextInput(attrs={"autocomplete": "off"}), **options
        )

    def prepare_value(self, value: Any) -> Any:
        """What was typed stays as it is; a number is written in units."""
        return value if isinstance(value, str) else write_duration(value)

    def to_python(self, value: Any) -> Any:
        """Raises ValidationError that names the value and what is allowed."""
        text = str(value or "").strip()
        seconds = seconds_of(text)
        if text and (seconds is None or seconds > LONGEST):
            raise ValidationError(f"{shown(text, most=40)} is no duration. {ALLOWED}")
        return whole(seconds) if seconds else None

    def has_changed(self, initial: Any, data: Any) -> bool:
        """By what it means: `90 s` is no change of 90."""
        try:
            now = self.to_python(data)
        except ValidationError:
            return True
        return bool(now != (exact(initial) if initial else None))


def whole(seconds: float) -> int | float:
    """Whole numbers without ``.0``."""
    return int(seconds) if float(seconds).is_integer() else seconds


def read_duration(text: str) -> JSONValue:
    """Seconds for `10 m` or `1 h`; what is no duration stays the text that it is."""
    seconds = seconds_of(text)
    return (text.strip() or None) if seconds is None else whole(seconds)


def write_duration(value: Any) -> str:
    """`1 h 30 m` for 5400, and for any other way to write it in a document.

    Nothing for None; what is no duration as it is, so that it can be put right.
    """
    seconds = read_duration(value) if isinstance(value, str) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return write_scalar(value)
    if not 0 < seconds <= LONGEST:
        return write_scalar(value)
    return exact_duration_text(seconds)
