"""/templates: a team's templates for programs."""

from __future__ import annotations

from experiments.models import SweepTemplate, Team
from tests import factories
from tests.api.conftest import Api


def test_a_template_is_saved_listed_replaced_and_deleted(api: Api, team: Team) -> None:
    document = factories.definition_document()
    body = {"name": "digits", "document": document}
    saved = api.post(f"/templates?team={team.slug}", body)
    assert saved.status_code == 201
    listed = api.get(f"/templates?team={team.slug}").json()["items"]
    assert listed == [saved.json()]
    assert (listed[0]["name"], listed[0]["document"]) == ("digits", document)
    again = api.post("/templates", body)
    assert again.status_code == 409
    assert "has a template digits" in again.json()["error"]["message"]
    assert api.post("/templates", {**body, "replace": True}).status_code == 201
    assert api("DELETE", f"/templates/{saved.json()['id']}").status_code == 204
    assert not SweepTemplate.objects.exists()


def test_a_document_with_problems_is_refused_by_field(api: Api, team: Team) -> None:
    answer = api.post("/templates", {"name": "digits", "document": {"limits": 4}})
    assert answer.status_code == 422
    assert "limits" in answer.json()["error"]["fields"]
    named = {**factories.definition_document(), "experiment_name": "../digits"}
    answer = api.post("/templates", {"name": "digits", "document": named})
    assert answer.status_code == 422
    assert "experiment_name" in answer.json()["error"]["fields"]
