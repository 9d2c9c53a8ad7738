"""Requests come again when an answer was lost; the rows are those of one request."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from experiments.lifecycle import Claim
from experiments.mlflow.runs import RecentRuns
from experiments.models import Artifact, LoggedModel, Metric, Trial
from tests.mlflow.conftest import Mlflow
from tests.mlflow.unreliable_proxy import UnreliableProxy


@pytest.fixture
def proxy(tracking: Any, live_server: Any) -> Iterator[UnreliableProxy]:
    proxy = UnreliableProxy(live_server.url)
    yield proxy
    proxy.stop()


@pytest.fixture
def doubled(
    tracking: Any, proxy: UnreliableProxy, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """The module ``mlflow`` behind the proxy."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")
    tracking.set_tracking_uri(proxy.url)
    return tracking


def log_everything(mlflow: Any, folder: Path) -> None:
    mlflow.set_experiment("digits")
    for n in range(3):
        with mlflow.start_run(run_name=f"run {n}"):
            mlflow.log_params({"n": n, "lr": 0.1})
            for step in range(4):
                mlflow.log_metric("accuracy", step / 10, step=step)
            mlflow.log_metrics({"a": 1.0, "b": float("nan")}, step=1)
            mlflow.set_tag("kind", "try")
            mlflow.log_text("text", "a/b.txt")
            with mlflow.start_run(nested=True, run_name="fold"):
                mlflow.log_metric("fold", n)
            time.sleep(0.002)


def stored() -> dict[str, Any]:
    trials = Trial.objects.filter(sweep=None)
    return {
        "runs": sorted(trials.values_list("run__name", "state", "run__params")),
        "tags": sorted(t.run.tags.get("kind", "") for t in trials),
        "metrics": sorted(Metric.objects.values_list("name", "count")),
        "files": sorted(Artifact.objects.values_list("path", "size")),
    }


def test_requests_twice_and_lost_answers_leave_the_same_rows(
    doubled: Any, proxy: UnreliableProxy, tmp_path: Path
) -> None:
    log_everything(doubled, tmp_path)
    assert proxy.lost > 10
    points = [("accuracy", 4)] * 3 + [("a", 1), ("b", 1), ("fold", 1)] * 3
    params = {"n": "0", "lr": "0.1"}
    assert stored() == {
        "runs": sorted(
            [("fold", "completed", {})] * 3
            + [(f"run {n}", "completed", params | {"n": f"{n}"}) for n in range(3)],
            key=str,
        ),
        "tags": ["", "", "", "try", "try", "try"],
        "metrics": sorted(points),
        "files": [("a/b.txt", 4)] * 3,
    }


def test_a_trials_script_too(
    doubled: Any, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = claim.attempt.trial
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", claim.trial_token.secret)
    client = doubled.MlflowClient()
    first = client.create_run("0")
    second = client.create_run("0", run_name="second")
    for step in range(10):
        client.log_metric(first.info.run_id, "accuracy", step, step=step)
    model = client.create_logged_model("0", "m", source_run_id=first.info.run_id)
    client.finalize_logged_model(model.model_id, "READY")
    assert first.info.run_id == f"{own.pk:032x}" != second.info.run_id
    own.refresh_from_db()
    assert own.reports == 10
    assert Trial.objects.count() == 2
    assert LoggedModel.objects.get().status == "LOGGED_MODEL_READY"


def test_runs_of_the_same_old_start_are_different_runs(site: Mlflow) -> None:
    """As in a script that copies the times of earlier runs."""
    assert len({site.run(experiment_id="0", start_time=1) for _ in range(3)}) == 3


def test_two_processes_that_start_at_once_get_different_runs() -> None:
    recent = RecentRuns()
    arrived = time.monotonic()
    recent.add("content", 1)
    assert recent.find("content", arrived=arrived) == 0
    assert recent.find("content", arrived=time.monotonic()) == 1
