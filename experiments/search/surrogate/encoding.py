"""What the model sees of a configuration: coordinates, categories, linear features."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments.search.choice import Choice
from experiments.search.continuous import Uniform
from experiments.search.distribution import Distribution
from experiments.search.quantised import QUniform
from experiments.search.ranges import FloatRange, IntRange
from experiments.search.space import SearchSpace
from experiments.search.surrogate.columns import Columns, Mask, Points

# A linear range whose ends differ by this factor may be meant on a logarithmic scale.
WIDE_RATIO = 1000.0
# Choices with the same list: from so many on, how often a value occurs is a feature.
LEAST_ALIKE = 3


@dataclass(frozen=True)
class Features:
    """n configurations: `coordinates` (n, P) in the unit cube, `categories` (n, Q) as
    numbers, and `linear` (n, L) features around 0."""

    coordinates: Points
    categories: NDArray[np.int64]
    linear: Points

    def __len__(self) -> int:
        return len(self.coordinates)

    def __getitem__(self, rows: NDArray[np.int64] | slice) -> Features:
        return Features(
            self.coordinates[rows],
            self.categories[rows],
            self.linear[rows],
        )


@dataclass(frozen=True)
class Encoding:
    """Turns points of the unit cube into features.

    An ordered axis is a coordinate from 0 to 1 over its natural range: with `sensed`
    one that spans orders of magnitude on a linear scale is seen on a logarithmic one.
    """

    space: SearchSpace

    @cached_property
    def columns(self) -> Columns:
        return Columns(self.space)

    @cached_property
    def wide(self) -> dict[int, float]:
        """Linear axes that may be logarithmic: the ratio of their ends, by place."""
        ratios = {
            place: ratio_of_ends(self.columns.all[place].law)
            for place in self.columns.numeric
        }
        return {place: ratio for place, ratio in ratios.items() if ratio}

    def features(
        self, points: Points, active: Mask, *, sensed: bool = False
    ) -> Features:
        numeric = list(self.columns.numeric)
        plain = self._scaled(points, active)
        logarithmic = plain.copy()
        for column, place in enumerate(numeric):
            if place in self.wide:
                logarithmic[:, column] = to_log(plain[:, column], self.wide[place])
        logarithmic[~active[:, numeric]] = 0.5
        extra = [column for column, place in enumerate(numeric) if place in self.wide]
        linear = [2 * plain - 1, 2 * logarithmic[:, extra] - 1]
        digits = self._categories(points, active)
        linear.append(self._counts(digits, active))
        coordinates = logarithmic if sensed else plain
        return Features(coordinates, digits, np.hstack(linear))

    def _scaled(self, points: Points, active: Mask) -> Points:
        """The coordinates of ordered axes, 0.5 where they are not active."""
        numeric = list(self.columns.numeric)
        ends = [self._ends(place) for place in numeric]
        low = np.array([end[0] for end in ends])
        high = np.array([end[1] for end in ends])
        scaled = (points[:, numeric] - low) / (high - low)
        return np.where(active[:, numeric], scaled, 0.5)

    def _ends(self, place: int) -> tuple[float, float]:
        column = self.columns.all[place]
        return column.ends if column.partition is not None else (0.0, 1.0)

    def _categories(self, points: Points, active: Mask) -> NDArray[np.int64]:
        """The values' numbers from 1 on; 0 where an axis is not active."""
        digits = np.zeros((len(points), len(self.columns.categorical)), np.int64)
        for column, place in enumerate(self.columns.categorical):
            digits[:, column] = 1 + self.columns.all[place].digits(points[:, place])
            digits[~active[:, place], column] = 0
        return digits

    def _counts(self, digits: NDArray[np.int64], active: Mask) -> Points:
        """How often each value was chosen by the choices of one and the same list."""
        found = [np.zeros((len(digits), 0))]
        for places, size in self._alike:
            counts = [
                (digits[:, places] == value).sum(1) for value in range(1, size + 1)
            ]
            found.append(np.column_stack(counts) / np.sqrt(len(places)))
        return np.hstack(found)

    @cached_property
    def _alike(self) -> list[tuple[list[int], int]]:
        groups: dict[str, list[int]] = defaultdict(list)
        sizes: dict[str, int] = {}
        for column, place in enumerate(self.columns.categorical):
            law = self.columns.all[place].law
            if isinstance(law, Choice) and not law.branches:
                name = repr(law.distinct)
                groups[name].append(column)
                sizes[name] = len(law.distinct)
        return [
            (places, sizes[name])
            for name, places in groups.items()
            if len(places) >= LEAST_ALIKE
        ]


def ratio_of_ends(law: Distribution) -> float | None:
    """By what the ends of a linear range differ, if that is by orders of magnitude."""
    if isinstance(law, FloatRange | IntRange) and not law.log:
        low, high = float(law.low), float(law.high)
    elif isinstance(law, Uniform | QUniform):
        low, high = float(law.min_value), float(law.max_value)
    else:
        return None
    return high / low if low > 0 and high / low >= WIDE_RATIO else None


def to_log(share: Points, ratio: float) -> Points:
    """A linear coordinate on the logarithmic scale between the same ends."""
    found: Points = np.log1p(np.clip(share, 0, 1) * (ratio - 1)) / np.log(ratio)
    return found


def from_log(share: Points, ratio: float) -> Points:
    """The inverse of `to_log`."""
    found: Points = np.expm1(np.clip(share, 0, 1) * np.log(ratio)) / (ratio - 1)
    return found
