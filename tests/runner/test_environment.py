"""What a training process gets to see of its surroundings."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import pytest

from experiments.runner.environment import inherited
from experiments.runner.launch import runner_environment

SECRETS = {
    "SWEEPSITE_WORKER_TOKEN": "wrk_1",
    "SWEEPSITE_SECRET_KEY": "s",
    "DATABASE_URL": "postgres://u:p@h/d",
    "REDIS_URL": "redis://:p@h",
    "AWS_SECRET_ACCESS_KEY": "a",
    "MY_PASSWORD": "p",
    "GITHUB_TOKEN": "g",
    "UNKNOWN": "u",
    "LD_PRELOAD": "/tmp/x.so",
    "PYTHONPATH": "/worker/site",
    "PYTHONSTARTUP": "x.py",
}


def told_environment(runners: Any, site: Any, **changes: Any) -> dict[str, str]:
    assert runners.run("train_prints_env", **changes) == 0
    environment: dict[str, str] = json.loads(site.text())["environment"]
    return environment


def test_no_secret_of_the_worker_reaches_the_training(runners: Any, site: Any) -> None:
    environment = told_environment(runners, site, worker=SECRETS)
    assert not {*SECRETS} - {"PYTHONPATH", "LD_PRELOAD"} & {*environment}
    assert "/worker/site" not in environment["PYTHONPATH"]
    everything = json.dumps(environment)
    for value in ("wrk_1", "postgres://", "redis://", "run_secret"):
        assert value not in everything


def test_no_secret_is_in_the_runner_s_own_environment() -> None:
    assert not {*SECRETS} & {*runner_environment(SECRETS, slot="")}


def test_an_administrator_may_name_more_but_no_secrets() -> None:
    worker = {
        "SWEEPSITE_PASS_ENVIRONMENT": "DATA_ROOT, LAB_* *TOKEN*",
        **{"DATA_ROOT": "/data", "LAB_NAME": "x", "LAB_TOKEN": "t", "OTHER": "o"},
    }
    assert inherited(worker) == {"DATA_ROOT": "/data", "LAB_NAME": "x"}


@pytest.mark.parametrize(
    "name", ["PATH", "HOME", "LC_ALL", "CUDA_VISIBLE_DEVICES", "SSL_CERT_FILE", "TZ"]
)
def test_what_programs_need_passes(name: str) -> None:
    assert inherited({name: "x"}) == {name: "x"}


def test_the_training_finds_what_it_was_promised(runners: Any, site: Any) -> None:
    environment = told_environment(
        runners,
        site,
        environment={"SWEEPSITE_PARAMS": '{"lr": 0.1}', "OMP_NUM_THREADS": "1"},
    )
    folder = runners.folder()
    assert environment["SWEEPSITE_PARAMS"] == '{"lr": 0.1}'
    assert environment["OMP_NUM_THREADS"] == "1"
    assert environment["SWEEPSITE_TOKEN"] == "trl_secret"
    assert environment["SWEEPSITE_ATTEMPT"] == "41"
    assert environment["SWEEPSITE_TRIAL_NAME"] == "digits/0"
    assert environment["SWEEPSITE_OUTPUTS"] == str(folder.outputs)
    assert environment["SWEEPSITE_SPOOL"] == str(folder.spool)
    assert environment["PYTHONUNBUFFERED"] == "1"


def test_a_sweep_cannot_forge_the_markers(runners: Any, site: Any) -> None:
    forged = {"SWEEPSITE_ATTEMPT": "1", "SWEEPSITE_SPOOL": "/x", "SWEEPSITE_SLOT": "z"}
    environment = told_environment(runners, site, environment=forged, slot="host-0")
    assert environment["SWEEPSITE_ATTEMPT"] == "41"
    assert environment["SWEEPSITE_SPOOL"] == str(runners.folder().spool)
    assert environment["SWEEPSITE_SLOT"] == "host-0"


def test_a_sweep_s_python_path_comes_after_the_client(runners: Any, site: Any) -> None:
    environment = told_environment(runners, site, environment={"PYTHONPATH": "lib"})
    client, own, last = environment["PYTHONPATH"].split(os.pathsep)
    assert client.endswith("/experiments/client")
    assert own == "lib"
    assert last.endswith("/experiments/client/standins")


def test_python_is_the_worker_s_own_inside_shell_scripts_too(
    runners: Any, site: Any
) -> None:
    command = "python -c 'import sys; print(sys.prefix)'"
    assert runners.run("sh", "-c", command, worker={"PATH": "/usr/bin:/bin"}) == 0
    assert site.text().strip() == sys.prefix
