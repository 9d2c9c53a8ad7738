"""Which samplers and policies are offered first."""

from __future__ import annotations

import pytest

from experiments.search.recommendations import (
    recommended_policies,
    recommended_samplers,
)
from experiments.search.samplers import SAMPLERS
from experiments.search.space.space import SearchSpace

LR = {"type": "float", "low": 0.0001, "high": 1.0, "log": True}
SIZE = {"type": "choice", "values": [16, 32]}
WHEN = {**SIZE, "when": {"opt": [16]}}


@pytest.mark.parametrize(
    ("space", "budget", "second", "reason"),
    [
        ({"lr": LR, "size": SIZE}, 40, "tpe", ""),
        ({"size": SIZE}, 40, "grid", "All 2 combinations fit into 40 trials."),
        ({"lr": LR, "opt": SIZE, "m": WHEN}, 40, "tpe", "have conditions"),
        ({"lr": LR, "size": SIZE}, 10, "sobol", "10 trials only give a first look."),
        ({"lr": LR}, 300, "cmaes", "All parameters are ranges, with 300 trials."),
        ({"lr": LR, "size": SIZE}, 300, "tpe", ""),
        ({"lr": LR}, None, "tpe", ""),
        ({}, 40, "tpe", ""),
    ],
)
def test_a_space_and_its_budget_recommend_a_second_sampler(
    space: dict[str, object], budget: int | None, second: str, reason: str
) -> None:
    known = SearchSpace.parse(space) if space else SearchSpace({})
    found = recommended_samplers(known, budget)
    assert [each.kind for each in found] == ["auto", second, "random"]
    assert reason in found[1].reason
    assert found[0].reason.startswith("Here: ") == bool(space)
    for kind, _ in found:
        assert not list(SAMPLERS[kind].space_problems(known))


@pytest.mark.parametrize(
    ("budget", "timeout", "sampler", "kinds"),
    [
        (8, "", "auto", ["predictive", "median_stopping", "none"]),
        (40, "", "random", ["predictive", "asha", "none"]),
        (None, "", "auto", ["predictive", "median_stopping", "none"]),
        (40, "2 h", "auto", ["predictive_halving", "predictive", "none"]),
        (40, "2 h", "random", ["asha", "predictive", "none"]),
        (40, "2 h", "???", ["asha", "predictive", "none"]),
    ],
)
def test_trials_or_time_and_the_sampler_recommend_policies(
    budget: int | None, timeout: str, sampler: str, kinds: list[str]
) -> None:
    found = recommended_policies(budget, timeout=timeout, sampler=sampler)
    assert [each.kind for each in found] == kinds
    assert timeout in found[0].reason
