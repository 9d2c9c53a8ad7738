"""Names of foreign parameters, made valid here."""

from __future__ import annotations

import re

from experiments.search.importers.source import Log
from experiments.search.problems import shown

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
LONGEST_NAME = 200
# As many parameters and constants as this may be read.
MOST_NAMES = 1_000


class Names:
    """Gives every foreign name one of its own, and notes those that change."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._given: dict[str, str] = {}
        self._taken: dict[str, int] = {}

    def give(self, foreign: str, path: str) -> str:
        """The name of a parameter here; the same one whenever it is asked for."""
        if foreign in self._given:
            return self._given[foreign]
        if len(self._given) >= MOST_NAMES:
            self._log.problem(path, f"There may be {MOST_NAMES} parameters, not more.")
            self._log.findings.raise_if_any()
        name = self._free(valid_name(foreign))
        self._given[foreign] = name
        if name != foreign:
            self._log.changed(
                path,
                f"The parameter {shown(foreign)} is called {name} here: a name is "
                "letters, digits and underscores.",
            )
        return name

    def known(self, foreign: str) -> str | None:
        """The name that a foreign one was given; None when it was given none."""
        return self._given.get(foreign)

    def _free(self, name: str) -> str:
        free = name
        while free in self._taken:
            self._taken[name] += 1
            free = f"{name}_{self._taken[name]}"
        self._taken[free] = 1
        return free


def valid_name(foreign: str) -> str:
    """A valid name that is as close to a foreign one as can be."""
    if NAME.fullmatch(foreign) and len(foreign) <= LONGEST_NAME:
        return foreign
    name = re.sub(r"[^A-Za-z0-9_]+", "_", foreign.lstrip("-"))[: LONGEST_NAME - 10]
    return name if NAME.fullmatch(name) else f"_{name}"
