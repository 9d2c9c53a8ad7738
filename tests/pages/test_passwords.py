"""Which passwords are taken, how they are stored, and what the first one is."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.management.base import CommandError
from django.test import Client

from experiments.management.commands import setup
from experiments.models import User
from sweepsite import settings as own_settings
from tests import factories

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


@pytest.fixture
def ada(client: Client) -> User:
    person = factories.user("ada-lovelace")
    client.force_login(person)
    return person


def change(client: Client, new: str, old: str = PASSWORD) -> Any:
    data = {"old_password": old, "new_password1": new, "new_password2": new}
    return client.post("/settings/password/", data)


@pytest.mark.parametrize("new", ["  Ünïcode ✓ \t", "x7" * 64, "only lower letters"])
def test_a_long_password_of_any_characters_counts_as_typed(
    client: Client, ada: User, new: str
) -> None:
    assert change(client, new).status_code == 302
    ada.refresh_from_db()
    assert ada.check_password(new)
    assert not ada.check_password(new.upper()) and not ada.check_password(new[:-1])


def test_a_change_needs_the_old_password(client: Client, ada: User) -> None:
    assert change(client, "purple monkey dishwasher", old="wrong").status_code == 200
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)


def test_a_common_password_is_refused(client: Client, ada: User) -> None:
    page = change(client, "qwertyuiop123").content.decode()
    assert "too common" in page


def test_a_password_like_the_user_name_is_refused(client: Client, ada: User) -> None:
    assert "too similar" in change(client, "ada-lovelace1").content.decode()


@pytest.mark.parametrize(
    "new", ["Sweepsite-2026", "password1234", "Vision-Lab-12", "example-vision-1"]
)
def test_words_of_the_place_do_not_count(
    client: Client, ada: User, settings: Any, new: str
) -> None:
    settings.SITE_URL = "https://sweeps.example.org"
    factories.team("Vision Lab", **{ada.username: "member"})
    assert "easy to guess here" in change(client, new).content.decode()
    assert change(client, f"{new} nine more").status_code == 302


@pytest.mark.parametrize(
    "path", ["/login/", "/settings/password/", "/settings/confirm/"]
)
def test_password_fields_hide_and_can_be_filled_by_a_manager(
    client: Client, ada: User, path: str
) -> None:
    browser = Client() if path == "/login/" else client
    fields = re.findall(
        r"<input[^>]*password[^>]*>", browser.get(path).content.decode()
    )
    assert fields
    for field in fields:
        assert 'type="password"' in field
        assert re.search(r'autocomplete="(current|new)-password"', field)
        assert "maxlength" not in field and "onpaste" not in field


def test_every_page_has_a_log_out_button(client: Client, ada: User) -> None:
    for path in ("/", "/settings/", "/experiments/"):
        page = client.get(path).content.decode()
        assert '<form method="post" action="/logout/">' in page


def test_passwords_have_a_slow_hash() -> None:
    """Django's own choice, which no setting changes."""
    assert not hasattr(own_settings, "PASSWORD_HASHERS")
    assert PBKDF2PasswordHasher.iterations >= 600_000


def test_the_first_account_has_a_random_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SWEEPSITE_ADMIN_PASSWORD", raising=False)
    password = setup.ensure_admin()
    assert password is not None and len(password) >= 16
    admin = User.objects.get()
    assert admin.check_password(password) and admin.must_change_password
    assert setup.ensure_admin() is None
    admin.delete()
    assert setup.ensure_admin(demo=True)
    assert not User.objects.get().must_change_password


def test_a_weak_first_password_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SWEEPSITE_ADMIN_PASSWORD", "sweepsite1")
    with pytest.raises(CommandError, match=r"ADMIN_PASSWORD: .*12 characters.*sweep"):
        setup.ensure_admin()
    assert not User.objects.exists()
