"""What every answer gets: no copy in caches, a log line where a person was refused, and
a later end of the session."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    JsonResponse,
)
from django.http.response import HttpResponseBase
from django.utils import timezone

from experiments import origin
from experiments.access import address_of
from experiments.mlflow.errors import failure_answer, is_mlflow
from experiments.pages.errors import method_not_allowed
from experiments.pages.refusals import note_refusal
from experiments.pages.sessions import note_use
from experiments.search.wording import UNSEEN, visible

HTTPS_ONLY = "Use https. Plain http is refused so that tokens are never sent openly."
JSON_SCRIPT = re.compile(
    rb'<script[^>]*type="application/json"[^>]*>.*?</script>', re.DOTALL
)
ESCAPED_BACKSLASH = b"\\\\"
JSON_ESCAPE = re.compile(rb"\\\\|\\u[0-9a-fA-F]{4}")
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")


class PolicyMiddleware(CSPMiddleware):
    """As django-csp's, which builds its policy anew for each answer; but for the few
    with one of their own it is always the same."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        own = any(name.startswith("_csp") for name in (*vars(request), *vars(response)))
        if own or settings.DEBUG:
            return super().process_response(request, response)
        response.headers.setdefault(HEADER, _usual_policy())
        return response


@cache
def _usual_policy() -> str:
    return str(build_policy())


class TimeZoneMiddleware:
    """Pages show times in the zone that the viewer has chosen."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with timezone.override(None):
            return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: object) -> None:
        """After the check of the login, which has read the account."""
        user = getattr(request, "_cached_user", None)
        with suppress(ZoneInfoNotFoundError):
            if name := getattr(user, "time_zone", ""):
                timezone.activate(ZoneInfo(name))


class AnswerMiddleware:
    """Before all that may answer, so also around errors and static files."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Static files have a Cache-Control of their own; all else is private."""
        with origin.of_request(request.path, address_of(request)) as source:
            response = self._answer(request)
        response.headers.setdefault("X-Request-ID", source.request_id)
        return response

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        response = _refusal(request) or self.get_response(request)
        if isinstance(response, HttpResponseNotAllowed):
            response = method_not_allowed(request, response)
        response.headers.setdefault("Cache-Control", "no-store")
        note_use(request)
        if isinstance(response, HttpResponse):
            _show_unseen(request, response)
        if response.status_code in (401, 403, 404):
            note_refusal(request, response.status_code)
        return response


def _refusal(request: HttpRequest) -> HttpResponse | None:
    """Programs that use http get an error: a redirect, which pages get, would hide that
    they send their token unencrypted."""
    if request.method not in METHODS:
        return HttpResponseNotAllowed(METHODS)
    if not settings.SECURE_SSL_REDIRECT or request.is_secure():
        return None
    if is_mlflow(request.path):
        return failure_answer(HTTPS_ONLY, status=403)
    error = {"code": "https_required", "message": HTTPS_ONLY, "fields": {}}
    return JsonResponse({"error": error}, status=403)


def _show_unseen(request: HttpRequest, response: HttpResponse) -> None:
    """Names may come from scripts and files: what nobody would see becomes an escape.
    Programs get it as it is."""
    kind = response.headers.get("Content-Type", "").partition(";")[0]
    if kind == "application/json" and not request.path.startswith(
        ("/api/", "/ajax-api/")
    ):
        shown = _as_text(response.content)
    elif kind == "text/html":
        content = visible(response.content.decode()).encode()
        shown = JSON_SCRIPT.sub(lambda found: _as_text(found[0]), content)
    else:
        return
    if shown != response.content:
        response.content = shown
        if "Content-Length" in response.headers:
            response.headers["Content-Length"] = str(len(shown))


def _as_text(content: bytes) -> bytes:
    """JSON in which the escapes of such characters are text."""

    def text(found: re.Match[bytes]) -> bytes:
        if found[0] == ESCAPED_BACKSLASH or not UNSEEN.match(_character(found[0])):
            return found[0]
        return b"\\" + found[0]

    return JSON_ESCAPE.sub(text, content) if rb"\u" in content else content


def _character(escape: bytes) -> str:
    return chr(int(escape[2:], 16))
