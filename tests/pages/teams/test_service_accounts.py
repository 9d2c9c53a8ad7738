"""Service accounts: tokens of a team, without a login."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from experiments.models import ApiToken, Event, Membership, Team, User
from tests import factories
from tests.pages.clients import client_of, count_queries, page

pytestmark = pytest.mark.django_db
URL = "/teams/physics/service-accounts/"


@pytest.fixture
def team() -> Team:
    return factories.team("Physics", ada="admin", max="member")


@pytest.fixture
def ada(team: Team) -> Client:
    return client_of("ada")


@pytest.fixture
def robot(ada: Client) -> User:
    ada.post(f"{URL}new/", {"username": "physics-ci", "role": "member"})
    return User.objects.get(username="physics-ci")


def secret_of(robot: User, client: Client) -> str:
    data = {"name": "ci", "scope": "write", "days": 30, "account": robot.pk}
    answer = client.post("/settings/tokens/new/", data)
    found = re.search(r"swp_[\w-]{43}", answer.content.decode())
    return found[0] if found else ""


def sweeps_with(secret: str) -> int:
    headers = {"Authorization": f"Bearer {secret}"}
    return Client().get("/api/v1/sweeps", headers=headers).status_code


def test_it_has_tokens_and_a_role_but_no_login(ada: Client, robot: User) -> None:
    assert Membership.objects.get(user=robot).role == "member"
    assert sweeps_with(secret_of(robot, ada)) == 200
    assert not robot.has_usable_password()
    text = page(ada, "/teams/physics/")
    assert "physics-ci" in text and "service account" in text
    verbs = {"service account created", "token created"}
    events = Event.objects.filter(verb__in=verbs, team=robot.service_team)
    assert events.count() == 2


def test_a_password_is_of_no_use_to_it(robot: User) -> None:
    robot.set_password("purple monkey dishwasher")
    robot.save()
    data = {"username": robot.username, "password": "purple monkey dishwasher"}
    client = Client()
    assert client.post("/login/", data)["Location"] == "/login/closed/"
    assert client.get("/settings/").status_code == 302


def test_other_admins_of_the_team_manage_its_tokens(ada: Client, robot: User) -> None:
    secret = secret_of(robot, ada)
    token = ApiToken.objects.get()
    Membership.objects.filter(user__username="max").update(role="admin")
    client_of("max").post(f"/settings/tokens/{token.pk}/revoke/")
    assert sweeps_with(secret) == 401


def test_members_and_strangers_do_not(ada: Client, robot: User) -> None:
    secret = secret_of(robot, ada)
    token = ApiToken.objects.get()
    factories.team("Chemistry", otto="admin")
    for name in ("max", "otto"):
        client = client_of(name)
        assert secret_of(robot, client) == ""
        for action in ("renew", "revoke"):
            url = f"/settings/tokens/{token.pk}/{action}/"
            assert client.post(url, {"days": 30}).status_code == 404
    assert client_of("max").post(f"{URL}{robot.pk}/close/").status_code == 403
    assert client_of("otto").post(f"{URL}{robot.pk}/close/").status_code == 404
    assert sweeps_with(secret) == 200


def test_closing_it_ends_its_tokens_and_keeps_its_sweeps(
    ada: Client, team: Team, robot: User
) -> None:
    sweep, secret = factories.sweep(team, user=robot), secret_of(robot, ada)
    assert "Close the service account physics-ci?" in page(
        ada, f"{URL}{robot.pk}/close/"
    )
    ada.post(f"{URL}{robot.pk}/close/")
    assert sweeps_with(secret) == 401
    sweep.refresh_from_db()
    assert (sweep.state, sweep.created_by) == ("running", robot)
    assert not Membership.objects.filter(user=robot).exists()


def test_its_name_must_be_free(ada: Client, robot: User) -> None:
    answer = ada.post(f"{URL}new/", {"username": "Physics-CI", "role": "member"})
    assert "is taken" in answer.content.decode() and answer.status_code == 422


def test_queries_do_not_grow_with_accounts(ada: Client, team: Team) -> None:
    few = count_queries(ada, "/teams/physics/")
    for index in range(5):
        robot = factories.user(f"robot-{index}", service_team=team)
        factories.api_token(robot)
    assert count_queries(ada, "/teams/physics/") <= few + 1


def test_it_does_not_join_another_team(robot: User) -> None:
    factories.team("Chemistry", otto="admin")
    data = {"username": robot.username, "role": "admin"}
    answer = client_of("otto").post("/teams/chemistry/members/", data)
    assert answer.status_code == 422
    assert "is in its own team alone" in answer.content.decode()
    assert robot.memberships.get().team.name == "Physics"
