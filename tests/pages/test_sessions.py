"""Sessions end in time, and people see and end their own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from experiments.models import BrowserSession, Event, User
from tests import factories

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def ada() -> User:
    return factories.user("ada")


def logged_in(name: str = "ada", **extra: Any) -> Client:
    client = Client(**extra)
    data = {"username": name, "password": PASSWORD}
    assert client.post("/login/", data).status_code == 302
    return client


def key_of(client: Client) -> str:
    return str(client.session.session_key)


def age(client: Client, *, started: float = 0.0, used: float = 0.0) -> None:
    """As if hours had passed since the login, or since the last use."""
    rows = BrowserSession.objects.filter(pk=key_of(client))
    rows.update(
        started_at=F("started_at") - timedelta(hours=started),
        seen_at=F("seen_at") - timedelta(hours=used),
        expire_date=F("expire_date") - timedelta(hours=used),
    )


def is_in(client: Client) -> bool:
    return client.get("/settings/").status_code == 200


def test_a_session_ends_when_it_is_not_used(ada: User) -> None:
    client = logged_in()
    age(client, used=3.9)
    assert is_in(client)
    age(client, used=3.9)
    assert is_in(client)
    age(client, used=4.1)
    assert not is_in(client)


def test_a_session_ends_some_hours_after_the_login_even_if_used(ada: User) -> None:
    client = logged_in()
    age(client, started=11.9, used=1)
    assert is_in(client)
    ends = BrowserSession.objects.get(pk=key_of(client)).expire_date
    assert ends - timezone.now() < timedelta(minutes=7)


def test_a_change_of_the_session_does_not_make_it_longer(ada: User) -> None:
    client = logged_in()
    session = client.session
    session["began"] -= 11.9 * 3600
    session["team"] = "physics"
    session.save()
    ends = BrowserSession.objects.get(pk=key_of(client)).expire_date
    assert ends - timezone.now() < timedelta(minutes=7)


def test_live_updates_are_no_use(ada: User) -> None:
    factories.team("Physics", ada="member")
    client = logged_in()
    age(client, used=1)
    before = BrowserSession.objects.get(pk=key_of(client)).seen_at
    assert client.get("/home/feed.json").status_code == 200
    assert BrowserSession.objects.get(pk=key_of(client)).seen_at == before
    client.get("/settings/")
    assert BrowserSession.objects.get(pk=key_of(client)).seen_at > before


def test_pages_are_shown_while_nothing_can_be_written(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = logged_in()
    age(client, used=1)

    def full(*args: Any, **values: Any) -> int:
        raise OperationalError("database or disk is full")

    monkeypatch.setattr("django.db.models.query.QuerySet.update", full)
    assert is_in(client)


def test_a_login_makes_a_new_key_and_removes_what_is_over(ada: User) -> None:
    old = logged_in()
    first = key_of(old)
    old.post("/login/", {"username": "ada", "password": PASSWORD})
    BrowserSession.objects.update(expire_date=timezone.now() - timedelta(hours=1))
    client = logged_in()
    assert [row.pk for row in BrowserSession.objects.all()] == [key_of(client)]
    assert key_of(client) != first


def test_a_person_sees_their_sessions_but_not_the_keys(ada: User) -> None:
    client = logged_in(headers={"User-Agent": FIREFOX})
    other = logged_in(headers={"User-Agent": "<b>curl</b>"}, REMOTE_ADDR="10.0.0.9")
    factories.user("max")
    stranger = logged_in("max", REMOTE_ADDR="10.9.9.9")
    page = client.get("/settings/").content.decode()
    assert "Firefox on Linux" in page and "&lt;b&gt;curl" in page and "10.0.0.9" in page
    assert "10.9.9.9" not in page
    assert not any(key_of(c) in page for c in (client, other, stranger))


def test_a_person_ends_one_or_all_others(ada: User) -> None:
    client, *others = (logged_in() for _ in range(4))
    ended = BrowserSession.objects.get(pk=key_of(others[0])).public_id
    end = "/settings/sessions/end/"
    client.post(end, {"end": ended})
    assert [is_in(c) for c in (client, *others)] == [True, False, True, True]
    client.post(end, {"end": "others"})
    assert [is_in(c) for c in (client, *others)] == [True, False, False, False]
    events = Event.objects.filter(verb="sessions ended").order_by("id")
    assert [e.message for e in events] == ["1 of their own", "2 of their own"]


def test_sessions_of_others_cannot_be_ended(ada: User) -> None:
    factories.user("max")
    client, victim = logged_in("max"), logged_in()
    named = BrowserSession.objects.get(pk=key_of(victim)).public_id
    for chosen in (named, "others", ""):
        client.post("/settings/sessions/end/", {"end": chosen})
    assert is_in(victim)


def test_a_session_left_open_ends_no_others_without_the_password(ada: User) -> None:
    client, other = logged_in(), logged_in()
    session = client.session
    session["began"] -= 901
    session.save()
    asked = client.post("/settings/sessions/end/", {"end": "others"})["Location"]
    assert asked.startswith("/settings/confirm/") and is_in(other)
    client.post(asked, {"password": PASSWORD})
    assert not is_in(other)


def test_the_page_says_how_long_sessions_last(ada: User) -> None:
    page = logged_in().get("/settings/").content.decode()
    assert "ends 4 h after its last use and 12 h after the login" in page


def test_after_a_new_password_no_other_session_is_listed(ada: User) -> None:
    client, other = logged_in(), logged_in()
    new = "purple monkey dishwasher"
    data = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    client.post("/settings/password/", data)
    ada.refresh_from_db()
    assert [row.pk for row in BrowserSession.valid_for(ada)] == [key_of(client)]
    assert not is_in(other)


def test_an_administrator_ends_the_sessions_of_a_person(ada: User) -> None:
    factories.user("root", is_superuser=True, is_staff=True)
    admin, victim = logged_in("root"), logged_in()
    data = {"action": "end_sessions", "_selected_action": [ada.pk]}
    admin.post(reverse("admin:experiments_user_changelist"), data)
    assert not is_in(victim) and is_in(admin)
    event = Event.objects.get(verb="sessions ended")
    assert (event.message, str(event.actor)) == ("1 of ada", "root")


@pytest.mark.parametrize("change", ["close", "delete"])
def test_a_closed_or_deleted_account_has_no_sessions(ada: User, change: str) -> None:
    client = logged_in()
    assert is_in(client)
    if change == "close":
        User.objects.update(is_active=False)
    else:
        ada.delete()
    assert not is_in(client)


def test_after_a_logout_the_old_cookie_opens_nothing(ada: User) -> None:
    client = logged_in()
    kept = client.cookies["sessionid"].value
    client.post("/logout/")
    assert Event.objects.get(verb="logged out").actor == ada
    client.cookies["sessionid"] = kept
    assert not is_in(client)


def test_a_session_of_a_key_that_is_gone_is_logged_once(
    ada: User, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client = logged_in()
    other = logged_in()
    settings.SECRET_KEY = "another " * 8
    for _ in range(3):
        assert not is_in(client)
    assert caplog.text.count("Session data corrupted") == 1
    assert BrowserSession.objects.get().pk == other.cookies["sessionid"].value
