"""Autologging of three libraries in a trial: no metric, file or model is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from experiments.lifecycle import Claim
from experiments.models import Artifact, LoggedModel, Metric, Trial
from tests.processes.running_site import SCRIPTS


def metrics_of(trial: Trial) -> dict[str, int]:
    rows = Metric.objects.filter(attempt=trial.current_attempt)
    return dict(rows.values_list("name", "count"))


def test_autologging_in_a_trial(live_server: Any, claim: Claim) -> None:
    trial = claim.attempt.trial
    done = subprocess.run(
        [sys.executable, SCRIPTS / "train_autolog.py"],
        env={
            **os.environ,
            "MLFLOW_TRACKING_URI": live_server.url,
            "MLFLOW_TRACKING_TOKEN": claim.trial_token.secret,
            "MLFLOW_RUN_ID": f"{trial.pk:032x}",
            "MLFLOW_EXPERIMENT_ID": str(trial.experiment_id),
            "MLFLOW_DISABLE_TELEMETRY": "true",
        },
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    # A request that fails is only a warning.
    for words in ("RestException", "MlflowException", "HTTPError", "API request"):
        assert words not in done.stderr, done.stderr
    assert metrics_of(trial)["training_accuracy_score"] == 1
    assert trial.run.inputs[0]["tags"][0]["key"] == "mlflow.data.context"
    assert trial.run.params["penalty"] and trial.run.tags["estimator_name"]
    lightgbm = Trial.objects.get(run__name="lightgbm")
    xgboost = Trial.objects.get(run__name="xgboost")
    assert metrics_of(lightgbm)["train-binary_logloss"] >= 5
    assert metrics_of(xgboost)["train-logloss"] >= 5
    for run in (trial, lightgbm, xgboost):
        model = LoggedModel.objects.get(source_run=run)
        assert model.status == "LOGGED_MODEL_READY"
        run.run.refresh_from_db()
        assert run.run.outputs == [{"model_id": model.pk, "step": 0}]
        files = Artifact.objects.filter(attempt=run.current_attempt)
        assert files.filter(path=f"models/{model.pk}/MLmodel").exists()
