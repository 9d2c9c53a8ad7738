from __future__ import annotations

import pytest

from experiments.search.code import read_code
from experiments.search.fields import Fields
from experiments.search.problems import Findings


def read(code: object) -> tuple[object, Findings]:
    findings = Findings()
    return read_code(Fields({"code": code}, "trial", findings)), findings


@pytest.mark.parametrize(
    "code",
    [
        None,
        "./src",
        "../shared code",
        {"files": {"train.py": "print(1)\n", "data/load.py": ""}},
        {"upload": "sha256:9f2c41d7"},
    ],
)
def test_good_code_is_kept_as_it_is(code: object) -> None:
    found, findings = read(code)
    assert found == code
    assert findings.problems == []


@pytest.mark.parametrize(
    ("code", "path", "words"),
    [
        (3, "trial.code", "folder's path"),
        ("", "trial.code", "folder's path"),
        ("a\0b", "trial.code", "folder's path"),
        ("https://x/y.zip", "trial.code", "address is not supported yet"),
        ("git+ssh://x/y", "trial.code", "address is not supported yet"),
        ("azureml:code@latest", "trial.code", "address is not supported yet"),
        ({}, "trial.code", "exactly one"),
        ({"files": {"a": ""}, "upload": "x"}, "trial.code", "exactly one"),
        ({"git": {"url": "x"}}, "trial.code.git", "not supported yet"),
        ({"files": {}}, "trial.code.files", "1 to 1,000 files"),
        ({"files": [1]}, "trial.code.files", "mapping"),
        ({"upload": "a/../b"}, "trial.code.upload", "upload's id"),
        ({"upload": "x", "more": 1}, "trial.code.more", "no field"),
        ({"files": {"a.py": 3}}, "trial.code.files.a.py", "must be text, not 3"),
    ],
)
def test_bad_code_is_a_problem_at_its_path(code: object, path: str, words: str) -> None:
    _, findings = read(code)
    (problem,) = findings.problems
    assert problem.path == path
    assert words in problem.message


@pytest.mark.parametrize(
    "name",
    [
        *("", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "a/", "a\\b", "C:x"),
        *("C:/x", "a\nb", "a\0b", "~\x7f", ". ./x", "x" * 501, ".. /x"),
    ],
)
def test_a_file_cannot_leave_its_folder(name: str) -> None:
    _, findings = read({"files": {name: "", "ok.py": ""}})
    # ". ./x" is an odd but harmless folder name.
    assert len(findings.problems) == (name != ". ./x")
