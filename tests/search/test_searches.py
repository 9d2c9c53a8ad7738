"""Samplers and early termination together: whatever the curves, trials still complete,
and no configuration is tried twice."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.search.records import Objective
from experiments.search.simulation import simulate
from experiments.search.simulation.families import proposals
from experiments.search.study import Study, SuggestedTrial
from experiments.search.termination import POLICIES, make_policy
from tests.search.recordings import random_curves, recorded

LOSS = Objective("loss", "minimize")
# The others can end every trial, as they do not compare trials, or as parts decide.
COMPARING = sorted(POLICIES.keys() - {"threshold", "patience", "any_of", "all_of"})
EARLY = {
    "predictive": {"type": "predictive"},
    "median": {"type": "median_stopping"},
    # By chance one in nine completes; with a rung at report 1 it is one in 27.
    "asha": {"type": "asha", "min_resource": 3},
}
TRIALS, AT_ONCE, REPORTS = 60, 4, 12


@pytest.mark.parametrize("kind", COMPARING)
@given(seed=st.integers(0, 2**32 - 1), trials=st.integers(2, 25))
@settings(max_examples=25)
def test_whatever_the_curves_a_trial_runs_to_its_end(
    kind: str, seed: int, trials: int
) -> None:
    starts = np.random.default_rng(seed).uniform(0, 15, trials).tolist()
    recording = recorded(random_curves(seed, trials=trials), starts=starts)
    document = proposals(recording, LOSS).get(kind, {"type": kind})
    policy = make_policy(document, LOSS)
    assert policy is not None
    assert (simulate(recording, policy) == 0).any()


@pytest.mark.parametrize("policy", EARLY.values(), ids=EARLY.keys())
@pytest.mark.parametrize("sampler", ["random", "tpe", "cmaes", "bayesian"])
def test_trials_complete_throughout_a_sweep_and_no_configuration_comes_twice(
    sampler: str, policy: Mapping[str, object]
) -> None:
    study = Study(
        search_space={
            "x": {"type": "float", "low": 0, "high": 1},
            "y": {"type": "int", "low": 1, "high": 200},
        },
        sampling_algorithm={"type": sampler, "seed": 3},
        objective={"primary_metric": "loss", "goal": "minimize"},
        early_termination=policy,
    )
    running: dict[int, tuple[SuggestedTrial, list[float]]] = {}
    completed: list[int] = []
    rng = np.random.default_rng(5)
    while len(study.trials) < TRIALS or running:
        if len(running) < AT_ONCE and len(study.trials) < TRIALS:
            trial = study.ask()
            assert trial is not None
            running[trial.number] = trial, _curve(trial, rng)
            continue
        for number, (_, curve) in list(running.items()):
            verdict = study.report(number, step=1, value=curve.pop(0))
            if verdict.stop or not curve:
                study.tell(number, state="terminated" if verdict.stop else "completed")
                del running[number]
                completed += [] if verdict.stop else [number]
    halves = np.histogram(completed, bins=2, range=(0, TRIALS))[0].tolist()
    assert min(halves) >= 1, completed
    assert len(completed) < 0.9 * TRIALS
    assert len({str(trial.params) for trial in study.trials}) == TRIALS


def _curve(trial: SuggestedTrial, rng: np.random.Generator) -> list[float]:
    """Every second one takes off late."""
    x, y = trial.params["x"], trial.params["y"]
    assert isinstance(x, float) and isinstance(y, int)
    late = int(rng.integers(1, REPORTS - 2)) if trial.number % 2 else 0
    done = np.maximum(0, np.arange(1, REPORTS + 1) - late)
    level = (x - 0.3) ** 2 + (y / 200 - 0.6) ** 2
    losses: list[float] = (level + 1 / (1 + done) + 0.01 * rng.normal()).tolist()
    return losses
