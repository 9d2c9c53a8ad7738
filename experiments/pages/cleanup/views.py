"""/cleanup/: what takes the space of the viewer's teams, and what can go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from experiments import access
from experiments.cleanup.jobs import running_jobs
from experiments.models import Team
from experiments.pages.frame import get, live_parts, parts_feed, render_parts
from experiments.pages.health.views import moment

PARTS = ("jobs",)


def cleanup(request: HttpRequest) -> HttpResponse:
    """The cards to choose, dry_run, rules and trash are templates of their own."""
    teams = readable_teams(request)
    context = {"teams": teams, **live_parts(moment(), _parts(teams))}
    return render(request, "experiments/cleanup/page.html", context)


def cleanup_feed(request: HttpRequest) -> JsonResponse:
    teams = readable_teams(request)
    return parts_feed(request, moment(), lambda: _parts(teams))


def readable_teams(request: HttpRequest) -> list[Team]:
    """The teams that the page is about; all teams for an administrator."""
    return list(access.teams_for(access.viewer(request)))


def _parts(teams: Sequence[Team]) -> dict[str, str]:
    context: dict[str, Any] = {"jobs": running_jobs()}
    return render_parts("cleanup", PARTS, context)


urlpatterns = [
    get("cleanup/", cleanup, "cleanup"),
    get("cleanup/feed.json", cleanup_feed, "cleanup_feed"),
]
