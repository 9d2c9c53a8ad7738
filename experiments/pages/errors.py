"""What an error of the server's own looks like: 500, or 503 while only the database is
away, so that programs and people know to ask again."""

from __future__ import annotations

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import loader
from django.views import defaults

# Seconds after which to ask again.
RETRY_AFTER = "5"
BROKEN = "Something broke on the server's side. It was written to the server's log."
AWAY = "The database does not answer at the moment. Ask again in some seconds."


def server_error(request: HttpRequest) -> HttpResponse:
    """Django calls it while the error is being handled, wherever it was raised: in a
    view, in a middleware, at the check of a token."""
    away = isinstance(sys.exc_info()[1], OperationalError | InterfaceError)
    if request.path.startswith("/api/"):
        response = _as_json(away=away)
    elif away:
        response = HttpResponse(loader.get_template("503.html").render(), status=503)
    else:
        return defaults.server_error(request)
    if away:
        response["Retry-After"] = RETRY_AFTER
    return response


def _as_json(*, away: bool) -> HttpResponse:
    """In the one shape that all refusals of the API have."""
    code, message = ("database_away", AWAY) if away else ("server_error", BROKEN)
    error = {"code": code, "message": message, "fields": {}}
    return JsonResponse({"error": error}, status=503 if away else 500)
