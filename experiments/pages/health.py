"""/healthz: does the site answer, with its database and its queue?"""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.urls import path

from experiments import queues


@login_not_required
def healthz(request: HttpRequest) -> JsonResponse:
    """200 when both answer, else 503 with the names of what is broken."""
    answers = {"database": _database_answers(), "queue": queues.answers()}
    broken = [name for name, well in answers.items() if not well]
    return JsonResponse(
        {"status": "broken" if broken else "ok", "broken": broken},
        status=503 if broken else 200,
    )


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


urlpatterns = [path("healthz", healthz, name="healthz")]
