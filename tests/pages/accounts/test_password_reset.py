"""A forgotten password: a link by e-mail, which works once."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
from django.test import Client

from experiments.models import BrowserSession, Event, User
from tests import factories
from tests.pages.accounts.mail_server import MailServer, text_of
from tests.processes.running_site import wait_for

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
NEW = "purple monkey dishwasher"
FORM = {"password1": NEW, "password2": NEW}


@pytest.fixture
def ada() -> User:
    return factories.user("ada", email="ada@lab.example")


def ask(client: Client, email: str = "ada@lab.example") -> Any:
    return client.post("/login/password/", {"email": email})


def link_in(message: Any) -> str:
    """The path in the message; its host is the site's own."""
    text = text_of(message)
    found = re.search(r"http://127.0.0.1:8000(/login/password/\S+)", text)
    assert found is not None, text
    return found[1]


def log_in(client: Client, password: str) -> int:
    data = {"username": "ada", "password": password}
    return int(client.post("/login/", data).status_code)


def test_the_link_leads_to_a_new_password_once(
    client: Client, ada: User, server: MailServer
) -> None:
    other = Client()
    assert log_in(other, PASSWORD) == 302
    assert ask(client)["Location"] == "/login/password/sent/"
    message = server.last()
    assert message["To"] == "ada@lab.example"
    assert message["Subject"] == "sweepsite: choose a new password"
    link = link_in(message)
    # The key leaves the address, which other sites and the history would see.
    form = client.get(link)["Location"]
    assert form.endswith("/set-password/")
    weak = client.post(form, {"password1": "short", "password2": "short"})
    assert "at least 12 characters" in weak.content.decode()
    assert client.post(form, FORM)["Location"] == "/login/password/done/"
    assert other.get("/").status_code == 302
    assert log_in(Client(), PASSWORD) == 200 and log_in(Client(), NEW) == 302
    assert "does not work any more" in Client().get(link).content.decode()
    assert Event.objects.get(verb="password reset").actor == ada
    assert "password reset" in server.last(2)["Subject"]


def test_nobody_learns_which_addresses_have_accounts(
    client: Client, ada: User, server: MailServer
) -> None:
    known, unknown = ask(client), ask(Client(), "max@lab.example")
    assert known["Location"] == unknown["Location"]
    assert known.content == unknown.content
    server.last()
    assert len(server.got) == 1
    for _ in range(3):
        ask(client), ask(client, "max@lab.example")
    refused = [ask(client, name) for name in ("ADA@lab.example", "max@lab.example")]
    assert [answer.status_code for answer in refused] == [429, 429]
    assert "to this address" in refused[0].content.decode()


def test_a_strangers_host_is_in_no_link(
    client: Client, ada: User, server: MailServer, settings: Any
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    client.post("/login/password/", {"email": ada.email}, HTTP_HOST="evil.example")
    assert "evil" not in text_of(server.last())


def test_old_and_forged_links_change_nothing(
    client: Client, ada: User, server: MailServer, settings: Any
) -> None:
    ask(client)
    link = link_in(server.last())
    forged = [
        link[:-2] + "0/",
        "/login/password/1/x/",
        "/login/password/zz/set-password/",
    ]
    settings.PASSWORD_RESET_TIMEOUT = -1
    for address in (link, *forged):
        answer = client.get(address)
        assert "does not work any more" in answer.content.decode()
        client.post(address, FORM)
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)
    # A stranger leaves no rows behind.
    assert not BrowserSession.objects.exists()


def test_a_site_without_a_mail_server_says_whom_to_ask(client: Client) -> None:
    text = client.get("/login/password/").content.decode()
    assert "This site sends no e-mail. Ask an administrator" in text
    assert "<input" not in text.partition("gate")[2]


def test_a_refused_message_is_an_error_in_the_log(
    client: Client, ada: User, server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.accepts = False
    with caplog.at_level(logging.ERROR):
        ask(client)
        wait_for(lambda: "was not sent" in caplog.text, "the error", timeout=20)
    assert "lab.example" not in caplog.text
