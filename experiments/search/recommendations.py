"""The samplers and policies to offer first for a sweep's space and budget, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from experiments.search.history import empty
from experiments.search.samplers import SAMPLERS
from experiments.search.samplers.auto import AutoSampler
from experiments.search.space.space import SearchSpace
from experiments.search.wording import counted

# Up to this many trials are spread evenly better than they teach a model.
MAX_FIRST_LOOK = 20
# Evolution needs many generations.
MIN_EVOLUTION = 200
# With this many trials every stage of halving has enough of them.
MIN_HALVING = 30


class Recommendation(NamedTuple):
    """A sampler or policy by its kind, and a sentence that says why; perhaps none."""

    kind: str
    reason: str = ""


def recommended_samplers(
    space: SearchSpace, budget: int | None
) -> Sequence[Recommendation]:
    """Three samplers, the one to propose first. The space may be empty: not known."""
    return [
        Recommendation("auto", _auto_reason(space, budget) if space else ""),
        _other_sampler(space, budget) if space else Recommendation("tpe"),
        Recommendation("random", "The others are measured against it."),
    ]


def _auto_reason(space: SearchSpace, budget: int | None) -> str:
    method, reason = AutoSampler(space=space, seed=0, budget=budget).choice(
        empty(space)
    )
    return f"Here: {SAMPLERS[method].title}, as {reason}."


def _other_sampler(space: SearchSpace, budget: int | None) -> Recommendation:
    """The sampler that suits the space best, apart from what "auto" does."""
    count, trials = space.count(), counted(budget or 0, "trial")
    axes = space.axes.values()
    if count and budget and count <= budget:
        return Recommendation("grid", f"{_all(count)} into {trials}.")
    if any(axis.gates for axis in axes):
        return Recommendation("tpe", "Some parameters have conditions.")
    if budget and budget <= MAX_FIRST_LOOK:
        return Recommendation("sobol", f"{trials} only give a first look.")
    endless = all(axis.distribution.count() is None for axis in axes)
    if budget and budget >= MIN_EVOLUTION and endless:
        return Recommendation("cmaes", f"All parameters are ranges, with {trials}.")
    return Recommendation("tpe")


def _all(count: int) -> str:
    return "One configuration fits" if count == 1 else f"All {count:,} combinations fit"


def suited_policy(sampler: object, *, timed: bool) -> str:
    """The policy that goes with a sampler, by its kind, for what is fixed: the time, or
    only the number of trials."""
    if not timed:
        return "predictive"
    learns = sampler in SAMPLERS and SAMPLERS[str(sampler)].needs_history
    return "predictive_halving" if learns else "asha"


def recommended_policies(
    budget: int | None, *, timeout: str = "", sampler: str = "auto"
) -> Sequence[Recommendation]:
    """Three policies, the one to propose first; "none" lets every trial end itself.

    With a fixed number of trials a good one must not be stopped; with a fixed time each
    trial that ends early makes room for another.
    """
    if timeout:
        kind = suited_policy(sampler, timed=True)
        reason = f"The time is fixed ({timeout}), so each trial that ends early makes"
        first = Recommendation(kind, f"{reason} room for another.")
        second = Recommendation("predictive")
    else:
        reason = "The number of trials is fixed, so good ones must not be stopped."
        first = Recommendation("predictive", reason)
        second = Recommendation("median_stopping")
        if budget and budget >= MIN_HALVING:
            saves = f"Saves most, and {counted(budget, 'trial')} fill its stages."
            second = Recommendation("asha", saves)
    return [first, second, Recommendation("none")]
