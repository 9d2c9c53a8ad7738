"""The answers to errors of the server: 500; 503 while the database is away or a disk is
full, so that people and programs know to retry; 408 where a request arrived in part.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from django.core.exceptions import DisallowedHost
from django.db import InterfaceError, OperationalError
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    JsonResponse,
    UnreadablePostError,
)
from django.template import loader
from django.views import csrf, defaults

from experiments.mlflow.errors import failure_answer, is_mlflow
from experiments.storage import NO_ROOM, NO_ROOM_WORDS

# Seconds after which to retry.
RETRY_AFTER = "5"
UNKNOWN_HOST = (
    "The site does not accept this address. Its administrator can add it to"
    " SWEEPSITE_ALLOWED_HOSTS."
)
BROKEN = "An error occurred on the server. The server's log has the details."
# How SQLite and PostgreSQL name a full disk.
FULL = ("disk is full", *NO_ROOM_WORDS)


@dataclass(frozen=True)
class Refusal:
    """A failure that passes: retrying later helps."""

    code: str
    message: str
    template: str
    status: int = 503


AWAY = Refusal(
    "database_away",
    "The database does not answer. Retry in a few seconds.",
    "503.html",
)
DISK_FULL = Refusal(
    "disk_full",
    "The site's disk is full. Nothing can be stored until an administrator frees"
    " space. Retry then.",
    "disk_full.html",
)
INCOMPLETE = Refusal(
    "incomplete",
    "Only part of the request arrived, so nothing was changed. Send it again.",
    "incomplete.html",
    status=408,
)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's own answer, but for an unknown host name with advice for the person who
    set up the site."""
    if not isinstance(exception, DisallowedHost):
        return defaults.bad_request(request, exception)
    if _is_api(request):
        return _as_json(request, "unknown_host", UNKNOWN_HOST, status=400)
    return HttpResponse(loader.get_template("unknown_host.html").render(), status=400)


def method_not_allowed(
    request: HttpRequest, refused: HttpResponseNotAllowed
) -> HttpResponse:
    """For programs in the shape of all errors."""
    if not _is_api(request):
        return refused
    allowed = ", ".join(sorted(refused.headers["Allow"].split(", ")))
    message = f"{request.method} is not allowed here. Use {allowed}."
    response = _as_json(request, "method_not_allowed", message, status=405)
    response.headers["Allow"] = allowed
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's own answer, unless the form and so its token did not arrive whole."""
    if request._read_started and not hasattr(request, "_post"):  # type: ignore[attr-defined]
        return _respond(request, INCOMPLETE)
    return csrf.csrf_failure(request, reason=reason)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django calls this while it handles an error, wherever that was raised."""
    refusal = _refusal(sys.exc_info()[1])
    if refusal:
        return _respond(request, refusal)
    if _is_api(request):
        return _as_json(request, "server_error", BROKEN, status=500)
    return defaults.server_error(request)


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/") or is_mlflow(request.path)


def _respond(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    if _is_api(request):
        response = _as_json(
            request, refusal.code, refusal.message, status=refusal.status
        )
    else:
        page = loader.get_template(refusal.template).render()
        response = HttpResponse(page, status=refusal.status)
    response["Retry-After"] = RETRY_AFTER
    return response


def _refusal(error: BaseException | None) -> Refusal | None:
    """None for a bug."""
    if isinstance(error, OperationalError | InterfaceError):
        is_full = any(words in str(error) for words in FULL)
        return DISK_FULL if is_full else AWAY
    if isinstance(error, UnreadablePostError):
        return INCOMPLETE
    is_full = isinstance(error, OSError) and error.errno in NO_ROOM
    return DISK_FULL if is_full else None


def _as_json(
    request: HttpRequest, code: str, message: str, *, status: int
) -> HttpResponse:
    """In the shape of all errors of the API, or of MLflow's."""
    if is_mlflow(request.path):
        return failure_answer(message, status=status)
    error = {"code": code, "message": message, "fields": {}}
    return JsonResponse({"error": error}, status=status)
