"""The search of all pages: its own page, and the list that the dialog shows."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from experiments import access
from experiments.pages.frame import get
from experiments.pages.global_search.commands import find_commands, find_pages
from experiments.sweeps.finding import (
    MAX_LISTED,
    MAX_QUERY,
    MAX_SHOWN,
    FoundKind,
    find_rows,
    recent_rows,
)


def found_kinds(
    request: HttpRequest, query: str, *, at: str, most: int
) -> list[FoundKind]:
    """Every kind with something to show, and how much there is."""
    user = access.viewer(request)
    kinds: list[FoundKind] = []
    if not query.startswith(">"):
        kinds += find_rows(user, query, most=most) if query else recent_rows(user)
        kinds += find_pages(request, query)
    kinds += find_commands(request, query, at)
    return kinds


def search(request: HttpRequest) -> HttpResponse:
    """With ``?part=1`` only the list, for the dialog of the page ``?at=``."""
    query = request.GET.get("q", "").strip()[:MAX_QUERY]
    is_part = "part" in request.GET
    kind, at = request.GET.get("kind", ""), request.GET.get("at", "")[:500]
    most = MAX_SHOWN if is_part and not kind else MAX_LISTED
    kinds = found_kinds(request, query, at=at, most=most)
    context = {
        "query": query,
        "kinds": kinds,
        "shown": [each for each in kinds if kind in ("", each.name)],
        "kind": kind,
        "count": sum(each.count for each in kinds),
        "is_part": is_part,
    }
    template = "results" if is_part else "page"
    return render(request, f"experiments/search/{template}.html", context)


urlpatterns = [get("search/", search, "search")]
