"""The tree-structured Parzen estimator (Bergstra and others, 2011)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from experiments.search.history import History, empty
from experiments.search.records import JSONValue
from experiments.search.samplers.failures import failing
from experiments.search.samplers.fallback import Fallback
from experiments.search.samplers.sampler import Sampler, Suggestion
from experiments.search.samplers.spacing import beside_pending
from experiments.search.samplers.tpe.contrast import Contrast, Split
from experiments.search.samplers.tpe.groups import AxisGroup, groups_of
from experiments.search.surrogate.columns import Columns, Mask, Points
from experiments.search.surrogate.outcomes import outcomes_of
from experiments.search.surrogate.tried import Tried

# There is a model from so many trials on, and so many with a value.
LEAST_ENDED = 16
LEAST_FINITE = 3
CANDIDATES = 64
# So often candidates are drawn where none of them may be tried.
ROUNDS = 4
# A finite space with so many configurations is then looked at as a whole.
MOST_LISTED = 1024


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
        tried = Tried(self._columns, history)
        if not _has_model(history):
            return self._fallback.start(number, tried)
        rng = np.random.default_rng([self.seed, number])
        contrast = Contrast(
            self._columns, self._groups, history, Split.of(outcomes_of(history))
        )
        for points, active in self._candidates(contrast, rng):
            params = _best(contrast, points, active, tried)
            if params is not None:
                return Suggestion(params, "model")
        return self._fallback.any(number, tried)

    def in_words(self, history: History | None = None) -> str:
        if history is None or not _has_model(history):
            return (
                f"Spread evenly over the space until {LEAST_ENDED} trials have ended; "
                "then what is typical of good trials is tried."
            )
        good = len(Split.of(outcomes_of(history)).good)
        trials = "the best trial" if good == 1 else f"the best {good} trials"
        return f"Tries what is typical of {trials} and not of the others."

    def _candidates(
        self, contrast: Contrast, rng: np.random.Generator
    ) -> Iterator[tuple[Points, Mask]]:
        """Points to choose from, in one round after the other."""
        count = self.space.count()
        if not self._groups:
            return
        for _ in range(ROUNDS):
            yield contrast.drawn(CANDIDATES, rng)
            if count is not None and count <= MOST_LISTED:
                listed = self._columns.listed()
                if listed is not None:
                    yield listed
                return

    @cached_property
    def _columns(self) -> Columns:
        return Columns(self.space)

    @cached_property
    def _groups(self) -> tuple[AxisGroup, ...]:
        return tuple(groups_of(self._columns))

    @cached_property
    def _fallback(self) -> Fallback:
        return Fallback(self.space, self.seed)


def _has_model(history: History) -> bool:
    outcomes = outcomes_of(history)
    return len(outcomes) >= LEAST_ENDED and outcomes.finite >= LEAST_FINITE


def _best(
    contrast: Contrast, points: Points, active: Mask, tried: Tried
) -> dict[str, JSONValue] | None:
    """The configuration with the highest score of those that may be tried.

    What is likely to fail comes behind all else.
    """
    new = ~tried.among(points, active)
    new &= ~beside_pending(contrast.columns, tried.history, points, active)
    points, active = points[new], active[new]
    scores = contrast.scores(points, active)
    fails = failing(contrast.columns, tried.history, points, active)
    for place in np.lexsort((-scores, fails)):
        params = tried.admits(points[place])
        if params is not None:
            return params
    return None
