"""What is wrong with a request, in plain sentences."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.models import Team
from tests import factories
from tests.api.conftest import Api


@pytest.mark.parametrize(
    ("method", "path", "body", "field", "sentence"),
    [
        ("POST", "/experiments", {}, "name", "This is required."),
        ("POST", "/experiments", None, "body", "This is required."),
        ("POST", "/experiments", {"name": "a", "x": 1}, "x", "There is no such field."),
        ("POST", "/experiments", {"name": 1}, "name", "This must be a text."),
        *[
            ("POST", "/experiments", {"name": name}, "name", sentence)
            for name, sentence in (
                ("", "Use at least 1 character."),
                ("a" * 201, "Use at most 200 characters."),
            )
        ],
        ("POST", "/experiments", [], "body", "This must be a mapping."),
        ("GET", "/sweeps?limit=x", None, "limit", "This must be a whole number."),
        ("GET", "/sweeps?limit=0", None, "limit", "This must be at least 1."),
        ("GET", "/sweeps?format=x", None, "format", "Use 'json', 'csv' or 'jsonl'."),
    ],
)
def test_a_field_that_is_wrong_has_a_plain_sentence(
    api: Api, method: str, path: str, body: Any, field: str, sentence: str
) -> None:
    answer = api(method, path, body)
    error = answer.json()["error"]
    assert answer.status_code == 422
    assert error["fields"] == {field: [sentence]}
    assert error["message"].endswith(f"see {field}.")


def test_broken_json_is_one_mistake_wherever_it_is_sent(api: Api, team: Team) -> None:
    sweep = factories.sweep(team)
    said = [
        api(method, path, '{"notes": }').json()["error"]["message"]
        for method, path in (("POST", "/sweeps"), ("PATCH", f"/sweeps/{sweep.pk}"))
    ]
    assert said[0].startswith("The body is not valid JSON: line 1, column 11:")
    assert said[0] == said[1]
