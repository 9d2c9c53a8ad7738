"""Accounts: the limits on failed logins, the password, the viewer's own page."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core import signing
from django.core.cache import cache
from django.db import connection
from django.db.models import F
from django.test import Client
from django.utils import timezone

from experiments.models import Event, LoginLimit, User
from experiments.pages.login_limits import network_of
from tests import factories

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
NEW = "purple monkey dishwasher"


def log_in(
    client: Client, name: str = "ada", password: str = PASSWORD, **extra: Any
) -> Any:
    data = {"username": name, "password": password}
    return client.post("/login/", data, **extra)


def fail(client: Client, times: int, name: str = "ada", **extra: Any) -> None:
    for _ in range(times):
        assert log_in(client, name, "wrong", **extra).status_code == 200


@pytest.fixture
def ada() -> User:
    factories.team("Physics", ada="member")
    return factories.user("ada")


def test_logging_in_leads_home_and_is_logged(client: Client, ada: User) -> None:
    assert log_in(client)["Location"] == "/"
    event = Event.objects.get(verb="logged in")
    assert (event.actor, event.data["address"]) == (ada, "127.0.0.1")
    assert event.message == "by password, from 127.0.0.1"
    assert event.data["method"] == "password"


def test_next_leads_only_to_this_site(client: Client, ada: User) -> None:
    for target, place in (("/experiments/", "/experiments/"), ("//evil.example", "/")):
        data = {"username": "ada", "password": PASSWORD, "next": target}
        assert Client().post("/login/", data)["Location"] == place


def test_the_answer_for_unknown_names_is_the_same(client: Client, ada: User) -> None:
    known = log_in(client, "ada", "wrong").content.decode()
    unknown = log_in(client, "nobody", "wrong").content.decode()
    sentence = "Please enter a correct username and password"
    assert sentence in known
    assert sentence in unknown


@pytest.mark.parametrize("name", ["ada", "nobody"])
def test_after_ten_failures_one_attempt_a_minute_is_allowed(
    client: Client, ada: User, name: str
) -> None:
    fail(client, 10, name)
    response = log_in(client, name)
    assert response.status_code == 429
    assert 1 <= int(response["Retry-After"]) <= 60
    text = response.content.decode()
    assert "There were too many failed logins with this name. Try again in" in text
    assert "_auth_user_id" not in client.session
    pass_time(61)
    fail(client, 1, name)
    assert log_in(client, name).status_code == 429


@pytest.mark.skipif(
    "connection.vendor == 'sqlite'", reason="SQLite in memory has one writer"
)
@pytest.mark.django_db(transaction=True)
def test_of_guesses_at_the_same_moment_no_more_pass() -> None:
    def guess(_: int) -> int:
        try:
            return int(log_in(Client(), "ada", "wrong").status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(24) as threads:
        said = list(threads.map(guess, range(24)))
    assert sorted(said) == [200] * 10 + [429] * 14


def pass_time(seconds: float) -> None:
    LoginLimit.objects.update(used_until=F("used_until") - seconds)


def test_a_clock_that_was_set_back_does_not_keep_it_shut(
    client: Client, ada: User
) -> None:
    fail(client, 10)
    pass_time(-86_400)
    assert log_in(client).status_code == 302


def test_a_right_password_does_not_count(client: Client, ada: User) -> None:
    for _ in range(15):
        assert log_in(Client()).status_code == 302
    fail(client, 10)


def test_the_spelling_of_a_name_does_not_help(client: Client, ada: User) -> None:
    fail(client, 5, "ada")
    fail(client, 5, " ADA ")
    assert log_in(client).status_code == 429


def test_letters_that_look_alike_share_one_limit(client: Client) -> None:
    factories.user("admin")
    spellings = ("\uff41dmin", "admi\uff2e", "\u24d0dmin", "\u3000admin", "admin")
    for name in spellings:
        fail(client, 2, name)
    assert log_in(client, "ad\uff4din").status_code == 429


def test_other_names_and_addresses_are_not_shut_out(client: Client, ada: User) -> None:
    factories.user("max")
    fail(client, 10)
    assert log_in(client, REMOTE_ADDR="10.0.0.9").status_code == 302
    assert log_in(Client(), "max").status_code == 302


def test_one_name_from_many_addresses_is_limited(client: Client, ada: User) -> None:
    for number in range(3):
        fail(client, 10, REMOTE_ADDR=f"10.0.0.{number}")
    assert log_in(client, REMOTE_ADDR="10.0.0.9").status_code == 429


def test_nobody_shuts_a_person_out_of_a_browser_that_the_person_used(
    client: Client, ada: User
) -> None:
    log_in(client)
    client.post("/logout/")
    for number in range(3):
        fail(Client(), 10, REMOTE_ADDR=f"10.0.0.{number}")
    assert log_in(Client()).status_code == 429
    assert log_in(client).status_code == 302
    client.post("/logout/")
    # The browser has a limit of its own, and knows this person only.
    fail(client, 10)
    assert log_in(client).status_code == 429
    assert log_in(client, "max", "wrong").status_code == 200


def test_ipv4_visitors_of_a_server_on_ipv6_have_limits_of_their_own() -> None:
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") == "192.0.2.1/32"


def test_many_names_from_one_network_are_limited(client: Client, ada: User) -> None:
    for number in range(100):
        fail(client, 1, f"guess{number}", REMOTE_ADDR=f"2001:db8::{number}")
    # On a slow machine some of the limit is free again.
    tries = (log_in(client, f"g{n}", REMOTE_ADDR="2001:db8::beef") for n in range(50))
    response = next(tried for tried in tries if tried.status_code == 429)
    assert response.status_code == 429
    assert "failed logins from your network" in response.content.decode()
    assert log_in(client, REMOTE_ADDR="2001:db8:0:1::1").status_code == 302


def test_the_old_password_cannot_be_guessed_either(client: Client, ada: User) -> None:
    log_in(client)
    data = {"old_password": "wrong", "new_password1": NEW, "new_password2": NEW}
    for _ in range(10):
        assert client.post("/settings/password/", data).status_code == 200
    data["old_password"] = PASSWORD
    response = client.post("/settings/password/", data)
    assert response.status_code == 429
    assert "too many failed logins" in response.content.decode()
    root = factories.user("root", is_staff=True, is_superuser=True)
    client.force_login(root)
    assert client.get("/admin/password_change/")["Location"] == "/settings/password/"


def test_limits_that_are_free_again_and_old_failures_are_deleted(
    client: Client, ada: User, empty_cache: None
) -> None:
    fail(client, 10)
    Event.objects.update(created_at=timezone.now() - timedelta(days=91))
    pass_time(86_400)
    cache.clear()
    fail(client, 1, "max")
    assert LoginLimit.objects.count() == 3
    assert Event.objects.filter(verb="login failed").count() == 1


def test_a_forged_forwarded_address_does_not_help(client: Client, ada: User) -> None:
    for index in range(10):
        log_in(client, "ada", "wrong", HTTP_X_FORWARDED_FOR=f"10.0.0.{index}")
    assert log_in(client, HTTP_X_FORWARDED_FOR="10.0.0.99").status_code == 429


def test_behind_a_proxy_its_word_counts(
    client: Client, ada: User, settings: Any
) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    fail(client, 10, HTTP_X_FORWARDED_FOR="1.1.1.1, 10.0.0.5")
    assert log_in(client, HTTP_X_FORWARDED_FOR="2.2.2.2, 10.0.0.5").status_code == 429
    assert log_in(client, HTTP_X_FORWARDED_FOR="10.0.0.6").status_code == 302


def test_what_was_typed_is_not_in_the_log(client: Client, ada: User) -> None:
    fail(client, 1, "my-secret-password")
    event = Event.objects.get(verb="login failed")
    assert "my-secret" not in f"{event.message} {event.data}"


def test_logging_out_takes_a_post(client: Client, ada: User) -> None:
    log_in(client)
    assert client.get("/logout/").status_code == 405
    client.post("/logout/")
    assert client.get("/")["Location"] == "/login/?next=/"


def test_a_new_password_ends_the_other_sessions(client: Client, ada: User) -> None:
    other = Client()
    log_in(client)
    log_in(other)
    data = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    response = client.post("/settings/password/", data)
    assert response["Location"] == "/settings/password/done/"
    assert client.get("/settings/password/done/").status_code == 200
    assert client.get("/").status_code == 200
    assert other.get("/").status_code == 302
    assert Event.objects.get(verb="password changed").actor == ada


def test_a_short_password_is_refused(client: Client, ada: User) -> None:
    log_in(client)
    data = {
        "old_password": PASSWORD,
        "new_password1": "short",
        "new_password2": "short",
    }
    response = client.post("/settings/password/", data)
    assert "at least 12 characters" in response.content.decode()
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)


def test_the_profile_shows_and_keeps_the_viewers_name(
    client: Client, ada: User
) -> None:
    log_in(client)
    data = {"first_name": "Ada", "last_name": "<b>Byron</b>", "email": ""}
    assert client.post("/settings/", data)["Location"] == "/settings/"
    text = client.get("/settings/").content.decode()
    assert "Ada &lt;b&gt;Byron" in text
    assert "<b>Byron" not in text
    assert 'href="/teams/physics/"' in text


def test_the_profile_gives_no_more_rights(client: Client, ada: User) -> None:
    log_in(client)
    client.post(
        "/settings/", {"first_name": "", "is_superuser": "on", "is_staff": "on"}
    )
    ada.refresh_from_db()
    assert not ada.is_superuser
    assert not ada.is_staff


def test_a_visitor_is_sent_to_the_login(client: Client) -> None:
    for url in ("/settings/", "/settings/password/", "/settings/tokens/new/"):
        assert client.get(url)["Location"] == f"/login/?next={url}"


def test_a_closed_account_cannot_log_in(client: Client, ada: User) -> None:
    User.objects.update(is_active=False)
    assert log_in(client).status_code == 200
    assert "_auth_user_id" not in client.session


def test_a_browser_that_somebody_else_named_is_not_known(
    client: Client, ada: User
) -> None:
    """What a browser says about itself is signed, for this purpose and a year."""
    log_in(client)
    client.post("/logout/")
    fail(Client(), 10)
    signed = client.cookies["known_browser"].value
    text, _, _ = signed.rpartition(":")
    other = signing.dumps(signing.loads(signed, salt="known_browser"), salt="other")
    for forged in (f"{text}:x", text, other, "", "a:b:c"):
        guesser = Client()
        guesser.cookies["known_browser"] = forged
        assert log_in(guesser).status_code == 429


def test_a_change_of_the_account_asks_for_the_password_some_time_after_the_login(
    client: Client, ada: User
) -> None:
    log_in(client)
    token = {"name": "notebook", "scope": "read", "days": "30"}
    assert client.post("/settings/tokens/new/", token).status_code == 200
    session = client.session
    session["began"] -= 901
    session.save()
    asked = client.post("/settings/tokens/new/", token)
    assert asked["Location"].startswith("/settings/confirm/?next=")
    assert ada.api_tokens.count() == 1
    wrong = client.post(asked["Location"], {"password": "wrong"})
    assert wrong.status_code == 200 and ada.api_tokens.count() == 1
    done = client.post(asked["Location"], {"password": PASSWORD})
    # What was sent before is done now, and the next change asks for nothing.
    assert "Created token" in done.content.decode() and ada.api_tokens.count() == 2
    assert client.post("/settings/tokens/new/", token).status_code == 200


def test_the_password_that_confirms_cannot_be_guessed(
    client: Client, ada: User
) -> None:
    log_in(client)
    for _ in range(10):
        assert client.post("/settings/confirm/", {"password": "x"}).status_code == 200
    blocked = client.post("/settings/confirm/", {"password": PASSWORD})
    assert blocked.status_code == 429 and int(blocked["Retry-After"]) <= 60
