"""Points of metrics: exact numbers, pages, several runs, thinned out."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from experiments.mlflow import history as module
from tests.mlflow.conftest import Mlflow

ODD = [0.1, -0.0, 5e-324, 1.7976931348623157e308, math.inf, -math.inf, math.nan]


def log(site: Mlflow, run_id: str, points: list[dict[str, Any]]) -> None:
    site.ok("POST", "runs/log-batch", {"run_id": run_id, "metrics": points})


def point(step: int, value: Any, time: int = 1, key: str = "a") -> dict[str, Any]:
    return {"key": key, "step": step, "value": value, "timestamp": time}


def history(site: Mlflow, run_id: str, query: str = "") -> Any:
    path = f"metrics/get-history?run_uuid={run_id}&run_id={run_id}&metric_key=a{query}"
    return site.ok("GET", path)


def test_numbers_come_back_as_they_went(tracking: Any) -> None:
    with tracking.start_run() as run:
        for step, value in enumerate(ODD):
            tracking.log_metric("a/b c.d", value, step=step)
        tracking.log_metric("steps", 1, step=-(2**63) + 1, timestamp=1)
        tracking.log_metric("steps", 2, step=2**63 - 1, timestamp=253_402_300_799_000)
    client = tracking.MlflowClient()
    read = client.get_metric_history(run.info.run_id, "a/b c.d")
    assert [repr(m.value) for m in read] == [repr(value) for value in ODD]
    steps = client.get_metric_history(run.info.run_id, "steps")
    assert [(m.step, m.timestamp) for m in steps] == [
        (-(2**63) + 1, 1),
        (2**63 - 1, 253_402_300_799_000),
    ]
    assert math.isnan(client.get_run(run.info.run_id).data.metrics["a/b c.d"])


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("-Infinity", "-Infinity"),
        ("1.5", 1.5),
        (3, 3.0),
        (10**400, "Infinity"),
    ],
)
def test_encodings_of_numbers(site: Mlflow, sent: Any, read: Any) -> None:
    run_id = site.run(experiment_id="0")
    log(site, run_id, [point(0, sent)])
    body = {"run_uuid": run_id, **point(1, sent), "step": "1", "timestamp": "17"}
    site.ok("POST", "runs/log-metric", body)
    assert history(site, run_id)["metrics"] == [
        {"key": "a", "step": 0, "value": read, "timestamp": 1},
        {"key": "a", "step": 1, "value": read, "timestamp": 17},
    ]


def test_bare_nan_is_read_too(site: Mlflow) -> None:
    run_id = site.run(experiment_id="0")
    body = json.dumps({"run_id": run_id, "metrics": [point(0, math.nan)]})
    assert "NaN" in body
    site.ok("POST", "runs/log-batch", body)
    assert history(site, run_id)["metrics"][0]["value"] == "NaN"


def test_pages(site: Mlflow) -> None:
    run_id = site.run(experiment_id="0")
    log(site, run_id, [point(step, step) for step in reversed(range(25))])
    pages, token = [], ""
    while not pages or token:
        page = history(site, run_id, f"&max_results=10&page_token={token}")
        pages.append([each["step"] for each in page["metrics"]])
        token = page.get("next_page_token", "")
    assert pages == [[*range(10)], [*range(10, 20)], [*range(20, 25)]]
    path = f"metrics/get-history?run_id={run_id}&metric_key=none"
    assert site.ok("GET", path) == {}


def test_several_runs(site: Mlflow) -> None:
    points = [point(2, 10, 1), point(3, 11, 1), point(3, 12, 1), point(3, 12, 2)]
    runs = sorted(site.run(experiment_id="0") for _ in range(2))
    for run_id in runs:
        log(site, run_id, points)
    ajax = "/ajax-api/2.0/mlflow/metrics"
    ids = "&".join(f"run_id={run_id}" for run_id in [*runs, "none"])
    found = site.ok("GET", f"{ajax}/get-history-bulk?{ids}&metric_key=a")["metrics"]
    assert found == [{**each, "run_id": run_id} for run_id in runs for each in points]
    few = site.ok("GET", f"{ajax}/get-history-bulk?{ids}&metric_key=a&max_results=2")
    assert [each["step"] for each in few["metrics"]] == [2, 3] * 2


@pytest.mark.parametrize(
    ("query", "steps"),
    [
        ("max_results=5", [0, 2, 4, 6, 9]),
        ("max_results=10", [*range(10)]),
        ("start_step=0&end_step=4&max_results=5", [0, 1, 2, 3, 4]),
        ("start_step=3&end_step=3", [3]),
        ("max_results=1", [9]),
    ],
)
def test_thinned_out(site: Mlflow, query: str, steps: list[int]) -> None:
    run_id = site.run(experiment_id="0")
    log(site, run_id, [point(step, 1) for step in range(10)])
    path = "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"
    found = site.ok("GET", f"{path}?run_ids={run_id}&metric_key=a&{query}")["metrics"]
    assert [each["step"] for each in found] == steps


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("get-history?run_id=1", "required parameter 'metric_key'"),
        ("get-history-bulk?metric_key=a", "must specify at least one run_id"),
        ("get-history-bulk?run_id=1", "must specify a metric_key"),
        ("get-history-bulk?metric_key=a" + "&run_id=1" * 101, "cannot specify more"),
        ("get-history-bulk-interval?metric_key=a", "required parameter 'run_ids'"),
        ("get-history-bulk-interval?run_ids=1", "required parameter 'metric_key'"),
        (
            "get-history-bulk-interval?metric_key=a" + "&run_ids=1" * 101,
            "must specify at most 100 run_ids",
        ),
        (
            "get-history-bulk-interval?metric_key=a&run_ids=1&max_results=0",
            "max_results must be between 1 and 2500",
        ),
        (
            "get-history-bulk-interval?metric_key=a&run_ids=1&start_step=1",
            "both must be specified",
        ),
        (
            "get-history-bulk-interval?metric_key=a&run_ids=1&start_step=1&end_step=0",
            "end_step must be greater than start_step",
        ),
    ],
)
def test_what_is_asked_wrongly(site: Mlflow, path: str, words: str) -> None:
    answer = site.get(f"metrics/{path}")
    assert answer.status_code == 400
    assert words in answer.json()["message"]


def test_long_series_are_read_one_after_the_other(
    site: Mlflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_AT_ONCE", 3)
    read: list[int] = []
    whole = module.histories_of

    def counted(metrics: Any) -> Any:
        read.append(len(metrics))
        return whole(metrics)

    monkeypatch.setattr(module, "histories_of", counted)
    runs = [site.run(experiment_id="0") for _ in range(3)]
    for run_id in runs:
        log(site, run_id, [point(0, 1), point(1, 2)])
    query = "&".join(f"run_id={run_id}" for run_id in runs)
    found = site.ok("GET", f"metrics/get-history-bulk?metric_key=a&{query}")
    assert [each["run_id"] for each in found["metrics"]] == sorted(runs * 2)
    assert read == [1, 1, 1]
    monkeypatch.setattr(module, "MAX_POINTS", 2)
    site.ok("GET", f"metrics/get-history-bulk?metric_key=a&{query}")
    assert read == [1, 1, 1, 1]
