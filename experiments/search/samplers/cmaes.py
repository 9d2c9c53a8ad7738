"""CMA-ES, an evolution strategy (Hansen and Ostermeier, 2001), with margin.

The strategy's state after the trials of a history.

The evolution strategy with covariance matrix adaptation, replayed from a history.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.search.fields import Problem
from experiments.search.gp.candidates import Tried
from experiments.search.gp.encoding import Mask, Points, UnitCube
from experiments.search.gp.outcomes import Outcomes, outcomes_of
from experiments.search.history import History, empty
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

# A start has converged when no axis deviates by more, and failed when one principal
# axis is so much longer than another.
MIN_DEVIATION = 1e-4
MAX_CONDITION = 1e7
# It has stalled when so many generations did not find anything better.
PATIENCE = 10
PATIENCE_PER_AXIS = 30
# Axes with more values than this are taken for continuous ones.
MAX_BANDS = 256


@dataclass(frozen=True)
class OrderedAxes:
    """How the axes of a space are divided: `ordered` and `nominal` are places."""

    cube: UnitCube

    @cached_property
    def ordered(self) -> NDArray[np.int64]:
        return self._places(order=True)

    @cached_property
    def nominal(self) -> NDArray[np.int64]:
        return self._places(order=False)

    @cached_property
    def edges(self) -> dict[int, Reals]:
        """The inner bounds of values' bands, by axis of the normal law."""
        found = {}
        for axis, place in enumerate(self.ordered):
            partition = self.cube.axes[place].partition
            if partition is not None and partition.size <= MAX_BANDS:
                found[axis] = np.cumsum(partition.masses())[:-1]
        return found

    @cached_property
    def own_laws(self) -> Categories:
        """The categories' probabilities by the space itself."""
        partitions = (self.cube.axes[place].partition for place in self.nominal)
        return Categories(tuple(one.masses() for one in partitions if one is not None))

    def _places(self, *, order: bool) -> NDArray[np.int64]:
        cube = self.cube
        kept = [one for one in cube.varying if has_order(cube.axes[one].law) == order]
        return np.array(kept, np.int64)


@dataclass(frozen=True)
class Strategy:
    """A normal law and categories, in generations of a size, since some restarts.

    `best` is the best value since the last restart, `stalled` counts the generations
    since it was found.
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
    """Follows a strategy through the trials of a history in the order of their numbers.

    A generation is made of the next trials that have ended, whatever law each was drawn
    from: which trials that are changes as slower ones end, and the state with it.
    """

    scope: OrderedAxes
    seed: int

    def start(self, restarts: int) -> Strategy:
        """A fresh start: in the middle first, then anywhere in the cube.

        Each has twice the trials in a generation (Auger and Hansen, 2005).
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
        """Whether a fresh start promises more than going on.

        The margin keeps axes with listed values from settling: they do not count.
        """
        weights, law, edges = strategy.weights, strategy.law, self.scope.edges
        free = [axis for axis in range(len(law.mean)) if axis not in edges]
        patience = PATIENCE + PATIENCE_PER_AXIS * weights.axes / weights.size
        settled = free and (law.deviations[free] < MIN_DEVIATION).all()
        degenerate = len(law.mean) and law.condition > MAX_CONDITION
        return bool(settled or degenerate or strategy.stalled > patience)

    def _filled(self, law: Gaussian, generation: Generation) -> Points:
        """The ordered axes' shares; drawn where an axis is not active.

        Such an axis then neither pulls the mean nor narrows the law.
        """
        places = self.scope.ordered
        points, active, numbers, _ = generation
        found = points[:, places]
        for row in np.flatnonzero(~active[:, places].all(axis=1)):
            rng = np.random.default_rng([self.seed, int(numbers[row]), 1])
            drawn = law.mean + law.deviations * rng.standard_normal(len(places))
            found[row] = np.where(active[row, places], found[row], drawn)
        return found


# A generation takes the cube of the number of axes, and a history has many.
MAX_AXES = 100
# So many draws are looked at for one that may be tried.
MAX_DRAWS = 64


@dataclass(frozen=True, kw_only=True)
class CmaesSampler(Sampler):
    """Adapts a normal law over the unit cube to the better half of every generation.

    Listed numbers keep a margin of probability (Hamano and others, 2022); categories
    have a law of their own, adapted along (Hamano and others, 2024), and an axis that
    is not active is passed over. When a start has settled there is another, with
    generations twice as large (Auger and Hansen, 2005). Trials count in the order of
    their numbers as soon as they have ended, also those that somebody else chose
    (Hansen, 2011): the state is worked out anew from the history each time.
    """

    kind: ClassVar[str] = "cmaes"
    needs_history: ClassVar[bool] = True

    @classmethod
    def space_problems(cls, space: SearchSpace) -> Iterator[Problem]:
        axes = len(OrderedAxes(UnitCube(space)).ordered)
        if axes > MAX_AXES:
            yield Problem(
                "",
                f"CMA-ES searches up to {MAX_AXES} parameters with an order, and "
                f"there are {axes}. Choose another sampler, such as tpe.",
            )

    def suggest(self, number: int, history: History | None = None) -> Suggestion | None:
        history = empty(self.space) if history is None else history
        tried = Tried(self._scope.cube, history)
        strategy = self._strategy(history)
        if not strategy.generation:
            return self._fallback.start(number, tried)
        rng = np.random.default_rng([self.seed, number])
        params = self._drawn(strategy, tried, rng)
        if params is None:
            return self._fallback.any(number, tried)
        return Suggestion(params, "model")

    def in_words(self, history: History | None = None) -> str:
        strategy = self._strategy(empty(self.space) if history is None else history)
        size = strategy.weights.size
        if not strategy.generation:
            return (
                f"Spread evenly over the space until the first {size} trials have "
                "ended; each generation then learns from the one before."
            )
        starts = f", start {strategy.restarts + 1}" if strategy.restarts else ""
        return f"Generation {strategy.generation + 1} of {size} trials{starts}."

    def _strategy(self, history: History) -> Strategy:
        return self._evolution.of(history, outcomes_of(history))

    def _drawn(
        self, strategy: Strategy, tried: Tried, rng: np.random.Generator
    ) -> dict[str, JSONValue] | None:
        """The first of some draws that may be tried; None when none may.

        One beside a trial that runs, or where trials fail, only when there is no other.
        """
        points, active = self._points(strategy, rng)
        cube, history = self._scope.cube, tried.history
        beside = near_pending(cube, history, points, active)
        fails = near_failed(cube, history, points, active)
        known = tried.among(points, active)
        for place in np.argsort(known * 4 + fails * 2 + beside, kind="stable"):
            params = None if known[place] else tried.admits(points[place])
            if params is not None:
                return params
        return None

    def _points(
        self, strategy: Strategy, rng: np.random.Generator
    ) -> tuple[Points, Mask]:
        """Draws; what falls outside the cube is moved to its side."""
        cube = self._scope.cube
        points = np.full((MAX_DRAWS, len(cube.axes)), 0.5)
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
