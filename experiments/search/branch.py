"""A branch of a nested choice: a value that is a mapping with parameters of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from experiments.search.distribution import Distribution
from experiments.search.records import JSONValue


@dataclass(frozen=True)
class Branch:
    """Names to constants, or to distributions that count only in this branch.

    As a trial's value a branch is the mapping with a value for every distribution.
    """

    entries: Mapping[str, JSONValue | Distribution]

    @cached_property
    def laws(self) -> Mapping[str, Distribution]:
        """The entries that are distributions."""
        return {
            name: entry
            for name, entry in self.entries.items()
            if isinstance(entry, Distribution)
        }

    @cached_property
    def constants(self) -> Mapping[str, JSONValue]:
        """The entries that are fixed values."""
        return {
            name: entry
            for name, entry in self.entries.items()
            if not isinstance(entry, Distribution)
        }

    def dump(self) -> dict[str, JSONValue]:
        """The mapping as it stands in a document."""
        return {
            name: entry.dump() if isinstance(entry, Distribution) else entry
            for name, entry in self.entries.items()
        }
