"""The code that the documentation shows for MLflow's client, run as it is printed."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.lifecycle import Claim
from experiments.models import Metric, Sweep, Trial
from tests import factories
from tests.docs.blocks import blocks

BLOCKS = {
    str(block): block.code for block in blocks("python") if "mlflow" in block.code
}


def execute(name: str, **names: Any) -> None:
    exec(compile(BLOCKS[name], name, "exec"), names)


def test_a_trial_logs(
    tracking: Any, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = claim.attempt.trial
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", claim.trial_token.secret)
    monkeypatch.setenv("MLFLOW_RUN_ID", f"{trial.pk:032x}")
    execute("docs/mlflow.md 1")
    tracking.autolog(disable=True)
    metric = Metric.objects.get(attempt__trial=trial)
    assert (metric.name, metric.count) == ("accuracy", 1)


def test_trials_of_a_sweep_are_found(tracking: Any) -> None:
    team = factories.team("Physics")
    for _ in range(3):
        sweep = factories.sweep(team)
    for value in (0.7, 0.95):
        factories.reported_trial(sweep, [value])
    Sweep.objects.filter(pk=sweep.pk).update(state="completed")
    code = BLOCKS["docs/mlflow.md 3"].replace("digits-3", sweep.label)
    code = code.replace('["digits"]', f'["{sweep.experiment.name}"]')
    names = {"mlflow": tracking}
    found = eval(code, names)
    assert list(found["metrics.accuracy"]) == [0.95]


def test_a_single_run_is_logged(tracking: Any) -> None:
    execute("docs/runs.md 2")
    trial = Trial.objects.get()
    assert (trial.run.name, trial.run.params) == ("svm-rbf", {"C": "10"})
