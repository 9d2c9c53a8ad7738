"""The code of the page about reporting, run as it is printed."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from experiments.models import Metric, Trial
from experiments.models.trials import TrialState
from tests import factories
from tests.client.conftest import ROOT, Base, stand_in

PAGE = (ROOT / "docs/report.md").read_text()
BLOCKS = dict(
    enumerate(re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
)


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


PYTHON = re.findall(r"```python\n(.*?)```", (ROOT / "docs/python.md").read_text(), re.S)


def test_the_code_of_own_trials_runs_a_sweep(at_site: ModuleType) -> None:
    names: dict[str, Any] = {"site": at_site.connect(), "sweepsite_client": at_site}
    block = PYTHON[1].replace('"max_total_trials": 20', '"max_total_trials": 2')
    exec(compile(block, "the second block of python.md", "exec"), names)
    assert [trial["reports"] for trial in names["sweep"].trials()] == [10, 10]
