"""Files in a document's folder: a search space, a component, the script itself."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.search.fields import DefinitionError
from experiments.search.formats import definition_of, import_sweep

NNI = """\
searchSpaceFile: search_space.json
trialCommand: python3 fit.py
trialConcurrency: 2
maxTrialNumber: 9
tuner: {name: TPE, classArgs: {optimize_mode: minimize}}
"""
# NNI's own files have tabs.
SPACE = '{\n\t"lr": {"_type": "loguniform", "_value": [0.001, 0.1]}\n}'
PIPELINE = """\
type: pipeline
jobs:
  search:
    type: sweep
    trial: file:./parts/train.yml
    inputs: {epochs: 3}
    search_space: {lr: {type: uniform, min_value: 0, max_value: 1}}
    sampling_algorithm: random
    objective: {primary_metric: accuracy, goal: maximize}
    limits: {max_total_trials: 4}
"""
COMPONENT = """\
type: command
inputs:
  lr: {type: number}
  epochs: {type: integer, default: 10}
  momentum: {type: number, default: 0.9}
command: >-
  python train.py --lr ${{inputs.lr}} --epochs ${{inputs.epochs}}
  --momentum ${{inputs.momentum}}
code: ../src
environment: azureml:curated@latest
requirements: [scipy]
python: python3.12
"""
WANDB = """\
program: train.py
method: random
metric: {name: loss, goal: minimize}
parameters: {lr: {min: 0.0, max: 1.0}}
run_cap: 3
"""


def imported(text: str, **files: str) -> dict[str, Any]:
    found = import_sweep(text, beside=files.get)
    definition_of(found)
    return dict(found.document)


def test_a_search_space_in_its_own_file() -> None:
    document = imported(NNI, **{"search_space.json": SPACE, "fit.py": ""})
    assert list(document["search_space"]) == ["lr"]
    # The folder of an NNI configuration is its code, if nothing else is said.
    assert document["trial"] == {"command": "python3 fit.py", "code": "."}


@pytest.mark.parametrize(
    ("space", "problem"),
    [
        ('{"lr": {"_type": "unifrom", "_value": [0, 1]}}', "did you mean uniform"),
        ('{"lr": ', '"search_space.json" cannot be read'),
        ("[]", '"search_space.json" cannot be read'),
    ],
)
def test_what_is_wrong_in_it_is_said(space: str, problem: str) -> None:
    with pytest.raises(DefinitionError, match=problem) as error:
        imported(NNI, **{"search_space.json": space})
    assert all(p.path.startswith("searchSpaceFile") for p in error.value.problems)


def test_a_component_in_its_own_file() -> None:
    document = imported(PIPELINE, **{"parts/train.yml": COMPONENT})
    assert document["inputs"] == {"epochs": 3, "momentum": 0.9}
    assert document["trial"] == {
        "command": "python train.py --lr ${{search_space.lr}} --epochs"
        " ${{inputs.epochs}} --momentum ${{inputs.momentum}}",
        "code": "src",
        "requirements": ["scipy"],
        "python": "python3.12",
    }


def test_without_the_file_the_command_is_a_guess_with_a_note() -> None:
    found = import_sweep(PIPELINE)
    assert found.document["trial"] == {"command": "python train.py"}
    (note,) = [note for note in found.notes if note.path == "jobs.search.trial"]
    assert '"file:./parts/train.yml"' in note.message


def test_a_component_that_is_no_mapping_is_a_problem() -> None:
    with pytest.raises(DefinitionError, match=r'"parts/train\.yml" cannot be read'):
        imported(PIPELINE, **{"parts/train.yml": "[1]"})


def test_the_script_beside_makes_the_folder_the_code() -> None:
    assert imported(WANDB, **{"train.py": ""})["trial"]["code"] == "."
    assert "code" not in imported(WANDB, **{"other.py": ""})["trial"]
    assert "code" not in imported(WANDB)["trial"]
