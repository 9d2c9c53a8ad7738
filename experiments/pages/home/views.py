"""Home: what runs in the viewer's team, what needs them, what is new."""

from __future__ import annotations

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
from experiments.pages.home.overview import Overview, version
from experiments.pages.live_parts import changed_parts, is_current, token_of


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
        return render(request, "experiments/home/first_start.html", context)
    parts = overview.rendered_parts()
    context |= {
        "parts": parts,
        "since": token_of(mark, parts),
        "new_sweep_is_primary": steers,
    }
    return render(request, "experiments/home/page.html", context)


@require_GET
@never_cache
def home_feed(request: HttpRequest) -> JsonResponse:
    """The parts that have changed ``?since=``, as HTML."""
    team = current_team(request)
    if team is None:
        raise Http404("You are in no team.")
    since = request.GET.get("since", "")
    mark = version(team)
    if is_current(since, mark):
        return JsonResponse({"since": since, "final": False, "parts": {}})
    parts = Overview(team).rendered_parts()
    news = {"since": token_of(mark, parts), "parts": changed_parts(since, parts)}
    return JsonResponse({**news, "final": False})


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
