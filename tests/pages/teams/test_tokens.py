"""API tokens on pages: their end, their team, renewing, and the password."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AbstractBaseUser
from django.test import Client
from django.utils import timezone

from experiments.models import ApiToken, Event, Team
from tests import factories
from tests.pages.clients import client_of, page

pytestmark = pytest.mark.django_db
NEW = "/settings/tokens/new/"


@pytest.fixture
def team() -> Team:
    return factories.team("Physics", ada="admin", max="member")


@pytest.fixture
def ada(team: Team) -> Client:
    return client_of("ada")


def create(client: Client, **data: Any) -> ApiToken:
    data = {"name": "ci", "scope": "write", "days": 30, **data}
    assert client.post(NEW, data).status_code == 200
    return ApiToken.objects.latest("pk")


def test_a_token_ends_and_the_page_says_when(ada: Client) -> None:
    token = create(ada)
    assert token.expires_at is not None
    assert timedelta(days=29) < token.expires_at - timezone.now() < timedelta(days=31)
    assert "in 30 days" in page(ada, "/settings/")


@pytest.mark.parametrize("days", [0, 366, 31, ""])
def test_only_the_offered_ends_are_taken(ada: Client, settings: Any, days: Any) -> None:
    data = {"name": "ci", "scope": "write", "days": days}
    assert ada.post(NEW, data).status_code == 422
    assert not ApiToken.objects.exists()


def test_the_longest_life_is_a_setting(ada: Client, settings: Any) -> None:
    settings.TOKEN_DAYS = 45
    text = page(ada, NEW)
    assert 'value="45"' in text and 'value="90"' not in text


def test_a_token_is_for_one_of_the_owners_teams_or_for_all(
    ada: Client, team: Team
) -> None:
    other = factories.team("Chemistry", otto="admin")
    assert create(ada).team is None
    assert create(ada, team=team.pk).team == team
    data = {"name": "ci", "scope": "write", "days": 30, "team": other.pk}
    assert ada.post(NEW, data).status_code == 422


def test_an_old_token_without_an_end_is_marked_until_it_is_renewed(
    ada: Client,
) -> None:
    factories.api_token(factories.user("ada"))
    token = ApiToken.objects.get()
    assert "older than the rule" in page(ada, "/settings/")
    url = f"/settings/tokens/{token.pk}/renew/"
    assert "It never ends" in page(ada, url)
    ada.post(url, {"days": 90})
    token.refresh_from_db()
    assert token.expires_at is not None
    assert "older than the rule" not in page(ada, "/settings/")
    assert Event.objects.get(verb="token renewed").data == {"token": token.pk}


def test_an_ended_token_stays_ended(ada: Client) -> None:
    past = timezone.now() - timedelta(days=1)
    factories.api_token(factories.user("ada"), expires_at=past)
    token = ApiToken.objects.get()
    assert "0 working, 1 ended" in page(ada, "/settings/")
    url = f"/settings/tokens/{token.pk}/renew/"
    answer = ada.post(url, {"days": 90}, follow=True)
    assert "it cannot be renewed" in answer.content.decode()
    token.refresh_from_db()
    assert token.expires_at == past


@pytest.mark.parametrize("way", ["page", "elsewhere"])
def test_a_token_ends_with_the_password_if_asked(ada: Client, way: str) -> None:
    ends, stays = create(ada, ends_with_password="on"), create(ada)
    new = "purple monkey dishwasher"
    if way == "page":
        old = "correct horse battery"
        data = {"old_password": old, "new_password1": new, "new_password2": new}
        ada.post("/settings/password/", data)
    else:
        user: AbstractBaseUser = factories.user("ada")
        user.set_password(new)
        user.save()
    assert [token.pk for token in ApiToken.valid()] == [stays.pk]
    assert Event.objects.get(verb="token revoked").data == {"token": ends.pk}


def test_admins_see_and_revoke_members_tokens_that_reach_their_team_alone(
    ada: Client, team: Team
) -> None:
    max_ = client_of("max")
    limited = create(max_, name="nightly", team=team.pk)
    wide = create(max_, name="laptop")
    text = page(ada, "/teams/physics/")
    assert "nightly" in text and limited.prefix in text and "laptop" not in text
    assert limited.digest not in text
    assert "team-tokens" not in page(max_, "/teams/physics/")
    renewal = f"/settings/tokens/{limited.pk}/renew/"
    assert ada.post(renewal, {"days": 30}).status_code == 404
    back = {"back": "/teams/physics/"}
    for token, status in ((limited, 302), (wide, 404)):
        answer = ada.post(f"/settings/tokens/{token.pk}/revoke/", back)
        assert answer.status_code == status
    assert list(ApiToken.objects.filter(revoked_at=None)) == [wide]
    event = Event.objects.get(verb="token revoked")
    assert event.actor_name == "ada" and event.team == team
