"""CMA-ES, an evolution strategy (Hansen and Ostermeier, 2001), with margin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from experiments.search.history import History, empty
from experiments.search.problems import Problem
from experiments.search.records import JSONValue
from experiments.search.samplers.cmaes.strategy import AxisSplit, Replay, Strategy
from experiments.search.samplers.failures import failing
from experiments.search.samplers.fallback import Fallback
from experiments.search.samplers.sampler import Sampler, Suggestion
from experiments.search.samplers.spacing import beside_pending
from experiments.search.space import SearchSpace
from experiments.search.surrogate.columns import Columns, Mask, Points
from experiments.search.surrogate.outcomes import outcomes_of
from experiments.search.surrogate.tried import Tried

# A generation takes the cube of the number of axes, and a history has many.
MOST_AXES = 100
# So many draws are looked at for one that may be tried.
MOST_DRAWS = 64


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
        axes = len(AxisSplit(Columns(space)).ordered)
        if axes > MOST_AXES:
            yield Problem(
                "",
                f"CMA-ES searches up to {MOST_AXES} parameters with an order, and "
                f"there are {axes}. Choose another sampler, such as tpe.",
            )

    def suggest(self, number: int, history: History | None = None) -> Suggestion | None:
        history = empty(self.space) if history is None else history
        tried = Tried(self._scope.columns, history)
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
        return self._replay.of(history, outcomes_of(history))

    def _drawn(
        self, strategy: Strategy, tried: Tried, rng: np.random.Generator
    ) -> dict[str, JSONValue] | None:
        """The first of some draws that may be tried; None when none may.

        One beside a trial that runs, or where trials fail, only when there is no other.
        """
        points, active = self._points(strategy, rng)
        columns, history = self._scope.columns, tried.history
        beside = beside_pending(columns, history, points, active)
        fails = failing(columns, history, points, active)
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
        columns = self._scope.columns
        points = np.full((MOST_DRAWS, len(columns.all)), 0.5)
        for point in points:
            point[self._scope.ordered] = np.clip(strategy.law.drawn(rng), 0.0, 1.0)
            digits = strategy.categories.drawn(rng)
            for place, digit in zip(self._scope.nominal, digits, strict=True):
                point[place] = columns.all[place].middles_of(np.array([digit]))[0]
        return columns.snapped(points)

    @cached_property
    def _scope(self) -> AxisSplit:
        return AxisSplit(Columns(self.space))

    @cached_property
    def _replay(self) -> Replay:
        return Replay(self._scope, self.seed)

    @cached_property
    def _fallback(self) -> Fallback:
        return Fallback(self.space, self.seed)
