"""The page of all pools one may use, and of one of them; how to start a worker."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from experiments import access
from experiments.models import Pool, User
from experiments.pages.context import current_team
from experiments.pages.live_parts import changed_parts, is_current, token_of
from experiments.pages.pools.board import Board
from experiments.pages.pools.questions import host_questions

# An open page is drawn anew no more often, however quickly it asks.
DRAWN_EVERY = 3.0
MINE, ALL = "mine", "all"


def pools_of(request: HttpRequest, name: str) -> Sequence[Pool]:
    """The pools that the viewer may see, or the named one; 404 for any other."""
    pools = access.pools_for(access.viewer(request))
    if name:
        return [access.found_or_404(pools, name=name)]
    return list(pools)


def board_of(request: HttpRequest, pools: Sequence[Pool]) -> Board:
    narrow = request.GET.get("queue") == MINE
    team = current_team(request)
    return Board(access.viewer(request), pools, team=team, narrow=narrow)


@require_GET
@never_cache
def pool_page(request: HttpRequest, name: str = "") -> HttpResponse:
    mark = moment()
    board = board_of(request, pools_of(request, name))
    parts = board.rendered_parts()
    context: dict[str, Any] = {
        "board": board,
        "parts": parts,
        "since": token_of(mark, parts),
        "pool": board.pools[0] if name else None,
        "tabs": tabs_of(board, name),
        "team_count": team_count(board.pools),
        "feed": f"{reverse('pool_feed')}?{feed_query(request, name)}",
        "is_admin": board.user.is_superuser,
        "questions": host_questions(board),
        "start": start_context(board.user, board.pools[0]) if board.pools else None,
    }
    return render(request, "experiments/pools/page.html", context)


@require_GET
@never_cache
def pool_feed(request: HttpRequest) -> JsonResponse:
    """The parts that have changed ``?since=``, as HTML; of one ``?pool=`` if given."""
    since, mark = request.GET.get("since", ""), moment()
    pools = pools_of(request, request.GET.get("pool", ""))
    if is_current(since, mark):
        return JsonResponse({"since": since, "parts": {}, "final": False})
    parts = board_of(request, pools).rendered_parts()
    news = {"since": token_of(mark, parts), "parts": changed_parts(since, parts)}
    return JsonResponse({**news, "final": False})


def moment() -> str:
    return str(int(time.monotonic() // DRAWN_EVERY))


def feed_query(request: HttpRequest, name: str) -> str:
    query = request.GET.copy()
    query.clear()
    if name:
        query["pool"] = name
    if request.GET.get("queue") == MINE:
        query["queue"] = MINE
    return query.urlencode()


def tabs_of(board: Board, name: str) -> Sequence[tuple[str, str, bool]]:
    """Label, address, whether it is the one that shows; none for a single pool."""
    names = list(access.pools_for(board.user).values_list("name", flat=True))
    if len(names) < 2:
        return ()
    return [
        ("All pools", reverse("pool_list"), not name),
        *((one, reverse("pool_detail", args=(one,)), one == name) for one in names),
    ]


def team_count(pools: Sequence[Pool]) -> int:
    """How many teams may use any of them."""
    through = Pool.teams.through.objects.filter(pool__in=pools)
    return int(through.aggregate(n=Count("team", distinct=True))["n"])


@require_GET
@never_cache
def pool_start(request: HttpRequest, name: str) -> HttpResponse:
    """The exact command that starts a worker of the pool."""
    pool = pools_of(request, name)[0]
    context = {"pool": pool, "start": start_context(access.viewer(request), pool)}
    return render(request, "experiments/pools/start.html", context)


def start_context(user: User, pool: Pool, secret: str = "") -> dict[str, Any]:
    """What experiments/pools/commands.html shows. ``secret``: a token made just now."""
    embedded = settings.REDIS_URL.startswith("unix")
    queue = "redis://:PASSWORD@SERVER:6379/0"
    if embedded and user.is_superuser:
        # A socket of the site's own machine, for who may read the file that names it.
        queue = f'$(cat "{settings.HOME / "redis_url"}")'
    lines = [
        f"export REDIS_URL={queue}",
        f"export SWEEPSITE_URL={settings.SITE_URL}",
        f"export SWEEPSITE_WORKER_TOKEN={secret or 'wrk_…'}",
        f"python manage.py worker --pool {pool.name} --slots 2",
    ]
    return {
        "pool": pool,
        "commands": "\n".join(lines),
        "embedded": embedded,
        "is_admin": user.is_superuser,
        "secret": secret,
    }


urlpatterns = [
    path("pools/", pool_page, name="pool_list"),
    path("pools/feed.json", pool_feed, name="pool_feed"),
    path("pools/<slug:name>/", pool_page, name="pool_detail"),
    path("pools/<slug:name>/start/", pool_start, name="pool_start"),
]
