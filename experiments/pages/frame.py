"""What all pages share: the viewer's teams, live updates by parts, the page's sweep,
questions, and static files.

A page that updates itself consists of parts. It carries a token that its feed gets back
as ``?since=``: a mark of the rows it shows, then a digest of each part. While the mark
is the same, nothing is rendered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.functional import SimpleLazyObject
from whitenoise.storage import CompressedManifestStaticFilesStorage

from experiments import access
from experiments.models import Sweep, Team, User

SESSION_KEY = "team"


def teams(request: HttpRequest) -> dict[str, Any]:
    """``my_teams``, ``current_team``, and whether the viewer ``can_create`` sweeps in
    it; empty for a visitor who is not logged in."""
    # An error page may be rendered before the user is known.
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return {"my_teams": (), "current_team": None, "can_create": False}
    mine = SimpleLazyObject(lambda: list(_with_rights(user)))
    shown = SimpleLazyObject(lambda: choose_team(request, mine))
    return {
        "my_teams": mine,
        "current_team": shown,
        "can_create": SimpleLazyObject(
            lambda: any(team.steers for team in mine if team == shown)
        ),
    }


def _with_rights(user: User) -> Any:
    """The user's teams, each with ``steers``: whether the user may run sweeps there."""
    steered = access.teams_for(user, roles=access.STEERERS)
    return access.teams_for(user).annotate(
        steers=Exists(steered.filter(pk=OuterRef("pk")))
    )


def choose_team(request: HttpRequest, mine: Any) -> Team | None:
    """The team of the page's object, else the last chosen one, else the first."""
    shown = getattr(request, "team", None)
    if shown is not None:
        return shown if isinstance(shown, Team) else None
    slug = request.session.get(SESSION_KEY)
    teams = list(mine)
    return next((team for team in teams if team.slug == slug), None) or (
        teams[0] if teams else None
    )


def current_team(request: HttpRequest) -> Team | None:
    """For views: the team that the viewer works in."""
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return None
    return choose_team(request, access.teams_for(user))


def digest(text: str) -> str:
    """A short digest of the text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def token_of(mark: str, parts: Mapping[str, str]) -> str:
    """The token of a page. ``parts``: the HTML of each, always in the same order."""
    return "~".join([mark, *map(digest, parts.values())])


def is_current(since: str, mark: str) -> bool:
    return since.startswith(f"{mark}~")


def changed_parts(since: str, parts: Mapping[str, str]) -> dict[str, str]:
    """The parts that look different on a page with this token."""
    seen = dict(zip(parts, since.split("~")[1:], strict=False))
    return {
        name: html for name, html in parts.items() if seen.get(name) != digest(html)
    }


def parts_feed(
    request: HttpRequest, mark: str, rendered_parts: Callable[[], Mapping[str, str]]
) -> JsonResponse:
    """The parts that have changed ``?since=``, as HTML."""
    since, changed = request.GET.get("since", ""), {}
    if not is_current(since, mark):
        parts = rendered_parts()
        changed, since = changed_parts(since, parts), token_of(mark, parts)
    return JsonResponse({"since": since, "parts": changed, "final": False})


@dataclass(frozen=True)
class Confirmation:
    """What components/confirm_body.html asks before something is lost."""

    confirm_id: str
    title: str
    text: str
    rows: Sequence[tuple[str, str]]
    action: str
    verb: str
    keep: str
    keep_url: str
    note: str = "Recorded in the audit log"
    reason_label: str = ""
    reason: str = ""
    reason_error: str = ""


def ask(
    request: HttpRequest, question: Confirmation, *, status: int = 200
) -> HttpResponse:
    """The question as its own page, for browsers without scripts."""
    context = {"question": question}
    return render(request, "components/question_page.html", context, status=status)


def sweep_to_read(request: HttpRequest, pk: int) -> Sweep:
    """The sweep, if the viewer may see it; its team becomes the page's."""
    queryset = access.sweeps_for(access.viewer(request)).select_related("code")
    sweep = access.found_or_404(queryset, pk=pk)
    request.team = sweep.experiment.team  # type: ignore[attr-defined]
    return sweep


def may_steer(request: HttpRequest, sweep: Sweep) -> bool:
    return access.can_steer(access.viewer(request), sweep.experiment.team)


def sweep_to_steer(request: HttpRequest, pk: int) -> Sweep:
    """The sweep, if the user may change it; PermissionDenied for a viewer."""
    sweep = sweep_to_read(request, pk)
    if not may_steer(request, sweep):
        raise PermissionDenied
    return sweep


class ModuleManifestStorage(CompressedManifestStaticFilesStorage):
    # Without this, `import "./best.js"` would keep its plain, cacheable name.
    support_js_module_import_aggregation = True
