"""POST /sweeps and /sweeps/check with the sweeps of other systems."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from experiments.models import Sweep
from tests.api.conftest import Api
from tests.pages.importing import import_samples as samples

YAML = "application/yaml"
# With code and a pool that the site has.
HERE = samples.AZURE.replace("  code: ./src\n", "").replace("gpu-cluster", "default")


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        (samples.WANDB, YAML, "wandb"),
        (HERE, YAML, "azure"),
        (samples.ARTICLE, "text/plain", "azure"),
        (samples.KATIB, "text/plain", "katib"),
        (samples.NNI, YAML, "nni"),
        (samples.study(0.5, 0.7), "application/json", "optuna"),
    ],
)
def test_check_takes_every_format(api: Api, text: str, kind: str, name: str) -> None:
    answer = api.post("/sweeps/check", text, content_type=kind)
    checked = answer.json()
    assert answer.status_code == 200 and checked["valid"], checked["problems"]
    assert checked["format"] == name
    assert checked["document"]["search_space"] and checked["preview"]
    assert not Sweep.objects.exists()


def test_notes_say_what_does_not_carry_over(api: Api) -> None:
    checked = api.post("/sweeps/check", samples.WANDB, content_type=YAML).json()
    (note,) = checked["notes"]
    assert (note["path"], note["line"], note["kind"]) == ("entity", 18, "left out")
    assert note["message"].endswith(".")
    assert [warning["path"] for warning in checked["warnings"]] == ["entity"]


def test_an_invalid_one_keeps_its_format_and_notes(api: Api) -> None:
    text = samples.WANDB.replace("run_cap: 20", "run_cap: 0")
    checked = api.post("/sweeps/check", text, content_type=YAML).json()
    assert not checked["valid"] and checked["format"] == "wandb"
    assert checked["notes"] and checked["document"] is None
    assert [p["path"] for p in checked["problems"]] == ["run_cap"]


def test_the_format_may_be_named(api: Api) -> None:
    path = "/sweeps/check?format=katib"
    checked = api.post(path, samples.WANDB, content_type=YAML).json()
    assert not checked["valid"] and checked["problems"]


def test_a_part_may_be_named(api: Api) -> None:
    answer = api.post("/sweeps?part=second", samples.PIPELINE, content_type=YAML)
    assert answer.status_code == 201
    assert "b.py" in answer.json()["definition"]["trial"]["command"]
    answer = api.post("/sweeps", samples.PIPELINE, content_type=YAML)
    assert answer.status_code == 422


def test_a_sweep_is_made_of_a_foreign_document(api: Api) -> None:
    made = api.post("/sweeps", samples.WANDB, content_type=YAML).json()
    assert made["format"] == "wandb" and made["primary_metric"] == "val_acc"
    assert [note["path"] for note in made["import_notes"]] == ["entity"]


def test_a_storage_file_brings_its_trials(api: Api, tmp_path: Path) -> None:
    body = samples.storage(tmp_path / "s.db", "wine", trials=4)
    kind = "application/octet-stream"
    assert api.post("/sweeps/check", body, content_type=kind).json()["trials"] == 4
    made = api.post("/sweeps", body, content_type=kind).json()
    assert made["counts"]["completed"] == 4
    assert made["limits"]["max_total_trials"] == 104
    assert made["best_trial"]["value"] == 0.75
    rows = api.get(f"/sweeps/{made['id']}/trials").json()["items"]
    assert {row["origin"] for row in rows} == {"imported"}
    assert all(row["attempts"] == 0 and row["elapsed"] is None for row in rows)


def test_the_same_key_makes_one_sweep_with_its_trials(api: Api) -> None:
    ids = {
        api.post(
            "/sweeps", samples.study(0.5, 0.7), headers={"Idempotency-Key": "once"}
        ).json()["id"]
        for _ in range(2)
    }
    assert len(ids) == 1
    assert Sweep.objects.get().trials.count() == 2


def test_check_refuses_what_create_refuses_and_the_other_way_round(api: Api) -> None:
    refused = {
        "trial.code": ["./src", {"upload": "0" * 64}],
        "compute": ["nowhere"],
        "experiment_name": ["../x", "a\tb"],
        "objective.primary_metric": ["loss\t", "lo\nss"],
        "trial.requirements": [["!!! not a package"]],
        "trial.python": ["../../nope"],
        "trial.command": ["python train.py \u202e", "python \a"],
        "trial.code.git": [{"url": "https://x.example/y.git", "ref": "main\u202e"}],
    }
    taken = {
        "trial.requirements": [
            ["numpy==2.1", "torch @ https://x.example/t.whl", "-r own.txt", "./pkg"],
            ["a[b,c] >= 1 ; python_version > '3'", "git+https://x.example/y", "# no"],
        ],
        "trial.python": [".venv/bin/python", "python3.12", "/opt/x/bin/python", "~/p"],
        "experiment_name": ["vision/digits", "a..b", "Größe"],
        "early_termination": [{"type": "median_stopping", "evaluation_interval": 0}],
    }
    for path, values in refused.items():
        for value in values:
            document = with_value(path, value)
            check = api.post("/sweeps/check", document).json()
            made = api.post("/sweeps", document)
            named = [problem["path"] for problem in check["problems"]]
            assert not check["valid"] and made.status_code == 422, (path, value)
            assert all(name.startswith(path) for name in named) and named
    for path, values in taken.items():
        for value in values:
            document = with_value(path, value)
            assert api.post("/sweeps/check", document).json()["valid"], value
            assert api.post("/sweeps", document).status_code == 201, value


def with_value(path: str, value: object) -> dict[str, Any]:
    """A good document with one other value."""
    document: dict[str, Any] = {
        "trial": {"command": "python train.py"},
        "objective": {"primary_metric": "loss", "goal": "minimize"},
        "search_space": {"x": {"type": "uniform", "min_value": 0, "max_value": 1}},
        "limits": {"max_total_trials": 2},
    }
    *outer, last = path.split(".")
    place = document
    for name in outer:
        place = place.setdefault(name, {})
    place[last] = value
    return document
