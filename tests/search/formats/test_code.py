"""Code that an imported document has at an address."""

from __future__ import annotations

import pytest

from experiments.search.document.definition import parse_document
from experiments.search.formats import import_sweep

AZURE = """\
type: sweep
trial:
  command: python train.py --lr ${{search_space.lr}}
  code: CODE
  environment: azureml:curated@latest
search_space: {lr: {type: uniform, min_value: 0, max_value: 1}}
sampling_algorithm: random
objective: {primary_metric: accuracy, goal: maximize}
limits: {max_total_trials: 4}
"""


@pytest.mark.parametrize(
    "code", ["git+https://h.org/x.git@main#src", "https://h.org/x.git@main#src"]
)
def test_a_repository_is_kept(code: str) -> None:
    imported = import_sweep(AZURE.replace("CODE", code))
    found = parse_document(imported.document).trial.code
    assert found == {
        "git": {"url": "https://h.org/x.git", "ref": "main", "path": "src"}
    }
    (note,) = [n for n in imported.notes if n.path == "trial.environment"]
    assert "trial.requirements" in note.alternative


def test_one_with_a_password_is_left_out_without_showing_it() -> None:
    imported = import_sweep(AZURE.replace("CODE", "https://me:hunter2@h.org/x.git"))
    assert parse_document(imported.document).trial.code is None
    (note,) = [n for n in imported.notes if n.path == "trial.code"]
    assert "hunter2" not in str(imported.notes)
    assert "must not contain" in note.message
