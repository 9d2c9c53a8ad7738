"""What every answer gets: security headers, no copy in caches, a log line where a
person was refused, and a later end of the session."""

from __future__ import annotations

import logging

from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    JsonResponse,
)
from django.http.response import HttpResponseBase
from django.middleware.security import SecurityMiddleware

from experiments.access import address_of
from experiments.pages.sessions import note_use

logger = logging.getLogger(__name__)
HTTPS_ONLY = "Use https. Plain http is refused so that tokens are never sent openly."
MAX_LOGGED_PATH = 200
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")


class AnswerMiddleware(SecurityMiddleware):
    """Django's, which also covers caches, programs that use http, and refusals."""

    def process_request(  # type: ignore[override]
        self, request: HttpRequest
    ) -> HttpResponse | None:
        """Pages over http are redirected. Programs get an error: a redirect would hide
        that they send their token unencrypted."""
        if request.method not in METHODS:
            return HttpResponseNotAllowed(METHODS)
        redirect = super().process_request(request)
        if redirect is None or not request.path.startswith("/api/"):
            return redirect
        error = {"code": "https_required", "message": HTTPS_ONLY, "fields": {}}
        return JsonResponse({"error": error}, status=403)

    def process_response(  # type: ignore[override]
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Static files have a Cache-Control of their own; all else is private."""
        response.headers.setdefault("Cache-Control", "no-store")
        note_use(request)
        if response.status_code in (403, 404):
            _log_refusal(request, response.status_code)
        return super().process_response(request, response)  # type: ignore[arg-type]


def _log_refusal(request: HttpRequest, status: int) -> None:
    """Only of known callers: what a person may not see is a 404 as well."""
    caller = getattr(request, "auth", None)
    user = getattr(caller, "user", None) or getattr(request, "_cached_user", None)
    who = caller if user is None else user
    if who is None or not getattr(user, "is_authenticated", True):
        return
    path = request.path.encode("unicode_escape").decode("ascii")[:MAX_LOGGED_PATH]
    logger.warning(
        "refused %s %s %s: %s from %s",
        *(status, request.method, path, who, address_of(request)),
    )
