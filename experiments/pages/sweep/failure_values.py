"""Values of parameters in the words of the failure card."""

from __future__ import annotations

from typing import Any

from experiments.pages.value_text import write_plain
from experiments.search.fields import is_number
from experiments.search.sharing import MOST_LISTED, Values
from experiments.words import number_text


def values_text(values: Values, *, joint: str = ", ") -> str:
    """A few values in a row, or the range of many numbers."""
    many = len(values.listed) > MOST_LISTED
    if many and values.low is not None and values.high is not None:
        return f"{number_text(values.low)} \u2013 {number_text(values.high)}"
    shown = [value_text(value) for value in values.listed[:MOST_LISTED]]
    more = ", …" if len(values.listed) > MOST_LISTED else ""
    return joint.join(shown) + more


def value_text(value: Any) -> str:
    if value is None:
        return "not set"
    if is_number(value):
        return number_text(value)
    return value if isinstance(value, str) else write_plain(value)
