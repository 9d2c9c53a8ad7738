"""What a notebook does with a user's token, through MLflow's own client."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from experiments.models import Artifact, Experiment, Trial


def test_a_run_is_logged_and_read_again(tracking: Any, tmp_path: Path) -> None:
    tracking.set_experiment("digits")
    with tracking.start_run(run_name="first look", tags={"stage": "try"}) as run:
        tracking.log_param("lr", 0.01)
        tracking.log_params({"layers": 3, "optimizer": "sgd"})
        for step in range(3):
            tracking.log_metric("loss", 1 / (step + 1), step=step)
        tracking.log_metrics({"val/acc top.1": 0.5, "b": float("nan")}, step=2)
        tracking.log_metric("inf", float("-inf"))
        tracking.log_text("hello", "notes/a.txt")
        (tmp_path / "empty").touch()
        tracking.log_artifact(str(tmp_path / "empty"))
    read = tracking.get_run(run.info.run_id)
    assert read.info.status == "FINISHED"
    assert read.info.run_name == "first look"
    assert read.info.end_time >= read.info.start_time
    assert read.data.params == {"lr": "0.01", "layers": "3", "optimizer": "sgd"}
    assert read.data.metrics["loss"] == pytest.approx(1 / 3)
    assert read.data.metrics["val/acc top.1"] == 0.5
    assert math.isnan(read.data.metrics["b"])
    assert read.data.metrics["inf"] == -math.inf
    assert read.data.tags["stage"] == "try"
    client = tracking.MlflowClient()
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(m.step, m.value) for m in history] == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
    listed = client.list_artifacts(run.info.run_id)
    assert [(f.path, f.is_dir) for f in listed] == [("empty", False), ("notes", True)]
    folder = tracking.artifacts.download_artifacts(
        run_id=run.info.run_id, dst_path=str(tmp_path / "down")
    )
    assert Path(folder, "notes", "a.txt").read_text() == "hello"
    trial = Trial.objects.get()
    assert trial.experiment.name == "digits"
    assert (trial.sweep, trial.state) == (None, "completed")
    assert Artifact.objects.filter(attempt__trial=trial).count() == 2


def test_searches(tracking: Any) -> None:
    tracking.set_experiment("digits")
    for n in range(5):
        with tracking.start_run(run_name=f"run {n}", tags={"even": str(n % 2 == 0)}):
            tracking.log_metric("loss", n)
            tracking.log_param("n", n)
    found = tracking.search_runs(
        filter_string="metrics.loss > 1 and tags.even = 'True'",
        order_by=["metrics.loss DESC"],
        output_format="list",
    )
    assert [run.info.run_name for run in found] == ["run 4", "run 2"]
    client = tracking.MlflowClient()
    experiment = client.get_experiment_by_name("digits").experiment_id
    page = client.search_runs([experiment], "params.n != '9'", max_results=3)
    rest = client.search_runs(
        [experiment], "params.n != '9'", max_results=3, page_token=page.token
    )
    assert len(page) == 3 and len(rest) == 2 and rest.token is None


def test_experiments_are_renamed_deleted_and_restored(tracking: Any) -> None:
    client = tracking.MlflowClient()
    made = client.create_experiment("first", tags={"a": "b"})
    with pytest.raises(tracking.exceptions.MlflowException, match="already exists"):
        client.create_experiment("first")
    client.rename_experiment(made, "second")
    client.set_experiment_tag(made, "mlflow.note.content", "why")
    assert client.get_experiment(made).tags == {"a": "b", "mlflow.note.content": "why"}
    assert Experiment.objects.get(pk=made).notes == "why"
    client.delete_experiment(made)
    assert client.get_experiment(made).lifecycle_stage == "deleted"
    assert {e.name for e in client.search_experiments()} == {"Default"}
    client.restore_experiment(made)
    assert client.get_experiment(made).lifecycle_stage == "active"


def test_runs_are_nested_deleted_and_restored(tracking: Any) -> None:
    with tracking.start_run() as outer, tracking.start_run(nested=True) as inner:
        pass
    child = Trial.objects.get(pk=int(inner.info.run_id, 16))
    assert child.run.parent_id == int(outer.info.run_id, 16)
    client = tracking.MlflowClient()
    client.delete_run(inner.info.run_id)
    assert client.get_run(inner.info.run_id).info.lifecycle_stage == "deleted"
    assert len(client.search_runs([outer.info.experiment_id])) == 1
    client.restore_run(inner.info.run_id)
    assert len(client.search_runs([outer.info.experiment_id])) == 2
