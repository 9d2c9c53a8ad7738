"""CMA-ES with margin, an evolution strategy (Hansen and Ostermeier, 2001).

The state of the strategy follows from the history alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.search.fields import Problem
from experiments.search.gp.cube import Mask, Points, UnitCube
from experiments.search.gp.outcomes import Outcomes, outcomes_of
from experiments.search.gp.tried import Tried
from experiments.search.history import History
from experiments.search.records import JSONValue
from experiments.search.samplers.cmaes_normal import (
    Categories,
    Gaussian,
    Reals,
    Weights,
    usual_size,
    with_margin,
)
from experiments.search.samplers.guards import has_order, near_failed, near_pending
from experiments.search.samplers.sampler import Sampler, Suggestion
from experiments.search.samplers.sobol import Fallback
from experiments.search.space.space import SearchSpace

# A start has converged when every axis deviates by less, and failed when one principal
# axis is longer than another by more than this factor.
MIN_DEVIATION = 1e-4
MAX_CONDITION = 1e7
# It has stalled after this many generations without a better value.
MAX_STALLED = 10
MAX_STALLED_PER_AXIS = 30
# Axes with more values than this count as continuous.
MAX_BANDS = 256


@dataclass(frozen=True)
class OrderedAxes:
    """The places of the axes of a space, with an order and without."""

    cube: UnitCube

    @cached_property
    def ordered(self) -> NDArray[np.int64]:
        return self._places(order=True)

    @cached_property
    def nominal(self) -> NDArray[np.int64]:
        return self._places(order=False)

    @cached_property
    def edges(self) -> dict[int, Reals]:
        """The inner bounds of the values' bands, by axis of the normal distribution."""
        found = {}
        for axis, place in enumerate(self.ordered):
            partition = self.cube.axes[place].partition
            if partition is not None and partition.size <= MAX_BANDS:
                found[axis] = np.cumsum(partition.masses())[:-1]
        return found

    @cached_property
    def own_laws(self) -> Categories:
        """The probabilities that the space gives the categories."""
        partitions = (self.cube.axes[place].partition for place in self.nominal)
        return Categories(tuple(one.masses() for one in partitions if one is not None))

    def _places(self, *, order: bool) -> NDArray[np.int64]:
        cube = self.cube
        kept = [one for one in cube.varying if has_order(cube.axes[one].law) == order]
        return np.array(kept, np.int64)


@dataclass(frozen=True)
class Strategy:
    """The state: a normal distribution and categories, and how far the search is.

    `best` is the best value since the last restart, and `stalled` the number of
    generations since it was found.
    """

    law: Gaussian
    categories: Categories
    weights: Weights
    restarts: int = 0
    generation: int = 0
    best: float = np.inf
    stalled: int = 0


class Generation(NamedTuple):
    """The better half of a generation, the best first, and the best value of all."""

    points: Points
    active: Mask
    numbers: NDArray[np.int64]
    best: float


@dataclass(frozen=True)
class Evolution:
    """Computes the strategy from the trials of a history, in order of their numbers.

    A generation consists of the next trials that have ended, from whatever distribution
    they were drawn. When a slower trial ends, the generations and the state change.
    """

    scope: OrderedAxes
    seed: int

    def start(self, restarts: int) -> Strategy:
        """A fresh start: the first in the center of the cube, later ones anywhere.

        Each has generations twice as large as the last (Auger and Hansen, 2005).
        """
        axes = len(self.scope.ordered)
        rng = np.random.default_rng([self.seed, restarts])
        mean = rng.random(axes) if restarts else np.full(axes, 0.5)
        total = axes + len(self.scope.nominal)
        weights = Weights(usual_size(total) * 2**restarts, max(axes, 1))
        law = Gaussian.around(mean)
        return Strategy(law, self.scope.own_laws, weights, restarts)

    def of(self, history: History, outcomes: Outcomes) -> Strategy:
        """The strategy after all generations that are complete."""
        strategy, done = self.start(0), 0
        points, active, numbers = history.points, history.active, history.numbers
        while done + strategy.weights.size <= len(outcomes):
            places = np.arange(done, done + strategy.weights.size)
            done += len(places)
            values = outcomes.values[places]
            order = np.argsort(values, kind="stable")
            better = order[: len(strategy.weights.recombination)]
            parents = outcomes.rows[places[better]]
            generation = Generation(
                points[parents],
                active[parents],
                numbers[parents],
                float(values.min()),
            )
            strategy = self._after(strategy, generation)
        return strategy

    def _after(self, strategy: Strategy, generation: Generation) -> Strategy:
        weights, law, scope = strategy.weights, strategy.law, self.scope
        if len(scope.ordered):
            filled = self._filled(law, generation)
            least = 1 / (weights.size * weights.axes)
            law = with_margin(law.after(filled, weights), scope.edges, least)
        points, active, _, best = generation
        digits = scope.cube.digits(points, np.ones_like(active))[:, scope.nominal]
        categories = strategy.categories.after(
            digits, active[:, scope.nominal], weights
        )
        improved = best < strategy.best
        strategy = replace(
            strategy,
            law=law,
            categories=categories,
            generation=strategy.generation + 1,
            best=min(best, strategy.best),
            stalled=0 if improved else strategy.stalled + 1,
        )
        if not self._has_ended(strategy):
            return strategy
        fresh = self.start(strategy.restarts + 1)
        return replace(fresh, generation=strategy.generation)

    def _has_ended(self, strategy: Strategy) -> bool:
        """Whether a fresh start promises more.

        Axes with listed values do not count: the margin keeps them from converging.
        """
        weights, law, edges = strategy.weights, strategy.law, self.scope.edges
        free = [axis for axis in range(len(law.mean)) if axis not in edges]
        allowed = MAX_STALLED + MAX_STALLED_PER_AXIS * weights.axes / weights.size
        settled = free and (law.deviations[free] < MIN_DEVIATION).all()
        degenerate = len(law.mean) and law.condition > MAX_CONDITION
        return bool(settled or degenerate or strategy.stalled > allowed)

    def _filled(self, law: Gaussian, generation: Generation) -> Points:
        """The shares of the ordered axes, drawn at random where an axis is not active.

        So an inactive axis neither pulls the mean nor narrows the distribution.
        """
        places = self.scope.ordered
        points, active, numbers, _ = generation
        found = points[:, places]
        for row in np.flatnonzero(~active[:, places].all(axis=1)):
            rng = np.random.default_rng([self.seed, int(numbers[row]), 1])
            drawn = law.mean + law.deviations * rng.standard_normal(len(places))
            found[row] = np.where(active[row, places], found[row], drawn)
        return found


# The time of a generation grows with the cube of the number of axes.
MAX_AXES = 100
# The number of draws from which a trial is chosen.
DRAWS = 64


@dataclass(frozen=True, kw_only=True)
class CmaesSampler(Sampler):
    """Adapts a normal distribution to the better half of every generation.

    Listed numbers keep a margin of probability (Hamano and others, 2022), categories
    have their own probabilities (Hamano and others, 2024), and inactive axes are
    skipped. When a start has converged, another one begins with generations twice as
    large (Auger and Hansen, 2005). Trials count in the order of their numbers once they
    have ended, including those that people chose (Hansen, 2011). The state is computed
    from the history each time.
    """

    kind: ClassVar[str] = "cmaes"
    title: ClassVar[str] = "CMA-ES"
    advice: ClassVar[str] = (
        "Evolves a population towards better values. For continuous ranges and 200 "
        "trials or more."
    )
    needs_history: ClassVar[bool] = True

    @classmethod
    def space_problems(cls, space: SearchSpace) -> Iterator[Problem]:
        axes = len(OrderedAxes(UnitCube(space)).ordered)
        if axes > MAX_AXES:
            yield Problem(
                "",
                f"CMA-ES searches at most {MAX_AXES} parameters with an order, not "
                f"{axes}. Choose another sampler, such as tpe.",
            )

    def propose(self, number: int, history: History) -> Suggestion | None:
        tried = Tried(self._scope.cube, history)
        strategy = self._strategy(history)
        if not strategy.generation:
            return self._fallback.start(number, tried)
        rng = np.random.default_rng([self.seed, number])
        params = self._drawn(strategy, tried, rng)
        if params is None:
            return self._fallback.any(number, tried)
        return Suggestion(params, "model")

    def describe(self, history: History) -> str:
        strategy = self._strategy(history)
        size = strategy.weights.size
        if not strategy.generation:
            return (
                f"First trials cover the space until {size} have ended; then each "
                "generation learns from the one before."
            )
        starts = f", start {strategy.restarts + 1}" if strategy.restarts else ""
        return f"Generation {strategy.generation + 1} of {size} trials{starts}."

    def _strategy(self, history: History) -> Strategy:
        return self._evolution.of(history, outcomes_of(history))

    def _drawn(
        self, strategy: Strategy, tried: Tried, rng: np.random.Generator
    ) -> dict[str, JSONValue] | None:
        """The first draw that may be tried; None if none may.

        Draws next to a running trial, or where trials fail, come last.
        """
        points, active = self._points(strategy, rng)
        cube, history = self._scope.cube, tried.history
        crowded = near_pending(cube, history, points, active)
        fails = near_failed(cube, history, points, active)
        known = tried.among(points, active)
        for place in np.argsort(known * 4 + fails * 2 + crowded, kind="stable"):
            params = None if known[place] else tried.admits(points[place])
            if params is not None:
                return params
        return None

    def _points(
        self, strategy: Strategy, rng: np.random.Generator
    ) -> tuple[Points, Mask]:
        """Draws; those outside the cube are moved to its side."""
        cube = self._scope.cube
        points = np.full((DRAWS, len(cube.axes)), 0.5)
        for point in points:
            point[self._scope.ordered] = np.clip(strategy.law.drawn(rng), 0.0, 1.0)
            digits = strategy.categories.drawn(rng)
            for place, digit in zip(self._scope.nominal, digits, strict=True):
                point[place] = cube.axes[place].middles_of(np.array([digit]))[0]
        return cube.snapped(points)

    @cached_property
    def _scope(self) -> OrderedAxes:
        return OrderedAxes(UnitCube(self.space))

    @cached_property
    def _evolution(self) -> Evolution:
        return Evolution(self._scope, self.seed)

    @cached_property
    def _fallback(self) -> Fallback:
        return Fallback(self.space, self.seed)
