"""Which function answers which request, and how errors are answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import re_path
from django.views.decorators.csrf import csrf_exempt

from experiments.mlflow import (
    artifacts,
    batches,
    experiments,
    history,
    log,
    logged_models,
    runs,
    search,
)
from experiments.mlflow.callers import AnyCaller, caller_of
from experiments.mlflow.errors import (
    MlflowError,
    answer,
    error_answer,
    refusal_of,
)
from experiments.mlflow.fields import RequestFields, read_fields

Endpoint = Callable[[AnyCaller, RequestFields], Any]
ModelEndpoint = Callable[..., Any]

# By method and path below …/2.0/mlflow/.
ENDPOINTS: Mapping[tuple[str, str], Endpoint] = {
    ("POST", "experiments/create"): experiments.create,
    ("GET", "experiments/get"): experiments.get,
    ("GET", "experiments/get-by-name"): experiments.get_by_name,
    ("POST", "experiments/search"): experiments.search,
    ("GET", "experiments/search"): experiments.search,
    ("POST", "experiments/update"): experiments.update,
    ("POST", "experiments/delete"): experiments.delete,
    ("POST", "experiments/restore"): experiments.restore,
    ("POST", "experiments/set-experiment-tag"): experiments.set_tag,
    ("POST", "experiments/delete-experiment-tag"): experiments.delete_tag,
    ("POST", "runs/create"): runs.create,
    ("GET", "runs/get"): runs.get,
    ("POST", "runs/update"): runs.update,
    ("POST", "runs/delete"): runs.delete,
    ("POST", "runs/restore"): runs.restore,
    ("POST", "runs/search"): search.search_runs,
    ("POST", "experiments/search-datasets"): search.search_datasets,
    ("POST", "runs/delete-tag"): log.delete_tag,
    ("POST", "runs/log-inputs"): log.log_inputs,
    ("POST", "runs/outputs"): log.log_outputs,
    ("POST", "runs/log-model"): log.log_model,
    ("GET", "metrics/get-history"): history.get_history,
    ("GET", "metrics/get-history-bulk"): history.get_bulk,
    ("GET", "metrics/get-history-bulk-interval"): history.get_bulk_interval,
    ("GET", "artifacts/list"): artifacts.list_of_run,
    ("GET", "get-artifact"): artifacts.download_of_run,
    ("POST", "logged-models"): logged_models.create,
    ("POST", "logged-models/search"): logged_models.search,
}
# Endless streams of small requests: read without the rest.
LOGGING: Mapping[str, Callable[[bytes], batches.LogBatch]] = {
    "runs/log-metric": batches.read_log_metric,
    "runs/log-batch": batches.read_log_batch,
    "runs/log-parameter": batches.read_log_param,
    "runs/set-tag": batches.read_set_tag,
}
OF_MODELS: Mapping[tuple[str, str], ModelEndpoint] = {
    ("GET", ""): logged_models.get,
    ("PATCH", ""): logged_models.finalize,
    ("DELETE", ""): logged_models.delete,
    ("PATCH", "/tags"): logged_models.set_tags,
    ("POST", "/params"): logged_models.log_params,
}
MODEL = re.compile(r"logged-models/(m-[0-9a-f]{32})(/tags|/params)?")
MODEL_TAG = re.compile(r"logged-models/(m-[0-9a-f]{32})/tags/(.+)")
MODEL_FILES = re.compile(
    r"logged-models/(m-[0-9a-f]{32})/artifacts/(directories|files)"
)

# What this site does not have, so that clients say so.
NOT_HERE = {
    "a model registry": ("registered-models", "model-versions"),
    "traces": ("traces", "assessments", "scorers", "issues"),
    "MLflow's gateway": ("gateway", "gateway-proxy", "endpoints"),
    "a data set registry": ("datasets",),
    "webhooks": ("webhooks",),
    "MLflow's pages": ("graphql", "ui-telemetry", "jobs", "users", "permissions"),
    "uploads in parts": ("mpu", "presigned", "presigned-download-url"),
}


def _absent(path: str) -> MlflowError:
    """For a path without an endpoint: 501 for known ones, else 404."""
    for words, names in NOT_HERE.items():
        if path in names or path.partition("/")[0] in names:
            message = f"This site does not have {words}: {path} is not supported."
            return MlflowError("NOT_IMPLEMENTED", message)
    return MlflowError("ENDPOINT_NOT_FOUND", f"There is no endpoint {path}.")


def _wrong_method(request: HttpRequest, path: str) -> MlflowError:
    words = f"{path} does not take {request.method}."
    return MlflowError("BAD_REQUEST", words, status=405)


def answering(view: Callable[..., Any]) -> Callable[..., HttpResponseBase]:
    """Answers what a view returns, and its refusals, in MLflow's form."""

    @csrf_exempt
    @login_not_required
    def answered(request: HttpRequest, **names: str) -> HttpResponseBase:
        try:
            found = view(request, **names)
            is_response = isinstance(found, HttpResponseBase)
            return found if is_response else answer(found)
        except Exception as error:
            refusal = refusal_of(error, request)
            if refusal is None:
                raise
            return error_answer(refusal)

    return answered


@answering
def tracking(request: HttpRequest, *, path: str) -> Any:
    if path in LOGGING:
        if request.method != "POST":
            raise _wrong_method(request, path)
        caller = caller_of(request, logs=True)
        return log.store(caller, LOGGING[path](request.body))
    endpoint = ENDPOINTS.get((request.method or "", path))
    if endpoint is not None:
        caller = caller_of(request)
        return endpoint(caller, read_fields(request))
    if (request.method, path) == ("POST", "upload-artifact"):
        return artifacts.upload_to_run(caller_of(request, logs=True), request)
    if any(path == known for _, known in ENDPOINTS):
        raise _wrong_method(request, path)
    return _of_model(request, path)


def _of_model(request: HttpRequest, path: str) -> Any:
    if found := MODEL_TAG.fullmatch(path):
        if request.method != "DELETE":
            raise _wrong_method(request, path)
        caller = caller_of(request)
        return logged_models.delete_tag(caller, RequestFields({}), found[1], found[2])
    if found := MODEL_FILES.fullmatch(path):
        files = artifacts.list_of_model, artifacts.download_of_model
        answer_of = files[found[2] == "files"]
        return answer_of(caller_of(request), read_fields(request), found[1])
    found = MODEL.fullmatch(path)
    if found is None:
        raise _absent(path)
    endpoint = OF_MODELS.get((request.method or "", found[2] or ""))
    if endpoint is None:
        raise _wrong_method(request, path)
    caller = caller_of(request)
    return endpoint(caller, read_fields(request), found[1])


@answering
def artifact(request: HttpRequest, *, path: str = "") -> Any:
    caller = caller_of(request, logs=True)
    if not path:
        if request.method != "GET":
            raise _wrong_method(request, "artifacts")
        return artifacts.list_files(caller, read_fields(request))
    if request.method == "PUT":
        return artifacts.upload(caller, request, path)
    if request.method == "GET":
        return artifacts.download(caller, path)
    if request.method == "DELETE":
        return artifacts.delete(caller, path)
    raise _wrong_method(request, "artifacts")


@answering
def file_of_model_version(request: HttpRequest) -> HttpResponse:
    artifacts.checked_path(request.GET.get("path") or "-")
    raise _absent("model-versions/get-artifact")


@answering
def nowhere(request: HttpRequest, *, path: str) -> HttpResponse:
    """Other versions and services of MLflow's server."""
    raise _absent(path.removeprefix("mlflow/").removeprefix("mlflow-artifacts/"))


# Also of names with line breaks.
REST = r"(?P<path>[\s\S]*)\Z"
TWO = r"^(?:ajax-)?api/2\.0/"
urlpatterns = [
    re_path(TWO + "mlflow/" + REST, tracking),
    re_path(TWO + r"mlflow-artifacts/artifacts\Z", artifact),
    re_path(TWO + "mlflow-artifacts/artifacts/" + REST, artifact),
    re_path(r"^(?P<path>get-artifact)\Z", tracking),
    # Clients that join addresses send two slashes.
    re_path(r"^(?:/)?model-versions/get-artifact\Z", file_of_model_version),
    re_path(r"^(?:ajax-)?api/[234]\.0/" + REST, nowhere),
]
