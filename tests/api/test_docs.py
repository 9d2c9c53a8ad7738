"""The API's description, and the page to browse it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from experiments.api.schemas import REFUSALS


@pytest.fixture
def description() -> dict[str, Any]:
    answer = Client().get("/api/v1/openapi.json")
    assert answer.status_code == 200
    document: dict[str, Any] = answer.json()
    return document


def test_the_description_needs_no_token(description: dict[str, Any]) -> None:
    assert description["info"]["title"] == "sweepsite"
    assert "/api/v1/sweeps/{sweep_id}" in description["paths"]
    assert not any("worker" in path for path in description["paths"])


def test_the_description_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = Client().get("/api/v1/openapi.json")
    monkeypatch.setattr("ninja.main.get_schema", lambda **_: pytest.fail("again"))
    again = Client().get("/api/v1/openapi.json")
    assert again.content == first.content and again.status_code == 200


def test_every_route_tells_its_refusals(description: dict[str, Any]) -> None:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            codes = {int(code) for code in operation["responses"]}
            assert codes >= REFUSALS, f"{method} {path}"
            assert operation["security"], f"{method} {path}"


def test_operations_have_names_of_their_own(description: dict[str, Any]) -> None:
    names = [
        operation["operationId"]
        for methods in description["paths"].values()
        for operation in methods.values()
    ]
    assert len(names) == len(set(names))


def test_bodies_that_are_read_by_hand_are_described(
    description: dict[str, Any],
) -> None:
    document = description["paths"]["/api/v1/sweeps"]["post"]["requestBody"]["content"]
    assert set(document) == {"application/json", "application/yaml"}
    upload = description["paths"]["/api/v1/uploads"]["post"]["requestBody"]["content"]
    assert "application/zip" in upload and "multipart/form-data" in upload


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1/sweeps/", "/api/v1/a/b"])
@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_what_is_no_route_is_a_404_for_programs(path: str, method: str) -> None:
    answer = getattr(Client(), method)(path)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "no_route"


def test_the_page_runs_under_the_content_policy() -> None:
    answer = Client().get("/api/v1/docs")
    assert answer.status_code == 200
    page = answer.content.decode()
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert sources and all(source.startswith("/static/") for source in sources)
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", page, re.DOTALL)
    for attributes, text in scripts:
        assert 'type="application/json"' in attributes or not text.strip()
    assert "<style" not in page and "onload" not in page
    policy = answer["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "unsafe" not in policy
    for source in sources:
        assert Client().get(source).status_code == 200
