"""The tree-structured Parzen estimator (Bergstra and others, 2011)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.search.gp.cube import Mask, Points, UnitCube
from experiments.search.gp.outcomes import Outcomes, outcomes_of
from experiments.search.gp.tried import Tried
from experiments.search.history import History
from experiments.search.records import JSONValue
from experiments.search.samplers.guards import near_failed, near_pending
from experiments.search.samplers.parzen import Coordinate, Parzen
from experiments.search.samplers.sampler import Sampler, Suggestion
from experiments.search.samplers.sobol import Fallback
from experiments.search.space.conditions import Gate


class AxisGroup(NamedTuple):
    """Coordinates that are active together, and their places in the cube."""

    coordinates: tuple[Coordinate, ...]
    places: NDArray[np.int64]


def groups_of(cube: UnitCube) -> Iterator[AxisGroup]:
    """The axes with more than one value, grouped by what they depend on."""
    places = {name: place for place, name in enumerate(cube.space.axes)}
    found: dict[frozenset[Gate], list[int]] = defaultdict(list)
    for axis in cube.space.layout.order:
        if not cube.axes[places[axis.name]].constant:
            found[frozenset(axis.gates)].append(places[axis.name])
    for group in found.values():
        coordinates = tuple(Coordinate(cube.axes[place]) for place in group)
        yield AxisGroup(coordinates, np.array(group, np.int64))


# The best tenth of the trials is good, but at most MAX_GOOD of them.
GOOD_SHARE = 0.1
MAX_GOOD = 25


@dataclass(frozen=True)
class GoodSplit:
    """Rows of a history: good trials with their importance, and all others."""

    good: NDArray[np.int64]
    importance: Points
    others: NDArray[np.int64]

    @classmethod
    def of(cls, outcomes: Outcomes) -> GoodSplit:
        """A good trial weighs as much as it is better than the best of the others.

        With these weights the ratio of densities is the expected improvement (Song and
        others, 2022). Running trials count among the others, so that they are not
        repeated (a constant liar).
        """
        order = np.argsort(outcomes.values, kind="stable")
        good = min(math.ceil(GOOD_SHARE * len(order)), MAX_GOOD, outcomes.finite)
        values = outcomes.values[order]
        bound = values[min(good, len(values) - 1)]
        importance = np.maximum(bound - values[:good], 0.0)
        if not importance.any():
            importance = np.ones(good)
        others = np.concatenate([outcomes.rows[order[good:]], outcomes.pending])
        return cls(outcomes.rows[order[:good]], importance, others)


@dataclass(frozen=True)
class DensityRatio:
    """Two densities over the space, of good trials and of all others.

    Each is a product over the groups of axes that are active together. A group is
    estimated from the trials in which it is active.
    """

    cube: UnitCube
    groups: Sequence[AxisGroup]
    history: History
    split: GoodSplit

    def drawn(self, number: int, rng: np.random.Generator) -> tuple[Points, Mask]:
        """Points of the cube, drawn from the density of the good trials."""
        points = rng.random((number, len(self.cube.axes)))
        for group, (good, _) in zip(self.groups, self._densities, strict=True):
            points[:, group.places] = good.drawn(number, rng)
        return self.cube.snapped(points)

    def scores(self, points: Points, active: Mask) -> NDArray[np.float64]:
        """For each point the logarithm of the ratio, good to others."""
        digits = self.cube.digits(points, np.ones_like(active))
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
        digits = self.cube.digits(points, np.ones_like(active))
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


# The model needs this many trials that have ended, and this many with a value.
MIN_ENDED = 16
MIN_FINITE = 3
CANDIDATES = 64
# Candidates are drawn again if none of them may be tried.
MAX_ROUNDS = 4
# A finite space with up to this many configurations is then scored in full.
MAX_LISTED = 1024


@dataclass(frozen=True, kw_only=True)
class TpeSampler(Sampler):
    """Tries what is more likely among good trials than among all others.

    Both densities are mixtures of multivariate kernels (Falkner and others, 2018), one
    for each trial; axes that depend on the same others form a group. The settings
    follow Watanabe (2023): the best tenth is good, weighted by improvement, and the
    space's own distribution is one of the kernels. Running trials count as not good,
    and failed ones as the worst. Of a few draws from the density of the good, it takes
    the one with the highest ratio.

    The first trials are a scrambled Sobol sequence. Trial k follows from the seed, k
    and the history alone.
    """

    kind: ClassVar[str] = "tpe"
    title: ClassVar[str] = "TPE"
    advice: ClassVar[str] = (
        "Compares good trials with the rest. For many choices and conditions."
    )
    needs_history: ClassVar[bool] = True

    def propose(self, number: int, history: History) -> Suggestion | None:
        tried = Tried(self._cube, history)
        if not _has_model(history):
            return self._fallback.start(number, tried)
        rng = np.random.default_rng([self.seed, number])
        contrast = DensityRatio(
            self._cube, self._groups, history, GoodSplit.of(outcomes_of(history))
        )
        for points, active in self._candidates(contrast, rng):
            params = _best(contrast, points, active, tried)
            if params is not None:
                return Suggestion(params, "model")
        return self._fallback.any(number, tried)

    def describe(self, history: History) -> str:
        if not _has_model(history):
            return (
                f"First trials cover the space until {MIN_ENDED} have ended; then it "
                "tries what is typical of good trials."
            )
        good = len(GoodSplit.of(outcomes_of(history)).good)
        trials = "the best trial" if good == 1 else f"the best {good} trials"
        return f"Tries what is typical of {trials} and not of the others."

    def _candidates(
        self, contrast: DensityRatio, rng: np.random.Generator
    ) -> Iterator[tuple[Points, Mask]]:
        """Points to choose from, round by round."""
        count = self.space.count()
        if not self._groups:
            return
        for _ in range(MAX_ROUNDS):
            yield contrast.drawn(CANDIDATES, rng)
            if count is not None and count <= MAX_LISTED:
                rows = self.space.finite.rows
                if rows is not None:
                    yield self._cube.points_of(rows)
                return

    @cached_property
    def _cube(self) -> UnitCube:
        return UnitCube(self.space)

    @cached_property
    def _groups(self) -> tuple[AxisGroup, ...]:
        return tuple(groups_of(self._cube))

    @cached_property
    def _fallback(self) -> Fallback:
        return Fallback(self.space, self.seed)


def _has_model(history: History) -> bool:
    outcomes = outcomes_of(history)
    return len(outcomes) >= MIN_ENDED and outcomes.finite >= MIN_FINITE


def _best(
    contrast: DensityRatio, points: Points, active: Mask, tried: Tried
) -> dict[str, JSONValue] | None:
    """The configuration with the highest score that may be tried.

    Those that are likely to fail come last.
    """
    new = ~tried.among(points, active)
    new &= ~near_pending(contrast.cube, tried.history, points, active)
    points, active = points[new], active[new]
    scores = contrast.scores(points, active)
    fails = near_failed(contrast.cube, tried.history, points, active)
    for place in np.lexsort((-scores, fails)):
        params = tried.admits(points[place])
        if params is not None:
            return params
    return None
