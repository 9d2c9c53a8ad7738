"""A new e-mail address is used once its link was opened."""

from __future__ import annotations

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.test import Client

from experiments.models import Event, User
from tests import factories
from tests.pages.accounts.mail_server import MailServer, text_of
from tests.pages.clients import client_of

pytestmark = pytest.mark.django_db
NEW = "ada@new.example"


@pytest.fixture
def ada() -> User:
    return factories.user("ada", email="ada@old.example")


def change(client: Client, email: str = NEW) -> Any:
    return client.post("/settings/email/", {"email": email, "action_add": "1"})


def link_in(message: Any) -> str:
    found = re.search(r"http://127.0.0.1:8000(/login/email/\S+)", text_of(message))
    assert found is not None
    return found[1]


def test_the_old_address_counts_until_the_link_is_opened(
    ada: User, server: MailServer
) -> None:
    client = client_of("ada")
    assert change(client)["Location"] == "/settings/email/"
    page = client.get("/settings/email/").content.decode()
    assert "Your address is ada@old.example. ada@new.example is used once" in page
    message = server.last()
    assert message["To"] == NEW
    link = link_in(message)
    # Programs that look at links in mails do not open it.
    assert "becomes the address of ada" in Client().get(link).content.decode()
    ada.refresh_from_db()
    assert ada.email == "ada@old.example"
    client.post(link)
    ada.refresh_from_db()
    assert ada.email == NEW
    assert [(a.email, a.verified) for a in EmailAddress.objects.all()] == [(NEW, True)]
    event = Event.objects.get(verb="e-mail address changed")
    assert (event.before, event.after) == ({"email": "ada@old.example"}, {"email": NEW})
    # The old address gets a notice: it may have been somebody else.
    assert server.last(2)["To"] == "ada@old.example"
    assert "does not work any more" in Client().get(link).content.decode()


def test_the_address_of_another_account_is_not_taken(
    ada: User, server: MailServer
) -> None:
    max_ = factories.user("max", email=NEW)
    EmailAddress.objects.create(user=max_, email=NEW, verified=True, primary=True)
    client = client_of("ada")
    # The answer is the same as for a free address.
    assert change(client)["Location"] == "/settings/email/"
    said = client.post(link_in(server.last()), follow=True).content.decode()
    assert "another account has it" in said
    ada.refresh_from_db()
    assert ada.email == "ada@old.example"


def test_a_change_needs_a_recent_login_and_floods_nobody(
    ada: User, server: MailServer
) -> None:
    client = client_of("ada")
    assert [change(client).status_code for _ in range(4)] == [302, 302, 302, 429]
    session = client.session
    session["began"] -= 901
    session.save()
    asked = change(client, "ada@third.example")
    assert asked["Location"].startswith("/settings/confirm/")
    assert not EmailAddress.objects.filter(email="ada@third.example").exists()


def test_no_other_act_sends_mail_or_makes_an_address_count(
    ada: User, server: MailServer
) -> None:
    client = client_of("ada")
    User.objects.update(email="")
    change(client)
    for act in ("action_primary", *["action_send"] * 5, "action_remove"):
        client.post("/settings/email/", {"email": NEW, act: "1"})
    ada.refresh_from_db()
    assert ada.email == "" and EmailAddress.objects.get().email == NEW
    server.last(3)
    assert {message["To"] for message in server.got} == {NEW}
    assert len(server.got) == 3


def test_without_a_mail_server_nobody_checks_the_address(ada: User) -> None:
    client = client_of("ada")
    assert "nobody checks a new one" in client.get("/settings/email/").content.decode()
    change(client)
    ada.refresh_from_db()
    assert ada.email == NEW
    assert not EmailAddress.objects.get().verified
