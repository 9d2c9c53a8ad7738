"""How one value differs from another, in the few signs that a table has room for."""

from __future__ import annotations

import math
from typing import Any

from experiments.pages.places import Axis, same_value
from experiments.search.fields import is_number
from experiments.words import number_text, share_text, signed_text


def difference_text(axis: Axis | None, value: Any, reference: Any) -> str:
    """A factor on log scales and among choices, a signed number on linear ones.

    Empty where the two are the same or are not both numbers.
    """
    if not (is_number(value) and is_number(reference)) or same_value(value, reference):
        return ""
    scaled = axis is not None and (axis.log or bool(axis.choices))
    if scaled and value > 0 and reference > 0:
        return ratio_text(value / reference)
    return signed_text(value - reference, 3)


def ratio_text(ratio: float) -> str:
    """``x2.6``, ``x2``, ``÷4``: two digits, or four where two would say ``x1``."""
    if not math.isfinite(ratio) or ratio <= 0:
        return ""
    sign, size = ("\u00d7", ratio) if ratio >= 1 else ("÷", 1 / ratio)
    for digits in (2, 3, 4):
        text = plain_text(size, digits)
        if text != "1":
            return f"{sign}{text}"
    return ""


def plain_text(value: float, digits: int) -> str:
    """A number with so many significant digits and no trailing zeros."""
    text = number_text(value, digits)
    if "." in text and "e" not in text:
        text = text.rstrip("0").rstrip(".")
    return text


def length_words(seconds: float | None, reference: float | None) -> str:
    """``took 2.4 times as long``, ``took 59 % less time``; empty when unknown."""
    if not seconds or not reference:
        return ""
    ratio = seconds / reference
    if 0.9 <= ratio <= 1.1:
        return "took about as long"
    if ratio < 1:
        return f"took {share_text(1 - ratio)} less time"
    return f"took {plain_text(ratio, 2)} times as long"
