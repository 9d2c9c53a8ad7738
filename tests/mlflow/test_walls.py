"""What tokens of runs and of people reach no longer, or never."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.lifecycle import Claim
from experiments.lifecycle.claims import attempt_token
from experiments.models import (
    Artifact,
    Attempt,
    Experiment,
    LoggedModel,
    Removable,
    Run,
    Team,
    TrashItem,
    Trial,
)
from experiments.models.trials import AttemptState
from tests import factories
from tests.mlflow.conftest import Mlflow

TAG = {"experiment_id": "0", "key": "a", "value": "b"}
WRITES: list[tuple[str, dict[str, Any]]] = [
    ("runs/create", {}),
    ("logged-models", {}),
    ("experiments/set-experiment-tag", TAG),
]


@pytest.mark.parametrize(
    ("path", "body"), [*WRITES, ("runs/search", {"experiment_ids": ["0"]})]
)
def test_a_trials_token_counts_for_nothing_after_its_process(
    trial_site: Mlflow, claim: Claim, path: str, body: dict[str, Any]
) -> None:
    Attempt.objects.filter(pk=claim.attempt.pk).update(state=AttemptState.FINISHED)
    refused = trial_site.post(path, body)
    assert refused.status_code == 403
    assert "The trial has ended" in refused.json()["message"]
    assert Trial.objects.count() == 1 and not LoggedModel.objects.exists()
    assert Experiment.objects.get().mlflow_tags == {}


@pytest.mark.parametrize(("path", "body"), WRITES)
def test_the_token_of_a_run_in_the_trash_writes_nothing(
    site: Mlflow, path: str, body: dict[str, Any]
) -> None:
    run_id = site.run(experiment_id=site.experiment())
    trial = Trial.objects.get(pk=int(run_id, 16))
    own = Mlflow(attempt_token(trial.attempts.get()).secret)
    site.ok("POST", "runs/delete", {"run_id": run_id})
    refused = own.post(path, body)
    assert refused.status_code == 400
    assert "Current state is deleted" in refused.json()["message"]


def test_a_parent_is_of_the_same_team(site: Mlflow, team: Team) -> None:
    own = site.experiment()
    other = factories.sweep(factories.team("Chemistry", ada="member"))
    secret = factories.trial(other)
    tags = [{"key": "mlflow.parentRunId", "value": f"{secret.pk:032x}"}]
    for experiment, parent in ((own, None), (str(other.experiment_id), secret)):
        made = site.run(experiment_id=experiment, tags=tags)
        assert Run.objects.get(pk=int(made, 16)).parent == parent


def test_models_of_a_deleted_run_are_out_of_reach(site: Mlflow) -> None:
    run_id = site.run(experiment_id=site.experiment())
    made = site.ok("POST", "logged-models", {"source_run_id": run_id})["model"]["info"]
    model, root = made["model_id"], "/api/2.0/mlflow-artifacts/artifacts"
    path = f"{root}/{made['artifact_uri'].removeprefix('mlflow-artifacts:/')}/a.bin"
    assert site("PUT", path, b"secret").status_code == 200
    team = Trial.objects.get().experiment.team_id
    item = TrashItem.add(Removable.ARTIFACTS, "files", team)
    Artifact.objects.update(trash=item)
    assert site.get(path).status_code == 404
    Artifact.all_objects.update(trash=None)
    assert site.get(path).status_code == 200
    site.ok("POST", "runs/delete", {"run_id": run_id})
    for address in (path, f"logged-models/{model}"):
        assert site.get(address).status_code == 404
    assert site("PATCH", f"logged-models/{model}/tags", {"tags": []}).status_code == 404
