"""The demo's script as a person or a worker starts it, and its sweep document."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from experiments.demo import network

DEMO = network.DATA.parent


def train(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The script run in `folder`, with nothing of sweepsite around it."""
    kept = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    return subprocess.run(
        [sys.executable, str(DEMO / "train.py"), *arguments],
        cwd=folder,
        env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def document() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((DEMO / "sweep.yaml").read_text())
    return read


def example(distribution: dict[str, Any]) -> object:
    """A value of the distribution, by hand: its first choice or its middle."""
    if distribution["type"] == "choice":
        return distribution["values"][0]
    middle = (distribution["min_value"] + distribution["max_value"]) / 2
    return np.exp(middle) if distribution["type"] == "loguniform" else middle


def test_by_hand_it_prints_a_line_per_epoch_and_keeps_the_best_weights(
    tmp_path: Path,
) -> None:
    run = train(tmp_path, "--epochs", "2", "--batch_size", "128")
    assert run.returncode == 0, run.stderr
    assert re.findall(r"^epoch  (\d)/2  accuracy 0\.\d{4}  loss", run.stdout, re.M) == [
        "1",
        "2",
    ]
    with np.load(tmp_path / "outputs" / "best_weights.npz") as weights:
        images, digits = network.load_digits()
        held_out = network.split(len(images))[1]
        scores = network.judged(weights, images[held_out], digits[held_out])
    assert f"best accuracy {scores['accuracy']:.4f}" in run.stdout


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("--learning_rate", "-0.1", "-0.1 is not above 0"),
        ("--momentum", "1", "1 is not from 0 to below 1"),
        ("--hidden_units", "0", "0 is not a whole number from 1 up"),
        ("--epochs", "many", "invalid count value: 'many'"),
    ],
)
def test_a_bad_hyperparameter_ends_it_with_a_sentence(
    tmp_path: Path, name: str, value: str, sentence: str
) -> None:
    run = train(tmp_path, f"{name}={value}")
    assert run.returncode == 2
    assert f"argument {name}: {sentence}" in run.stderr
    assert not list(tmp_path.iterdir())


def test_a_far_too_large_step_scores_badly_but_runs_on(tmp_path: Path) -> None:
    run = train(tmp_path, "--learning_rate=1000", "--epochs=1", "--hidden_units=16")
    assert run.returncode == 0, run.stderr
    accuracy = re.search(r"best accuracy (\S+)", run.stdout)
    assert accuracy is not None
    assert float(accuracy[1]) < 0.2


def test_the_document_s_command_is_one_that_the_script_takes(tmp_path: Path) -> None:
    read = document()
    values = {f"inputs.{name}": value for name, value in read["inputs"].items()}
    for name, distribution in read["search_space"].items():
        values[f"search_space.{name}"] = example(distribution)
    values["inputs.epochs"] = 1
    command = re.sub(
        r"\$\{\{(.+?)\}\}",
        lambda place: str(values.pop(place[1])),
        read["trial"]["command"],
    )
    assert not values, "every parameter and input reaches the command"
    assert shlex.split(command)[:2] == ["python", "train.py"]
    run = train(tmp_path, *shlex.split(command)[2:])
    assert run.returncode == 0, run.stderr
    assert read["objective"]["primary_metric"] in run.stdout
