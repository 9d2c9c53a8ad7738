"""The name that was meant by one that nobody knows, where that can be told."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from experiments.search.problems import LONGEST_COMPARED

# How alike two names are at least, short ones and others.
ALIKE, SHORT_ALIKE, SHORT = 0.72, 0.65, 4
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
    alike = SHORT_ALIKE if len(plain) <= SHORT else ALIKE
    close = difflib.get_close_matches(plain, names, n=1, cutoff=alike)
    if not close and len(plain) >= BEGINNING:
        close = [other for other in names if other.startswith(plain)][:1]
    return names[close[0]] if close else None


def _plain(name: str) -> str:
    """A name without the differences between `max_value`, `max-value`, `maxValue`."""
    return name.lower().replace("_", "").replace("-", "")
