"""The name that was meant by one that nobody knows, where that can be told."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from experiments.search.problems import LONGEST_COMPARED

# Slips that a name may have, by its length: one letter too many, too few, another one,
# or two exchanged.
SLIPS = ((5, 1), (12, 2), (LONGEST_COMPARED, 3))
# Counting slips takes time; what is less alike than this has more of them.
ALIKE, MOST_COUNTED = 0.6, 3
# Below this a beginning of a name could be that of many.
BEGINNING = 4
# Names of one thing in different systems, which people mix up.
SAME = (
    ("earlytermination", "earlyterminate", "earlystopping", "earlystop"),
    ("searchspace", "parameters", "parameterspace", "hyperparameters"),
    ("samplingalgorithm", "method", "algorithm", "sampling"),
    ("objective", "metric", "primarymetric"),
    ("maxtotaltrials", "runcap", "maxtrialcount", "maxtrialnumber", "maxtrials"),
    ("maxconcurrenttrials", "paralleltrialcount", "trialconcurrency"),
    ("minvalue", "min", "low", "minimum", "lower"),
    ("maxvalue", "max", "high", "maximum", "upper"),
    ("environmentvariables", "env", "environment"),
)


def meant_name(name: str, known: Iterable[str]) -> str | None:
    """The known name that a wrong one is a misspelling of; None if it is none.

    Stricter than a suggestion has to be: what is like no known name may be one that is
    new in the other system.
    """
    plain = _plain(name)
    names = {_plain(other): other for other in known if len(other) <= LONGEST_COMPARED}
    if not plain or len(plain) > LONGEST_COMPARED:
        return None
    if plain in names:
        return names[plain]
    for group in SAME:
        found = [other for other in group if other in names]
        if plain in group and len(found) == 1:
            return names[found[0]]
    close = difflib.get_close_matches(plain, names, n=MOST_COUNTED, cutoff=ALIKE)
    meant = [other for other in close if _are_slips(plain, other)]
    if not meant and len(plain) >= BEGINNING:
        meant = [other for other in names if other.startswith(plain)]
    return names[meant[0]] if meant else None


def slips(one: str, other: str) -> int:
    """The smallest number of slips between two words (Damerau, 1964)."""
    rows = [list(range(len(other) + 1))]
    for place, letter in enumerate(one, 1):
        row = [place]
        for column, wanted in enumerate(other, 1):
            least = min(
                rows[-1][column] + 1,
                row[-1] + 1,
                rows[-1][column - 1] + (letter != wanted),
            )
            exchanged = one[place - 2 : place] == other[column - 2 : column][::-1]
            if place > 1 < column and exchanged:
                least = min(least, rows[-2][column - 2] + 1)
            row.append(least)
        rows.append(row)
    return rows[-1][-1]


def _are_slips(name: str, known: str) -> bool:
    """Whether a name is a known one with slips, or the beginning of one with a slip."""
    allowed = next(most for length, most in SLIPS if len(name) <= length)
    if slips(name, known) <= allowed:
        return True
    beginning = known[: len(name) + 1]
    return len(name) > SLIPS[0][0] and slips(name, beginning) <= 1


def _plain(name: str) -> str:
    """A name without the differences between `max_value`, `max-value`, `maxValue`."""
    return name.lower().replace("_", "").replace("-", "")
