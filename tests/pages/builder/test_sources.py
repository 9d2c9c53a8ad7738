"""Code from git, from a folder and from files in the builder's form."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from experiments.models import Pool, Sweep
from tests.pages.builder.builder_forms import (
    form,
    member,
    page,
    preview,
    problems,
    send,
    texts_of,
    wrong_fields,
)

GIT = {
    "code_kind": "git",
    "git_url": "https://git.example.org/team/x.git",
    "git_ref": "main",
    "git_path": "training",
}


@pytest.fixture
def ada(client: Client, db: None) -> Client:
    made = member(client)
    Pool.objects.filter(name="default").update(folders=["/srv/code"])
    return made


def stored(client: Client, **texts: str) -> dict[str, Any]:
    response = send(client, form(**texts))
    assert response.status_code == 302, response.context["problems"]
    trial: dict[str, Any] = Sweep.objects.get().definition["trial"]
    return trial


def test_a_repository_is_stored_in_its_parts(ada: Client) -> None:
    code = {
        "url": "https://git.example.org/team/x.git",
        "ref": "main",
        "path": "training",
    }
    assert stored(ada, **GIT)["code"] == {"git": code}
    assert Sweep.objects.get().code is None
    again = texts_of(ada.get(f"/sweeps/{Sweep.objects.get().pk}/edit/"))
    assert {name: again[name] for name in GIT} == GIT


def test_a_folder_of_the_pool_is_stored(ada: Client) -> None:
    texts = {"code_kind": "folder", "folder": "/srv/code/digits"}
    assert stored(ada, **texts)["code"] == {"folder": "/srv/code/digits"}
    again = texts_of(ada.get(f"/sweeps/{Sweep.objects.get().pk}/edit/"))
    assert {name: again[name] for name in texts} == texts


def test_a_folder_outside_names_those_that_are_allowed(ada: Client) -> None:
    fields = form(code_kind="folder", folder="/srv/codes/x")
    assert "pool default allows: /srv/code." in problems(ada, fields)["folder"]


def test_python_and_requirements_are_stored_and_come_back(ada: Client) -> None:
    texts = {"python": "/opt/torch/bin/python", "requirements": "numpy==2.1\nscipy"}
    trial = stored(ada, **texts)
    assert trial["python"] == "/opt/torch/bin/python"
    assert trial["requirements"] == ["numpy==2.1", "scipy"]
    again = texts_of(ada.get(f"/sweeps/{Sweep.objects.get().pk}/edit/"))
    assert {name: again[name] for name in texts} == texts


def test_what_another_source_was_given_stays_in_the_form(ada: Client) -> None:
    texts = {**GIT, "code_kind": "folder", "folder": "/nowhere", "code": "12345678"}
    response = send(ada, form(**texts))
    assert response.status_code == 422
    for name, text in texts.items():
        assert texts_of(response)[name] == text
    assert 'value="folder" checked' in page(response)


def test_a_misspelt_source_is_files(ada: Client) -> None:
    assert "code" not in stored(ada, code_kind="<b>")


@pytest.mark.parametrize(
    "code",
    [
        "{git: {url: 'https://h.org/r.git', ref: main, path: a/b}}",
        "'https://h.org/r.git@main#a/b'",
        "{git: 'git+https://h.org/r.git@main#a/b'}",
    ],
)
def test_yaml_fills_the_repository_s_fields(ada: Client, code: str) -> None:
    text = yaml_of(ada, f"  code: {code}\n  requirements: requirements.txt\n")
    response = send(ada, {**form(), "do": "apply-yaml", "yaml_mode": "1", "yaml": text})
    texts = texts_of(response)
    assert texts["code_kind"] == "git"
    assert texts["git_url"] == "https://h.org/r.git"
    assert (texts["git_ref"], texts["git_path"]) == ("main", "a/b")
    assert texts["requirements"] == "requirements.txt"
    assert texts["extra"] in ("", "{}")
    yaml = response.context["preview"].yaml
    assert "url: 'https://h.org/r.git', ref: main" in yaml
    assert "requirements: requirements.txt" in yaml


def test_a_wrong_repository_in_yaml_is_told_beside_its_field(ada: Client) -> None:
    text = yaml_of(ada, "  code: 'https://h.org/r.git@a..b'\n")
    response = send(ada, {**form(), "do": "apply-yaml", "yaml_mode": "1", "yaml": text})
    assert wrong_fields(response) == {"git_ref"}
    assert texts_of(response)["git_ref"] == "a..b"


def test_an_environment_without_packages_survives_the_form(ada: Client) -> None:
    text = yaml_of(ada, "  requirements: []\n")
    response = send(ada, {**form(), "do": "apply-yaml", "yaml_mode": "1", "yaml": text})
    assert "requirements: []" in response.context["preview"].yaml


def yaml_of(client: Client, lines: str) -> str:
    """The document of the usual form, with more lines in its `trial`."""
    text: str = preview(client, form())["yaml"]
    assert "trial:\n" in text
    return text.replace("trial:\n", f"trial:\n{lines}", 1)
