from __future__ import annotations

import pytest

from experiments.search.document.trial import TrialTemplate, read_inputs, read_trial
from experiments.search.fields import Diagnostics, Fields


def read(document: dict[str, object]) -> tuple[TrialTemplate, Diagnostics]:
    diagnostics = Diagnostics()
    fields = Fields(document, "trial", diagnostics)
    return read_trial(fields, parameters=["lr"], inputs=["n"]), diagnostics


def test_a_trial_is_read_and_dumped() -> None:
    document = {
        "command": "python t.py ${{search_space.lr}} ${{inputs.n}}",
        "code": "./src",
        "environment_variables": {"OMP_NUM_THREADS": "1"},
    }
    template, diagnostics = read(document)
    assert diagnostics.problems == diagnostics.warnings == []
    assert template.dump() == document


def test_only_the_command_is_required() -> None:
    template, diagnostics = read({"command": "run"})
    assert template.dump() == {"command": "run"}
    assert diagnostics.problems == []


def test_variables_that_are_numbers_become_text() -> None:
    template, _ = read({"command": "x", "environment_variables": {"A": 1, "B": True}})
    assert template.environment_variables == {"A": "1", "B": "true"}


@pytest.mark.parametrize(
    ("document", "path", "words"),
    [
        ({}, "trial.command", "Add the field command, such as python train.py."),
        ({"command": ["python"]}, "trial.command", "must be text"),
        ({"command": "run ${{inputs.x}}"}, "trial.command", 'no input "x"'),
        ({"command": "run '"}, "trial.command", "no closing one"),
        ({"command": "x", "comand": "y"}, "trial.comand", "did you mean command?"),
        (
            {"command": "x", "environment_variables": {"A": None}},
            "trial.environment_variables.A",
            "must be text",
        ),
        (
            {"command": "x", "environment_variables": {"A-B": "1"}},
            "trial.environment_variables.A-B",
            "letters, digits and underscores",
        ),
        (
            {"command": "x", "environment_variables": {"A": "\0"}},
            "trial.environment_variables.A",
            "must be text",
        ),
        (
            {"command": "x", "environment_variables": {"SWEEPSITE_TOKEN": "1"}},
            "trial.environment_variables.SWEEPSITE_TOKEN",
            "the site sets",
        ),
        (
            {"command": "x", "environment_variables": ["A"]},
            "trial.environment_variables",
            "mapping",
        ),
    ],
)
def test_a_bad_trial_is_a_problem_at_its_path(
    document: dict[str, object], path: str, words: str
) -> None:
    _, diagnostics = read(document)
    (problem,) = diagnostics.problems
    assert problem.path == path
    assert words in problem.message


def test_azures_environment_is_ignored_with_a_warning() -> None:
    _, diagnostics = read({"command": "x", "environment": "azureml:sklearn@latest"})
    assert diagnostics.problems == []
    assert [warning.path for warning in diagnostics.warnings] == ["trial.environment"]


def test_inputs_are_plain_values() -> None:
    diagnostics = Diagnostics()
    given = {"n": 3, "rate": 0.5, "name": "x", "flag": False}
    assert read_inputs(Fields(given, "inputs", diagnostics)) == given
    assert read_inputs(None) == {}
    assert diagnostics.problems == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("data", {"type": "uri_file", "path": "x"}, "must be a number, text"),
        ("data", None, "not null"),
        ("data", float("inf"), "must be a number"),
        ("data", "a\0", "must be a number, text"),
        ("my-data", 1, "letters, digits and underscores"),
    ],
)
def test_other_inputs_are_problems(name: str, value: object, words: str) -> None:
    diagnostics = Diagnostics()
    read_inputs(Fields({name: value}, "inputs", diagnostics))
    (problem,) = diagnostics.problems
    assert problem.path == f"inputs.{name}"
    assert words in problem.message


CODE = {"files": {"train.py": "", "requirements.txt": "numpy\n"}}


def read_with(**fields: object) -> tuple[TrialTemplate, Diagnostics]:
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
    template, diagnostics = read_with(**fields)
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
    _, diagnostics = read_with(**fields)
    (problem,) = diagnostics.problems
    assert problem.path == path
    assert words in problem.message
