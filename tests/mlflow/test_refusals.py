"""Every refusal is JSON in MLflow's form, whatever is wrong."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

from experiments.mlflow import experiments, log, logged_models
from experiments.mlflow.filters import page_token
from experiments.mlflow.routes import ENDPOINTS, LOGGING
from experiments.models import Run, Trial
from tests import factories
from tests.mlflow.conftest import Mlflow

NOW = 1_795_498_317_047
POINT = {"key": "loss", "value": 1.0, "timestamp": NOW, "step": 0}
PATHS = [*ENDPOINTS, *(("POST", path) for path in LOGGING)]


def code_of(answer: Any) -> tuple[int, str]:
    assert answer["Content-Type"] == "application/json"
    assert answer.json()["message"]
    return answer.status_code, answer.json()["error_code"]


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_every_endpoint_needs_a_token(db: None, method: str, path: str) -> None:
    for token in (None, "swp_wrong", "trl_wrong", "wrk_wrong"):
        refused = Mlflow(token)(method, path)
        assert code_of(refused) == (401, "UNAUTHENTICATED")
        assert "Location" not in refused


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_every_endpoint_refuses_other_methods_and_wrong_bodies(
    site: Mlflow, method: str, path: str
) -> None:
    assert code_of(site("PUT", path)) == (405, "BAD_REQUEST")
    if method == "POST":
        for body in ("{", "[]", '"x"', "1", b"\xff"):
            answer = site("POST", path, body)
            assert code_of(answer) == (400, "INVALID_PARAMETER_VALUE"), body


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("registered-models/create", 501, "NOT_IMPLEMENTED"),
        ("model-versions/search", 501, "NOT_IMPLEMENTED"),
        ("datasets/search", 501, "NOT_IMPLEMENTED"),
        ("/model-versions/get-artifact?path=a", 501, "NOT_IMPLEMENTED"),
        ("//model-versions/get-artifact?path=../a", 400, "INVALID_PARAMETER_VALUE"),
        ("traces/tr-1", 501, "NOT_IMPLEMENTED"),
        ("/api/3.0/mlflow/traces", 501, "NOT_IMPLEMENTED"),
        ("/api/2.0/mlflow-artifacts/mpu/create/x", 501, "NOT_IMPLEMENTED"),
        ("/api/3.0/mlflow/server-info", 404, "ENDPOINT_NOT_FOUND"),
        ("/api/4.0/mlflow/what", 404, "ENDPOINT_NOT_FOUND"),
        ("/ajax-api/2.0/mlflow/what", 404, "ENDPOINT_NOT_FOUND"),
        ("runs/what", 404, "ENDPOINT_NOT_FOUND"),
        ("runs/get/", 404, "ENDPOINT_NOT_FOUND"),
        ("logged-models/what", 404, "ENDPOINT_NOT_FOUND"),
    ],
)
def test_what_the_site_does_not_have(
    site: Mlflow, path: str, status: int, code: str
) -> None:
    assert code_of(site.get(path)) == (status, code)


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("runs/log-metric", {**POINT, "run_id": 31}, "Invalid value 31 for parameter"),
        ("runs/log-metric", {**POINT, "run_id": None}, "required parameter 'run_id'"),
        ("runs/log-metric", {**POINT, "key": None}, "required parameter 'key'"),
        ("runs/log-metric", {**POINT, "key": 31}, "Invalid value 31 for parameter"),
        ("runs/log-metric", {**POINT, "step": "a"}, "'step' supplied"),
        ("runs/log-metric", {**POINT, "timestamp": "a"}, "'timestamp' supplied"),
        ("runs/log-metric", {**POINT, "timestamp": -1}, "nonnegative long"),
        ("runs/log-metric", {**POINT, "step": 2**63}, "does not fit"),
        ("runs/log-metric", {**POINT, "value": "much"}, "valid double"),
        ("runs/log-metric", {**POINT, "value": True}, "valid double"),
        ("runs/log-metric", {**POINT, "key": "a//b"}, "would resolve to 'a/b'"),
        ("runs/log-metric", {**POINT, "key": "../x"}, "would resolve to"),
        ("runs/log-metric", {**POINT, "key": "a?b"}, "may only contain"),
        ("runs/log-metric", {**POINT, "key": "a\0b"}, "NUL is not allowed"),
        ("runs/log-metric", {**POINT, "key": "a\ud800"}, "not Unicode"),
        ("runs/log-metric", {**POINT, "key": "a" * 251}, "maximum length of 250"),
        ("runs/log-batch", {"metrics": [POINT] * 1001}, "at most 1000 metrics"),
        ("runs/log-batch", {"metrics": "foo"}, 'Invalid value "foo" for parameter'),
        ("runs/log-batch", {"metrics": [{"key": "a", "value": 1}]}, "].timestamp'"),
        ("runs/log-batch", {"params": [{"value": "1"}]}, "'params[0].key'"),
        (
            "runs/log-batch",
            {"params": [{"key": f"{n}", "value": ""} for n in range(101)]},
            "at most 100 params",
        ),
        (
            "runs/log-batch",
            {"params": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]},
            "Duplicate parameter keys have been submitted: ['a']",
        ),
        ("runs/set-tag", {"value": "x"}, "required parameter 'key'"),
        ("runs/set-tag", {"key": "a", "value": 41}, "Invalid value 41"),
        ("runs/log-inputs", {}, "required parameter 'datasets'"),
        ("runs/update", {"status": "DONE"}, 'Invalid value "DONE"'),
        ("runs/search", {"max_results": 123456789}, "123456789 for parameter"),
        ("runs/search", {"filter": "metrics.a ~ 1"}, "Invalid clause(s) in filter"),
        ("runs/search", {"filter": "params.a = 1"}, "Expected a quoted string"),
        ("runs/search", {"filter": "metrics.a = 'x'"}, "Expected numeric value"),
        ("runs/search", {"filter": "what.a = 'x'"}, "Invalid entity type 'what'"),
        ("runs/search", {"filter": "what = 'x'"}, "Invalid attribute key 'what'"),
        ("runs/search", {"filter": "params.a > 'x'"}, "Invalid comparator"),
        ("runs/search", {"order_by": ["metrics.a UP"]}, "Invalid ordering key"),
        ("runs/search", {"page_token": "x"}, "Invalid page token"),
        ("experiments/create", {}, "required parameter 'name'"),
        ("experiments/create", {"name": 123}, "Invalid value 123 for parameter 'name'"),
        ("experiments/create", {"name": "x" * 501}, "maximum length"),
        ("experiments/create", {"name": "a", "tags": "5"}, 'Invalid value "5"'),
    ],
)
def test_wrong_values_are_named(
    site: Mlflow, path: str, body: dict[str, Any], words: str
) -> None:
    run_id = site.run(experiment_id="0")
    answer = site.post(path, {"run_id": run_id, **body})
    assert code_of(answer) == (400, "INVALID_PARAMETER_VALUE")
    assert words in answer.json()["message"]
    read = site.ok("GET", f"runs/get?run_id={run_id}")["run"]["data"]
    assert read.keys() == {"tags"}


def test_parameters_of_a_run_do_not_change(site: Mlflow) -> None:
    run_id = site.run(experiment_id="0")
    for _ in range(2):
        site.ok("POST", "runs/log-parameter", {"run_id": run_id, "key": "a"})
    changed = {"run_id": run_id, "key": "a", "value": "2"}
    answer = site.post("runs/log-parameter", changed)
    assert code_of(answer) == (400, "INVALID_PARAMETER_VALUE")
    assert "Changing param values is not allowed" in answer.json()["message"]


def test_what_others_have_is_not_there(site: Mlflow) -> None:
    run_id = site.run(experiment_id="0")
    other = factories.team("Biology", eve="member").members.get()
    eve = Mlflow(factories.api_token(other))
    for path, body in (
        ("runs/update", {"run_id": run_id, "status": "FINISHED"}),
        ("runs/log-metric", {"run_id": run_id, **POINT}),
        ("runs/delete", {"run_id": run_id}),
        ("runs/delete-tag", {"run_id": run_id, "key": "a"}),
        ("runs/outputs", {"run_id": run_id, "models": []}),
        ("logged-models", {"source_run_id": run_id, "name": "m"}),
    ):
        assert code_of(eve.post(path, body)) == (404, "RESOURCE_DOES_NOT_EXIST"), path
    experiment = str(Trial.objects.get().experiment_id)
    for path in (
        f"runs/get?run_id={run_id}",
        f"experiments/get?experiment_id={experiment}",
    ):
        assert code_of(eve.get(path)) == (404, "RESOURCE_DOES_NOT_EXIST")
    found = eve.ok("POST", "runs/search", {"experiment_ids": [experiment]})
    assert found == {}


def test_viewers_and_tokens_for_reading_read(site: Mlflow) -> None:
    run_id = site.run(experiment_id="0")
    vera = Mlflow(factories.api_token(factories.user("vera")))
    reads = Mlflow(factories.api_token(factories.user("ada"), scope="read"))
    for caller in (vera, reads):
        assert caller.ok("GET", f"runs/get?run_id={run_id}")
        for path, body in (
            ("runs/log-metric", {"run_id": run_id, **POINT}),
            ("runs/create", {"experiment_id": "0"}),
            ("experiments/create", {"name": "new"}),
        ):
            assert code_of(caller.post(path, body)) == (403, "PERMISSION_DENIED"), path


def test_a_token_may_be_a_password(site: Mlflow, token: str) -> None:
    def answer(pair: str) -> Any:
        encoded = base64.b64encode(pair.encode()).decode()
        headers = {"Authorization": f"Basic {encoded}"}
        return Mlflow(None).post("experiments/search", {}, headers=headers)

    assert answer(f"ada:{token}").status_code == 200
    assert code_of(answer("ada:wrong")) == (401, "UNAUTHENTICATED")
    assert code_of(answer("ada")) == (401, "UNAUTHENTICATED")


def test_too_much_is_refused_with_a_time_to_retry(site: Mlflow, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000
    large = site.post("runs/log-batch", {"run_id": "x" * 1_000})
    assert code_of(large) == (413, "INVALID_PARAMETER_VALUE")
    settings.USER_REQUESTS_PER_SECOND = 1
    answers = [site.post("experiments/search", {}) for _ in range(25)]
    assert code_of(answers[-1]) == (429, "REQUEST_LIMIT_EXCEEDED")
    assert int(answers[-1]["Retry-After"]) >= 1


def test_a_failure_of_the_site_is_json(
    site: Mlflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setitem(ENDPOINTS, ("GET", "runs/get"), broken)
    assert code_of(site.get("runs/get?run_id=1")) == (500, "INTERNAL_ERROR")


DEEP = "[" * 100_000
HALF = "\\ud800"


@pytest.mark.parametrize("is_known", [False, True])
def test_hostile_bodies_are_refused_by_the_quick_way_too(
    is_known: bool, site: Mlflow
) -> None:
    """Before anybody has asked for the token."""
    caller = site if is_known else Mlflow(None)
    many = [{"key": f"k{n}", "value": ""} for n in range(40_000)]
    began = time.process_time()
    for path in ("runs/log-batch", "runs/log-metric", "runs/log-parameter"):
        for body in (DEEP, f'{{"run_id": "x", "params": {DEEP}', {"params": many}):
            refused = caller.post(path, body)
            assert refused.status_code in (400, 401), refused.content
            code_of(refused)
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("runs/search", f'{{"order_by": ["{HALF} x y"]}}'),
        ("runs/search", {"page_token": page_token(10**30)}),
        ("runs/search", {"page_token": base64.b64encode(DEEP.encode()).decode()}),
        ("logged-models/search", f'{{"experiment_ids": ["{HALF}"]}}'),
    ],
)
def test_what_cannot_be_written_or_counted_is_refused(
    site: Mlflow, path: str, body: Any
) -> None:
    assert site.post(path, body).status_code in (400, 404)


def test_a_run_is_made_whatever_unknown_fields_have(site: Mlflow) -> None:
    now = int(time.time() * 1000)
    made = site.post("runs/create", f'{{"start_time": {now}, "x": "{HALF}"}}')
    assert made.status_code == 200


@pytest.mark.parametrize("garbage", ["x", "{}", "1"])
def test_a_tag_of_models_may_hold_anything(site: Mlflow, garbage: str) -> None:
    run_id = site.run()
    tag = {"run_id": run_id, "key": "mlflow.log-model.history", "value": garbage}
    site.ok("POST", "runs/set-tag", tag)
    model = {"artifact_path": "m", "flavors": {}, "utc_time_created": "", "run_id": "r"}
    body = {"run_id": run_id, "model_json": json.dumps(model)}
    site.ok("POST", "runs/log-model", body)
    assert json.loads(Run.objects.get().tags["mlflow.log-model.history"]) == [model]


def test_tags_of_experiments_and_models_have_an_end(
    site: Mlflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiments, "MAX_ENTRIES", 1)
    monkeypatch.setattr(logged_models, "MAX_ENTRIES", 1)
    experiment = site.experiment()
    tag = {"experiment_id": experiment, "key": "a", "value": "1"}
    site.ok("POST", "experiments/set-experiment-tag", tag)
    refused = site.post("experiments/set-experiment-tag", {**tag, "key": "b"})
    assert code_of(refused) == (400, "INVALID_PARAMETER_VALUE")
    made = site.ok("POST", "logged-models", {"experiment_id": experiment})
    path = f"logged-models/{made['model']['info']['model_id']}/params"
    params = [{"key": "a", "value": ""}, {"key": "b", "value": ""}]
    assert code_of(site.post(path, {"params": params}))[0] == 400


IRIS = {"name": "iris", "digest": "1a", "source_type": "local", "source": "a.csv"}


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        (
            "log-inputs",
            {"datasets": [{"dataset": {**IRIS, "name": "x" * 501}}]},
            "'name'",
        ),
        (
            "log-inputs",
            {"datasets": [{"dataset": {**IRIS, "digest": "x" * 37}}]},
            "36 char",
        ),
        (
            "log-inputs",
            {"datasets": [{"dataset": {**IRIS, "source": "x" * 65_536}}]},
            "65535",
        ),
        (
            "log-inputs",
            {"datasets": [{"dataset": {**IRIS, "schema": "x" * 2**20}}]},
            "'schema'",
        ),
        (
            "log-inputs",
            {
                "datasets": [
                    {"dataset": IRIS, "tags": [{"key": "a", "value": "x" * 501}]}
                ]
            },
            "'tags.a' exceeds the maximum length of 500",
        ),
        ("log-inputs", {"models": [{"model_id": "x" * 251}]}, "'model_id'"),
        (
            "log-inputs",
            {"models": [{"model_id": f"{n}"} for n in range(1_001)]},
            "at most 1,000 inputs; it would have 1,001",
        ),
        (
            "log-inputs",
            {
                "datasets": [
                    {"dataset": {**IRIS, "digest": f"{n}", "schema": "x" * 1_000_000}}
                    for n in range(3)
                ]
            },
            "at most 2,500,000 bytes in all",
        ),
        (
            "outputs",
            {"models": [{"model_id": f"{n}"} for n in range(1_001)]},
            "at most 1,000 outputs",
        ),
        (
            "log-model",
            {
                "model_json": json.dumps(
                    {
                        **dict.fromkeys(("utc_time_created", "run_id"), ""),
                        **{"artifact_path": "m", "flavors": {"f": "x" * 8_000}},
                    }
                )
            },
            "'model_json' exceeds the maximum length of 8000",
        ),
    ],
)
def test_what_a_run_reads_and_makes_has_limits(
    site: Mlflow, monkeypatch: pytest.MonkeyPatch, path: str, body: Any, words: str
) -> None:
    monkeypatch.setattr(log, "MAX_INPUTS_SIZE", 2_500_000)
    refused = site.post(f"runs/{path}", {"run_id": site.run(), **body})
    assert refused.status_code == 400
    assert refused.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert words in refused.json()["message"]
    run = Run.objects.get()
    assert (run.inputs, run.outputs, run.tags) == ([], [], {})
