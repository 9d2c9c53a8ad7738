"""Logins by a real OpenID Connect provider in another process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests
from allauth.account.models import EmailAddress
from django.test import Client
from django.urls import reverse

from experiments.accounts.invitations import invite
from experiments.models import Event, Membership, User
from experiments.pages.accounts import single_sign_on
from sweepsite.single_sign_on import GroupRule, SingleSignOn
from tests import factories
from tests.pages.clients import text_of
from tests.processes.running_site import free_port, wait_for

pytestmark = pytest.mark.django_db
RULES = [
    GroupRule("ml-staff", "physics", "member"),
    GroupRule("ml-leads", "physics", "admin"),
    GroupRule("chem", "chemistry", "viewer"),
    GroupRule("site-admins", "*", "member"),
]


class Provider:
    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/jwks", timeout=5).ok
        except requests.ConnectionError:
            return False

    def knows(self, sub: str, **claims: Any) -> None:
        answer = requests.put(f"{self.url}/users/{sub}", json=claims, timeout=10)
        assert answer.status_code == 204

    def confirms(self, address: str, sub: str, **form: str) -> str:
        """The person says at the provider who they are: where that leads."""
        data = {"sub": sub, **form}
        answer = requests.post(address, data=data, allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        return str(answer.headers["Location"])


@pytest.fixture(scope="module")
def process() -> Iterator[Provider]:
    port = free_port()
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port)]
    running = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    provider = Provider(port)
    wait_for(provider.answers, "the provider", timeout=60)
    yield provider
    running.terminate()
    running.wait()


def use(settings: Any, provider: Provider, rules: Sequence[GroupRule] = ()) -> None:
    settings.SSO = SingleSignOn(
        url=provider.url, name="Lab login", client_id="us", secret="s" * 20, rules=rules
    )
    settings.SOCIALACCOUNT_PROVIDERS = settings.SSO.providers


@pytest.fixture
def provider(settings: Any, process: Provider) -> Provider:
    use(settings, process)
    return process


def log_in(client: Client, provider: Provider, sub: str, *, to: str = "/") -> Any:
    sent = client.get(f"/login/sso/?next={to}")
    assert sent.status_code == 302 and sent["Location"].startswith(provider.url)
    back = urlsplit(provider.confirms(sent["Location"], sub))
    assert back.path == "/login/sso/callback/"
    return client.get(f"{back.path}?{back.query}")


def logged_in(client: Client) -> User | None:
    return User.objects.filter(pk=client.session.get("_auth_user_id")).first()


def roles(name: str) -> dict[str, str]:
    rows = Membership.objects.filter(user__username=name)
    return dict(rows.values_list("team__slug", "role"))


def test_a_first_login_makes_an_account_and_a_later_one_finds_it(
    client: Client, provider: Provider
) -> None:
    assert "Log in with Lab login" in text_of(client.get("/login/"))
    names = {"preferred_username": "grace", "given_name": "Grace"}
    provider.knows("u1", **names, email="grace@lab.example", email_verified=True)
    answer = log_in(client, provider, "u1", to="/pools/")
    assert (answer.status_code, answer["Location"]) == (302, "/pools/")
    user = User.objects.get(username="grace")
    assert logged_in(client) == user and not user.has_usable_password()
    assert (user.first_name, user.email) == ("Grace", "grace@lab.example")
    made = Event.objects.get(verb="account created")
    assert made.message == "grace, by Lab login"
    provider.knows("u1", preferred_username="other", given_name="Grace\u202e B.")
    log_in(Client(), provider, "u1")
    user.refresh_from_db()
    assert (user.username, user.first_name) == ("grace", "Grace B.")
    assert User.objects.count() == 1
    logins = Event.objects.filter(verb="logged in")
    methods = [event.data["method"] for event in logins]
    assert methods == ["single sign-on Lab login"] * 2


@pytest.mark.parametrize("verified", [True, False])
def test_an_address_leads_to_an_account_only_if_both_sides_have_confirmed_it(
    client: Client, provider: Provider, verified: bool
) -> None:
    ada = factories.user("ada", email="ada@lab.example")
    claims = {"preferred_username": "ada", "email": "ADA@lab.example"}
    provider.knows(f"attacker-{verified}", **claims, email_verified=verified)
    log_in(client, provider, f"attacker-{verified}")
    found = logged_in(client)
    assert found is not None and found != ada
    assert found.username != "ada" and found.email == ""
    EmailAddress.objects.create(
        user=ada, email=ada.email, verified=verified, primary=True
    )
    provider.knows(f"ada-{verified}", **claims, email_verified=True)
    again = Client()
    log_in(again, provider, f"ada-{verified}")
    assert (logged_in(again) == ada) is verified


def test_groups_give_roles_and_take_them_away_at_each_login(
    client: Client, settings: Any, provider: Provider
) -> None:
    use(settings, provider, RULES)
    factories.team("Physics", root="admin")
    factories.team("Chemistry")
    factories.user("sue", is_superuser=True)
    groups = ["ml-staff", "ml-leads", "site-admins", "unknown"]
    provider.knows("u2", preferred_username="lin", groups=groups)
    log_in(client, provider, "u2")
    assert roles("lin") == {"physics": "admin"}
    lin = User.objects.get(username="lin")
    assert lin.is_superuser
    own = factories.team("Biology", lin="member")
    provider.knows("u2", groups=["chem"])
    log_in(Client(), provider, "u2")
    assert roles("lin") == {"chemistry": "viewer", own.slug: "member"}
    assert not User.objects.get(pk=lin.pk).is_superuser
    verbs = list(Event.objects.values_list("verb", flat=True))
    assert verbs.count("member added") == 2 and verbs.count("member removed") == 1
    provider.knows("u2", groups=["nothing"])
    refused = Client()
    answer = log_in(refused, provider, "u2")
    assert answer.status_code == 403
    assert "None of your groups has a team on this site." in text_of(answer)
    assert logged_in(refused) is None
    assert roles("lin") == {own.slug: "member"}


@pytest.mark.parametrize("claims", [{"groups": ["nothing"]}, {"groups": 5}, {}])
def test_without_a_group_of_the_rules_there_is_no_account(
    client: Client, settings: Any, provider: Provider, claims: dict[str, Any]
) -> None:
    use(settings, provider, RULES)
    provider.knows("u3", preferred_username="eve", **claims)
    answer = log_in(client, provider, "u3")
    assert answer.status_code == 403
    assert logged_in(client) is None and not User.objects.exists()


def test_a_closed_account_stays_closed(client: Client, provider: Provider) -> None:
    provider.knows("u4", preferred_username="max")
    log_in(client, provider, "u4")
    User.objects.update(is_active=False)
    other = Client()
    answer = log_in(other, provider, "u4")
    assert answer["Location"] == reverse("account_inactive")
    assert logged_in(other) is None


def test_an_answer_that_was_not_asked_for_or_is_refused_opens_nothing(
    client: Client, provider: Provider
) -> None:
    provider.knows("u5", preferred_username="kim")
    sent = client.get("/login/sso/")["Location"]
    back = urlsplit(provider.confirms(sent, "u5"))
    path = f"{back.path}?{back.query}"
    # Another browser has not asked, and a state counts once.
    assert Client().get(path).status_code == 403
    assert client.get(path).status_code == 302
    assert client.get(path).status_code == 403
    denied = urlsplit(
        provider.confirms(client.get("/login/sso/")["Location"], "u5", action="deny")
    )
    answer = client.get(f"{denied.path}?{denied.query}", follow=True)
    assert "You are not logged in" in text_of(answer)
    assert parse_qs(denied.query)["error"] == ["access_denied"]


def test_a_link_cannot_choose_what_the_login_is_for(
    client: Client, provider: Provider
) -> None:
    sent = client.get("/login/sso/?process=connect&scope=admin&auth_params=a%3Db")
    query = parse_qs(urlsplit(sent["Location"]).query)
    assert set(query["scope"][0].split()) == {"openid", "profile", "email"}
    assert "a" not in query
    assert query["code_challenge_method"] == ["S256"]
    again = client.get("/login/sso/?again=1&next=//evil.example/")
    assert parse_qs(urlsplit(again["Location"]).query)["prompt"] == ["login"]
    provider.knows("u6", preferred_username="mia")
    back = urlsplit(provider.confirms(again["Location"], "u6"))
    assert client.get(f"{back.path}?{back.query}")["Location"] == "/"


def test_passwords_can_be_off(
    client: Client, settings: Any, provider: Provider
) -> None:
    settings.PASSWORD_LOGIN = False
    factories.user("ada")
    page = text_of(client.get("/login/"))
    assert "Log in with Lab login" in page and "password" not in page.lower()
    fields = {"username": "ada", "password": "correct horse battery"}
    answer = client.post("/login/", fields)
    assert "Passwords are off here: use Lab login." in text_of(answer)
    assert logged_in(client) is None


def test_who_has_no_password_confirms_a_change_at_the_provider(
    client: Client, provider: Provider
) -> None:
    provider.knows("u7", preferred_username="joe")
    log_in(client, provider, "u7")
    answer = client.get("/settings/confirm/?next=/settings/", follow=True)
    assert "/login/sso/?again=1&amp;next=%2Fsettings%2F" in text_of(answer)


def test_a_provider_that_does_not_answer_is_said(
    client: Client, settings: Any, provider: Provider
) -> None:
    use(settings, Provider(free_port()))
    answer = client.get("/login/sso/")
    assert answer.status_code == 403
    assert "Lab login does not answer. Try again later." in text_of(answer)


def test_a_provider_that_names_another_issuer_is_refused(
    client: Client, provider: Provider, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(single_sign_on, "_issuer", lambda: "https://other.example")
    assert client.get("/login/sso/").status_code == 403
    assert "it names another issuer" in caplog.text


def test_without_a_provider_there_is_no_such_login(client: Client) -> None:
    assert client.get("/login/sso/").status_code == 404
    assert "/login/sso/" not in text_of(client.get("/login/"))


def test_without_passwords_an_invited_person_joins_after_the_providers_login(
    client: Client, settings: Any, provider: Provider
) -> None:
    settings.PASSWORD_LOGIN = False
    team = factories.team("Physics", ada="admin")
    _, link = invite(
        team, role="member", meant_for="", days=1, actor=factories.user("ada")
    )
    path = urlsplit(link).path
    page = client.get(path)
    assert "Log in with Lab login and join" in text_of(page)
    assert 'type="password"' not in page.content.decode()
    leaving = client.post(path, {"username": "x", "password1": "y", "password2": "y"})
    assert f"/login/sso/?next={quote(path, safe='')}" in leaving.content.decode()
    provider.knows("u9", preferred_username="nina")
    assert log_in(client, provider, "u9", to=path)["Location"] == path
    assert not roles("nina"), "the login alone joins nothing"
    assert client.get(path)["Location"] == "/teams/physics/"
    assert roles("nina") == {"physics": "member"}
