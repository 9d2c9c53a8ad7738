"""Workers are told what to run, and a sweep's commit is settled once."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from experiments.formatting import code_words, packages_words
from experiments.models import Attempt, Pool, Sweep, Trial
from experiments.search.fields import DefinitionError
from tests import factories

URL = "https://git.example.org/team/x.git"
GIT = {"git": {"url": URL, "ref": "main", "path": "src"}}
FIRST, SECOND = "1" * 40, "2" * 40


@pytest.fixture(autouse=True)
def _data_folder(settings: Any, tmp_path: Any) -> None:
    settings.HOME = tmp_path


def sweep_with(pool: dict[str, Any] | None = None, **trial: Any) -> Sweep:
    team = factories.team()
    Pool.objects.filter(name="default").update(**(pool or {}))
    command = {"command": "python train.py", **trial}
    return factories.sweep(team, document=factories.definition_document(trial=command))


def post(path: str, token: str, body: dict[str, Any]) -> Any:
    return Client().post(
        f"/api/worker/v1{path}",
        body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}", "X-Sweepsite-Protocol": "2"},
    )


def claimed(trial: Trial) -> dict[str, Any]:
    token = factories.worker_token(trial.sweep.pool)
    host = {"name": f"h{trial.pk}", "host": "h", "pid": 7, "slots": 2}
    worker = post("/hello", token, host).json()["worker"]
    path = f"/attempts/{trial.current_attempt_id}/claim"
    spec: dict[str, Any] = post(path, token, {"worker": worker, "slot": 0}).json()
    return spec


def told(spec: dict[str, Any], commit: str) -> Any:
    path = f"/attempts/{spec['attempt']}/commit"
    return post(path, spec["runner_token"], {"commit": commit})


def test_the_first_commit_counts_for_all_trials(db: None) -> None:
    sweep = sweep_with(code=GIT)
    specs = [claimed(factories.trial(sweep)) for _ in range(2)]
    assert specs[0]["code"] == {**GIT, "allowed": []}
    assert told(specs[0], FIRST).json() == {"commit": FIRST}
    assert told(specs[1], SECOND).json() == {"commit": FIRST}
    later = claimed(factories.trial(sweep))
    assert later["code"]["git"] == {**GIT["git"], "commit": FIRST}


@pytest.mark.parametrize("commit", ["", "main", "A" * 40, "1" * 41, "--x"])
def test_what_is_no_commit_is_refused(db: None, commit: str) -> None:
    sweep = sweep_with(code=GIT)
    assert told(claimed(factories.trial(sweep)), commit).status_code == 422
    sweep.refresh_from_db()
    assert sweep.code_commit == ""


def test_only_a_running_attempt_of_such_a_sweep_may_tell(db: None) -> None:
    spec = claimed(factories.trial(sweep_with()))
    assert told(spec, FIRST).status_code == 404
    spec = claimed(factories.trial(sweep_with(code=GIT)))
    Attempt.objects.filter(pk=spec["attempt"]).update(state="lost")
    assert told(spec, FIRST).status_code == 409
    assert told({**spec, "runner_token": "run_x"}, FIRST).status_code in (401, 403)


def test_the_pool_s_python_and_folders_reach_the_worker(db: None) -> None:
    pool = {"python": "/opt/torch/bin/python", "folders": ["/srv/code"]}
    code = {"folder": "/srv/code/digits"}
    spec = claimed(factories.trial(sweep_with(pool, code=code)))
    assert spec["code"] == {"folder": "/srv/code/digits", "allowed": ["/srv/code"]}
    assert spec["python"] == "/opt/torch/bin/python"
    own = sweep_with(pool, python="python3.12", requirements=["numpy"])
    spec = claimed(factories.trial(own))
    assert (spec["python"], spec["requirements"]) == ("python3.12", ["numpy"])
    path = sweep_with(pool, environment_variables={"PATH": "/opt/own/bin"})
    assert claimed(factories.trial(path))["python"] == ""


def test_a_phase_is_kept_until_training_begins(db: None) -> None:
    spec = claimed(factories.trial(sweep_with()))
    path = f"/attempts/{spec['attempt']}/heartbeat"
    body = {"pid": 7, "elapsed": 0.0, "phase": "builds the environment"}
    assert post(path, spec["runner_token"], body).status_code == 200
    phases = Attempt.objects.values_list("phase", flat=True)
    assert phases.get(pk=spec["attempt"]) == "builds the environment"
    del body["phase"]
    post(path, spec["runner_token"], body)
    assert phases.get(pk=spec["attempt"]) == ""


@pytest.mark.parametrize(
    "code",
    [
        *("/srv/codes", "/srv/code/../x", "/etc", "srv/code"),
        {"folder": "/srv"},
        {"git": {"url": "file:///srv/codes/x"}},
        {"git": {"url": "file:///srv/%2e%2e/etc"}},
    ],
)
def test_code_outside_the_allowed_folders_is_refused(db: None, code: Any) -> None:
    with pytest.raises(DefinitionError, match=r"trial\.code"):
        sweep_with({"folders": ["/srv/code"]}, code=code)


@pytest.mark.parametrize(
    ("code", "stored"),
    [
        ("/srv/code/digits/", {"folder": "/srv/code/digits"}),
        ("/srv/code", {"folder": "/srv/code"}),
        ("file:///srv/code/x.git", {"git": {"url": "file:///srv/code/x.git"}}),
    ],
)
def test_code_inside_an_allowed_folder_is_kept(
    db: None, code: str, stored: object
) -> None:
    sweep = sweep_with({"folders": ["/srv/code/"]}, code=code)
    assert sweep.definition["trial"]["code"] == stored


def test_words_for_people(db: None) -> None:
    sweep = sweep_with(code=GIT, python="python3.12", requirements=["numpy", "scipy"])
    assert code_words(sweep) == (
        f"commit of main in {URL}, folder src, looked up by the first trial"
    )
    sweep.code_commit = FIRST
    assert code_words(sweep) == f"commit 111111111111 (main) of {URL}, folder src"
    assert packages_words(sweep) == "Python python3.12, packages numpy, scipy"
    assert code_words(sweep_with()) == packages_words(sweep_with()) == ""


def test_pages_and_the_api_name_the_commit(client: Client, db: None) -> None:
    sweep = sweep_with(code=GIT, requirements=["<b>numpy</b>"])
    sweep = Sweep.objects.get(pk=sweep.pk)
    Sweep.objects.filter(pk=sweep.pk).update(code_commit=FIRST)
    user = factories.user("root", is_superuser=True)
    client.force_login(user)
    trial = factories.trial(sweep)
    for path in (f"/sweeps/{sweep.pk}/settings/", f"/trials/{trial.pk}/reproduce/"):
        text = client.get(path).content.decode()
        assert f"ommit 111111111111 (main) of {URL}, folder src" in text
        assert "<b>numpy" not in text
    token = factories.api_token(user)
    row = Client().get(
        f"/api/v1/sweeps/{sweep.pk}", headers={"Authorization": f"Bearer {token}"}
    )
    assert row.json()["code"] == {"kind": "git", **GIT["git"], "commit": FIRST}
