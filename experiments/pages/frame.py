"""What all pages share: the viewer's teams, live updates by parts, routes, forms,
actions, questions, the page's sweep, and static files.

A page that updates itself consists of parts. It carries a token that its feed gets back
as ``?since=``: a mark of the rows it shows, then a digest of each part. While the mark
is the same, nothing is rendered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from allauth.account.decorators import reauthentication_required
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef
from django.forms import BaseForm
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
)
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.functional import SimpleLazyObject
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)
from whitenoise.storage import CompressedManifestStaticFilesStorage

from experiments import access
from experiments.models import Sweep, Team, Trial, User
from experiments.pages.help.topics import help_url
from experiments.queues.site_jobs import QueueBusy
from experiments.search.fields import DefinitionError
from experiments.sweeps.control import NotPossible

SESSION_KEY = "team"


def teams(request: HttpRequest) -> dict[str, Any]:
    """``my_teams``, ``current_team``, and whether the viewer ``can_create`` sweeps in
    it; empty for a visitor who is not logged in. Also where the page is described."""
    # An error page may be rendered before the user is known.
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        nothing = {"my_teams": (), "current_team": None, "can_create": False}
        return {**nothing, "public_help": settings.PUBLIC_HELP}
    mine = SimpleLazyObject(lambda: list(_with_rights(user)))
    shown = SimpleLazyObject(lambda: choose_team(request, mine))
    return {
        "my_teams": mine,
        "current_team": shown,
        "help_url": SimpleLazyObject(lambda: help_url(request)),
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


def set_team(request: HttpRequest, team: Team) -> None:
    """The page is about this team, which the top bar then names."""
    request.team = team  # type: ignore[attr-defined]


def digest(text: str) -> str:
    """A short digest of the text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def token_of(mark: str, parts: Mapping[str, str]) -> str:
    """The token of a page. ``parts``: the HTML of each, always in the same order."""
    return "~".join([mark, *map(digest, parts.values())])


def changed_parts(since: str, parts: Mapping[str, str]) -> dict[str, str]:
    """The parts that look different on a page with this token."""
    seen = dict(zip(parts, since.split("~")[1:], strict=False))
    return {
        name: html for name, html in parts.items() if seen.get(name) != digest(html)
    }


Parts = Mapping[str, str]


def render_parts(
    folder: str, names: Sequence[str], context: Mapping[str, Any]
) -> dict[str, str]:
    """The HTML of parts that have a template of their own."""
    return {
        name: render_to_string(f"experiments/{folder}/{name}.html", dict(context))
        for name in names
    }


def live_parts(mark: str, parts: Parts) -> dict[str, Any]:
    """What the template of a page with these parts needs."""
    return {"parts": parts, "since": token_of(mark, parts)}


def parts_feed(
    request: HttpRequest,
    mark: str,
    read: Callable[[], Parts | tuple[Parts, Mapping[str, Any]]],
    **answer: Any,
) -> JsonResponse:
    """The parts that have changed ``?since=``, as HTML, and what ``read`` adds."""
    since = request.GET.get("since", "")
    answer = {"final": False, **answer, "since": since, "parts": {}}
    if not since.startswith(f"{mark}~"):
        found = read()
        parts, more = found if isinstance(found, tuple) else (found, {})
        answer |= {**more, "since": token_of(mark, parts)}
        answer["parts"] = changed_parts(since, parts)
    return JsonResponse(answer)


@dataclass(frozen=True)
class ConfirmationChoice:
    """A list to choose from: values and words."""

    name: str
    label: str
    options: Sequence[tuple[str, str]]


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
    choice: ConfirmationChoice | None = None
    # Sent along.
    fields: Sequence[tuple[str, str]] = ()
    # Nothing is lost.
    is_plain: bool = False


def ask(
    request: HttpRequest, question: Confirmation, *, status: int = 200
) -> HttpResponse:
    """The question as its own page, for browsers without scripts."""
    context = {"question": question}
    return render(request, "components/question_page.html", context, status=status)


View = Callable[..., HttpResponseBase]


def get(route: str, view: View, name: str) -> URLPattern:
    """The route of a page, feed or file."""
    return path(route, require_safe(view), name=name)


def post(route: str, view: View, name: str) -> URLPattern:
    """The route of an action."""
    return path(route, require_POST(view), name=name)


def get_or_post(route: str, view: View, name: str) -> URLPattern:
    """The route of a form, or of a question before an action."""
    methods = require_http_methods(["GET", "HEAD", "POST"])
    return path(route, methods(view), name=name)


def after_recent_login(view: View) -> View:
    """Asks for the password first, if the login was some time ago; then the same form
    is done."""
    checked: View = reauthentication_required(view)
    return checked


def act(
    request: HttpRequest, to: Sweep | Trial | str, do: Callable[[], str]
) -> HttpResponseRedirect:
    """Do it and show its sentence, if any, on page ``to``; or why it was refused."""
    try:
        if sentence := do():
            messages.success(request, sentence)
    except (NotPossible, DefinitionError, QueueBusy) as error:
        messages.error(request, str(error))
    return redirect(to)


def form_page(
    request: HttpRequest, template: str, form: BaseForm, **context: Any
) -> HttpResponse:
    """The page of a form, with its errors if it was sent."""
    status = 422 if form.errors else 200
    return render(request, template, {"form": form, **context}, status=status)


def csv_file(name: str, text: str) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(text, content_type="text/csv; charset=utf-8", headers=headers)


def whole_number(text: str, *, most_digits: int = 9) -> int | None:
    """The number, if the text is nothing else."""
    is_whole = text.isascii() and text.isdigit() and len(text) <= most_digits
    return int(text) if is_whole else None


def administrator(request: HttpRequest) -> User:
    """The viewer, who must be an administrator of the site."""
    user = access.viewer(request)
    if not access.sees_everything(user):
        raise PermissionDenied("Only administrators of the site may do that.")
    return user


def readable_team(request: HttpRequest, slug: str) -> tuple[Team, User]:
    """The team, if the viewer may see it, and the viewer."""
    user = access.viewer(request)
    team = access.found_or_404(access.teams_for(user), slug=slug)
    set_team(request, team)
    return team, user


def managed_team(request: HttpRequest, slug: str) -> tuple[Team, User]:
    """The team and the viewer, who must be one of its admins."""
    team, user = readable_team(request, slug)
    access.check_can_manage(user, team)
    return team, user


def sweep_to_read(request: HttpRequest, pk: int) -> Sweep:
    """The sweep, if the viewer may see it; its team becomes the page's."""
    queryset = access.sweeps_for(access.viewer(request)).select_related("code")
    sweep = access.found_or_404(queryset, pk=pk)
    set_team(request, sweep.experiment.team)
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
    # One for each step of the longest chain of imports; Django's 5 are too few.
    max_post_process_passes = 12
