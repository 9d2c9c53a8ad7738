"""What the values of each axis make inactive of the axes after it.

Axes are known by their places in the layout's order, and sets of them are bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias

from experiments.search.axes import Axis, Gate
from experiments.search.layout import Layout

# A set of axes.
Places: TypeAlias = int


class Run(NamedTuple):
    """Neighbouring values of an axis that all make the same later axes inactive."""

    start: int
    length: int
    dead: Places


@dataclass(frozen=True)
class Runs:
    """The values of every axis of a finite layout, in runs."""

    layout: Layout

    @cached_property
    def of_places(self) -> list[list[Run]]:
        """The runs of every axis, in the layout's order."""
        pairs = zip(self.layout.order, self._followers, strict=True)
        return [list(_runs_of(axis, followers)) for axis, followers in pairs]

    @cached_property
    def dead_without(self) -> list[Places]:
        """For every axis what is inactive while it is."""
        return [
            _union(follower for follower, gate in followers if not gate.open)
            for followers in self._followers
        ]

    @cached_property
    def _followers(self) -> list[list[tuple[Places, Gate]]]:
        """For every axis the gates at it, each with the axis that it belongs to."""
        order = self.layout.order
        places = {axis.name: place for place, axis in enumerate(order)}
        followers: list[list[tuple[Places, Gate]]] = [[] for _ in order]
        for place, axis in enumerate(order):
            for gate in axis.gates:
                followers[places[gate.axis]].append((1 << place, gate))
        return followers


def later(dead: Places, place: int) -> Places:
    """Only what is still to come tells states apart."""
    return dead >> (place + 1) << (place + 1)


def _runs_of(axis: Axis, followers: list[tuple[Places, Gate]]) -> Iterator[Run]:
    asked = [
        (follower, {axis.law.place(key) for key in gate.keys})
        for follower, gate in followers
    ]

    def dead(digit: int) -> Places:
        return _union(follower for follower, digits in asked if digit not in digits)

    start, no_digit = 0, -1
    for digit in sorted(set().union(*(digits for _, digits in asked))):
        if digit > start:
            yield Run(start, digit - start, dead(no_digit))
        yield Run(digit, 1, dead(digit))
        start = digit + 1
    size = axis.law.count() or 1
    if size > start:
        yield Run(start, size - start, dead(no_digit))


def _union(sets: Iterable[Places]) -> Places:
    union = 0
    for places in sets:
        union |= places
    return union
