"""What a trial used and how to run it again: cards that are loaded when opened."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from experiments import lifecycle
from experiments.models import Trial
from experiments.models.environments import note_environment
from experiments.models.trials import TrialState
from experiments.pages.trial.system import placed
from experiments.runner.environment import CLIENT_FOLDER
from experiments.runner.reproduce import training_facts
from experiments.tracking import ingest
from experiments.tracking.ingest import Point
from experiments.tracking.reproduction import reproduction_of
from tests import factories
from tests.pages.clients import client_of, count_queries, page

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Client:
    factories.team(ada="member")
    return client_of("ada")


def trial_of(
    command: str = "python train.py --x ${{search_space.x}}", **fields: Any
) -> Trial:
    document = factories.definition_document(trial={"command": command, **fields})
    sweep = factories.sweep(factories.team(), document=document)
    trial = factories.trial(sweep, params={"x": 0.3})
    factories.claim(trial)
    trial.refresh_from_db()
    return trial


def models(html: str) -> dict[str, Any]:
    found = re.findall(r'<script id="(system-\d+)-model"[^>]*>(.*?)</script>', html)
    return {name: json.loads(text) for name, text in found}


def test_the_machine_s_metrics_have_units_and_peaks_and_stay_apart(ada: Client) -> None:
    trial = trial_of()
    note_environment(trial, {"cpus": 4, "memory": 16 * 10**9, "host": "ada-01"})
    for step, cores in ((5, 1.5), (10, 3.25), (400, 0.5)):
        points = [
            Point("system/cpu", step, cores),
            Point("system/memory", step, 2e9 * cores),
            Point("system/disk_read", step, 1e6),
            Point("system/disk_write", step, 5e6),
            Point("system/gpu_1", step, 97.0),
            Point("loss", step, 1.0),
        ]
        ingest.record(trial.current_attempt_id or 0, points)
    html = page(ada, f"/trials/{trial.pk}/system/?part=1")
    assert "last 0.500, at most 3.25 of 4" in html
    assert "last 1.0 GB, at most 6.5 GB of 16 GB" in html
    assert "at most 1.0 MB/s read, 5.0 MB/s written" in html
    assert "on ada-01" in html
    cpu, memory, gpu, disk = models(html).values()
    assert (cpu["xLabel"], cpu["series"][0]["points"][0]) == ("minutes", [5 / 60, 1.5])
    assert memory["series"][0]["points"][-1][1] == 1.0
    assert gpu["series"][0]["name"] == "%"
    assert [each["name"] for each in disk["series"]] == ["read", "written"]
    shown = page(ada, trial.get_absolute_url())
    assert "system/cpu" not in shown
    assert f"/trials/{trial.pk}/system/?part=1" in shown
    assert "<h1>System of" in page(ada, f"/trials/{trial.pk}/system/")


def test_no_trial_is_judged_by_its_machine(ada: Client) -> None:
    trial = trial_of()
    ingest.record(trial.current_attempt_id or 0, [Point("system/cpu", 1, 1.0)])
    trial.refresh_from_db()
    assert trial.reports == 0
    assert "first measurement" not in page(ada, f"/trials/{trial.pk}/system/?part=1")


def test_names_of_mlflow_tell_their_unit() -> None:
    assert placed("system/cpu_utilization_percentage")[:3] == (
        *("CPU utilization", "cpu utilization", "%"),
    )
    assert placed("system/network_receive_megabytes").unit == "MB"
    assert not placed("system/odd").timed


def test_a_command_repeats_what_ran_and_leaves_secrets_to_you(
    ada: Client,
) -> None:
    trial = trial_of()
    sent = {
        "command": ["/opt/venv/bin/python", "train.py", "--note", "a 'b' $(c)"],
        "interpreter": "/opt/venv/bin/python",
        "variables": {
            **{"NOTE": "two words", "HF_TOKEN": "x1"},
            **{"PATH": "/usr/bin", "A-B": "1"},
        },
        "packages": ["numpy==2.2.1", "<b>bad</b>"],
        "diff": "-<script>alert(1)</script>",
        "gpus": 7,
    }
    note_environment(trial, sent)
    html = page(ada, f"/trials/{trial.pk}/reproduce/?part=1")
    assert "HF_TOKEN=&quot;$HF_TOKEN&quot; NOTE=&#x27;two words&#x27;" in html
    assert "/opt/venv/bin/python train.py --note" in html
    assert "numpy==2.2.1\n&lt;b&gt;bad" in html and "{{" not in html
    assert "1 secret is hidden" in html
    assert "x1" not in html and "<script>alert" not in html and "<b>bad" not in html
    assert "team Physics can read this" in html
    assert "Gpus is left out" in html
    answer = ada.get(f"/trials/{trial.pk}/requirements.txt")
    assert answer.content.startswith(b"# 2 packages of digits-1/0\nnumpy==2.2.1\n")


def test_before_its_machine_is_known_the_sweep_tells_the_command(ada: Client) -> None:
    trial = trial_of(environment_variables={"NOTE": "two words"})
    html = page(ada, f"/trials/{trial.pk}/reproduce/?part=1")
    assert "NOTE=&#x27;two words&#x27;" in html
    assert "python train.py --x 0.3" in html
    assert "AZUREML_SWEEP_x=0.3" in html
    assert "some seconds after it starts" in html
    assert ada.get(f"/trials/{trial.pk}/requirements.txt").status_code == 404


SCRIPT = """import json, os, sys, sweepsite_client
names = ("HF_TOKEN", "LAB", "NOTE", "CURL_CA_BUNDLE")
print(json.dumps([sys.executable, sys.argv[1:], sweepsite_client.params(),
                  [os.environ.get(name) for name in names]]))
"""


def test_the_copied_command_runs_in_a_fresh_shell(tmp_path: Path) -> None:
    """What a worker sends is put together by its own code."""
    trial = trial_of(environment_variables={"NOTE": "two 'words'", "HF_TOKEN": "x1"})
    worker = {"PATH": "/usr/bin:/bin", "CURL_CA_BUNDLE": "/odd", "LAB": "a b"}
    environment = worker | {"HF_TOKEN": "x1", "NOTE": "two 'words'"}
    environment |= {"PYTHONPATH": f"{CLIENT_FOLDER}:{tmp_path}/attempt/work/lib"}
    environment["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "30"
    argv = [sys.executable, f"{tmp_path}/attempt/work/train.py", "--x", "0.3"]
    facts = training_facts(argv, environment, folder=tmp_path / "attempt")
    note_environment(trial, facts)
    trial = Trial.objects.select_related("run", "sweep").get(pk=trial.pk)
    command = reproduction_of(trial).command()
    assert "CURL_CA" not in command and "MLFLOW" not in command and "x1" not in command
    (tmp_path / "train.py").write_text(SCRIPT)
    ran = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HF_TOKEN": "mine"},
        capture_output=True,
        text=True,
        check=True,
    )
    variables = ["mine", "a b", "two 'words'", None]
    assert json.loads(ran.stdout) == [
        *(sys.executable, ["--x", "0.3"], {"x": 0.3}, variables),
    ]


def test_a_script_that_starts_python_finds_the_one_that_ran(ada: Client) -> None:
    trial = trial_of("bash run.sh ${{search_space.x}}")
    sent = {"command": ["bash", "run.sh", "0.3"], "interpreter": "/opt/v 1/bin/python"}
    note_environment(trial, sent)
    html = page(ada, f"/trials/{trial.pk}/reproduce/?part=1")
    start = "PATH=&#x27;/opt/v 1/bin&#x27;:&quot;$PATH&quot; SWEEPSITE_PARAMS="
    assert start in html and "bash run.sh 0.3" in html


def test_the_interpreter_that_the_sweep_chose_is_named_at_once(ada: Client) -> None:
    trial = trial_of(python="python3.12")
    html = page(ada, f"/trials/{trial.pk}/reproduce/?part=1")
    assert "python3.12 train.py --x 0.3" in html


def test_a_run_names_the_folder_in_which_it_ran(ada: Client) -> None:
    run = factories.run(factories.team())
    note_environment(run, {"command": ["python", "a.py"], "folder": "/home/ada/work"})
    html = page(ada, f"/trials/{run.pk}/reproduce/?part=1")
    assert "It ran in <code>/home/ada/work</code>." in html
    assert "SWEEPSITE_PARAMS" not in html


def test_a_run_that_ended_unmeasured_is_not_told_of_workers(ada: Client) -> None:
    run = factories.run(factories.team())
    lifecycle.finish_run(run, TrialState.COMPLETED)
    html = page(ada, f"/trials/{run.pk}/system/")
    assert "No worker measures a run" in html
    assert "A worker measures a trial" not in html


def test_a_run_has_the_same_cards(ada: Client) -> None:
    run = factories.run(factories.team())
    assert f"/trials/{run.pk}/reproduce/?part=1" in page(ada, f"/runs/{run.pk}/")
    assert "Its command is not known" in page(ada, f"/trials/{run.pk}/reproduce/")
    assert "enable_system_metrics_logging" in page(ada, f"/trials/{run.pk}/system/")


def test_strangers_see_neither() -> None:
    trial = trial_of()
    factories.team("Chemistry", eve="member")
    for name in ("system/", "reproduce/", "requirements.txt"):
        assert client_of("eve").get(f"/trials/{trial.pk}/{name}").status_code == 404


def test_long_series_cost_as_many_queries_as_several(ada: Client) -> None:
    trial = trial_of()
    url = f"/trials/{trial.pk}/system/?part=1"
    for names in (("cpu",), ("memory", "gpu_0", "gpu_1", "odd")):
        points = [Point(f"system/{name}", 5, 1.0) for name in names]
        ingest.record(trial.current_attempt_id or 0, points)
        page(ada, url)
        count = count_queries(ada, url)
    assert count < 15


def test_memory_as_the_primary_metric_is_a_size(ada: Client) -> None:
    objective = {"primary_metric": "system/memory", "goal": "minimize"}
    document = factories.definition_document(objective=objective)
    sweep = factories.sweep(factories.team(), document=document)
    trial = factories.trial(sweep)
    factories.claim(trial)
    factories.report(trial, [78_340_000.0], name="system/memory")
    lifecycle.finish_attempt(
        trial.current_attempt, lifecycle.Outcome("exited", exit_code=0)
    )
    for url in (trial.get_absolute_url(), sweep.get_absolute_url()):
        html = page(ada, url)
        assert ">78 MB<" in html
        assert ">7.834e7<" not in html.partition("<table")[0]
