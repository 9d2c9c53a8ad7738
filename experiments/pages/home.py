"""Home: what runs in the viewer's team, what needs them, what is new."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from experiments import access, demonstration, queues
from experiments.models import User
from experiments.pages.context import current_team
from experiments.pages.overview import PARTS, Overview, short_digest, version


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    team = current_team(request)
    if team is None:
        return render(request, "experiments/home/no_team.html")
    mark = version(team)
    overview = Overview(team)
    steers = isinstance(request.user, User) and access.can_steer(request.user, team)
    context = {"overview": overview, "can_steer": steers}
    if not overview.has_sweeps:
        context["queue_answers"] = queues.answers()
        return render(request, "experiments/home_empty.html", context)
    parts = overview.rendered_parts()
    context |= {
        "parts": parts,
        "since": _since(mark, parts),
        "new_sweep_is_primary": steers,
    }
    return render(request, "experiments/home.html", context)


def _since(mark: str, parts: Mapping[str, str]) -> str:
    """Where a page stands: the team's mark, then what it shows of each part."""
    return ".".join([mark, *(short_digest(parts[part]) for part in PARTS)])


@require_GET
@never_cache
def home_feed(request: HttpRequest) -> JsonResponse:
    """The parts that have changed ``?since=``, as HTML; null for the others."""
    team = current_team(request)
    if team is None:
        raise Http404("You are in no team.")
    since = request.GET.get("since", "")
    mark = version(team)
    if since.startswith(f"{mark}."):
        return JsonResponse({"since": since, "final": False, "parts": {}})
    parts = Overview(team).rendered_parts()
    now = _since(mark, parts)
    seen = dict(zip(PARTS, since.split(".")[1:], strict=False))
    changed = {
        part: None if seen.get(part) == short_digest(html) else html
        for part, html in parts.items()
    }
    return JsonResponse({"since": now, "final": False, "parts": changed})


@require_POST
def demo_start(request: HttpRequest) -> HttpResponse:
    """Create and start the demo sweep in the current team."""
    team, user = current_team(request), request.user
    if not isinstance(user, User) or team is None or not access.can_steer(user, team):
        raise PermissionDenied
    sweep = demonstration.start_demo(team, user)
    messages.success(request, f"The demo sweep {sweep.label} has started.")
    return redirect(sweep)


urlpatterns = [
    path("", home, name="home"),
    path("home/feed.json", home_feed, name="home_feed"),
    path("demo/", demo_start, name="demo_start"),
]
