"""Conditions of requests, and methods and bodies that a route does not take."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.models import Experiment, Team
from tests import factories
from tests.api.conftest import Api


@pytest.fixture
def experiment(team: Team) -> Experiment:
    return factories.experiment(team, "digits")


def change(api: Api, path: str, etag: str, body: Any) -> Any:
    return api("PATCH", path, body, headers={"If-Match": etag})


def test_what_has_not_changed_is_not_sent_again(
    api: Api, experiment: Experiment
) -> None:
    first = api.get("/experiments")
    again = api.get("/experiments", headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304 and not again.content
    assert again["ETag"] == first["ETag"]
    api.patch(f"/experiments/{experiment.pk}", {"notes": "new"})
    other = api.get("/experiments", headers={"If-None-Match": first["ETag"]})
    assert other.status_code == 200 and other["ETag"] != first["ETag"]


def test_a_change_of_what_was_read_is_stored(api: Api, experiment: Experiment) -> None:
    path = f"/experiments/{experiment.pk}"
    etag = api.get(path)["ETag"]
    assert change(api, path, etag, {"notes": "mine"}).json()["notes"] == "mine"
    late = change(api, path, etag, {"notes": "late"})
    assert late.status_code == 412
    assert late.json()["error"]["code"] == "changed"
    assert api.get(path).json()["notes"] == "mine"
    assert change(api, path, "*", {"notes": "any"}).status_code == 200


def test_a_condition_holds_whatever_else_the_request_says(api: Api, team: Team) -> None:
    """Formats of a document that is sent are not those in which it is read."""
    path = f"/sweeps/{factories.sweep(team, state='draft').pk}/document"
    text, etag = api.get(path).json(), api.get(path)["ETag"]
    for query, headers in (("?format=sweepsite", {}), ("", {"If-None-Match": etag})):
        stale = {"If-Match": '"old"', **headers}
        answer = api("PUT", path + query, text, headers=stale)
        assert answer.status_code == 412, answer.content


def test_an_export_is_no_condition(api: Api, team: Team) -> None:
    path = f"/trash?team={team.slug}&format=csv"
    answer = api("DELETE", path, None, headers={"If-Match": '"old"'})
    assert answer.status_code in (412, 422)


def test_a_condition_reveals_nothing(team: Team, experiment: Experiment) -> None:
    factories.team("Chemistry", otto="member")
    stranger = Api(factories.api_token(factories.user("otto")))
    path = f"/experiments/{experiment.pk}"
    assert change(stranger, path, '"x"', {"notes": "no"}).status_code == 404
    assert change(Api(None), path, '"x"', {"notes": "no"}).status_code == 401


def test_a_change_that_is_refused_says_why(api: Api, experiment: Experiment) -> None:
    path = f"/experiments/{experiment.pk}"
    answer = change(api, path, api.get(path)["ETag"], {"oops": 1})
    assert answer.status_code == 422 and "oops" in answer.json()["error"]["fields"]


def test_an_address_that_cannot_be_read_has_no_conditions(api: Api) -> None:
    view = api.post("/experiments", {"name": "a"}).json()["id"]
    body = {"page": "trials", "name": "good"}
    made = api.post(f"/experiments/{view}/views", body).json()
    answer = change(api, f"/views/{made['id']}", '"x"', {"name": "better"})
    assert answer.status_code == 422 and "GET" in answer.json()["error"]["message"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE"])
def test_a_method_that_is_not_allowed_is_an_error_like_others(
    api: Api, method: str
) -> None:
    answer = api(method, "/sweeps")
    assert answer.status_code == 405
    assert answer.json()["error"]["code"] == "method_not_allowed"
    assert "POST" in answer["Allow"] and method in answer.json()["error"]["message"]


def test_a_body_of_another_type_is_named(api: Api) -> None:
    answer = api.post("/experiments", "name: a", content_type="application/yaml")
    assert answer.status_code == 415
    assert "application/yaml" in answer.json()["error"]["message"]
    broken = api.post("/experiments", "{", content_type="application/json")
    assert broken.status_code == 422 and broken.json()["error"]["message"]
