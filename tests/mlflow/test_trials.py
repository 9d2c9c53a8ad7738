"""What a trial's script does with MLflow, by the trial's own token."""

from __future__ import annotations

from typing import Any

import pytest

from experiments import lifecycle
from experiments.lifecycle import Claim, Outcome
from experiments.models import Attempt, Trial
from tests import factories
from tests.mlflow.conftest import Mlflow

NOW = 1_795_498_317_047


@pytest.fixture
def script(tracking: Any, claim: Claim, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module ``mlflow`` in the environment of a trial."""
    trial = claim.attempt.trial
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", claim.trial_token.secret)
    monkeypatch.setenv("MLFLOW_RUN_ID", f"{trial.pk:032x}")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", str(trial.experiment_id))
    return tracking


def test_a_script_with_an_experiment_of_its_own_logs_to_its_trial(
    script: Any, claim: Claim
) -> None:
    script.set_experiment("an experiment of mine")
    with script.start_run(run_name="mine") as run:
        script.log_param("x", "0.0")
        for step in range(3):
            script.log_metric("accuracy", step / 10, step=step)
        with script.start_run(nested=True, run_name="fold 0") as fold:
            script.log_metric("accuracy", 0.9)
            script.set_tag("fold", "0")
    trial = Trial.objects.get(sweep__isnull=False)
    assert run.info.run_id == f"{trial.pk:032x}"
    assert (trial.reports, trial.value, trial.state) == (3, 0.2, "running")
    child = Trial.objects.get(pk=int(fold.info.run_id, 16))
    assert (child.sweep, child.state, child.reports) == (None, "completed", 0)
    assert child.run.parent == trial
    assert child.experiment == trial.experiment
    assert child.run.created_by == factories.user("ada")


def test_the_first_run_that_a_client_makes_is_the_trials_own(script: Any) -> None:
    """As Lightning's logger does, which does not read MLFLOW_RUN_ID."""
    client = script.MlflowClient()
    experiment = client.get_experiment_by_name("lightning_logs")
    first = client.create_run(experiment.experiment_id, run_name="mine")
    client.log_metric(first.info.run_id, "accuracy", 0.7)
    client.set_terminated(first.info.run_id)
    second = client.create_run(experiment.experiment_id)
    trial = Trial.objects.get(sweep__isnull=False)
    assert first.info.run_id == f"{trial.pk:032x}"
    assert (trial.value, trial.state, trial.run.name) == (0.7, "running", "mine")
    child = Trial.objects.get(pk=int(second.info.run_id, 16))
    assert child.run.parent == trial


def test_values_of_the_sweep_are_parameters_that_a_script_may_log_again(
    trial_site: Mlflow, claim: Claim
) -> None:
    run_id = f"{claim.attempt.trial.pk:032x}"
    before = trial_site.ok("GET", f"runs/get?run_id={run_id}")["run"]["data"]
    assert before["params"] == [{"key": "x", "value": "0.0"}]
    for value in ("0.00", "0.000"):
        body = {"run_id": run_id, "key": "x", "value": value}
        trial_site.ok("POST", "runs/log-parameter", body)
    after = trial_site.ok("GET", f"runs/get?run_id={run_id}")["run"]["data"]
    assert after["params"] == [{"key": "x", "value": "0.000"}]


def test_a_stopped_trial_takes_late_metrics_until_its_process_has_ended(
    trial_site: Mlflow, claim: Claim
) -> None:
    trial = claim.attempt.trial
    run_id = f"{trial.pk:032x}"
    metric = {"run_id": run_id, "key": "accuracy", "value": 1, "timestamp": NOW}
    lifecycle.request_stop(trial, reason="policy", message="The median was better.")
    trial_site.ok("POST", "runs/log-metric", metric)
    end = {"run_id": run_id, "status": "FAILED", "end_time": NOW}
    info = trial_site.ok("POST", "runs/update", end)["run_info"]
    assert info["status"] == "RUNNING" and "end_time" not in info
    lifecycle.finish_attempt(claim.attempt, Outcome(cause="stopped", signal=15))
    trial.refresh_from_db()
    assert (trial.state, trial.reports) == ("terminated", 1)
    for path, body in (("runs/log-metric", metric), ("runs/update", end)):
        refused = trial_site.post(path, body)
        assert refused.status_code == 403
        assert refused.json()["error_code"] == "PERMISSION_DENIED"
        assert "The trial has ended" in refused.json()["message"]


def test_a_token_reaches_its_own_trial_and_what_is_below(
    trial_site: Mlflow, site: Mlflow, claim: Claim
) -> None:
    trial = claim.attempt.trial
    other = factories.claim(factories.trial(trial.sweep), slot=1).attempt.trial
    child = trial_site.run(
        tags=[{"key": "mlflow.parentRunId", "value": f"{trial.pk:032x}"}]
    )
    grandchild = trial_site.run(tags=[{"key": "mlflow.parentRunId", "value": child}])
    assert Trial.objects.get(pk=int(grandchild, 16)).run.parent_id == int(child, 16)
    foreign = site.run(experiment_id=str(trial.experiment_id))
    for run_id in (f"{other.pk:032x}", foreign, f"{99:032x}", "x", f"{2**63:x}"):
        assert trial_site.get(f"runs/get?run_id={run_id}").status_code == 404
    found = trial_site.ok("POST", "runs/search", {"experiment_ids": ["0"]})["runs"]
    ids = {run["info"]["run_id"] for run in found}
    assert ids == {f"{trial.pk:032x}", child, grandchild}
    for path, body in (
        ("runs/delete", {"run_id": child}),
        ("runs/restore", {"run_id": child}),
        ("experiments/delete", {"experiment_id": "0"}),
        ("experiments/restore", {"experiment_id": "0"}),
        ("experiments/update", {"experiment_id": "0", "new_name": "x"}),
    ):
        assert trial_site.post(path, body).status_code == 403, path


@pytest.mark.parametrize(("exit_code", "state"), [(0, "completed"), (1, "cancelled")])
def test_runs_below_a_trial_end_with_it(
    trial_site: Mlflow, claim: Claim, exit_code: int, state: str
) -> None:
    trial = claim.attempt.trial
    parent = f"{trial.pk:032x}"
    metric = {"key": "accuracy", "value": 0.5, "timestamp": NOW}
    trial_site.ok("POST", "runs/log-metric", {"run_id": parent, **metric})
    tags = [{"key": "mlflow.parentRunId", "value": parent}]
    left, failed = trial_site.run(tags=tags), trial_site.run(tags=tags)
    trial_site.ok("POST", "runs/update", {"run_id": failed, "status": "FAILED"})
    assert lifecycle.finish_attempt(
        claim.attempt, Outcome("exited", exit_code=exit_code)
    )
    for run_id, ended in ((left, state), (failed, "failed")):
        child = Trial.objects.get(pk=int(run_id, 16))
        assert (child.state, child.attempts.get().state) == (ended, "finished")
        assert child.ended_at and not child.attempts.get().trial_token_digest
    assert Trial.objects.get(pk=int(left, 16)).message == "Its trial has ended."


def test_a_single_runs_own_token_logs_to_it_also_after_its_end(
    site: Mlflow, db: None
) -> None:
    run_id = site.run(experiment_id="0")
    attempt = Attempt.objects.get(trial=int(run_id, 16))
    own = Mlflow(lifecycle.runs.attempt_token(attempt).secret)
    end = {"run_id": run_id, "status": "FINISHED", "end_time": NOW}
    assert own.ok("POST", "runs/update", end)["run_info"]["end_time"] == NOW
    late = {"run_id": run_id, "key": "late", "value": 1, "timestamp": NOW, "step": 2}
    own.ok("POST", "runs/log-metric", late)
    run = site.ok("GET", f"runs/get?run_id={run_id}")["run"]
    assert run["info"]["status"] == "FINISHED"
    assert run["data"]["metrics"] == [
        {"key": "late", "value": 1.0, "timestamp": NOW, "step": 2}
    ]
    history = own.ok("GET", f"metrics/get-history?run_id={run_id}&metric_key=late")
    assert history["metrics"] == [
        {"key": "late", "value": 1.0, "timestamp": NOW, "step": 2}
    ]
