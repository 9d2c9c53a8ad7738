"""What an error of the server's own looks like: 500, or 503 while only the database is
away or a disk is full, so that programs and people know to ask again; and 408 where the
client broke off.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from django.core.exceptions import DisallowedHost
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.template import loader
from django.views import csrf, defaults

from experiments.storage import NO_ROOM, NO_ROOM_WORDS

# Seconds after which to ask again.
RETRY_AFTER = "5"
UNKNOWN_HOST = (
    "The site does not know itself by this address. Its administrator can add the"
    " address to SWEEPSITE_ALLOWED_HOSTS."
)
BROKEN = "Something broke on the server's side. It was written to the server's log."
# What SQLite and PostgreSQL say of a disk that takes nothing more.
FULL = ("disk is full", *NO_ROOM_WORDS)


@dataclass(frozen=True)
class Refusal:
    """Why there is no answer now, where asking again later will help."""

    code: str
    message: str
    template: str
    status: int = 503


AWAY = Refusal(
    "database_away",
    "The database does not answer at the moment. Ask again in some seconds.",
    "503.html",
)
DISK_FULL = Refusal(
    "disk_full",
    "The site's disk is full: nothing can be kept until somebody makes room there."
    " Ask again then.",
    "disk_full.html",
)
INCOMPLETE = Refusal(
    "incomplete",
    "Only a part of the request arrived, so nothing was changed. Send it again.",
    "incomplete.html",
    status=408,
)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's own answer, but with advice for whoever set the site up: most often it
    was opened by a name that it does not know."""
    if not isinstance(exception, DisallowedHost):
        return defaults.bad_request(request, exception)
    if _is_api(request):
        return _as_json("unknown_host", UNKNOWN_HOST, status=400)
    return HttpResponse(loader.get_template("unknown_host.html").render(), status=400)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's own answer, but where the form did not arrive whole: its token was in
    what is missing."""
    if request._read_started and not hasattr(request, "_post"):  # type: ignore[attr-defined]
        return _respond(request, INCOMPLETE)
    return csrf.csrf_failure(request, reason=reason)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django calls it while the error is being handled, wherever it was raised: in a
    view, in a middleware, at the check of a token."""
    refusal = _refusal(sys.exc_info()[1])
    if refusal:
        return _respond(request, refusal)
    if _is_api(request):
        return _as_json("server_error", BROKEN, status=500)
    return defaults.server_error(request)


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def _respond(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    if _is_api(request):
        response = _as_json(refusal.code, refusal.message, status=refusal.status)
    else:
        page = loader.get_template(refusal.template).render()
        response = HttpResponse(page, status=refusal.status)
    response["Retry-After"] = RETRY_AFTER
    return response


def _refusal(error: BaseException | None) -> Refusal | None:
    """None: it is a mistake of ours."""
    if isinstance(error, OperationalError | InterfaceError):
        is_full = any(words in str(error) for words in FULL)
        return DISK_FULL if is_full else AWAY
    if isinstance(error, UnreadablePostError):
        return INCOMPLETE
    is_full = isinstance(error, OSError) and error.errno in NO_ROOM
    return DISK_FULL if is_full else None


def _as_json(code: str, message: str, *, status: int) -> HttpResponse:
    """In the one shape that all refusals of the API have."""
    error = {"code": code, "message": message, "fields": {}}
    return JsonResponse({"error": error}, status=status)
