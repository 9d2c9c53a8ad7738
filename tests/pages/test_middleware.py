"""Headers that every answer has, whoever makes it."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import ResolverMatch

from experiments.models import Event, Metric
from experiments.pages.middleware import AnswerMiddleware
from experiments.pages.refusals import MAX_EVENTS, note_refusal
from experiments.search.wording import UNSEEN
from tests import factories

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root() -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(factories.user("root", is_superuser=True, is_staff=True))
    return client


def assert_headers(answer: Any) -> None:
    policy = answer["Content-Security-Policy"]
    for directive in ("default-src", "object-src 'none'", "base-uri 'none'"):
        assert directive in policy
    assert "frame-ancestors 'none'" in policy
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/settings/", 200),
        ("/admin/", 200),
        ("/django-rq/", 503),
        ("/nowhere/", 404),
        ("/healthz", 503),
        ("/api/v1/sweeps", 401),
        ("/api/v1/openapi.json", 200),
        ("/api/v1/docs", 200),
        ("/api/worker/v1/nothing", 404),
    ],
)
def test_an_answer_has_every_header_and_no_cache_keeps_it(
    root: Client, no_queue: None, settings: Any, path: str, status: int
) -> None:
    queue = {**settings.RQ_QUEUES["default"], "URL": settings.REDIS_URL}
    settings.RQ_QUEUES = {"default": queue}
    answer = root.get(path)
    assert answer.status_code == status
    assert_headers(answer)
    assert "no-store" in answer["Cache-Control"]


def test_a_static_file_has_the_headers_and_may_be_kept(client: Client) -> None:
    answer = client.get("/static/css/tokens.css")
    assert answer.status_code == 200
    assert_headers(answer)
    assert "no-store" not in answer["Cache-Control"]


def test_errors_have_the_headers_too(
    root: Client, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    def fail(*args: Any) -> None:
        raise ValueError("a mistake of ours")

    settings.ALLOWED_HOSTS = ["testserver"]
    unknown_host = root.get("/", headers={"Host": "other.example.org"})
    without_token = Client(enforce_csrf_checks=True).post("/login/")
    monkeypatch.setattr(SessionStore, "load", fail)
    broken = root.get("/")
    found = [answer.status_code for answer in (unknown_host, without_token, broken)]
    assert found == [400, 403, 500]
    for answer in (unknown_host, without_token, broken):
        assert_headers(answer)
        assert answer["Cache-Control"] == "no-store"


def test_over_http_pages_are_redirected_and_programs_refused(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT, settings.SECURE_HSTS_SECONDS = True, 31_536_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    client = Client()
    assert client.get("/")["Location"] == "https://testserver/"
    answer = client.get("/api/v1/sweeps")
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "https_required"
    secure = client.get("/api/v1/sweeps", secure=True)
    assert secure.status_code == 401
    policy = secure["Strict-Transport-Security"]
    assert policy == "max-age=31536000; includeSubDomains"


def test_a_refused_person_is_in_the_log(
    caplog: pytest.LogCaptureFixture, client: Client
) -> None:
    team = factories.team("Physics", vera="viewer")
    other = factories.sweep(factories.team("Chemistry", otto="admin"))
    own = factories.sweep(team)
    client.force_login(factories.user("vera"))
    with caplog.at_level(logging.WARNING, logger="experiments.pages.middleware"):
        client.get(f"/sweeps/{own.pk}/pause/\n")
        client.post(f"/sweeps/{own.pk}/pause/")
        client.get(f"/sweeps/{other.pk}/")
        Client().get("/nowhere/")
    lines = [r.getMessage() for r in caplog.records if "refused" in r.getMessage()]
    assert lines[1:] == [
        f"refused 403 POST /sweeps/{own.pk}/pause/: vera from 127.0.0.1",
        f"refused 404 GET /sweeps/{other.pk}/: vera from 127.0.0.1",
    ]
    assert all("\n" not in line for line in lines)


def test_a_refusal_hides_no_other_and_many_are_few_events(client: Client) -> None:
    cache.clear()
    sweep = factories.sweep(factories.team("Physics", vera="viewer"))
    client.force_login(factories.user("vera"))
    for _ in range(2):
        client.get("/sweeps/new/")
        client.post(f"/sweeps/{sweep.pk}/cancel/")
    refused = Event.objects.filter(verb="refused").order_by("pk")
    assert [event.message for event in refused] == [
        "GET /sweeps/new/",
        f"POST /sweeps/{sweep.pk}/cancel/",
    ]
    for number in range(2 * MAX_EVENTS):
        request = RequestFactory().get(f"/join/SECRET{number}/")
        request.user = request._cached_user = factories.user("vera")
        request.resolver_match = ResolverMatch(print, (), {}, url_name=f"{number}")
        note_refusal(request, 403)
    assert refused.count() <= MAX_EVENTS + 1
    assert refused.last().message == "GET /join/(hidden)/"


COOKIES = """
import django; django.setup()
from django.conf import settings as s
print(s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.SESSION_COOKIE_SECURE,
      s.CSRF_COOKIE_SECURE, s.SESSION_COOKIE_HTTPONLY, s.CSRF_COOKIE_HTTPONLY,
      s.SECURE_HSTS_SECONDS, bool(s.SECURE_PROXY_SSL_HEADER))
"""


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (
            {"SWEEPSITE_URL": "https://sweeps.example.org"},
            "__Host-sessionid __Host-csrftoken True True True True 31536000 False",
        ),
        (
            {"SWEEPSITE_URL": "http://127.0.0.1:8000", "SWEEPSITE_BEHIND_PROXY": "1"},
            "sessionid csrftoken False False True True 0 True",
        ),
    ],
)
def test_cookies_and_transport_follow_the_sites_address(
    tmp_path: Path, environment: dict[str, str], expected: str
) -> None:
    """Whether a proxy's header counts is a setting, and never guessed."""
    done = subprocess.run(
        [sys.executable, "-c", COOKIES],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "sweepsite.settings",
            "SWEEPSITE_HOME": str(tmp_path),
            **environment,
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == expected


def test_a_cookie_has_its_flags(client: Client, settings: Any) -> None:
    factories.user("ada")
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    data = {"username": "ada", "password": "correct horse battery"}
    answer = client.post("/login/", data)
    assert set(answer.cookies) == {"sessionid", "csrftoken", "known_browser"}
    for cookie in answer.cookies.values():
        assert cookie["httponly"] and cookie["secure"]
        assert cookie["samesite"] == "Lax"
        assert (cookie["path"], cookie["domain"]) == ("/", "")


BIDI = "a\u202eb\u2066\x1b"
SHOWN = r"a\u202eb\u2066\x1b"


def test_characters_that_nobody_sees_are_shown_on_pages(
    client: Client, settings: Any
) -> None:
    team = factories.team("Physics", ada="member")
    trial = factories.reported_trial(factories.sweep(team), [0.5, 0.6])
    # A script may have named its metric so.
    Metric.objects.update(name=f"{BIDI}loss")
    client.force_login(factories.user("ada"))
    page = client.get(trial.get_absolute_url())
    text = page.content.decode()
    assert f"{SHOWN}loss" in text
    assert not UNSEEN.search(text)
    # What scripts of the page parse shows the escape as well.
    for found in re.findall(r"application/json\">(.*?)</script>", text, re.DOTALL):
        assert not UNSEEN.search(str(json.loads(found)))


def test_json_of_pages_shows_them_and_that_of_the_api_has_them(settings: Any) -> None:
    body = json.dumps({"name": BIDI, "path": r"C:\u202e", "word": "\u00e4"})

    def answer(path: str) -> Any:
        request = RequestFactory().get(path)
        request.resolver_match = None
        made = HttpResponse(body, content_type="application/json")
        return json.loads(AnswerMiddleware(lambda _: made)(request).content)

    assert answer("/api/v1/trials") == json.loads(body)
    # JSON itself spells the last of the characters so.
    shown = r"a\u202eb\u2066\u001b"
    assert answer("/x.json") == {"name": shown, "path": r"C:\u202e", "word": "\u00e4"}


@pytest.mark.parametrize("path", ["/settings/", "/experiments/new/"])
def test_a_typed_name_with_them_is_refused(client: Client, path: str) -> None:
    factories.team("Physics", ada="member")
    client.force_login(factories.user("ada"))
    field = "first_name" if path == "/settings/" else "name"
    answer = client.post(path, {field: "Eve\u202ecod.exe"})
    text = answer.content.decode()
    assert r"Eve\u202ecod.exe has the character \u202e" in text
