"""The second factor: set up, asked for, limited, required, removed."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from allauth.mfa.utils import encrypt
from django.core.cache import cache
from django.core.management import call_command
from django.db.models import F
from django.test import Client
from django.utils import timezone

from experiments.models import Event, LoginLimit, Team, User
from experiments.pages.accounts import gate
from experiments.pages.accounts.recovery_codes import HashedCodes
from tests import factories

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
APP, NEW_CODES = "/settings/two-factor/app/", "/settings/two-factor/codes/new/"


@pytest.fixture
def ada(empty_cache: None) -> User:
    factories.team("Physics", ada="member")
    return factories.user("ada")


def log_in(client: Client, password: str = PASSWORD, **more: str) -> Any:
    return client.post("/login/", {"username": "ada", "password": password, **more})


def code_of(secret: str, steps: int = 0) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


def add_app(client: Client) -> str:
    """The key of an app that the person adds now."""
    page = client.get(APP).content.decode()
    found = re.search(r"<code data-copy-source>(\w+)</code>", page)
    assert found is not None
    answer = client.post(APP, {"code": code_of(found[1])})
    assert answer["Location"] == "/settings/two-factor/codes/"
    return found[1]


def codes_on(client: Client) -> list[str]:
    text = client.get("/settings/two-factor/codes/").content.decode()
    return re.findall(r"\b\d{8}\b", text)


def is_in(client: Client) -> bool:
    return client.get("/").status_code == 200


def pass_time(seconds: float) -> None:
    LoginLimit.objects.update(used_until=F("used_until") - seconds)


def test_after_the_password_comes_the_code_and_then_the_page(ada: User) -> None:
    secret = add_app(logged_in := _in())
    assert is_in(logged_in)
    client = Client()
    step = log_in(client, next="/experiments/")
    assert step["Location"] == "/login/code/"
    key = client.session.session_key
    assert not is_in(client)
    assert client.get("/login/")["Location"] == "/login/code/"
    done = client.post("/login/code/", {"code": code_of(secret, 1)})
    assert done["Location"] == "/experiments/"
    event = Event.objects.filter(verb="logged in").latest("pk")
    assert event.data["method"] == "password and app code"
    assert is_in(client) and client.session.session_key != key


def _in() -> Client:
    client = Client()
    assert log_in(client).status_code == 302
    return client


def test_no_step_can_be_left_out(ada: User) -> None:
    secret = add_app(_in())
    assert Client().get("/login/code/")["Location"] == "/login/"
    assert (
        Client().post("/login/code/", {"code": code_of(secret, 1)}).status_code == 302
    )
    client = Client()
    assert log_in(client, "wrong").status_code == 200
    assert client.get("/login/code/")["Location"] == "/login/"
    log_in(client)
    # A person who gives up begins anew.
    client.post("/logout/")
    assert client.get("/login/code/")["Location"] == "/login/"
    assert client.get("/login/").status_code == 200


def test_a_code_opens_one_login_also_in_other_processes(ada: User) -> None:
    secret = add_app(_in())
    pass_time(86_400)
    code = code_of(secret, 1)
    # However it is written.
    for text, answer in ((code, 302), (f"{code[:3]}-{code[3:]}", 200), (code, 200)):
        client = Client()
        log_in(client)
        assert client.post("/login/code/", {"code": text}).status_code == answer
        cache.clear()
    assert "used before" in client.post("/login/code/", {"code": code}).content.decode()


def test_codes_cannot_be_guessed(ada: User) -> None:
    secret = add_app(_in())
    client = Client()
    log_in(client)
    for _ in range(5):
        assert client.post("/login/code/", {"code": "000000"}).status_code == 200
    blocked = client.post("/login/code/", {"code": code_of(secret, 1)})
    assert blocked.status_code == 429 and 60 < int(blocked["Retry-After"]) <= 600
    text = blocked.content.decode()
    assert "too many failed logins with a second factor" in text
    # Another browser, a new session and an hour do not help much.
    other = Client()
    log_in(other)
    assert other.post("/login/code/", {"code": "000000"}).status_code == 429
    pass_time(600)
    assert other.post("/login/code/", {"code": "000000"}).status_code == 200
    assert other.post("/login/code/", {"code": "000000"}).status_code == 429
    assert Event.objects.filter(verb="second factor failed", actor=ada).count() == 6


def test_recovery_codes_are_shown_once_and_open_one_login_each(ada: User) -> None:
    owner = _in()
    add_app(owner)
    codes = codes_on(owner)
    assert len(codes) == 10 and codes_on(owner) == []
    left = owner.get("/settings/two-factor/codes/").content.decode()
    assert "10 of 10 are left" in left
    for answer in (302, 200):
        client = Client()
        log_in(client)
        assert client.post("/login/code/", {"code": codes[0]}).status_code == answer
    event = Event.objects.filter(verb="logged in").latest("pk")
    assert event.data["method"] == "password and recovery code"
    assert "Recovery codes: 9 left" in owner.get("/settings/").content.decode()
    owner.post(NEW_CODES)
    assert len(codes_on(owner)) == 10
    client = Client()
    log_in(client)
    assert client.post("/login/code/", {"code": codes[1]}).status_code == 200


def test_the_database_alone_makes_no_codes(ada: User) -> None:
    owner = _in()
    secret = add_app(owner)
    assert secret not in str(Authenticator.objects.values_list("data", flat=True))
    codes = codes_on(owner)
    row = Authenticator.objects.get(type="recovery_codes")
    assert set(row.data) == {"salt", "hashes", "used_mask", "viewed_at"}
    assert len(set(row.data["hashes"])) == 10
    assert not any(code in str(row.data) for code in codes)


def test_recovery_codes_of_an_earlier_version_keep_working_and_are_hashed(
    ada: User, settings: Any
) -> None:
    owner = _in()
    add_app(owner)
    seed = {"seed": encrypt("5" * 80), "used_mask": 1, "viewed_at": 1.0}
    rows = Authenticator.objects.filter(type="recovery_codes")
    rows.update(data=seed)
    old = object.__new__(HashedCodes.__base__)
    old.instance = rows.get()
    codes = old.generate_codes()
    assert "Recovery codes: 9 left" in owner.get("/settings/").content.decode()
    assert "seed" not in rows.get().data and codes_on(owner) == []
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "x" * 50
    for code, answer in ((codes[0], 200), (codes[3], 302), (codes[3], 200)):
        client = Client()
        log_in(client)
        assert client.post("/login/code/", {"code": code}).status_code == answer


def test_a_factor_of_a_lost_secret_key_opens_nothing_and_breaks_no_page(
    ada: User, settings: Any
) -> None:
    secret = add_app(_in())
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "x" * 50
    client = Client()
    log_in(client)
    assert client.post("/login/code/", {"code": code_of(secret, 1)}).status_code == 302
    settings.SECRET_KEY_FALLBACKS = []
    client = Client()
    log_in(client)
    assert client.post("/login/code/", {"code": code_of(secret, 0)}).status_code == 200


def test_changes_need_the_factor_some_time_after_the_login(ada: User) -> None:
    client = _in()
    secret = add_app(client)
    session = client.session
    session["began"] -= 901
    session.save()
    asked = client.get(NEW_CODES)
    assert asked["Location"].startswith("/settings/confirm/code/?next=")
    # A guessed password is not enough.
    by_password = client.post("/settings/confirm/", {"password": PASSWORD})
    assert by_password["Location"].startswith("/settings/confirm/code/")
    assert client.get(NEW_CODES).status_code == 302
    code = {"code": code_of(secret, 1)}
    assert client.post(asked["Location"], code)["Location"] == NEW_CODES
    assert client.get(NEW_CODES).status_code == 200


def test_a_required_factor_is_asked_for_and_then_nothing_else_works(ada: User) -> None:
    Team.objects.update(requires_second_factor=True)
    client = _in()
    text = client.get("/").content.decode()
    assert "Team Physics requires a second factor from" in text
    assert '<a href="/settings/two-factor/">Set it up</a>' in text
    User.objects.update(factor_due_at=timezone.now() - timedelta(minutes=1))
    client = _in()
    for path in ("/", "/settings/", "/experiments/", "/home/feed.json"):
        assert client.get(path)["Location"] == "/settings/two-factor/"
    assert (
        "Team Physics requires" in client.get("/settings/two-factor/").content.decode()
    )
    add_app(client)
    codes_on(client)
    assert is_in(client)
    # The last one stays.
    refused = client.post("/settings/two-factor/app/remove/").content.decode()
    assert "Add another one before you remove this one" in refused
    assert ada.has_second_factor


def test_the_site_may_require_it_at_once(ada: User, settings: Any) -> None:
    settings.REQUIRE_SECOND_FACTOR, settings.SECOND_FACTOR_GRACE = True, timedelta()
    client = _in()
    assert client.get("/")["Location"] == "/settings/two-factor/"
    settings.REQUIRE_SECOND_FACTOR = False
    assert is_in(_in())
    ada.refresh_from_db()
    assert ada.factor_due_at is None


def test_an_older_session_and_tokens_wait_for_the_factor(ada: User) -> None:
    secret, client = factories.api_token(ada), _in()

    def call() -> Any:
        headers = {"Authorization": f"Bearer {secret}"}
        return Client().get("/api/v1/sweeps", headers=headers)

    Team.objects.update(requires_second_factor=True)
    User.objects.update(factor_due_at=timezone.now() - timedelta(minutes=1))
    assert is_in(client)
    session = client.session
    session[gate.NOTED] -= gate.NOTED_AGAIN_AFTER + 1
    session.save()
    assert client.get("/")["Location"] == "/settings/two-factor/"
    answer = call()
    assert answer.status_code == 401
    assert "must set up a second factor" in answer.json()["error"]["message"]
    add_app(client)
    assert call().status_code == 200
    # Nobody requires it any more.
    Authenticator.objects.all().delete()
    assert call().status_code == 401
    Team.objects.update(requires_second_factor=False)
    assert call().status_code == 200


def test_the_person_is_told_and_it_is_logged(
    ada: User, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        add_app(_in())
    assert Event.objects.filter(verb="authenticator app added", actor=ada).exists()


def test_an_app_can_be_removed_with_its_recovery_codes(ada: User) -> None:
    client = _in()
    add_app(client)
    client.post("/settings/two-factor/app/remove/")
    assert not Authenticator.objects.exists()
    assert Event.objects.filter(verb="authenticator app removed", actor=ada).exists()
    assert log_in(Client())["Location"] == "/"


def test_another_persons_factors_are_not_found(ada: User) -> None:
    add_app(_in())
    factor = Authenticator.objects.get(type="totp")
    factories.user("max")
    stranger = Client()
    stranger.post("/login/", {"username": "max", "password": PASSWORD})
    for path in (f"passkeys/{factor.pk}/", f"passkeys/{factor.pk}/remove/", "codes/"):
        assert stranger.get(f"/settings/two-factor/{path}").status_code == 404
    assert stranger.post("/settings/two-factor/app/remove/").status_code == 404


def test_a_password_that_others_chose_must_be_changed_first(ada: User) -> None:
    User.objects.update(must_change_password=True)
    client = _in()
    for path in ("/", "/settings/", "/experiments/new/", "/settings/two-factor/"):
        assert client.get(path)["Location"] == "/settings/password/"
    same = {"old_password": PASSWORD, "new_password1": PASSWORD}
    again = client.post("/settings/password/", {**same, "new_password2": PASSWORD})
    assert "This is your old password" in again.content.decode()
    new = "purple monkey dishwasher"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert client.post("/settings/password/", form).status_code == 302
    assert is_in(client)


def test_an_administrator_removes_the_factors_of_a_person(ada: User) -> None:
    root = factories.user("root", is_staff=True, is_superuser=True)
    owner, admin = _in(), Client()
    add_app(owner)
    admin.force_login(root)
    data = {"action": "remove_second_factors", "_selected_action": [ada.pk]}
    admin.post("/admin/experiments/user/", data)
    assert not is_in(owner) and log_in(Client())["Location"] == "/"
    event = Event.objects.get(verb="second factors removed")
    assert (event.actor, event.object_name) == (root, "ada")
    add_app(_in())
    call_command("remove-second-factors", "ada", stdout=(said := StringIO()))
    assert said.getvalue() == "ada logs in with the password alone now.\n"
    assert log_in(Client())["Location"] == "/"


def test_passwords_that_administrators_choose_must_be_changed(ada: User) -> None:
    admin = Client()
    admin.force_login(factories.user("root", is_staff=True, is_superuser=True))
    new = "purple monkey dishwasher"
    form = {"password1": new, "password2": new, "usable_password": "true"}
    admin.post(f"/admin/experiments/user/{ada.pk}/password/", form)
    assert log_in(client := Client(), new)["Location"] == "/"
    assert client.get("/")["Location"] == "/settings/password/"
    inlines = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    admin.post("/admin/experiments/user/add/", {"username": "max", **form, **inlines})
    made = User.objects.filter(must_change_password=True)
    assert set(made.values_list("username", flat=True)) == {"ada", "max"}
