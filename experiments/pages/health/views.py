"""/healthz, which tells a load balancer whether the site works, and /health/, which
shows admins the state of the whole installation.
"""

from __future__ import annotations

import time

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import path

from experiments import queues
from experiments.cleanup import usage
from experiments.health.checks import health_issues
from experiments.health.status import (
    installation_status,
    queue_address,
    queue_is_embedded,
    versions,
)
from experiments.pages.frame import (
    administrator,
    get,
    live_parts,
    parts_feed,
    render_parts,
)

PARTS = ("issues", "tiles", "work", "queue", "schedulers", "losses", "disk")
MEASURED_EVERY = 4.0


@login_not_required
def healthz(request: HttpRequest) -> JsonResponse:
    """200 when database and queue answer, 503 with the names of what is broken."""
    answers = {"database": _database_answers(), "queue": queues.answers()}
    broken = [name for name, works in answers.items() if not works]
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


def health(request: HttpRequest) -> HttpResponse:
    administrator(request)
    context = {**live_parts(moment(), rendered_parts()), "versions": versions()}
    return render(request, "experiments/health/page.html", context)


def health_feed(request: HttpRequest) -> JsonResponse:
    administrator(request)
    return parts_feed(request, moment(), rendered_parts)


def moment() -> str:
    """A mark that changes every few seconds, so that open pages measure seldom."""
    return str(int(time.monotonic() // MEASURED_EVERY))


def rendered_parts() -> dict[str, str]:
    found = installation_status()
    context = {
        "status": found,
        "work": found.work,
        "issues": health_issues(found),
        "embedded": queue_is_embedded(),
        "address": queue_address(),
        "kinds": usage.by_kind(),
    }
    return render_parts("health", PARTS, context)


urlpatterns = [
    path("healthz", healthz, name="healthz"),
    get("health/", health, "health"),
    get("health/feed.json", health_feed, "health_feed"),
]
