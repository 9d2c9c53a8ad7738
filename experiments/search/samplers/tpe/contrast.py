"""Where good trials are more likely than others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments.search.history import History
from experiments.search.samplers.tpe.groups import AxisGroup
from experiments.search.samplers.tpe.parzen import Parzen
from experiments.search.surrogate.columns import Columns, Mask, Points
from experiments.search.surrogate.outcomes import Outcomes

# The best tenth of the trials is good, but no more than so many.
GOOD_SHARE = 0.1
MOST_GOOD = 25


@dataclass(frozen=True)
class Split:
    """Rows of a history: good trials with their importance, and all others."""

    good: NDArray[np.int64]
    importance: Points
    others: NDArray[np.int64]

    @classmethod
    def of(cls, outcomes: Outcomes) -> Split:
        """The good are as important as they are better than the best of the others.

        That is the weight which makes the ratio of densities the expected improvement
        (Song and others, 2022). Trials that run count among the others, so that what
        is tried already is not tried again (a constant liar).
        """
        order = np.argsort(outcomes.values, kind="stable")
        good = min(math.ceil(GOOD_SHARE * len(order)), MOST_GOOD, outcomes.finite)
        values = outcomes.values[order]
        bound = values[min(good, len(values) - 1)]
        importance = np.maximum(bound - values[:good], 0.0)
        if not importance.any():
            importance = np.ones(good)
        others = np.concatenate([outcomes.rows[order[good:]], outcomes.pending])
        return cls(outcomes.rows[order[:good]], importance, others)


@dataclass(frozen=True)
class Contrast:
    """Two densities over the space, of good trials and of all others.

    Either is a product over the groups of axes that are active together, each estimated
    from the trials in which it is.
    """

    columns: Columns
    groups: Sequence[AxisGroup]
    history: History
    split: Split

    def drawn(self, number: int, rng: np.random.Generator) -> tuple[Points, Mask]:
        """So many points of the cube, likely as good trials are."""
        points = rng.random((number, len(self.columns.all)))
        for group, (good, _) in zip(self.groups, self._densities, strict=True):
            points[:, group.places] = good.drawn(number, rng)
        return self.columns.snapped(points)

    def scores(self, points: Points, active: Mask) -> NDArray[np.float64]:
        """By how much the good are likelier than others: a logarithm for each point."""
        digits = self.columns.digits(points, np.ones_like(active))
        scores = np.zeros(len(points))
        for group, (good, others) in zip(self.groups, self._densities, strict=True):
            rows = np.flatnonzero(active[:, group.places[0]])
            at = np.ix_(rows, group.places)
            scores[rows] += good.log_density(points[at], digits[at])
            scores[rows] -= others.log_density(points[at], digits[at])
        return scores

    @cached_property
    def _densities(self) -> list[tuple[Parzen, Parzen]]:
        points, active = self.history.points, self.history.active
        digits = self.columns.digits(points, np.ones_like(active))
        split, alike = self.split, np.ones(len(self.split.others))

        def density(
            group: AxisGroup, rows: NDArray[np.int64], weights: Points
        ) -> Parzen:
            kept = active[rows, group.places[0]]
            at = np.ix_(rows[kept], group.places)
            return Parzen(group.coordinates, points[at], digits[at], weights[kept])

        return [
            (
                density(group, split.good, split.importance),
                density(group, split.others, alike),
            )
            for group in self.groups
        ]
