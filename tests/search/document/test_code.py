from __future__ import annotations

import pytest

from experiments.search.document.code import read_code
from experiments.search.fields import Diagnostics, Fields

GIT = "https://git.example.org/team/project.git"


def read(code: object) -> tuple[object, Diagnostics]:
    diagnostics = Diagnostics()
    return read_code(Fields({"code": code}, "trial", diagnostics)), diagnostics


@pytest.mark.parametrize(
    "code",
    [
        None,
        "./src",
        "../shared code",
        {"files": {"train.py": "print(1)\n", "data/load.py": ""}},
        {"upload": "sha256:9f2c41d7"},
        {"git": {"url": "https://git.example.org/team/project.git"}},
        {"git": {"url": "git@host.org:team/x.git", "ref": "v1.0", "path": "a/b"}},
        {"git": {"url": "ssh://git@host:22/team/x", "ref": "feature/y"}},
        {"git": {"url": "file:///srv/git/x.git"}},
        {"folder": "/srv/code/digits"},
    ],
)
def test_good_code_is_kept_as_it_is(code: object) -> None:
    found, diagnostics = read(code)
    assert found == code
    assert diagnostics.problems == []


@pytest.mark.parametrize(
    ("code", "path", "words"),
    [
        (3, "trial.code", "folder's path"),
        ("", "trial.code", "folder's path"),
        ("a\0b", "trial.code", "folder's path"),
        ("https://x/y.zip", "trial.code", "address is not supported"),
        ("azureml:code@latest", "trial.code", "address is not supported"),
        ("http://x/y", "trial.code.git.url", 'not "http"'),
        ("git+ext::sh -c x", "trial.code.git.url", "must begin with https://"),
        ("https://me:secret@x/y.git", "trial.code.git.url", "workers' own user"),
        ("https://token@x/y.git", "trial.code.git.url", "workers' own user"),
        ("ssh://git:secret@x/y.git", "trial.code.git.url", "workers' own user"),
        ({}, "trial.code", "exactly one"),
        ({"files": {"a": ""}, "upload": "x"}, "trial.code", "exactly one"),
        ({"git": {"url": "x"}}, "trial.code.git.url", "must begin with https://"),
        ({"git": {}}, "trial.code.git.url", "Add the field url"),
        ({"git": 3}, "trial.code.git", "must be a mapping"),
        ({"git": {"url": "--upload-pack=x"}}, "trial.code.git.url", "must begin"),
        ({"git": {"url": "ext::sh"}}, "trial.code.git.url", "must begin"),
        ({"git": {"url": "git@-oProxy:x"}}, "trial.code.git.url", "must begin"),
        ({"git": {"url": "ssh://-oProxy/x"}}, "trial.code.git.url", "must begin"),
        ({"git": {"url": "https://h:99999/r"}}, "trial.code.git.url", "Port out of"),
        ({"git": {"url": "https://h:x/r"}}, "trial.code.git.url", "Port could not"),
        ({"git": {"url": "https://bücher.org/r"}}, "trial.code.git.url", "xn--bcher-"),
        ({"git": {"url": "git@bücher.org:r"}}, "trial.code.git.url", "must begin"),
        ({"git": {"url": "https://h/r?token=1"}}, "trial.code.git.url", "without ?"),
        ({"git": {"url": "file://h/r"}}, "trial.code.git.url", "must begin"),
        ({"git": {"url": "file:///a/../b"}}, "trial.code.git.url", "must begin"),
        ({"git": {"url": GIT, "ref": "--exec"}}, "trial.code.git.ref", "a branch"),
        ({"git": {"url": GIT, "ref": "a..b"}}, "trial.code.git.ref", "a branch"),
        ({"git": {"url": GIT, "ref": "x@{1}"}}, "trial.code.git.ref", "a branch"),
        ({"git": {"url": GIT, "path": "../x"}}, "trial.code.git.path", "inside"),
        ({"git": {"url": GIT, "path": "/x"}}, "trial.code.git.path", "inside"),
        ({"git": {"url": GIT, "branch": "x"}}, "trial.code.git.branch", "no field"),
        ({"folder": "src"}, "trial.code.folder", "whole path"),
        ({"folder": "/srv/../etc"}, "trial.code.folder", "without .."),
        ({"folder": "/"}, "trial.code.folder", "whole path"),
        ({"folder": "/a", "git": {"url": GIT}}, "trial.code", "exactly one"),
        ({"files": {}}, "trial.code.files", "1 to 1,000 files"),
        ({"files": [1]}, "trial.code.files", "mapping"),
        ({"upload": "a/../b"}, "trial.code.upload", "upload's id"),
        ({"upload": "x", "more": 1}, "trial.code.more", "no field"),
        ({"files": {"a.py": 3}}, "trial.code.files.a.py", "must be text, not 3"),
    ],
)
def test_bad_code_is_a_problem_at_its_path(code: object, path: str, words: str) -> None:
    _, diagnostics = read(code)
    (problem,) = diagnostics.problems
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
    _, diagnostics = read({"files": {name: "", "ok.py": ""}})
    # ". ./x" is an odd but harmless folder name.
    assert len(diagnostics.problems) == (name != ". ./x")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (GIT, {"url": GIT}),
        (f"{GIT}@main#sub/dir", {"url": GIT, "ref": "main", "path": "sub/dir"}),
        (f"git+{GIT}@feature/x", {"url": GIT, "ref": "feature/x"}),
        (f"{GIT}#subdirectory=a", {"url": GIT, "path": "a"}),
        (
            "git@host.org:team/x.git@v1#a",
            {"url": "git@host.org:team/x.git", "ref": "v1", "path": "a"},
        ),
        (
            "ssh://git@host.org/team/x.git@v1",
            {"url": "ssh://git@host.org/team/x.git", "ref": "v1"},
        ),
        ("https://host.org/@scope/x", {"url": "https://host.org/@scope/x"}),
    ],
)
def test_an_address_as_text_is_a_repository(text: str, parts: object) -> None:
    for code in (text, {"git": text}):
        found, diagnostics = read(code)
        assert diagnostics.problems == []
        assert found == {"git": parts}


def test_no_problem_repeats_a_password() -> None:
    for code in ("https://me:hunter2@x/y.git", {"git": {"url": "https://hunter2@x/y"}}):
        _, diagnostics = read(code)
        assert "hunter2" not in str(diagnostics.problems)


def test_a_folder_is_kept_in_its_plain_form() -> None:
    found, _ = read({"folder": " /srv//code/./x/ "})
    assert found == {"folder": "/srv/code/x"}
