"""The strategy's state after the trials of a history."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.search.history import History
from experiments.search.samplers.cmaes.categories import Categories
from experiments.search.samplers.cmaes.gaussian import Gaussian, Reals
from experiments.search.samplers.cmaes.margin import with_margin
from experiments.search.samplers.cmaes.weights import Weights, usual_size
from experiments.search.samplers.order import has_order
from experiments.search.surrogate.columns import Columns, Mask, Points
from experiments.search.surrogate.outcomes import Outcomes

# A start has converged when no axis deviates by more, and failed when one principal
# axis is so much longer than another.
SMALLEST_DEVIATION = 1e-4
LARGEST_CONDITION = 1e7
# It has stalled when so many generations did not find anything better.
PATIENCE = 10
PATIENCE_PER_AXIS = 30
# Axes with more values than this are taken for continuous ones.
MOST_BANDS = 256


@dataclass(frozen=True)
class AxisSplit:
    """How the axes of a space are divided: `ordered` and `nominal` are places."""

    columns: Columns

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
            partition = self.columns.all[place].partition
            if partition is not None and partition.size <= MOST_BANDS:
                found[axis] = np.cumsum(partition.masses())[:-1]
        return found

    @cached_property
    def own_laws(self) -> Categories:
        """The categories' probabilities by the space itself."""
        partitions = (self.columns.all[place].partition for place in self.nominal)
        return Categories(tuple(one.masses() for one in partitions if one is not None))

    def _places(self, *, order: bool) -> NDArray[np.int64]:
        columns = self.columns
        kept = [
            one for one in columns.varying if has_order(columns.all[one].law) == order
        ]
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
class Replay:
    """Follows a strategy through the trials of a history in the order of their numbers.

    A generation is made of the next trials that have ended, whatever law each was drawn
    from: which trials that are changes as slower ones end, and the state with it.
    """

    scope: AxisSplit
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
        digits = scope.columns.digits(points, np.ones_like(active))[:, scope.nominal]
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
        settled = free and (law.deviations[free] < SMALLEST_DEVIATION).all()
        degenerate = len(law.mean) and law.condition > LARGEST_CONDITION
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
