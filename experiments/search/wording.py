"""Numbers as sentences show them.

Names that may have been meant by another one: equal but for case, signs or a prefix,
or similar.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from difflib import get_close_matches

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


def distinct_texts(one: float, other: float) -> tuple[str, str]:
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


MAX_SUGGESTIONS = 3
# A metric with one of these in front may come much later than one without.
LATE = ("val", "valid", "validation", "eval", "dev", "test")


def similar_names(wanted: str, names: Sequence[str]) -> list[str]:
    """The names that may have been meant, the likeliest first."""
    plain = {name: _plain(name) for name in names}
    goal = _plain(wanted)
    equal = [n for n, p in plain.items() if p == goal]
    inside = [n for n, p in plain.items() if p and (goal in p or p in goal)]
    similar = get_close_matches(
        goal, list(plain.values()), n=MAX_SUGGESTIONS, cutoff=0.6
    )
    found = [*equal, *inside, *(name for name in names if plain[name] in similar)]
    return list(dict.fromkeys(found))[:MAX_SUGGESTIONS]


def is_later_phase(wanted: str, name: str) -> bool:
    """Whether ``wanted`` is ``name`` of another phase, such as val_acc of acc: that
    only the one was seen so far then says nothing against the other."""
    goal, seen = _plain(wanted), _plain(name)
    late = [prefix for prefix in LATE if goal.startswith(prefix)]
    return bool(late) and not seen.startswith(tuple(LATE))


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
