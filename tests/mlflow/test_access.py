"""Who gets what: every endpoint of MLflow's protocol against every kind of caller."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import transaction

from experiments import storage
from experiments.api import rate_limits
from experiments.mlflow.callers import run_id_of
from experiments.mlflow.routes import ENDPOINTS, LOGGING, OF_MODELS
from experiments.models import Artifact, Experiment, LoggedModel, Run, Team, Trial
from tests.access_world import FORBIDDEN, MISSING, OK, UNKNOWN, World, make_world
from tests.mlflow.conftest import Mlflow

# The object's state, or what the request says, may speak against it.
ANSWERED = (*OK, 400, 409)
DATASET = {"name": "d", "digest": "1", "source_type": "local", "source": "{}"}
Rule = Mapping[str, Any]
MEMBERS = ("viewer", "reading member", "member", "admin", "superuser")
READ: Rule = {**dict.fromkeys(MEMBERS, ANSWERED), "stranger": MISSING}
CHANGE: Rule = {**READ, "viewer": FORBIDDEN, "reading member": FORBIDDEN}
# A stranger finds nothing, or makes it in another team.
SEARCH: Rule = {**READ, "stranger": ANSWERED}
CREATE: Rule = {**CHANGE, "stranger": ANSWERED}
OWN: Rule = {"own run": ANSWERED}
REFUSED = (403, 404)
UNKNOWN_CALLERS = ("nobody", "worker", "runner", "revoked", "inactive")

ROUTES: Mapping[tuple[str, str], Rule] = {
    ("POST", "experiments/create"): CREATE | OWN,
    ("GET", "experiments/get"): READ | OWN,
    ("GET", "experiments/get-by-name"): READ | OWN,
    ("POST", "experiments/search"): SEARCH | OWN,
    ("GET", "experiments/search"): SEARCH | OWN,
    ("POST", "experiments/update"): CHANGE,
    ("POST", "experiments/delete"): CHANGE,
    ("POST", "experiments/restore"): CHANGE,
    ("POST", "experiments/set-experiment-tag"): CHANGE | OWN,
    ("POST", "experiments/delete-experiment-tag"): CHANGE,
    ("POST", "runs/create"): CHANGE | OWN,
    ("GET", "runs/get"): READ | OWN,
    ("POST", "runs/update"): CHANGE | OWN,
    ("POST", "runs/delete"): CHANGE,
    ("POST", "runs/restore"): CHANGE,
    ("POST", "runs/search"): SEARCH | OWN,
    ("POST", "experiments/search-datasets"): SEARCH | OWN,
    ("POST", "runs/delete-tag"): CHANGE | OWN,
    ("POST", "runs/log-inputs"): CHANGE | OWN,
    ("POST", "runs/outputs"): CHANGE | OWN,
    ("POST", "runs/log-model"): CHANGE | OWN,
    ("GET", "metrics/get-history"): READ | OWN,
    ("GET", "metrics/get-history-bulk"): SEARCH | OWN,
    ("GET", "metrics/get-history-bulk-interval"): SEARCH | OWN,
    ("GET", "artifacts/list"): READ | OWN,
    ("GET", "get-artifact"): READ | OWN,
    ("POST", "logged-models"): CHANGE | OWN,
    ("POST", "logged-models/search"): READ | OWN,
    **{("POST", path): CHANGE | OWN for path in LOGGING},
}
MODELS: Mapping[tuple[str, str], Rule] = {
    (method, path): READ if method == "GET" else CHANGE for method, path in OF_MODELS
}


def test_every_endpoint_has_its_row_here() -> None:
    assert set(ROUTES) == {*ENDPOINTS, *(("POST", path) for path in LOGGING)}


@pytest.fixture
def world(team: Team) -> World:
    world = make_world(team)
    experiment = Experiment.objects.filter(pk=world.ids["experiment_id"])
    experiment.update(mlflow_tags={"a": "1"})
    Run.objects.filter(trial=world.ids["run_id"]).update(tags={"a": "1"})
    attempt = Trial.objects.get(pk=world.ids["run_id"]).current_attempt_id
    file = Artifact.objects.get(pk=world.ids["artifact_id"])
    place = storage.output_path(attempt or 0, file.sha256)
    storage.write_whole(place, [b"1"])
    Artifact.objects.create(
        attempt_id=attempt, path="a.txt", sha256=file.sha256, size=1
    )
    return world


def fields_of(world: World, path: str) -> dict[str, Any]:
    """More than any endpoint needs; other names are ignored."""
    now = int(time.time() * 1000)
    of_runs = "bulk" in path
    fields = {
        "experiment_id": str(world.ids["experiment_id"]),
        "experiment_ids": [str(world.ids["experiment_id"])],
        "experiment_name": "digits",
        "new_name": "digits 2",
        "name": "made",
        "run_id": run_id_of(world.ids["run_id"]),
        "key": "a",
        "value": 1.0 if "metric" in path else "1",
        "metric_key": "a",
        "timestamp": now,
        "step": 0,
        "path": "a.txt",
        "datasets": [{"dataset": DATASET}],
        "models": [],
        "model_json": "{}",
        "max_results": 5,
    }
    if path == "logged-models":
        fields["source_run_id"] = fields["run_id"]
    if of_runs:
        fields["run_ids"] = fields["run_id"]
    return fields


def visit(world: World, caller: str, method: str, path: str) -> Any:
    rate_limits.failures.clear()
    site, fields = Mlflow(world.secrets[caller]), fields_of(world, path)
    before = transaction.savepoint()
    if method == "GET":
        answer = site.get(f"{path}?{urlencode(fields, doseq=True)}")
    else:
        answer = site(method, path, fields)
    transaction.savepoint_rollback(before)
    return answer


def misses(world: World, rows: Mapping[tuple[str, str], Rule]) -> list[str]:
    """What somebody gets otherwise than the table says."""
    return [
        f"{caller}: {method} {path} {status}"
        for (method, path), rule in rows.items()
        for caller in (*MEMBERS, "stranger", "own run", *UNKNOWN_CALLERS)
        if (status := visit(world, caller, method, path).status_code)
        not in rule.get(caller, UNKNOWN if caller in UNKNOWN_CALLERS else REFUSED)
    ]


def test_a_caller_gets_what_the_table_says(world: World) -> None:
    assert misses(world, ROUTES) == []


def test_models_are_of_their_team(world: World) -> None:
    model = LoggedModel.objects.create(
        experiment_id=world.ids["experiment_id"],
        attempt_id=world.ids["attempt_id"],
        name="m",
    )
    prefix = f"logged-models/{model.pk}"
    rows = {(method, prefix + path): rule for (method, path), rule in MODELS.items()}
    assert misses(world, rows) == []
