"""Names of parameters as a library's caller has them, such as `num.impute.cpo`.

A sweep document allows letters, digits and underscores. A study in the caller's own
process has no commands to fill in, so it takes any name, and gives it back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from experiments.search.records import JSONValue, Params
from experiments.search.space_document import NAME

ODD = re.compile(r"[^A-Za-z0-9_]")


@dataclass(frozen=True)
class OwnNames:
    """The caller's names by the plain ones that stand for them in the space."""

    own: Mapping[str, str]

    @classmethod
    def of(cls, search_space: object) -> OwnNames:
        """The names of a space that is a mapping; none of one that is text."""
        own: dict[str, str] = {}
        given = search_space if isinstance(search_space, Mapping) else {}
        taken = {name for name in given if isinstance(name, str)}
        for name in given:
            if isinstance(name, str) and name and not NAME.fullmatch(name):
                plain = _free(ODD.sub("_", name), taken)
                taken.add(plain)
                own[plain] = name
        return cls(own)

    def plain_space(self, search_space: object) -> object:
        """The space with plain names, in conditions too."""
        if not self.own or not isinstance(search_space, Mapping):
            return search_space
        plain = {own: name for name, own in self.own.items()}
        return {
            plain.get(name, name): _plain_conditions(entry, plain)
            for name, entry in search_space.items()
        }

    def given_back(self, params: Params) -> dict[str, JSONValue]:
        """A configuration under the caller's names."""
        return {self.own.get(name, name): value for name, value in params.items()}


def _free(name: str, taken: set[str]) -> str:
    name = name if NAME.fullmatch(name) else f"_{name}"
    while name in taken:
        name += "_"
    return name


def _plain_conditions(entry: object, plain: Mapping[str, str]) -> object:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("when"), Mapping):
        return entry
    when = {plain.get(name, name): value for name, value in entry["when"].items()}
    return {**entry, "when": when}
