"""Sobol sequences: the sampler, and the first trials of the samplers that learn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from experiments.search.gp.cube import Mask, UnitCube
from experiments.search.gp.tried import Tried
from experiments.search.history import History
from experiments.search.records import JSONValue
from experiments.search.samplers.grid import DistinctDraws
from experiments.search.samplers.sampler import Sampler, Suggestion
from experiments.search.space.row_filters import Rows
from experiments.search.space.space import SearchSpace

Points = NDArray[np.float64]

# A power of two, so that every block is evenly spread.
BLOCK = 256
# Further axes get independent uniform numbers (a padded sequence; Owen, 1998): for so
# few points the late dimensions of a sequence are not better.
MAX_AXES = 1000


@dataclass
class SobolSequence:
    """A Sobol sequence (Sobol, 1967; Joe and Kuo, 2008), scrambled with a seed.

    The scrambling is Matousek's (1998): a random linear matrix and a digital shift. The
    k-th point depends on the seed and k only. Computed blocks are kept.
    """

    axes: int
    seed: int
    _blocks: dict[int, Points] = field(default_factory=dict, init=False)

    def point(self, number: int) -> Points:
        """The number-th point of the unit cube, from 0."""
        return np.asarray(self.block(number // BLOCK)[number % BLOCK])

    def block(self, place: int) -> Points:
        """The BLOCK points that start at `place * BLOCK`."""
        if place not in self._blocks:
            points = self._sequence_points(place)
            rng = np.random.default_rng([self.seed, place])
            padding = rng.random((BLOCK, self.axes - points.shape[1]))
            self._blocks[place] = np.column_stack([points, padding])
        return self._blocks[place]

    def _sequence_points(self, place: int) -> Points:
        if not self.axes:
            return np.empty((BLOCK, 0))
        self._engine.reset()
        if place:
            self._engine.fast_forward(place * BLOCK)
        return np.asarray(self._engine.random(BLOCK))

    @cached_property
    def _engine(self) -> scipy.stats.qmc.Sobol:
        # A generator: scipy's versions differ in what they make of a plain number.
        rng = np.random.default_rng(self.seed)
        return scipy.stats.qmc.Sobol(min(self.axes, MAX_AXES), scramble=True, seed=rng)


# Points that are not allowed or not new are skipped. After MAX_POINTS the sequence ends
# when a smaller share than this was of use.
MAX_POINTS = 2**14
MIN_SHARE = 1 / 16


class SobolPoint(NamedTuple):
    """A configuration; not `even` if it was drawn after the sequence had ended."""

    params: dict[str, JSONValue]
    even: bool


@dataclass
class SobolDraws:
    """A space's configurations in the order of a Sobol sequence.

    Every parameter's share becomes a value by its inverse distribution function. The
    k-th configuration is that of the k-th point; with constraints or in a finite space,
    that of the k-th allowed point that gives a new one. If hardly any point does, the
    rest are random draws.
    """

    space: SearchSpace
    seed: int
    _points: list[Points] = field(default_factory=list, init=False)
    _rows: list[Rows] = field(default_factory=list, init=False)
    _seen: set[bytes] = field(default_factory=set, init=False)
    _blocks: int = field(default=0, init=False)

    def configuration(self, number: int) -> SobolPoint | None:
        """The number-th configuration, from 0; None if a finite space has no more."""
        if self.space.is_finite:
            return self._of_finite(number)
        if not self.space.constraints:
            return SobolPoint(self.space.decode(self._sequence.point(number)), True)
        while len(self._points) <= number and not self._spent(len(self._points)):
            self._points += filter(self.space.rejection.allows, self._next_block())
        if number < len(self._points):
            return SobolPoint(self.space.decode(self._points[number]), True)
        rng = np.random.default_rng([self.seed, number])
        return SobolPoint(self.space.sample(rng), False)

    def _of_finite(self, number: int) -> SobolPoint | None:
        count = self.space.finite.count
        if count is not None and number >= count:
            return None
        while len(self._rows) <= number and not self._spent(len(self._rows)):
            self._extend(self._next_block())
            if len(self._rows) == count:
                break
        if number < len(self._rows):
            values = self.space.finite.of_row(self._rows[number])
            return SobolPoint(self.space.layout.params_of(values), True)
        return self._left(number - len(self._rows))

    def _left(self, number: int) -> SobolPoint | None:
        """The number-th random configuration that the sequence did not give."""
        place = 0
        while (row := self._random.row(place)) is not None:
            if row.tobytes() not in self._seen:
                if not number:
                    values = self.space.finite.of_row(row)
                    return SobolPoint(self.space.layout.params_of(values), False)
                number -= 1
            place += 1
        return None

    def _spent(self, found: int) -> bool:
        """Whether the sequence has ended, after `found` configurations."""
        points = self._blocks * BLOCK
        return points >= MAX_POINTS and found < points * MIN_SHARE

    def _next_block(self) -> Points:
        self._blocks += 1
        return self._sequence.block(self._blocks - 1)

    def _extend(self, points: Points) -> None:
        names = list(self.space.axes)
        digits = [
            axis.distribution.partition.indices(points[:, names.index(axis.name)])
            for axis in self.space.layout.order
            if axis.distribution.partition is not None
        ]
        rows = np.column_stack(digits) if digits else np.empty((len(points), 0), int)
        for row in self.space.finite.enumeration.allowed(rows):
            if row.tobytes() not in self._seen:
                self._seen.add(row.tobytes())
                self._rows.append(row)

    @cached_property
    def _sequence(self) -> SobolSequence:
        return SobolSequence(len(self.space.axes), self.seed)

    @cached_property
    def _random(self) -> DistinctDraws:
        return DistinctDraws(self.space, self.seed)


@dataclass(frozen=True, kw_only=True)
class SobolSampler(Sampler):
    """A scrambled Sobol sequence (Sobol, 1967; compared by Bergstra and Bengio, 2012).

    Trial k is the k-th point of the sequence. Points that do not meet the constraints
    are skipped, and a finite space is searched without repeating, and ends.
    """

    kind: ClassVar[str] = "sobol"
    title: ClassVar[str] = "Sobol"
    advice: ClassVar[str] = (
        "Random, but spread evenly. For a first look with fewer than 50 trials."
    )
    needs_history: ClassVar[bool] = False

    def propose(self, number: int, history: History) -> Suggestion | None:
        draw = self._draws.configuration(number)
        if draw is None:
            return None
        return Suggestion(draw.params, "sobol" if draw.even else "random")

    def describe(self, history: History) -> str:
        return (
            "A scrambled Sobol sequence spreads the trials evenly over the space: no "
            "trial depends on another."
        )

    @cached_property
    def _draws(self) -> SobolDraws:
        return SobolDraws(self.space, self.seed)


# The number of points that are checked for one that may be tried.
MAX_SKIPPED = 256
# Coordinates of one configuration may differ after these decimal places.
SAME_DIGITS = 8


@dataclass(frozen=True)
class InitialDesign:
    """The first trials: a scrambled Sobol sequence over the axes (Owen, 1998)."""

    cube: UnitCube
    seed: int

    def suggestion(self, number: int, tried: Tried) -> dict[str, JSONValue] | None:
        """The number-th point, or the first after it that may be tried."""
        for place in range(number, number + MAX_SKIPPED):
            params = tried.admits(self._sequence.point(place))
            if params is not None:
                return params
        return None

    def includes(
        self, numbers: NDArray[np.int64], points: Points, active: Mask
    ) -> Mask:
        """Which trials, by number, are what `suggestion` made of the sequence.

        In a finite space only those that are the point of their own number: the later
        ones that it may take are soon all configurations.
        """
        reach = 1 if self.cube.space.is_finite else MAX_SKIPPED
        places = np.unique(numbers[:, None] + np.arange(reach))
        own = np.array([self._sequence.point(place) for place in places.tolist()])
        found: defaultdict[bytes, list[int]] = defaultdict(list)
        own = own.reshape(-1, points.shape[1])
        for key, place in zip(_keys(*self.cube.snapped(own)), places, strict=True):
            found[key].append(place)
        keys = _keys(points, active)
        return np.array(
            [
                any(0 <= place - number < reach for place in found[key])
                for number, key in zip(numbers, keys, strict=True)
            ],
            np.bool_,
        )

    @cached_property
    def _sequence(self) -> SobolSequence:
        return SobolSequence(len(self.cube.axes), self.seed)


def _keys(points: Points, active: Mask) -> Iterator[bytes]:
    """The same bytes for points that differ by rounding only."""
    rounded = np.round(points, SAME_DIGITS) + 0.0
    return (row.tobytes() for row in np.column_stack([rounded, active]))


@dataclass
class Fallback:
    """Configurations that were not tried, by seed and number, without a model."""

    space: SearchSpace
    seed: int

    def start(self, number: int, tried: Tried) -> Suggestion | None:
        """Trial `number` before there is a model; None if the space is exhausted.

        A scrambled Sobol sequence, as long as it gives something new.
        """
        draw = self._even.configuration(number)
        if draw is None or tried.has(draw.params):
            return self.any(number, tried)
        return Suggestion(draw.params, "initial design")

    def any(self, number: int, tried: Tried) -> Suggestion | None:
        """Any configuration that was not tried; None if the space is exhausted."""
        params = self._any(number, tried)
        return None if params is None else Suggestion(params, "exploration")

    def _any(self, number: int, tried: Tried) -> dict[str, JSONValue] | None:
        if not self.space.is_finite:
            return self.space.sample(np.random.default_rng([self.seed, number, 1]))
        return tried.first_new(self._distinct.configuration)

    @cached_property
    def _even(self) -> SobolDraws:
        return SobolDraws(self.space, self.seed)

    @cached_property
    def _distinct(self) -> DistinctDraws:
        return DistinctDraws(self.space, self.seed)
