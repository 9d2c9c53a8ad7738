"""Files by MLflow's artifact protocol, also with hostile names and sizes."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from experiments import storage
from experiments.lifecycle import Claim
from experiments.models import Artifact
from tests.mlflow.conftest import Mlflow

ROOT = "/api/2.0/mlflow-artifacts/artifacts"


@pytest.fixture
def run_id(site: Mlflow) -> str:
    return site.run(experiment_id="0")


@pytest.fixture
def folder(site: Mlflow, run_id: str) -> str:
    """The path of the run's artifacts."""
    info = site.ok("GET", f"runs/get?run_id={run_id}")["run"]["info"]
    return str(info["artifact_uri"]).removeprefix("mlflow-artifacts:/")


def put(site: Mlflow, path: str, body: bytes = b"text") -> Any:
    return site("PUT", f"{ROOT}/{path}", body)


def listed(site: Mlflow, path: str) -> Any:
    return site.ok("GET", f"{ROOT}?path={quote(path)}").get("files", [])


def test_files_are_stored_listed_read_replaced_and_deleted(
    site: Mlflow, folder: str, run_id: str
) -> None:
    for path in ("b.txt", "a/c.txt", "a/d/e.txt", "a_/c.txt"):
        assert put(site, f"{folder}/{path}").status_code == 200
    assert put(site, f"{folder}/b.txt", b"").json() == {}
    assert listed(site, folder) == [
        {"path": "a", "is_dir": True},
        {"path": "a_", "is_dir": True},
        {"path": "b.txt", "is_dir": False, "file_size": 0},
    ]
    assert listed(site, f"{folder}/a") == [
        {"path": "c.txt", "is_dir": False, "file_size": 4},
        {"path": "d", "is_dir": True},
    ]
    for path in (f"{folder}/.", f"{folder}/./a/"):
        assert listed(site, path) == listed(site, path.replace("/.", ""))
    assert listed(site, f"{folder}/b.txt") == listed(site, f"{folder}/none") == []
    of_run = site.ok("GET", f"artifacts/list?run_id={run_id}&path=a")
    assert of_run["root_uri"] == f"mlflow-artifacts:/{folder}"
    assert [each["path"] for each in of_run["files"]] == ["a/c.txt", "a/d"]
    answer = site.get(f"{ROOT}/{folder}/a/c.txt")
    assert b"".join(answer.streaming_content) == b"text"
    assert answer["Content-Disposition"] == 'attachment; filename="c.txt"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Type"] == "application/octet-stream"
    assert site.get(f"{ROOT}/{folder}/a").status_code == 404
    for _ in range(2):
        assert site("DELETE", f"{ROOT}/{folder}/a").status_code == 200
    assert sorted(Artifact.objects.values_list("path", flat=True)) == [
        "a_/c.txt",
        "b.txt",
    ]


@pytest.mark.parametrize(
    "path",
    [
        *(
            "../x",
            "a/../../x",
            "/etc/passwd",
            "a//b",
            "./a",
            "a/.",
            "..",
            "a\\b",
            "C:/a",
        ),
        *("a\nb", "a\x7fb", "a#b", "x" * 256, "/".join(["x" * 100] * 6)),
        *("%2e%2e/x", "..%2fx", "%252e%252e%252fx", "a%00b"),
    ],
)
def test_hostile_paths_are_refused(site: Mlflow, folder: str, path: str) -> None:
    for method in ("PUT", "GET", "DELETE"):
        answer = site(method, f"{ROOT}/{folder}/{quote(path)}", b"x")
        assert answer.status_code in (400, 404), path
        assert answer.json()["error_code"] in (
            "INVALID_PARAMETER_VALUE",
            "RESOURCE_DOES_NOT_EXIST",
        )
    assert not Artifact.objects.exists()
    store = storage.output_path(1, "x").parents[1]
    assert [each.name for each in store.rglob("*") if each.is_file()] == []


@pytest.mark.parametrize("name", ["a b", "ä/ö.txt", "100%", "a;b", "<script>.html"])
def test_other_names_are_names(site: Mlflow, folder: str, name: str) -> None:
    assert put(site, f"{folder}/{quote(name)}").status_code == 200
    assert Artifact.objects.get().path == name
    answer = site.get(f"{ROOT}/{folder}/{quote(name)}")
    assert b"".join(answer.streaming_content) == b"text"
    assert answer["Content-Disposition"].startswith("attachment")


def test_a_large_file_streams_and_a_too_large_one_is_refused(
    site: Mlflow, folder: str, settings: Any
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000
    settings.OUTPUTS_LIMIT_BYTES = 10_000
    assert put(site, f"{folder}/a", b"x" * 6_000).status_code == 200
    refused = put(site, f"{folder}/b", b"x" * 6_000)
    assert refused.status_code == 413
    assert "all together may have 10,000" in refused.json()["message"]
    assert put(site, f"{folder}/a", b"y" * 9_000).status_code == 200
    assert Artifact.objects.get().size == 9_000


UPLOAD = "/ajax-api/2.0/mlflow/upload-artifact"


def test_a_file_of_a_run_by_its_query(site: Mlflow, run_id: str) -> None:
    """As programs without MLflow's client send and fetch one."""
    of_run = f"run_uuid={run_id}&path=a/b.txt"
    assert site.post(f"{UPLOAD}?{of_run}", b"text").json() == {}
    assert Artifact.objects.get().path == "a/b.txt"
    for path in ("/get-artifact", "get-artifact", "/ajax-api/2.0/mlflow/get-artifact"):
        answer = site.get(f"{path}?{of_run}")
        assert b"".join(answer.streaming_content) == b"text"
        assert answer["Content-Disposition"] == 'attachment; filename="b.txt"'
    wrong = {
        "": "Request must specify run_uuid.",
        f"run_uuid={run_id}": "Request must specify path.",
        f"run_uuid={run_id}&path=../a": "Invalid path",
        f"run_uuid={run_id}&path=a": "Request must specify data.",
    }
    for query, words in wrong.items():
        refused = site.post(f"{UPLOAD}?{query}", b"")
        assert (refused.status_code, refused.json()["message"]) == (400, words)
    for path, status in (("../a", 400), ("a", 404)):
        refused = site.get(f"/get-artifact?run_id={run_id}&path={path}")
        assert refused.status_code == status


def test_a_query_reaches_no_run_of_others(
    site: Mlflow, trial_site: Mlflow, run_id: str
) -> None:
    of_run = f"run_uuid={run_id}&path=a"
    assert site.post(f"{UPLOAD}?{of_run}", b"text").status_code == 200
    for answer in (
        trial_site.post(f"{UPLOAD}?{of_run}", b"else"),
        trial_site.get(f"/get-artifact?{of_run}"),
    ):
        assert answer.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    assert Mlflow(None).get(f"/get-artifact?{of_run}").status_code == 401


def test_a_trials_token_reaches_its_own_files_alone(
    site: Mlflow, trial_site: Mlflow, claim: Claim, folder: str
) -> None:
    trial = claim.attempt.trial
    own = f"{trial.experiment_id}/{trial.pk:032x}/artifacts"
    assert put(trial_site, f"{own}/model/a.bin").status_code == 200
    assert Artifact.objects.get().attempt == claim.attempt
    for path in (folder, f"{trial.experiment_id}/models/m-{'0' * 32}/artifacts"):
        assert put(trial_site, f"{path}/x").status_code == 404
        assert trial_site.get(f"{ROOT}/{path}/x").status_code == 404
    for path in ("x", f"{trial.experiment_id}/{trial.pk:032x}/x", f"9{own}/x"):
        assert put(trial_site, path).status_code == 404, path
    assert listed(site, own) == [{"path": "model", "is_dir": True}]


def test_models_have_their_files_with_the_run(site: Mlflow, run_id: str) -> None:
    body = {
        "name": "model",
        "source_run_id": run_id,
        "params": [{"key": "depth", "value": "3"}],
    }
    made = site.ok("POST", "logged-models", body)["model"]["info"]
    assert made["status"] == "LOGGED_MODEL_PENDING"
    model_id = made["model_id"]
    path = made["artifact_uri"].removeprefix("mlflow-artifacts:/")
    assert put(site, f"{path}/MLmodel").status_code == 200
    assert Artifact.objects.get().path == f"models/{model_id}/MLmodel"
    assert listed(site, path)[0]["path"] == "MLmodel"
    file = f"logged-models/{model_id}/artifacts/files?artifact_file_path="
    assert b"".join(site.get(f"{file}MLmodel").streaming_content) == b"text"
    assert site.get(f"{file}../MLmodel").status_code == 400
    end = {"model_id": model_id, "status": "LOGGED_MODEL_READY"}
    ended = site.ok("PATCH", f"logged-models/{model_id}", end)["model"]
    assert ended["info"]["status"] == "LOGGED_MODEL_READY"
    assert ended["data"] == {"params": [{"key": "depth", "value": "3"}]}
    site.ok(
        "PATCH",
        f"logged-models/{model_id}/tags",
        {"tags": [{"key": "a", "value": "1"}]},
    )
    found = site.ok(
        "POST",
        "logged-models/search",
        {"experiment_ids": [made["experiment_id"]], "filter": "tags.a = '1'"},
    )
    assert [each["info"]["model_id"] for each in found["models"]] == [model_id]
    site.ok("DELETE", f"logged-models/{model_id}/tags/a")
    assert site.get(f"logged-models/m-{'0' * 32}").status_code == 404
