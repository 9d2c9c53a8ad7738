"""The sampler that chooses a sampler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, NamedTuple, TypeAlias

from experiments.search.gp.cube import UnitCube
from experiments.search.gp.outcomes import outcomes_of
from experiments.search.gp.tried import Tried
from experiments.search.history import History
from experiments.search.samplers.bayesian import MIN_FINITE, BayesianSampler
from experiments.search.samplers.grid import GridSampler
from experiments.search.samplers.sampler import Sampler, Suggestion
from experiments.search.samplers.sobol import SobolSampler
from experiments.search.samplers.tpe import TpeSampler

Method: TypeAlias = Literal["grid", "sobol", "tpe", "bayesian"]

# A space with up to this many configurations is tried in full if the budget allows it.
MAX_IN_GRID = 1000
# With fewer trials a model would come too late.
MIN_MODEL_BUDGET = 5
# With more parameters a Gaussian process takes too long over a proposal.
MAX_AXES = 100


class MethodChoice(NamedTuple):
    """The chosen method, and a clause that says why."""

    method: Method
    reason: str


@dataclass(frozen=True, kw_only=True)
class AutoSampler(Sampler):
    """Leaves every trial to the sampler that suits the space, budget and history.

    A small space that the budget covers is searched by grid. A handful of trials is
    spread evenly, unless there are results to learn from. Everything else is Bayesian
    search: on tables of real trainings no other sampler was better on average over 25,
    50, 100 or 500 trials, with conditions or without. TPE replaces it where there are
    so many parameters that it becomes slow.
    """

    kind: ClassVar[str] = "auto"
    title: ClassVar[str] = "Auto"
    advice: ClassVar[str] = "Picks one of the others for the space and the budget."
    needs_history: ClassVar[bool] = True

    def propose(self, number: int, history: History) -> Suggestion | None:
        method = self.choice(history).method
        if method == "grid":
            params = Tried(self._cube, history).first_new(self._grid.configuration)
            return None if params is None else Suggestion(params, method)
        return self._samplers[method].propose(number, history)

    def describe(self, history: History) -> str:
        method, reason = self.choice(history)
        sampler = self._samplers[method]
        chosen = f"Chose {sampler.title}: {reason}"
        if method in ("grid", "sobol"):
            return f"{chosen}."
        words = sampler.describe(history)
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
        if (
            budget is not None
            and budget < MIN_MODEL_BUDGET
            and not _has_results(history)
        ):
            return MethodChoice("sobol", f"{_trials(budget)} can only be spread evenly")
        if axes > MAX_AXES:
            return MethodChoice("tpe", f"it stays fast with {axes:,} parameters")
        return MethodChoice("bayesian", "it learns most from every trial")

    @cached_property
    def _cube(self) -> UnitCube:
        return UnitCube(self.space)

    @cached_property
    def _grid(self) -> GridSampler:
        return GridSampler(space=self.space, seed=self.seed, budget=self.budget)

    @cached_property
    def _samplers(self) -> Mapping[Method, Sampler]:
        space, seed, budget = self.space, self.seed, self.budget
        return {
            "grid": self._grid,
            "sobol": SobolSampler(space=space, seed=seed, budget=budget),
            "tpe": TpeSampler(space=space, seed=seed, budget=budget),
            "bayesian": BayesianSampler(
                space=space, seed=seed, budget=budget, explores=self.explores
            ),
        }


def _has_results(history: History) -> bool:
    return outcomes_of(history).finite >= MIN_FINITE


def _trials(budget: int) -> str:
    return "one trial" if budget == 1 else f"{budget:,} trials"
