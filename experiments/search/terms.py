"""The parts of a constraint that has been read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from experiments.search.values import kind_of

# The values of the named parameters, by address.
Values: TypeAlias = Mapping[str, object]


@dataclass(frozen=True)
class Term:
    """A part: which kinds its value may be of, and how the value is found."""

    kinds: frozenset[str]
    value: Callable[[Values], object]
    is_constant: bool = False

    @classmethod
    def fixed(cls, value: object) -> Term:
        """A constant."""
        return cls(frozenset([kind_of(value)]), lambda values: value, is_constant=True)
