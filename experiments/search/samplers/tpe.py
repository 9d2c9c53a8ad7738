"""The tree-structured Parzen estimator (Bergstra and others, 2011).

Where good trials are more likely than others.

Axes that are always active together.

The tree-structured Parzen estimator, and the densities that it compares.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.search.gp.candidates import Tried
from experiments.search.gp.encoding import Mask, Points, UnitCube
from experiments.search.gp.outcomes import Outcomes, outcomes_of
from experiments.search.history import History, empty
from experiments.search.records import JSONValue
from experiments.search.samplers.guards import near_failed, near_pending
from experiments.search.samplers.parzen import Coordinate, Parzen
from experiments.search.samplers.sampler import Sampler, Suggestion
from experiments.search.samplers.sobol import Fallback
from experiments.search.space.conditions import Gate


class AxisGroup(NamedTuple):
    """Coordinates that are active together; `places` are theirs in the cube."""

    coordinates: tuple[Coordinate, ...]
    places: NDArray[np.int64]


def groups_of(cube: UnitCube) -> Iterator[AxisGroup]:
    """The axes with more than one value, by what they depend on."""
    places = {name: place for place, name in enumerate(cube.space.axes)}
    found: dict[frozenset[Gate], list[int]] = defaultdict(list)
    for axis in cube.space.layout.order:
        if not cube.axes[places[axis.name]].constant:
            found[frozenset(axis.gates)].append(places[axis.name])
    for group in found.values():
        coordinates = tuple(Coordinate(cube.axes[place]) for place in group)
        yield AxisGroup(coordinates, np.array(group, np.int64))


# The best tenth of the trials is good, but no more than so many.
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
        """The good are as important as they are better than the best of the others.

        That is the weight which makes the ratio of densities the expected improvement
        (Song and others, 2022). Trials that run count among the others, so that what
        is tried already is not tried again (a constant liar).
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

    Either is a product over the groups of axes that are active together, each estimated
    from the trials in which it is.
    """

    cube: UnitCube
    groups: Sequence[AxisGroup]
    history: History
    split: GoodSplit

    def drawn(self, number: int, rng: np.random.Generator) -> tuple[Points, Mask]:
        """So many points of the cube, likely as good trials are."""
        points = rng.random((number, len(self.cube.axes)))
        for group, (good, _) in zip(self.groups, self._densities, strict=True):
            points[:, group.places] = good.drawn(number, rng)
        return self.cube.snapped(points)

    def scores(self, points: Points, active: Mask) -> NDArray[np.float64]:
        """By how much the good are likelier than others: a logarithm for each point."""
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


# There is a model from so many trials on, and so many with a value.
MIN_ENDED = 16
MIN_FINITE = 3
CANDIDATES = 64
# So often candidates are drawn where none of them may be tried.
ROUNDS = 4
# A finite space with so many configurations is then looked at as a whole.
MAX_LISTED = 1024


@dataclass(frozen=True, kw_only=True)
class TpeSampler(Sampler):
    """Tries what is likelier among good trials than among all others.

    Both densities are mixtures of multivariate kernels (Falkner and others, 2018), one
    for each trial; axes that depend on others form groups of their own. The settings
    follow Watanabe (2023): the best tenth is good, each weighing by its improvement,
    and the space's own law is one of the kernels. Trials that run count as not good,
    and failed ones as the worst. Of a few draws from the density of the good the one
    with the highest ratio is taken.

    The first trials are a scrambled Sobol sequence. Trial k follows from the seed, k
    and the history alone.
    """

    kind: ClassVar[str] = "tpe"
    needs_history: ClassVar[bool] = True

    def suggest(self, number: int, history: History | None = None) -> Suggestion | None:
        history = empty(self.space) if history is None else history
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

    def in_words(self, history: History | None = None) -> str:
        if history is None or not _has_model(history):
            return (
                f"Spread evenly over the space until {MIN_ENDED} trials have ended; "
                "then what is typical of good trials is tried."
            )
        good = len(GoodSplit.of(outcomes_of(history)).good)
        trials = "the best trial" if good == 1 else f"the best {good} trials"
        return f"Tries what is typical of {trials} and not of the others."

    def _candidates(
        self, contrast: DensityRatio, rng: np.random.Generator
    ) -> Iterator[tuple[Points, Mask]]:
        """Points to choose from, in one round after the other."""
        count = self.space.count()
        if not self._groups:
            return
        for _ in range(ROUNDS):
            yield contrast.drawn(CANDIDATES, rng)
            if count is not None and count <= MAX_LISTED:
                listed = self._cube.listed()
                if listed is not None:
                    yield listed
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
    """The configuration with the highest score of those that may be tried.

    What is likely to fail comes behind all else.
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
