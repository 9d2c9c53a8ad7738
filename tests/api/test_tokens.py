"""Tokens and accounts by the API."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.utils import timezone

from experiments.models import ApiToken, Event, Team, User
from tests import factories
from tests.api.conftest import Api


@pytest.fixture
def root(team: Team) -> Api:
    factories.team("Physics", root="admin")
    return Api(factories.api_token(factories.user("root"), "admin"))


def test_a_token_is_created_renewed_and_revoked(root: Api, team: Team) -> None:
    made = root.post("/tokens", {"name": "ci", "team": "physics", "days": 5}).json()
    assert (made["team"], made["scope"]) == ("physics", "write")
    assert Api(made["secret"]).get("/sweeps").status_code == 200
    renewed = root.post(f"/tokens/{made['id']}/renew", {"days": 50}).json()
    assert renewed["expires_at"] > made["expires_at"]
    assert root("DELETE", f"/tokens/{made['id']}").status_code == 204
    assert Api(made["secret"]).get("/sweeps").status_code == 401
    assert made["secret"] not in str(root.get("/tokens").json())


def test_too_many_days_are_refused_with_the_field(root: Api) -> None:
    answer = root.post("/tokens", {"name": "ci", "days": 366})
    assert answer.status_code == 422 and "days" in answer.json()["error"]["fields"]


def test_a_token_makes_none_that_reaches_further_or_lasts_longer(team: Team) -> None:
    factories.team("Physics", root="admin")
    factories.team("Chemistry", root="admin")
    soon = timezone.now() + timedelta(days=10)
    api = Api(
        factories.api_token(factories.user("root"), "admin", team=team, expires_at=soon)
    )
    longer = api.post("/tokens", {"name": "ci", "days": 11})
    assert longer.status_code == 409
    assert "no later than yours" in longer.json()["error"]["message"]
    other = api.post("/tokens", {"name": "ci", "days": 5, "team": "chemistry"})
    assert other.status_code == 404
    made = api.post("/tokens", {"name": "ci", "days": 5}).json()
    assert made["team"] == "physics"
    itself = ApiToken.objects.order_by("pk").first()
    assert itself is not None
    assert api.post(f"/tokens/{itself.pk}/renew", {"days": 30}).status_code == 409


def test_a_token_of_one_team_does_not_reach_others_of_its_owner(team: Team) -> None:
    factories.team("Physics", root="admin")
    owner = factories.user("root")
    factories.api_token(owner, "admin", name="of all teams")
    wide = ApiToken.objects.get(name="of all teams")
    api = Api(factories.api_token(owner, "admin", team=team, name="of one"))
    assert [row["name"] for row in api.get("/tokens").json()["items"]] == ["of one"]
    assert api.post(f"/tokens/{wide.pk}/renew", {"days": 30}).status_code == 404
    assert api("DELETE", f"/tokens/{wide.pk}").status_code == 404


def test_a_service_accounts_token_is_made_by_an_admin_of_its_team(
    root: Api, team: Team
) -> None:
    robot = factories.user("robot", service_team=team)
    factories.team("Physics", robot="viewer")
    body = {"name": "ci", "account": "robot"}
    made = root.post("/tokens", body).json()
    assert made["owner"] == robot.username
    factories.team("Chemistry", otto="admin")
    otto = Api(factories.api_token(factories.user("otto"), "admin"))
    assert otto.post("/tokens", body).status_code == 404


def test_an_administrator_of_the_site_changes_accounts(team: Team) -> None:
    boss = factories.user("boss", is_superuser=True)
    api = Api(factories.api_token(boss, "admin"))
    made = api.post("/people", {"username": "nina"}).json()
    assert "/login/password/" in made["link"]
    assert api.post("/people", {"username": "Nina"}).status_code == 409
    assert api.post("/people", {"username": "a b"}).status_code == 422
    path = f"/people/{made['id']}"
    changed = api.patch(path, {"active": False, "administrator": False}).json()
    assert (changed["active"], changed["administrator"]) == (False, False)
    assert api.post(f"{path}/password-link").status_code == 409
    assert [row["username"] for row in api.get("/people?q=NIN").json()["items"]] == [
        "nina"
    ]
    limited = Api(factories.api_token(boss, "admin", team=team))
    assert limited.get("/people").status_code == 403


def test_a_stolen_token_is_not_enough_to_take_over_the_site(team: Team) -> None:
    boss = factories.user("boss", is_superuser=True)
    other = factories.user("other", is_superuser=True)
    ada = factories.user("ada")
    User.objects.filter(pk=ada.pk).update(last_login=timezone.now())
    api = Api(factories.api_token(boss, "admin"))
    for answer in (
        api.post("/people", {"username": "evil", "administrator": True}),
        api.patch(f"/people/{ada.pk}", {"administrator": True}),
        api.patch(f"/people/{other.pk}", {"administrator": False}),
        api.patch(f"/people/{other.pk}", {"active": False}),
        api.post(f"/people/{other.pk}/password-link"),
        api.post(f"/people/{ada.pk}/password-link"),
        api("DELETE", f"/people/{other.pk}/factors"),
    ):
        assert answer.status_code == 403
        assert answer.json()["error"]["message"].endswith("Do it on the page People.")
    assert not User.objects.filter(username="evil").exists()
    assert set(User.objects.filter(is_superuser=True, is_active=True)) >= {boss, other}


def test_the_second_factors_of_a_person_who_lost_them_are_removed(team: Team) -> None:
    boss, ada = factories.user("boss", is_superuser=True), factories.user("ada")
    Authenticator.objects.create(user=ada, type="totp", data={})
    api = Api(factories.api_token(boss, "admin"))
    for _ in range(2):
        assert api("DELETE", f"/people/{ada.pk}/factors").status_code == 204
    assert not Authenticator.objects.exists()
    assert Event.objects.filter(verb="second factors removed").count() == 1
