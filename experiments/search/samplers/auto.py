"""The sampler that chooses a sampler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, NamedTuple, TypeAlias

from experiments.search.gp.candidates import Tried
from experiments.search.gp.encoding import UnitCube
from experiments.search.gp.outcomes import outcomes_of
from experiments.search.history import History, empty
from experiments.search.samplers.bayesian import MIN_FINITE, BayesianSampler
from experiments.search.samplers.grid import GridSampler
from experiments.search.samplers.sampler import Sampler, Suggestion
from experiments.search.samplers.sobol import SobolSampler
from experiments.search.samplers.tpe import TpeSampler

Method: TypeAlias = Literal["grid", "sobol", "tpe", "bayesian"]

# A space with so many configurations is gone through where the budget allows it.
MAX_IN_GRID = 1000
# So few trials are over before a model of them could say anything.
HANDFUL = 5
# With more parameters a Gaussian process takes too long over a proposal.
MAX_AXES = 100


class MethodChoice(NamedTuple):
    """The method that was chosen, and why: a clause that goes on after a name."""

    method: Method
    reason: str


@dataclass(frozen=True, kw_only=True)
class AutoSampler(Sampler):
    """Leaves every trial to the sampler that suits the space, the budget and the log.

    A small space that the budget covers is gone through in order. A handful of trials
    is spread evenly, unless there are results to learn from. All else is Bayesian
    search: measured on tables of real trainings none was better on average over 25,
    50, 100 or 500 trials, with conditions or without. Only with very many parameters,
    where it becomes slow, TPE takes its place.
    """

    kind: ClassVar[str] = "auto"
    needs_history: ClassVar[bool] = True

    def suggest(self, number: int, history: History | None = None) -> Suggestion | None:
        history = empty(self.space) if history is None else history
        method = self.choice(history).method
        if method == "grid":
            return self._next_of_grid(history)
        return self._methods[method].suggest(number, history)

    def in_words(self, history: History | None = None) -> str:
        history = empty(self.space) if history is None else history
        method, reason = self.choice(history)
        chosen = f"Chose {METHOD_NAMES[method]}: {reason}"
        if method in ("grid", "sobol"):
            return f"{chosen}."
        words = self._methods[method].in_words(history)
        return f"{chosen}; now: {words[0].lower()}{words[1:]}"

    def choice(self, history: History) -> MethodChoice:
        """The method for the next trial, and why it was chosen."""
        count, budget = self.space.count(), self.budget
        axes = len(self._cube.varying)
        if count and budget and count <= min(budget, MAX_IN_GRID):
            configurations = f"all {count:,} configurations fit"
            if count == 1:
                configurations = "the only configuration fits"
            return MethodChoice("grid", f"{configurations} into {_trials(budget)}")
        if budget is not None and budget < HANDFUL and not _has_results(history):
            return MethodChoice("sobol", f"{_trials(budget)} can only be spread evenly")
        if axes > MAX_AXES:
            return MethodChoice("tpe", f"it stays fast with {axes:,} parameters")
        return MethodChoice("bayesian", "it learns most from every trial")

    def _next_of_grid(self, history: History) -> Suggestion | None:
        """The first configuration that has not been tried."""
        tried = Tried(self._cube, history)
        for place in range(len(history) + 1):
            suggestion = self._methods["grid"].suggest(place)
            if suggestion is None or not tried.has(suggestion.params):
                return suggestion
        return None

    @cached_property
    def _cube(self) -> UnitCube:
        return UnitCube(self.space)

    @cached_property
    def _methods(self) -> Mapping[Method, Sampler]:
        space, seed, budget = self.space, self.seed, self.budget
        return {
            "grid": GridSampler(space=space, seed=seed, budget=budget),
            "sobol": SobolSampler(space=space, seed=seed, budget=budget),
            "tpe": TpeSampler(space=space, seed=seed, budget=budget),
            "bayesian": BayesianSampler(space=space, seed=seed, budget=budget),
        }


METHOD_NAMES: Mapping[Method, str] = {
    "grid": "the grid",
    "sobol": "a Sobol sequence",
    "tpe": "TPE",
    "bayesian": "Bayesian search",
}


def _has_results(history: History) -> bool:
    return outcomes_of(history).finite >= MIN_FINITE


def _trials(budget: int) -> str:
    return "one trial" if budget == 1 else f"{budget:,} trials"
