"""Models and data sets: their metrics, names and runs."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.lifecycle import Claim
from experiments.models import LoggedModel, Metric
from tests import factories
from tests.mlflow.conftest import Mlflow


def model_of(site: Mlflow, **fields: Any) -> str:
    made = site.ok("POST", "logged-models", {"experiment_id": "0", **fields})
    return str(made["model"]["info"]["model_id"])


def metric(model_id: str, value: Any, step: int = 1, **data: str) -> dict[str, Any]:
    point = {"key": "accuracy", "value": value, "timestamp": 7, "step": step}
    return {**point, "model_id": model_id, **data}


def metrics_of(site: Mlflow, model_id: str) -> list[tuple[Any, ...]]:
    data = site.ok("GET", f"logged-models/{model_id}")["model"].get("data", {})
    return [
        (each["value"], each["step"], each.get("dataset_name"))
        for each in data.get("metrics", [])
    ]


def test_a_metric_of_a_model_is_the_runs_and_the_models(site: Mlflow) -> None:
    run_id, model_id = site.run(experiment_id="0"), model_of(site, name="net")
    on_test = {"dataset_name": "test", "dataset_digest": "1a"}
    first = {"run_id": run_id, **metric(model_id, 0.5, **on_test)}
    site.ok("POST", "runs/log-metric", first)
    again = [metric(model_id, 0.75, 3), metric(model_id, 0.25, 2)]
    other = metric(f"m-{'0' * 32}", "NaN", 4)
    site.ok("POST", "runs/log-batch", {"run_id": run_id, "metrics": [*again, other]})
    assert metrics_of(site, model_id) == [(0.5, 1, "test"), (0.75, 3, None)]
    data = site.ok("GET", f"logged-models/{model_id}")["model"]["data"]
    assert data["metrics"][0] == {**first, "run_id": run_id}
    assert Metric.objects.get().count == 4


def test_models_are_searched_by_their_metrics_and_data_sets(tracking: Any) -> None:
    client = tracking.MlflowClient()
    experiment = client.create_experiment("digits")
    run_id = client.create_run(experiment).info.run_id
    ids = [client.create_logged_model(experiment).model_id for _ in range(3)]
    for model_id, value, data in zip(ids, (0.5, 0.9), ("test", "train"), strict=False):
        names = {"dataset_name": data, "dataset_digest": "1a"}
        client.log_metric(run_id, "accuracy", value, model_id=model_id, **names)

    def found(**query: Any) -> list[str]:
        models = client.search_logged_models(experiment_ids=[experiment], **query)
        return [model.model_id for model in models]

    assert found(filter_string="metrics.accuracy > 0.7") == [ids[1]]
    assert found(datasets=[{"dataset_name": "test"}]) == [ids[0]]
    assert found(datasets=[{"dataset_name": "test", "dataset_digest": "2"}]) == []
    best = [{"field_name": "metrics.accuracy", "ascending": False}]
    assert found(order_by=best) == [ids[1], ids[0], ids[2]]
    names = {client.get_logged_model(model_id).name for model_id in ids}
    assert len(names) == 3
    assert found(filter_string=f"name = '{min(names)}'") in [[each] for each in ids]


def test_a_trials_token_notes_metrics_of_its_own_models_alone(
    site: Mlflow, trial_site: Mlflow, claim: Claim
) -> None:
    trial = claim.attempt.trial
    run_id, experiment = f"{trial.pk:032x}", str(trial.experiment_id)
    own = model_of(trial_site, source_run_id=run_id)
    other = model_of(site, experiment_id=experiment)
    points = [metric(own, 0.5), metric(other, 0.5, 2)]
    trial_site.ok("POST", "runs/log-batch", {"run_id": run_id, "metrics": points})
    assert metrics_of(site, own) == [(0.5, 1, None)]
    assert metrics_of(site, other) == []


def test_the_run_of_another_server_is_kept_as_text(site: Mlflow) -> None:
    theirs = "f" * 32
    model_id = model_of(site, source_run_id=theirs)
    info = site.ok("GET", f"logged-models/{model_id}")["model"]["info"]
    assert info["source_run_id"] == theirs
    assert LoggedModel.objects.get().source_run is None
    refused = site.post("logged-models", {"source_run_id": f"{99:032x}"})
    assert refused.status_code == 404


@pytest.fixture
def data_run(site: Mlflow) -> str:
    run_id = site.run(experiment_id=site.experiment())
    names = {"source_type": "local", "source": "a.csv"}
    inputs = [
        {"dataset": {"name": "iris", "digest": "1a", **names}},
        {
            "dataset": {"name": "digits", "digest": "2b", **names},
            "tags": [{"key": "mlflow.data.context", "value": "train"}],
        },
    ]
    body = {"run_id": run_id, "datasets": inputs, "models": [{"model_id": "m-1"}]}
    for _ in range(2):
        site.ok("POST", "runs/log-inputs", body)
    return run_id


def test_a_run_has_data_sets_and_models_as_inputs(site: Mlflow, data_run: str) -> None:
    inputs = site.ok("GET", f"runs/get?run_id={data_run}")["run"]["inputs"]
    assert [e["dataset"]["name"] for e in inputs["dataset_inputs"]] == [
        "iris",
        "digits",
    ]
    assert inputs["model_inputs"] == [{"model_id": "m-1"}]
    for words, count in (("dataset.name = 'iris'", 1), ("dataset.name = 'x'", 0)):
        body = {"filter": words, "experiment_ids": [_experiment(site, data_run)]}
        assert len(site.ok("POST", "runs/search", body).get("runs", [])) == count


def _experiment(site: Mlflow, run_id: str) -> str:
    run = site.ok("GET", f"runs/get?run_id={run_id}")["run"]
    return str(run["info"]["experiment_id"])


def test_data_sets_of_experiments(site: Mlflow, data_run: str) -> None:
    experiment = _experiment(site, data_run)
    asked = {"experiment_ids": [experiment, "0"]}
    path = "/ajax-api/2.0/mlflow/experiments/search-datasets"
    assert site.ok("POST", path, asked)["dataset_summaries"] == [
        {"experiment_id": experiment, "name": n, "digest": d, "context": c}
        for n, d, c in (("digits", "2b", "train"), ("iris", "1a", ""))
    ]
    factories.team("Others", eve="member")
    eve = Mlflow(factories.api_token(factories.user("eve")))
    assert eve.ok("POST", path, {"experiment_ids": [experiment]}) == {}
    for ids, words in (([], "at least one"), (["1"] * 21, "cannot specify more than")):
        refused = site.post(path, {"experiment_ids": ids})
        assert words in refused.json()["message"]
