"""Names that may have been meant by another one: equal but for case, signs or a prefix,
or similar."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

MOST = 3
# A metric with one of these in front may come much later than one without.
LATE = ("val", "valid", "validation", "eval", "dev", "test")


def near_misses(wanted: str, names: Sequence[str]) -> list[str]:
    """The names that may have been meant, the likeliest first."""
    plain = {name: _plain(name) for name in names}
    goal = _plain(wanted)
    equal = [n for n, p in plain.items() if p == goal]
    inside = [n for n, p in plain.items() if p and (goal in p or p in goal)]
    similar = get_close_matches(goal, list(plain.values()), n=MOST, cutoff=0.6)
    found = [*equal, *inside, *(name for name in names if plain[name] in similar)]
    return list(dict.fromkeys(found))[:MOST]


def comes_later(wanted: str, name: str) -> bool:
    """Whether ``wanted`` is ``name`` of another phase, such as val_acc of acc: that
    only the one was seen so far then says nothing against the other."""
    goal, seen = _plain(wanted), _plain(name)
    late = [prefix for prefix in LATE if goal.startswith(prefix)]
    return bool(late) and not seen.startswith(tuple(LATE))


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
