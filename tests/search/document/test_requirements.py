from __future__ import annotations

import pytest

from experiments.search.document.trial import TrialTemplate, read_trial
from experiments.search.fields import Diagnostics, Fields

CODE = {"files": {"train.py": "", "requirements.txt": "numpy\n"}}


def read(**fields: object) -> tuple[TrialTemplate, Diagnostics]:
    diagnostics = Diagnostics()
    document = Fields({"command": "python train.py", **fields}, "trial", diagnostics)
    return read_trial(document, parameters=["x"], inputs=()), diagnostics


@pytest.mark.parametrize(
    "fields",
    [
        {"python": "python3.12"},
        {"python": "/opt/my torch/bin/python"},
        {"requirements": ["numpy==2.1", "--find-links wheels"]},
        {"requirements": []},
        {"requirements": "requirements.txt", "code": CODE},
        {"requirements": "a/needed.txt", "code": {"upload": "12345678"}},
    ],
)
def test_python_and_requirements_are_kept_as_they_are(
    fields: dict[str, object],
) -> None:
    template, diagnostics = read(**fields)
    assert diagnostics.problems == []
    assert template.dump() == {"command": "python train.py", **fields}


@pytest.mark.parametrize(
    ("fields", "path", "words"),
    [
        ({"python": 3}, "trial.python", "must be text"),
        ({"python": "-c"}, "trial.python", "a command or a path"),
        ({"python": "a\nb"}, "trial.python", "a command or a path"),
        ({"requirements": 3}, "trial.requirements", "a file of the code"),
        ({"requirements": {"a": 1}}, "trial.requirements", "a file of the code"),
        ({"requirements": "r.txt"}, "trial.requirements", "there is no code"),
        (
            {"requirements": "../r.txt", "code": CODE},
            "trial.requirements",
            "a file of the code",
        ),
        ({"requirements": "r.txt", "code": CODE}, "trial.requirements", "not among"),
        ({"requirements": ["a", 3]}, "trial.requirements", "Line 2"),
        ({"requirements": ["a\nb"]}, "trial.requirements", "Line 1"),
        ({"requirements": ["a"] * 501}, "trial.requirements", "500 lines, not 501"),
    ],
)
def test_what_is_wrong_is_told_at_its_path(
    fields: dict[str, object], path: str, words: str
) -> None:
    _, diagnostics = read(**fields)
    (problem,) = diagnostics.problems
    assert problem.path == path
    assert words in problem.message
