"""The features that the Gaussian process sees of points of the unit cube."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments.search.gp.cube import Mask, Points, UnitCube, to_log
from experiments.search.space.choice import Choice
from experiments.search.space.space import SearchSpace

# With this many choices of the same list, how often a value occurs is a feature.
MIN_ALIKE = 3


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

    An ordered axis is a coordinate from 0 to 1 over its natural range. With
    `logarithmic` a linear axis that spans orders of magnitude gets a logarithmic scale.
    """

    space: SearchSpace

    @cached_property
    def cube(self) -> UnitCube:
        return UnitCube(self.space)

    def features(
        self, points: Points, active: Mask, *, logarithmic: bool = False
    ) -> Features:
        numeric, wide = list(self.cube.numeric), self.cube.wide
        plain = self._scaled(points, active)
        logs = plain.copy()
        for column, place in enumerate(numeric):
            if place in wide:
                logs[:, column] = to_log(plain[:, column], wide[place])
        logs[~active[:, numeric]] = 0.5
        extra = [column for column, place in enumerate(numeric) if place in wide]
        linear = [2 * plain - 1, 2 * logs[:, extra] - 1]
        digits = self.cube.categories(points, active)
        linear.append(self._counts(digits, active))
        coordinates = logs if logarithmic else plain
        return Features(coordinates, digits, np.hstack(linear))

    def _scaled(self, points: Points, active: Mask) -> Points:
        """The coordinates of ordered axes, 0.5 where they are not active."""
        numeric, (low, high) = list(self.cube.numeric), self._ends
        scaled = (points[:, numeric] - low) / (high - low)
        return np.where(active[:, numeric], scaled, 0.5)

    @cached_property
    def _ends(self) -> tuple[Points, Points]:
        """The lowest and the highest share of each ordered axis."""
        axes = [self.cube.axes[place] for place in self.cube.numeric]
        ends = [
            axis.ends if axis.partition is not None else (0.0, 1.0) for axis in axes
        ]
        low, high = np.array(ends).reshape(-1, 2).T
        return low, high

    def _counts(self, digits: NDArray[np.int64], active: Mask) -> Points:
        """How often each value occurs among the choices of the same list."""
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
        for column, place in enumerate(self.cube.categorical):
            law = self.cube.axes[place].law
            if isinstance(law, Choice) and not law.branches:
                name = repr(law.distinct)
                groups[name].append(column)
                sizes[name] = len(law.distinct)
        return [
            (places, sizes[name])
            for name, places in groups.items()
            if len(places) >= MIN_ALIKE
        ]
