"""How many configurations a finite space has, and which is the n-th, without a list.

Axes are decided one after the other. All that matters of the decisions so far is which
later axes they have made inactive; the number of ways to go on from each such state is
computed from the last axis to the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from experiments.search.axes import Axis, Gate
from experiments.search.layout import Layout

# More states than this are not followed up; the space is then not counted.
MOST_STATES = 20_000

# A set of axes as bits, by their places in the layout's order.
Places = int


class Run(NamedTuple):
    """Neighbouring values of an axis that all make the same later axes inactive."""

    start: int
    length: int
    dead: Places


@dataclass(frozen=True)
class Counting:
    """The ways through a layout whose laws are all finite; constraints aside."""

    layout: Layout

    @cached_property
    def total(self) -> int | None:
        """The number of configurations; None when there are too many states."""
        ways = self._ways
        return None if ways is None else ways[0][0]

    def digits(self, index: int) -> list[int | None]:
        """The values' numbers in the index-th configuration, axis by axis in order.

        None stands for an axis that is not active. The last axis turns fastest.
        """
        ways, dead = self._ways or [], 0
        digits: list[int | None] = []
        for place, axis_runs in enumerate(self._runs):
            if dead >> place & 1:
                digits.append(None)
                dead |= self._dead_without(place)
                continue
            for run in axis_runs:
                after = ways[place + 1][_later(dead | run.dead, place)]
                if index < run.length * after:
                    digit, index = divmod(index, after)
                    digits.append(run.start + digit)
                    dead |= run.dead
                    break
                index -= run.length * after
        return digits

    @cached_property
    def _ways(self) -> list[dict[Places, int]] | None:
        """For every place and state the number of ways to go on from there."""
        levels: list[set[Places]] = [{0}]
        for place in range(len(self._runs)):
            states = {
                state for dead in levels[-1] for state, _ in self._steps(place, dead)
            }
            levels.append(states)
            if sum(map(len, levels)) > MOST_STATES:
                return None
        ways: list[dict[Places, int]] = [{}] * len(levels)
        ways[-1] = dict.fromkeys(levels[-1], 1)
        for place in reversed(range(len(self._runs))):
            ways[place] = {
                dead: sum(
                    count * ways[place + 1][state]
                    for state, count in self._steps(place, dead)
                )
                for dead in levels[place]
            }
        return ways

    def _steps(self, place: int, dead: Places) -> Iterator[tuple[Places, int]]:
        """The next states, and by how many values each is reached."""
        if dead >> place & 1:
            yield _later(dead | self._dead_without(place), place), 1
            return
        for run in self._runs[place]:
            yield _later(dead | run.dead, place), run.length

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

    def _dead_without(self, place: int) -> Places:
        """What is inactive because this axis is."""
        return _union(
            follower for follower, gate in self._followers[place] if not gate.open
        )

    @cached_property
    def _runs(self) -> list[list[Run]]:
        pairs = zip(self.layout.order, self._followers, strict=True)
        return [list(_runs_of(axis, followers)) for axis, followers in pairs]


def _later(dead: Places, place: int) -> Places:
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
