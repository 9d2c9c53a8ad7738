"""/views: saved views for programs."""

from __future__ import annotations

from experiments.models import SavedView, Team
from tests import factories
from tests.api.conftest import Api


def test_a_view_is_saved_listed_changed_and_deleted(api: Api, team: Team) -> None:
    root = f"/experiments/{factories.experiment(team).pk}/views"
    body = {"page": "trials", "name": "good", "query": "?q=lr+%3C+1&page=4"}
    saved = api.post(root, body)
    assert saved.status_code == 201 and saved.json()["query"] == "q=lr+%3C+1"
    assert api.get(root).json()["items"] == [saved.json()]
    assert api.post(root, body).status_code == 409
    assert api.post(root, {**body, "page": "pools"}).status_code == 422
    one = f"/views/{saved.json()['id']}"
    changed = api.patch(one, {"name": "better"}).json()
    assert (changed["name"], changed["query"]) == ("better", "q=lr+%3C+1")
    vera = Api(factories.api_token(factories.user("vera")))
    assert vera.get(root).json()["items"] == []
    assert vera.patch(one, {"name": "mine"}).status_code == 404
    assert vera.post(root, {**body, "for_team": True}).status_code == 403
    assert api("DELETE", one).status_code == 204
    assert not SavedView.objects.exists()
