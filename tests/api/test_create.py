"""POST /sweeps: a sweep from a document."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from experiments.models import Sweep, Team
from tests import factories
from tests.api.conftest import Api


def test_a_document_makes_a_draft(api: Api) -> None:
    answer = api.post("/sweeps", factories.definition_document())
    assert answer.status_code == 201
    made = answer.json()
    sweep = Sweep.objects.get(pk=made["id"])
    assert made["state"] == sweep.state == "draft"
    assert made["name"] == "digits-1"
    assert made["url"].endswith(f"/sweeps/{sweep.pk}/")
    assert made["created_by"] == "ada"


def test_start_true_starts_it_at_once(api: Api) -> None:
    answer = api.post("/sweeps?start=true", factories.definition_document())
    assert answer.json()["state"] == "running"
    assert answer.json()["started_at"] is not None


@pytest.mark.parametrize("kind", ["application/yaml", "text/yaml", "text/x-yaml"])
def test_a_document_may_be_yaml(api: Api, kind: str) -> None:
    text = yaml.safe_dump(factories.definition_document())
    answer = api.post("/sweeps", text, content_type=kind)
    assert answer.status_code == 201
    assert answer.json()["definition"]["search_space"]["x"]["type"] == "uniform"


def test_json_that_cannot_be_read_is_refused_where_it_breaks(api: Api) -> None:
    text = '{"experiment_name": "digits", "trial" 3}'
    answer = api.post("/sweeps", text, content_type="application/json")
    assert answer.status_code == 422
    message = answer.json()["error"]["message"]
    assert "The body is not valid JSON: line 1, column 39: Expecting" in message


def test_the_character_set_may_be_named(api: Api) -> None:
    answer = api.post(
        "/sweeps",
        factories.definition_document(),
        content_type="application/json; charset=utf-8",
    )
    assert answer.status_code == 201


def test_another_content_type_is_refused(api: Api) -> None:
    answer = api.post("/sweeps", "a,b", content_type="text/csv")
    assert answer.status_code == 415
    assert "application/yaml" in answer.json()["error"]["message"]


def test_every_problem_is_told_at_once_with_its_field(api: Api) -> None:
    document = factories.definition_document(
        objective={"primary_metric": "accuracy", "goal": "biggest"},
        limits={"max_total_trials": 0},
    )
    answer = api.post("/sweeps", document)
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["code"] == "invalid"
    assert {"objective.goal", "limits.max_total_trials"} <= error["fields"].keys()
    assert all(sentences for sentences in error["fields"].values())
    assert not Sweep.objects.exists()


@pytest.mark.parametrize("body", ["[1]", "{", "\x00", "null", '{"a": 1, "a": 2}'])
def test_a_body_that_is_no_document_is_refused(api: Api, body: str) -> None:
    answer = api.post("/sweeps", body)
    assert answer.status_code == 422
    assert answer.json()["error"]["message"]


def test_a_body_that_is_not_utf8_is_refused(api: Api) -> None:
    answer = api.post("/sweeps", b"{\xff}", content_type="application/yaml")
    assert answer.status_code == 422


def test_a_body_that_is_too_large_is_refused_in_the_one_shape(api: Api) -> None:
    answer = api.post("/sweeps", b"{" + b" " * (6 << 20))
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_large"


def test_a_path_of_the_server_is_no_code(api: Api) -> None:
    trial = {"command": "python t.py --x ${{search_space.x}}", "code": "/etc"}
    answer = api.post("/sweeps", factories.definition_document(trial=trial))
    assert answer.status_code == 422
    assert "trial.code" in answer.json()["error"]["fields"]


def test_a_pool_of_another_team_is_refused(api: Api) -> None:
    factories.pool(factories.team("Chemistry"), "big")
    answer = api.post("/sweeps", factories.definition_document(compute="big"))
    assert answer.status_code == 422
    assert "compute" in answer.json()["error"]["fields"]


def test_the_team_may_be_named(api: Api) -> None:
    factories.team("Astronomy", ada="member")
    answer = api.post("/sweeps?team=physics", factories.definition_document())
    assert answer.json()["team"] == "physics"
    answer = api.post("/sweeps", factories.definition_document())
    assert answer.json()["team"] == "physics", "the first that Ada joined"


def test_a_team_that_is_not_yours_does_not_exist(api: Api) -> None:
    factories.team("Chemistry", otto="member")
    answer = api.post("/sweeps?team=chemistry", factories.definition_document())
    assert answer.status_code == 404


def test_a_viewer_may_not_create(team: Team) -> None:
    viewer = Api(factories.api_token(factories.user("vera")))
    for path in ("/sweeps", "/sweeps?team=physics"):
        answer = viewer.post(path, factories.definition_document())
        assert answer.status_code == 403
    assert not Sweep.objects.exists()


def test_a_read_token_may_not_create(team: Team) -> None:
    reader = Api(factories.api_token(factories.user("ada"), "read"))
    answer = reader.post("/sweeps", factories.definition_document())
    assert answer.status_code == 403
    assert "scope write" in answer.json()["error"]["message"]


def _post_with_key(api: Api, key: str, **changes: Any) -> Any:
    document = factories.definition_document(**changes)
    headers = {"Idempotency-Key": key}
    return api.post("/sweeps?start=true", document, headers=headers)


def test_the_same_key_gives_the_same_sweep(api: Api) -> None:
    first, second = _post_with_key(api, "k1"), _post_with_key(api, "k1")
    assert first.status_code == second.status_code == 201
    assert first.json()["id"] == second.json()["id"]
    assert Sweep.objects.count() == 1


def test_a_key_that_no_database_keeps_is_refused(api: Api) -> None:
    answer = _post_with_key(api, "k\x001")
    assert answer.status_code == 422
    assert any("Key" in name for name in answer.json()["error"]["fields"])
    assert not Sweep.objects.exists()


def test_another_key_and_another_person_make_another_sweep(api: Api) -> None:
    factories.team("Physics", bob="member")
    bob = Api(factories.api_token(factories.user("bob")))
    ids = {
        _post_with_key(caller, key).json()["id"]
        for caller, key in ((api, "k1"), (api, "k2"), (bob, "k1"))
    }
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [
        ("experiment_name", "a\u202eb", "experiment_name"),
        ("display_name", "a\x1b[2J", "display_name"),
        ("tags", {"a": "\u2066b"}, "tags.a"),
    ],
)
def test_a_name_with_characters_that_nobody_sees_is_refused(
    api: Api, field: str, value: object, path: str
) -> None:
    document = factories.definition_document(**{field: value})
    answer = api.post("/sweeps", document)
    assert answer.status_code == 422
    (sentence,) = answer.json()["error"]["fields"][path]
    assert "has the character \\" in sentence
