"""Configurations from the points of a Sobol sequence, one for each trial."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from experiments.search.records import JSONValue
from experiments.search.samplers.distinct import DistinctDraws
from experiments.search.samplers.sequence import BLOCK, Points, SobolSequence
from experiments.search.screens import Rows
from experiments.search.space import SearchSpace

# Points are passed over that are not allowed or give nothing new. After so many points
# the sequence is left once fewer than one of so many is of use.
MOST_POINTS = 2**14
LEAST_SHARE = 1 / 16


class Draw(NamedTuple):
    """A configuration; `even` unless the sequence had no more to give."""

    params: dict[str, JSONValue]
    even: bool


@dataclass
class EvenDraws:
    """A space's configurations in the order of a Sobol sequence.

    Every parameter is reached through its inverse distribution function. The k-th
    configuration is that of the k-th point; where there are constraints or the space
    is finite, that of the k-th point which is allowed and gives a new one. Where
    hardly any does, the rest are random draws.
    """

    space: SearchSpace
    seed: int
    _points: list[Points] = field(default_factory=list, init=False)
    _rows: list[Rows] = field(default_factory=list, init=False)
    _seen: set[bytes] = field(default_factory=set, init=False)
    _blocks: int = field(default=0, init=False)

    def configuration(self, number: int) -> Draw | None:
        """The number-th configuration, from 0; None when a finite space has no more."""
        if self.space.is_finite:
            return self._of_finite(number)
        if not self.space.constraints:
            return Draw(self.space.decode(self._sequence.point(number)), True)
        while len(self._points) <= number and not self._spent(len(self._points)):
            self._points += filter(self.space.rejection.allows, self._next_block())
        if number < len(self._points):
            return Draw(self.space.decode(self._points[number]), True)
        rng = np.random.default_rng([self.seed, number])
        return Draw(self.space.sample(rng), False)

    def _of_finite(self, number: int) -> Draw | None:
        count = self.space.finite.count
        if count is not None and number >= count:
            return None
        while len(self._rows) <= number and not self._spent(len(self._rows)):
            self._extend(self._next_block())
            if len(self._rows) == count:
                break
        if number < len(self._rows):
            values = self.space.finite.of_row(self._rows[number])
            return Draw(self.space.layout.assembled(values), True)
        return self._left(number - len(self._rows))

    def _left(self, number: int) -> Draw | None:
        """The number-th random configuration of those the sequence did not give."""
        place = 0
        while (row := self._random.row(place)) is not None:
            if row.tobytes() not in self._seen:
                if not number:
                    values = self.space.finite.of_row(row)
                    return Draw(self.space.layout.assembled(values), False)
                number -= 1
            place += 1
        return None

    def _spent(self, found: int) -> bool:
        """Whether the sequence is left, by what was found in how many points."""
        points = self._blocks * BLOCK
        return points >= MOST_POINTS and found < points * LEAST_SHARE

    def _next_block(self) -> Points:
        self._blocks += 1
        return self._sequence.block(self._blocks - 1)

    def _extend(self, points: Points) -> None:
        names = list(self.space.axes)
        digits = [
            axis.law.partition.indices(points[:, names.index(axis.name)])
            for axis in self.space.layout.order
            if axis.law.partition is not None
        ]
        rows = np.column_stack(digits) if digits else np.empty((len(points), 0), int)
        for row in self.space.finite.listing.allowed(rows):
            if row.tobytes() not in self._seen:
                self._seen.add(row.tobytes())
                self._rows.append(row)

    @cached_property
    def _sequence(self) -> SobolSequence:
        return SobolSequence(len(self.space.axes), self.seed)

    @cached_property
    def _random(self) -> DistinctDraws:
        return DistinctDraws(self.space, self.seed)
