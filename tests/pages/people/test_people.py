"""/people/: what administrators of the site see and do."""

from __future__ import annotations

import re

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client

from experiments.models import Event, User
from tests import factories
from tests.pages.clients import client_of, count_queries, page, text_of

pytestmark = pytest.mark.django_db
URL = "/people/"
NEW = "purple monkey dishwasher"


@pytest.fixture
def boss() -> Client:
    factories.team("Physics", ada="admin", max="member")
    factories.user("boss", is_superuser=True, is_staff=True)
    return client_of("boss")


def url_of(name: str, action: str) -> str:
    return f"{URL}{factories.user(name).pk}/{action}/"


def refreshed(name: str) -> User:
    return User.objects.get(username=name)


def link_in(answer: object) -> str:
    found = re.search(r"data-copy-source>https?://[^/]+(/[^<]+)<", text_of(answer))
    assert found is not None
    return found[1]


def test_everybody_is_listed_with_teams_and_service_accounts_are_not(
    boss: Client,
) -> None:
    team = factories.team("Physics")
    factories.user("robot", service_team=team)
    text = page(boss, URL)
    assert "3 people" in text and "robot" not in text
    assert text.count('href="/teams/physics/"') >= 2


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?q=AD", {"ada"}),
        ("?q=lab.example", {"max"}),
        ("?state=administrators", {"boss"}),
        ("?state=disabled", {"gone"}),
        ("?state=no-factor&q=max", {"max"}),
        ("?q=nobody", set()),
    ],
)
def test_it_finds_people(boss: Client, query: str, names: set[str]) -> None:
    User.objects.filter(username="max").update(email="max@lab.example")
    factories.user("gone", is_active=False)
    text = page(boss, URL + query)
    listed = set(re.findall(r'<span class="value">(\w+)</span>', text))
    assert listed == names


def test_others_see_nothing(boss: Client) -> None:
    for name in ("ada", "max"):
        client = client_of(name)
        answer = client.get(URL)
        assert answer.status_code == 403
        assert "Only administrators of the site" in answer.content.decode()
        for action in ("disable", "enable", "promote", "demote", "password"):
            assert client.post(url_of(name, action)).status_code == 403
        assert client.post(f"{URL}new/", {"username": "x"}).status_code == 403
    assert not refreshed("ada").is_superuser


def test_a_disabled_account_is_out_at_once_until_it_is_enabled(boss: Client) -> None:
    ada = client_of("ada")
    secret = factories.api_token(factories.user("ada"))
    headers = {"Authorization": f"Bearer {secret}"}
    assert "Disable the account of ada?" in page(boss, url_of("ada", "disable"))
    boss.post(url_of("ada", "disable"))
    assert ada.get("/").status_code == 302
    assert Client().get("/api/v1/sweeps", headers=headers).status_code == 401
    boss.post(url_of("ada", "enable"))
    assert Client().get("/api/v1/sweeps", headers=headers).status_code == 200
    verbs = Event.objects.filter(verb__startswith="account ").order_by("pk")
    assert [event.verb for event in verbs] == ["account disabled", "account enabled"]


def test_an_administrator_is_made_and_unmade(boss: Client) -> None:
    boss.post(url_of("ada", "promote"))
    assert refreshed("ada").is_superuser and refreshed("ada").is_staff
    client_of("ada").post(url_of("boss", "demote"))
    assert not refreshed("boss").is_superuser
    assert boss.get(URL).status_code == 403


@pytest.mark.parametrize("action", ["demote", "disable"])
def test_the_only_administrator_stays_one(boss: Client, action: str) -> None:
    factories.user("old", is_superuser=True, is_active=False)
    answer = boss.post(url_of("boss", action), follow=True)
    assert "boss is the only administrator" in text_of(answer)
    assert refreshed("boss").is_superuser and refreshed("boss").is_active


def test_a_password_link_works_once(boss: Client) -> None:
    link = link_in(boss.post(url_of("max", "password")))
    visitor = Client()
    data = {"password1": NEW, "password2": NEW}
    form = visitor.get(link, follow=True).request["PATH_INFO"]
    visitor.post(form, data)
    assert refreshed("max").check_password(NEW)
    again = Client().get(link, follow=True)
    assert "does not work any more" in text_of(again)
    assert Event.objects.filter(verb="password link created").exists()


def test_a_new_account_gets_its_password_from_its_person(boss: Client) -> None:
    data = {"username": "nina", "email": "nina@lab.example"}
    link = link_in(boss.post(f"{URL}new/", data))
    assert not refreshed("nina").has_usable_password()
    visitor = Client()
    form = visitor.get(link, follow=True).request["PATH_INFO"]
    visitor.post(form, {"password1": NEW, "password2": NEW})
    assert refreshed("nina").check_password(NEW)
    taken = boss.post(f"{URL}new/", {"username": "NINA"})
    assert taken.status_code == 422 and "is taken" in text_of(taken)


def test_lost_second_factors_are_removed(boss: Client) -> None:
    ada = factories.user("ada")
    for kind in (Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES):
        Authenticator.objects.create(user=ada, type=kind, data={})
    text = page(boss, f"{URL}?q=ada")
    assert url_of("ada", "factors") in text
    boss.post(url_of("ada", "factors"))
    boss.post(url_of("ada", "factors"))
    assert not Authenticator.objects.exists()
    event = Event.objects.get(verb="second factors removed")
    assert (event.object_name, event.actor_name) == ("ada", "boss")


def test_no_link_for_an_account_that_cannot_log_in(boss: Client) -> None:
    factories.user("gone", is_active=False)
    answer = boss.post(url_of("gone", "password"), follow=True)
    assert "cannot log in" in text_of(answer)


def test_queries_do_not_grow_with_people(boss: Client) -> None:
    few = count_queries(boss, URL)
    team = factories.team("Chemistry")
    for index in range(8):
        factories.team("Physics", **{f"p-{index}": "member"})
        team.memberships.create(user=factories.user(f"p-{index}"))
    assert count_queries(boss, URL) == few < 15
