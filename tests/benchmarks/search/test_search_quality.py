"""The default sampler and policy are worth their place, on the tasks of this folder.

    python -m pytest -m slow tests/benchmarks/search

The full tables come from `table.py` and `policies.py`.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.benchmarks.search import policies, table

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
SAMPLERS_TASKS = ("digits", "valley", "noisy valley", "cells", "branches")
SEEDS = 4


def test_auto_finds_more_than_random_and_never_much_less() -> None:
    found = table.measured(
        SAMPLERS_TASKS, ("random", "auto"), seeds=SEEDS, trials=60, processes=2
    )
    gain = (found["random"] - found["auto"])[:, :, -1].mean(axis=1)
    share = found["auto"][:, :, -1].mean() / found["random"][:, :, -1].mean()
    assert share < 0.5, f"auto has {share:.2f} of the regret of random search"
    faster = table.speed_up(found["auto"], found["random"])
    assert faster > 2, f"auto needs {faster:.1f} times fewer trials"
    assert gain.min() > -0.02, f"gains by task {gain.round(3)}"


def test_the_predictive_policy_spends_less_than_median_and_loses_little() -> None:
    figures = {
        policy: np.array(
            [
                policies.policy_figures(name, policy, seed)
                for name in policies.CURVES
                for seed in range(SEEDS)
            ]
        ).mean(axis=0)
        for policy in ("none", "median", "predictive")
    }
    assert figures["predictive"][0] < figures["median"][0]
    assert figures["predictive"][1] - figures["none"][1] < 0.02


def test_for_a_fixed_compute_a_model_with_halving_beats_random_with_it() -> None:
    regrets = {
        sampler: np.mean(
            [
                policies.joint_figure(name, (sampler, "predictive halving"), seed)
                for name in policies.CURVES
                for seed in range(3)
            ]
        )
        for sampler in ("random", "auto")
    }
    share = regrets["auto"] / regrets["random"]
    assert share < 0.8, f"auto has {share:.2f} of the regret of random search"
