"""The documentation in the site."""

from __future__ import annotations

from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase
from django.shortcuts import render

from experiments.pages.frame import View, get
from experiments.pages.help import manual


def readers(view: View) -> View:
    """With a login; without one only if the site allows it."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **names: Any) -> HttpResponseBase:
        if settings.PUBLIC_HELP or request.user.is_authenticated:
            return view(request, *args, **names)
        return redirect_to_login(request.get_full_path())

    return login_not_required(checked)


@readers
def help_index(request: HttpRequest) -> HttpResponseBase:
    """The index, or with ``?q=`` the sections that have these words."""
    query = request.GET.get("q", "").strip()[:200]
    results = manual.search(query) if query else None
    return _page(request, manual.INDEX, query=query, results=results)


@readers
def help_page(request: HttpRequest, page: str) -> HttpResponseBase:
    if page not in manual.page_names() or page == manual.INDEX:
        raise Http404("The documentation has no such page.")
    return _page(request, page)


def _page(request: HttpRequest, name: str, **more: Any) -> HttpResponseBase:
    context = {"page": manual.help_page(name), "groups": manual.groups(), **more}
    return render(request, "experiments/help/page.html", context)


PICTURES = {".png": "image/png", ".svg": "image/svg+xml"}


@readers
def help_file(request: HttpRequest, file: str) -> HttpResponseBase:
    path = manual.files().get(file)
    if path is None:
        raise Http404("The documentation has no such file.")
    kind = PICTURES.get(path.suffix, "text/plain; charset=utf-8")
    headers = {"Cache-Control": "private, max-age=3600"}
    return FileResponse(path.open("rb"), content_type=kind, headers=headers)


urlpatterns = [
    get("help/", help_index, "help"),
    get("help/files/<path:file>", help_file, "help_file"),
    get("help/<path:page>/", help_page, "help_page"),
]
