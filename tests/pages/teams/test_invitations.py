"""Invitations: a link that one person may use once."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from experiments.models import Event, Invitation, Membership, Team, User
from tests import factories
from tests.pages.clients import client_of, page, text_of

pytestmark = pytest.mark.django_db
URL = "/teams/physics/invitations/"
PASSWORD = "purple monkey dishwasher"
NEW = {"username": "nina", "password1": PASSWORD, "password2": PASSWORD}


@pytest.fixture
def team() -> Team:
    return factories.team("Physics", ada="admin", anna="admin", max="member")


@pytest.fixture
def link(team: Team) -> str:
    return invite(client_of("ada"))


def invite(client: Client, role: str = "member") -> str:
    """The path of a new link."""
    data = {"meant_for": "Nina", "role": role, "days": 7}
    answer = client.post(f"{URL}new/", data)
    found = re.search(r"/join/inv_[\w-]{43}/", answer.content.decode())
    assert found is not None
    return found[0]


def roles_of(name: str) -> list[tuple[str, str]]:
    rows = Membership.objects.filter(user__username=name)
    return [(row.team.slug, row.role) for row in rows.select_related("team")]


def test_the_invited_person_makes_an_account_and_is_in_the_team(link: str) -> None:
    visitor = Client()
    text = page(visitor, link)
    assert "Join team Physics" in text and "ada invites you as" in text
    assert visitor.post(link, NEW)["Location"] == "/teams/physics/"
    assert roles_of("nina") == [("physics", "member")]
    assert User.objects.get(username="nina").check_password(PASSWORD)
    assert visitor.get("/teams/physics/").status_code == 200
    verbs = Event.objects.filter(verb__startswith="invitation")
    assert [event.verb for event in verbs.order_by("pk")] == [
        "invitation created",
        "invitation accepted",
    ]


def test_a_person_with_an_account_joins_with_one_click(link: str) -> None:
    factories.user("otto")
    otto = client_of("otto")
    assert "Join as otto" in page(otto, link)
    assert otto.post(link)["Location"] == "/teams/physics/"
    assert roles_of("otto") == [("physics", "member")]


def test_a_member_does_not_use_it_up(link: str) -> None:
    assert "in this team already" in page(client_of("max"), link)
    client_of("max").post(link)
    assert roles_of("max") == [("physics", "member")]
    assert Invitation.objects.get().used_at is None


def test_a_link_works_once(link: str) -> None:
    Client().post(link, NEW)
    over = Client().get(link)
    assert over.status_code == 404 and "does not work any more" in text_of(over)
    assert Client().post(link, {**NEW, "username": "second"}).status_code == 404
    assert not User.objects.filter(username="second").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"revoked_at": timezone.now()},
        {"expires_at": timezone.now() - timedelta(seconds=1)},
        {"created_by": None},
    ],
)
def test_a_link_that_is_over_makes_no_account(link: str, change: Any) -> None:
    Invitation.objects.update(**change)
    assert Client().get(link).status_code == 404
    assert Client().post(link, NEW).status_code == 404
    assert not User.objects.filter(username="nina").exists()


def test_it_ends_when_who_invited_may_not_any_more(link: str) -> None:
    Membership.objects.filter(user__username="ada").update(role="member")
    assert Client().get(link).status_code == 404


def test_a_weak_password_and_a_taken_name_are_refused(link: str) -> None:
    bad = {"username": "max", "password1": "short", "password2": "short"}
    answer = Client().post(link, bad)
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "already exists" in text and "too short" in text
    assert Invitation.objects.get().used_at is None


def test_an_admin_revokes_it_after_a_question(link: str, team: Team) -> None:
    anna, pk = client_of("anna"), Invitation.objects.get().pk
    assert "Nina" in page(anna, "/teams/physics/")
    assert "Revoke the invitation for Nina?" in page(anna, f"{URL}{pk}/revoke/")
    anna.post(f"{URL}{pk}/revoke/")
    assert Client().get(link).status_code == 404
    assert Event.objects.filter(verb="invitation revoked").exists()


def test_only_admins_invite(team: Team, link: str) -> None:
    factories.team("Chemistry", otto="admin")
    pk = Invitation.objects.get().pk
    for name, status in (("max", 403), ("otto", 404)):
        client = client_of(name)
        assert client.post(f"{URL}new/", {"role": "admin"}).status_code == status
        assert client.post(f"{URL}{pk}/revoke/").status_code == status
    assert Invitation.open().count() == 1


def test_only_the_hash_of_a_link_is_stored(link: str) -> None:
    secret = link.split("/")[2]
    assert secret not in str(Invitation.objects.values().get())
    assert secret not in page(client_of("ada"), "/teams/physics/")
