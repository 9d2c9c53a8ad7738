"""Numbers and names as sentences show them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np

# Characters that are not seen, or that change the order in which others are shown. Line
# ends and tabs are not among them.
UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """The text with such characters as escapes, for pages, terminals and tables."""
    return UNSEEN.sub(lambda found: escaped(found[0]), text)


def escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def unseen_problem(text: str, *, in_line: bool = False) -> str:
    """Why a name that a person types is refused; empty if it is not. A name that is
    shown ``in_line`` has no tabs and line ends either."""
    found = UNSEEN.search(text) or (in_line and re.search("[\t\n\r]", text))
    if not found:
        return ""
    return (
        f"{visible(text)[:60]} has the character {escaped(found[0])}, which is not seen"
        " or changes the order of others. Remove it."
    )


def significant(number: float, digits: int = 4) -> str:
    """A number with up to `digits` significant digits; `no value` for NaN or infinity.

    It has no exponent between 0.0001 and 10^15.
    """
    if not math.isfinite(number):
        return "no value"
    rounded = float(f"{number:.{digits}g}")
    if rounded == 0 or 1e-4 <= abs(rounded) < 1e15:
        return str(np.format_float_positional(rounded, trim="-"))
    return f"{rounded:.{digits}g}".replace("e-0", "e-").replace("e+", "e")


def distinct_texts(one: float, other: float) -> tuple[str, str]:
    """Two numbers with 4 significant digits, or up to 6 if they look equal."""
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
# Metrics with these prefixes may be reported much later than others.
LATE = ("val", "valid", "validation", "eval", "dev", "test")


def similar_names(wanted: str, names: Sequence[str]) -> list[str]:
    """The names most like a wanted one, the likeliest first.

    Equal but for case and signs, then with a prefix or suffix, then similar.
    """
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
    """Whether `wanted` is a metric of a later phase than `name`, such as val_acc and
    acc. It may still be reported after `name`."""
    goal, seen = _plain(wanted), _plain(name)
    late = [prefix for prefix in LATE if goal.startswith(prefix)]
    return bool(late) and not seen.startswith(tuple(LATE))


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
