"""Numbers as sentences show them."""

from __future__ import annotations

import math

import numpy as np


def significant(number: float, digits: int = 4) -> str:
    """A number with so many significant digits, no trailing zeros, no exponent
    between 0.0001 and 10^15; `no value` for infinities and NaN."""
    if not math.isfinite(number):
        return "no value"
    rounded = float(f"{number:.{digits}g}")
    if rounded == 0 or 1e-4 <= abs(rounded) < 1e15:
        return str(np.format_float_positional(rounded, trim="-"))
    return f"{rounded:.{digits}g}".replace("e-0", "e-").replace("e+", "e")


def told_apart(one: float, other: float) -> tuple[str, str]:
    """Two numbers with 4 significant digits, or up to 6 where they look alike."""
    texts = significant(one), significant(other)
    for digits in (5, 6):
        if texts[0] != texts[1] or one == other:
            break
        texts = significant(one, digits), significant(other, digits)
    return texts


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """`1 trial`, `3 trials`, `12,000 trials`."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `11th`."""
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"
