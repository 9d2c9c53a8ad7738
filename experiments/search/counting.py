"""How many configurations a finite space has, and which is the n-th, without a list.

Axes are decided one after the other. All that matters of the decisions so far is which
later axes they have made inactive, and what the constraints have to remember; the
number of ways to go on from each such state is computed from the last axis to the
first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from experiments.search.layout import Layout
from experiments.search.marks import BROKEN, MET, Mark, Tracker
from experiments.search.runs import Places, Run, Runs, later
from experiments.search.screens import INACTIVE, Rows

# More states than this are not followed up, nor more looks at a value: the space is
# then not counted. All these looks take about a third of a second.
MOST_STATES = 20_000
MOST_LOOKS = 250_000
# What following a constraint costs at a state, besides its looks.
STEADY_LOOKS = 8

# What is inactive later, and the mark of every tracker.
State: TypeAlias = tuple[Places, tuple[Mark, ...]]


class Step(NamedTuple):
    """Neighbouring values of an axis that lead to one state."""

    start: int
    length: int
    state: State


Level: TypeAlias = dict[State, list[Step]]


@dataclass(frozen=True)
class Counting:
    """The ways through a layout whose laws are all finite.

    `trackers` follow what is not allowed.
    """

    layout: Layout
    trackers: Sequence[Tracker] = ()

    @cached_property
    def total(self) -> int | None:
        """The number of configurations; None when it takes too much to find out."""
        if self._levels is None:
            return None
        return self._ways[0].get(self._start, 0)

    def digits(self, index: int) -> list[int]:
        """The values' numbers in the index-th configuration, axis by axis in order.

        INACTIVE stands for an axis that is not active. The last axis turns fastest.
        """
        state = self._start
        digits: list[int] = []
        for level, ways in zip(self._levels or (), self._ways[1:], strict=False):
            for step in level[state]:
                after = ways.get(step.state, 0)
                if index < step.length * after:
                    digit, index = divmod(index, after)
                    digits.append(step.start + digit)
                    state = step.state
                    break
                index -= step.length * after
        return digits

    @cached_property
    def rows(self) -> Rows:
        """The digits of every configuration, in order."""
        number = 1 if self.total else 0
        rows = np.zeros((number, 0), np.int64)
        # The number of every row's state among those of the level.
        at = np.zeros(number, np.int64)
        states = [self._start]
        for level, ways in zip(self._levels or (), self._ways[1:], strict=False):
            found: dict[State, int] = {}
            follow = [
                [
                    (digit, found.setdefault(step.state, len(found)))
                    for step in level[state]
                    if ways.get(step.state, 0)
                    for digit in range(step.start, step.start + step.length)
                ]
                for state in states
            ]
            rows, at = _grown(rows, at, follow)
            states = list(found)
        return rows

    @cached_property
    def _start(self) -> State:
        return 0, tuple(tracker.start for tracker in self.trackers)

    @cached_property
    def _levels(self) -> list[Level] | None:
        """For every place and state the ways to go on to the next place."""
        levels: list[Level] = []
        states = {self._start: None}
        count = looks = 0
        for place in range(len(self.layout.order)):
            level: Level = {}
            looks += sum(self._toll(place, state) for state in states)
            if looks > MOST_LOOKS:
                return None
            for state in states:
                level[state] = list(self._onward(place, state))
            levels.append(level)
            states = {step.state: None for steps in level.values() for step in steps}
            count += len(states)
            if count > MOST_STATES:
                return None
        return levels

    @cached_property
    def _ways(self) -> list[dict[State, int]]:
        """For every place and state the number of ways to go on from there."""
        levels = self._levels or []
        if not levels:
            return [{self._start: 1}]
        ends = (step.state for steps in levels[-1].values() for step in steps)
        ways = [dict.fromkeys(ends, 1)]
        for level in reversed(levels):
            after = ways[-1]
            ways.append(
                {
                    state: sum(step.length * after.get(step.state, 0) for step in steps)
                    for state, steps in level.items()
                }
            )
        return ways[::-1]

    def _toll(self, place: int, state: State) -> int:
        """What it costs to go on from a state."""
        size = self.layout.order[place].law.count() or 1
        tolls = (
            STEADY_LOOKS + size * self.trackers[one].toll(place)
            for one in self._live(place, state)
        )
        return len(self._runs.of_places[place]) + sum(tolls)

    def _live(self, place: int, state: State) -> list[int]:
        """The trackers that an axis matters to."""
        return [one for one in self._following[place] if state[1][one] is not MET]

    def _onward(self, place: int, state: State) -> Iterator[Step]:
        dead, marks = state
        live = self._live(place, state)
        if dead >> place & 1:
            dead = later(dead | self._runs.dead_without[place], place)
            after = [self.trackers[one].without(place, marks[one]) for one in live]
            if BROKEN not in after:
                yield Step(INACTIVE, 1, (dead, _changed(marks, live, after)))
            return
        tables = [self.trackers[one].after(place, marks[one]) for one in live]
        changes_by_digit = list(zip(*tables, strict=True))
        for run in self._runs.of_places[place]:
            next_dead = later(dead | run.dead, place)
            for start, length, changes in _alike(run, changes_by_digit):
                if BROKEN not in changes:
                    state = next_dead, _changed(marks, live, changes)
                    yield Step(start, length, state)

    @cached_property
    def _following(self) -> list[list[int]]:
        """The numbers of the trackers of every axis."""
        found: list[list[int]] = [[] for _ in self.layout.order]
        for number, tracker in enumerate(self.trackers):
            for place in tracker.places:
                found[place].append(number)
        return found

    @cached_property
    def _runs(self) -> Runs:
        return Runs(self.layout)


def _alike(
    run: Run, changes: Sequence[tuple[Mark, ...]]
) -> Iterator[tuple[int, int, tuple[Mark, ...]]]:
    """The parts of a run whose values change the marks in one way."""
    if not changes:
        yield run.start, run.length, ()
        return
    start = run.start
    for one, same in groupby(changes[start : start + run.length]):
        length = sum(1 for _ in same)
        yield start, length, one
        start += length


def _changed(
    marks: tuple[Mark, ...], live: Sequence[int], changes: Sequence[Mark]
) -> tuple[Mark, ...]:
    if not live:
        return marks
    after = list(marks)
    for number, mark in zip(live, changes, strict=True):
        after[number] = mark
    return tuple(after)


def _grown(
    rows: Rows, at: NDArray[np.int64], follow: Sequence[Sequence[tuple[int, int]]]
) -> tuple[Rows, NDArray[np.int64]]:
    """Every row once for each digit that may follow in its state, and the new states.

    `follow` has for each state the digits, each with the number of the next state.
    """
    pairs = np.array([pair for one in follow for pair in one], np.int64).reshape(-1, 2)
    sizes = np.array([len(one) for one in follow], np.int64)
    starts = np.cumsum(sizes) - sizes
    times = sizes[at]
    old = np.repeat(np.arange(len(rows)), times)
    within = np.arange(len(old)) - np.repeat(np.cumsum(times) - times, times)
    chosen = pairs[starts[at][old] + within]
    return np.column_stack([rows[old], chosen[:, 0]]), chosen[:, 1]
