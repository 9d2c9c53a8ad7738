"""The Python of the documentation, run as it is printed."""

from __future__ import annotations

import json
import os
import pickle
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from experiments.models import Metric, Sweep, Trial
from experiments.models.trials import TrialState
from tests import factories
from tests.client.conftest import Base, stand_in
from tests.docs.blocks import blocks
from tests.processes.running_site import wait_for

BLOCKS = {b.number: b.code for b in blocks("python") if b.page == "docs/report.md"}


class Framework(Base):
    """A model or trainer that trains for some epochs, and calls what it was given."""

    def __init__(self, callbacks: Any = (), **settings: Any) -> None:
        self._callbacks = callbacks

    def fit(self, *data: Any, callbacks: Any = (), **settings: Any) -> None:
        for each in (*callbacks, *self._callbacks):
            assert isinstance(each, Base)

    train = fit


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """What the page takes for granted: data, a model, and the larger frameworks."""
    stand_in(monkeypatch, "keras.callbacks", Callback=Base)
    stand_in(monkeypatch, "lightning.pytorch.callbacks", Callback=Base)
    sys.modules["lightning"].Trainer = Framework  # type: ignore[attr-defined]
    members = {"TrainerCallback": Base, "Trainer": Framework}
    stand_in(monkeypatch, "transformers", **members)
    monkeypatch.chdir(tmp_path)
    Path("model.npz").write_bytes(b"weights")
    x = np.random.default_rng(0).random((60, 3))
    return {
        "model": Framework(),
        "train_one_epoch": lambda lr: (lr, 0.5),
        **{"x": x, "y": x[:, 0], "x_val": x, "y_val": x[:, 0]},
    }


@pytest.fixture
def in_trial(at_site: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Trial:
    trial = factories.trial(factories.sweep(factories.team("Physics")))
    monkeypatch.setenv("SWEEPSITE_TOKEN", factories.claim(trial).trial_token.secret)
    monkeypatch.setenv("SWEEPSITE_TRIAL_ID", str(trial.pk))
    monkeypatch.setenv("SWEEPSITE_PRIMARY_METRIC", "accuracy")
    return trial


def reported(trial: Trial) -> dict[str, int]:
    found = Metric.objects.filter(attempt__trial=trial)
    return dict(found.values_list("name", "count"))


def test_the_code_reports_in_a_trial(in_trial: Trial, names: dict[str, Any]) -> None:
    seen: dict[str, int] = {}
    for number, block in BLOCKS.items():
        if "sweepsite_client.run(" not in block:
            exec(compile(block, f"block {number} of report.md", "exec"), {**names})
            seen |= reported(in_trial)
    assert seen == {
        **{"loss": 30, "accuracy": 60},
        **{"validation-rmse": 40},
    }


def test_the_code_of_runs_makes_one(at_site: ModuleType, names: dict[str, Any]) -> None:
    (block,) = (text for text in BLOCKS.values() if "sweepsite_client.run(" in text)
    exec(compile(block, "the block of runs", "exec"), {**names})
    trial = Trial.objects.get()
    assert trial.state == TrialState.COMPLETED
    assert reported(trial) == {"loss": 30, "accuracy": 30}
    assert trial.run.tags == {"stage": "candidate"}


def test_the_code_of_own_trials_runs_a_sweep(at_site: ModuleType) -> None:
    names: dict[str, Any] = {"site": at_site.connect(), "sweepsite_client": at_site}
    block = code_of("docs/python.md", 2)
    block = block.replace('"max_total_trials": 20', '"max_total_trials": 2')
    exec(compile(block, "the second block of python.md", "exec"), names)
    assert [trial["reports"] for trial in names["sweep"].trials()] == [10, 10]


# How many blocks each page has. Each of them runs in a test of this module or of
# tests/mlflow, and those of tutorials also in tests/docs/test_tutorials.py.
RUN = {
    "README.md": 1,
    "docs/api.md": 1,
    "docs/mlflow.md": 2,
    "docs/python.md": 3,
    "docs/report.md": 8,
    "docs/runs.md": 2,
    "docs/training-script.md": 2,
}


def test_every_block_of_python_is_run_by_a_test() -> None:
    counts = Counter(block.page for block in blocks("python"))
    assert {p: n for p, n in counts.items() if "/tutorials/" not in p} == RUN


def code_of(page: str, number: int) -> str:
    found = [block for block in blocks("python") if block.page == page]
    return found[number - 1].code


def execute(page: str, number: int, names: dict[str, Any]) -> None:
    code = code_of(page, number)
    exec(compile(code, f"block {number} of {page}", "exec"), names)


class Model:
    """That of the README."""

    def __init__(self, lr: float) -> None:
        self.lr = lr

    def train_one_epoch(self) -> float:
        return 0.5

    def save(self, path: str) -> None:
        Path(path).write_bytes(b"weights")

    def state_dict(self) -> dict[str, float]:
        return {"lr": self.lr}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.lr = state["lr"]


@pytest.mark.parametrize("page", ["README.md", "docs/training-script.md"])
def test_the_first_script_reports_each_epoch(
    in_trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.setenv("SWEEPSITE_OUTPUTS", str(tmp_path))
    execute(page, 1, {"Model": Model, "train_one_epoch": lambda lr: 0.5})
    assert reported(in_trial) == {"accuracy": 30}
    assert page != "README.md" or (tmp_path / "model.npz").read_bytes() == b"weights"


def test_a_script_continues_where_it_was(
    in_trial: Trial,
    at_site: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With pickle for torch, which no requirements file has."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    torch = SimpleNamespace(
        save=lambda value, path: path.write_bytes(pickle.dumps(value)),
        load=lambda path: pickle.loads(path.read_bytes()),
    )
    names = {"sweep": at_site, "torch": torch, "Path": Path, "loss": 0.5, "epochs": 3}
    names |= {"train_one_epoch": lambda model: None}
    monkeypatch.setenv("SWEEPSITE_OUTPUTS", str(first))
    execute("docs/training-script.md", 2, {**names, "model": Model(0.1)})
    monkeypatch.setenv("SWEEPSITE_OUTPUTS", str(second))
    monkeypatch.setenv("SWEEPSITE_RESUME_FROM", str(first))
    model = Model(0.7)
    execute("docs/training-script.md", 2, {**names, "model": model, "epochs": 5})
    assert model.lr == 0.1
    assert reported(in_trial) == {"loss": 5}


def document(**changes: Any) -> dict[str, Any]:
    made = {
        "experiment_name": "digits",
        "launches": False,
        "search_space": {"lr": {"type": "uniform", "min_value": 0, "max_value": 1}},
        "objective": {"primary_metric": "loss", "goal": "minimize"},
        "limits": {"max_total_trials": 2, "max_concurrent_trials": 1},
    }
    return {**made, **changes}


def test_a_program_in_any_language_asks_for_trials(
    at_site: ModuleType, live_server: Any
) -> None:
    sweep = at_site.connect().sweep(document()).start()
    code = code_of("docs/api.md", 1).replace("http://127.0.0.1:8000", live_server.url)
    names = {
        "TOKEN": os.environ["SWEEPSITE_TOKEN"],
        "SWEEP": sweep.id,
        "train": lambda lr: [lr, lr / 2],
    }
    exec(compile(code, "the block of api.md", "exec"), names)
    trials = sweep.trials()
    assert [trial["reports"] for trial in trials] == [2, 2]
    assert {trial["state"] for trial in trials} == {"completed"}


def test_the_first_sweep_from_python_is_watched(
    at_site: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """While other threads train, which need no workers."""
    monkeypatch.chdir(tmp_path)
    Path("sweep.yaml").write_text(json.dumps(document()))
    site = at_site.connect()
    names: dict[str, Any] = {}

    def is_started() -> bool:
        """Its answer has arrived: a second start after the end would be refused."""
        return "sweep" in names and names["sweep"].state == "running"

    def train() -> None:
        wait_for(is_started, "the start", timeout=30)
        site.find("digits-1").optimize(lambda trial: trial.params["lr"]).cancel()

    with ThreadPoolExecutor(1) as pool:
        training = pool.submit(train)
        execute("docs/python.md", 1, names)
        training.result()
    assert names["sweep"].best()["params"]["lr"] < 1


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder with the script that it submits."""
    monkeypatch.chdir(tmp_path)
    Path("src").mkdir()
    Path("src/train.py").write_text("print(1)")


@pytest.mark.usefixtures("notebook")
def test_a_notebook_of_azure_submits_its_sweep(at_site: ModuleType) -> None:
    """Up to what waits for workers, which this site has not."""
    submitted, _, waits = code_of("docs/python.md", 3).partition("run.wait_for_c")
    names: dict[str, Any] = {}
    exec(compile(submitted, "the third block of python.md", "exec"), names)
    row = Sweep.objects.get()
    trial = factories.reported_trial(row, [0.5, 0.9])
    Trial.objects.filter(pk=trial.pk).update(state=TrialState.COMPLETED)
    Sweep.objects.update(state="completed")
    exec(compile(f"run.wait_for_c{waits}", "the same block", "exec"), names)
    assert names["best"].get_metrics() == {"accuracy": [0.5, 0.9]}


def test_a_single_run_is_logged(at_site: ModuleType) -> None:
    execute("docs/runs.md", 1, {})
    trial = Trial.objects.get()
    assert (trial.state, trial.run.params) == ("completed", {"C": "10"})
    assert reported(trial) == {"accuracy": 1}


def test_an_objective_of_optuna_runs_here(at_site: ModuleType) -> None:
    code = code_of("docs/tutorials/from-optuna.md", 1)
    code = code.replace('"max_total_trials": 20', '"max_total_trials": 3')
    names: dict[str, Any] = {}
    exec(compile(code, "the block of from-optuna.md", "exec"), names)
    trials = names["sweep"].trials()
    assert len(trials) == 3 and trials[0]["reports"] == 6


@pytest.mark.usefixtures("notebook")
def test_a_notebook_of_azures_first_sdk_makes_its_sweep(at_site: ModuleType) -> None:
    execute("docs/tutorials/from-azure-ml.md", 1, {})
    row = Sweep.objects.get()
    assert (row.state, row.max_total_trials) == ("running", 20)
    assert set(row.definition["search_space"]) == {"lr", "layers"}
