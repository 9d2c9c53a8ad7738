"""Every URL refuses strangers, whatever the method, unless it is on the short list."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

pytestmark = pytest.mark.django_db

# What a visitor may see: the login page, the health check, and the API's description.
OPEN = {
    "/login/",
    "/login/sso/cancelled/",
    "/login/closed/",
    "/login/email/x/",
    "/login/password/",
    "/login/password/sent/",
    "/login/password/done/",
    "/login/password/x/x/",
    "/healthz",
    "/api/v1/docs",
    "/api/v1/openapi.json",
    "/admin/login/",
    "/admin/jsi18n/",
}
METHODS = ("get", "post", "put", "patch", "delete")
SAMPLES = {"int": "1", "slug": "x", "str": "x", "path": "x", "uuid": "0" * 32}


def urls(resolver: URLResolver, before: str = "/") -> Iterator[str]:
    """Every route with plausible values for its arguments."""
    for pattern in resolver.url_patterns:
        here = before + sample(str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from urls(pattern, here)
        elif isinstance(pattern, URLPattern):
            yield here


def sample(route: str) -> str:
    route = re.sub(r"<(\w+):\w+>", lambda match: SAMPLES[match[1]], route)
    route = re.sub(r"<\w+>|\{\w+\}", "x", route)
    route = re.sub(r"\(\?P<\w+>[^)]*\)|\(\?:[^)]*\)", "1", route)
    return re.sub(r"[\^$\\]", "", route)


ALL = sorted(set(urls(get_resolver())))


def test_there_is_something_to_walk() -> None:
    assert len(ALL) > 60
    assert "/sweeps/1/" in ALL
    assert "/api/v1/sweeps/1/trials" in {url.replace("/x/", "/1/") for url in ALL}


@pytest.mark.parametrize("url", [url for url in ALL if url not in OPEN])
def test_a_stranger_gets_nowhere(url: str) -> None:
    client = Client()
    for method in METHODS:
        answer = getattr(client, method)(url)
        to_login = answer.status_code == 302 and "/login/" in answer["Location"]
        refused = answer.status_code in {400, 401, 403, 404, 405, 429}
        assert to_login or refused, f"{method} {url}: {answer.status_code}"


@pytest.mark.parametrize("url", sorted(OPEN - {"/admin/jsi18n/"}))
def test_what_is_open_answers(url: str) -> None:
    assert Client().get(url).status_code in {200, 302, 503}


@pytest.mark.parametrize("url", [url for url in ALL if not url.startswith("/api/")])
def test_no_page_changes_anything_without_a_form_token(url: str) -> None:
    """Also for a user who is logged in: another site's form is refused."""
    from tests import factories

    client = Client(enforce_csrf_checks=True)
    client.force_login(factories.user("root", is_superuser=True, is_staff=True))
    answer = client.post(url)
    assert answer.status_code in {302, 403, 404, 405}, answer.status_code


def test_debug_is_off() -> None:
    from sweepsite import settings as own

    assert own.DEBUG is False
    assert Client().get("/login/no-such-page").status_code in {302, 404}


@pytest.mark.parametrize("path", ["/static/", "/static/js/", "/login/", "/healthz"])
def test_a_folder_has_no_listing_and_trace_is_refused(path: str) -> None:
    client = Client()
    if path.startswith("/static/"):
        assert client.get(path).status_code in {302, 404}
    answer = client.trace(path, headers={"X-Secret": "echo-me"})
    assert answer.status_code == 405
    assert b"echo-me" not in answer.content
