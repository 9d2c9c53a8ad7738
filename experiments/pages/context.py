"""What every page's frame needs: the viewer's teams and the one they are looking at."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from experiments import access
from experiments.models import Team, User

SESSION_KEY = "team"


def teams(request: HttpRequest) -> dict[str, Any]:
    """``my_teams``, ``current_team``, and whether the viewer ``can_create`` sweeps in
    it; nothing for a visitor who is not logged in."""
    # An error page may be shown before anybody has asked who is looking.
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
    """The user's teams, each with whether the user ``steers`` it."""
    steered = access.teams_for(user, roles=access.STEERERS)
    return access.teams_for(user).annotate(
        steers=Exists(steered.filter(pk=OuterRef("pk")))
    )


def choose_team(request: HttpRequest, mine: Any) -> Team | None:
    """The team of the page's object, else the one picked last, else the first."""
    shown = getattr(request, "team", None)
    if shown is not None:
        return shown if isinstance(shown, Team) else None
    slug = request.session.get(SESSION_KEY)
    teams = list(mine)
    return next((team for team in teams if team.slug == slug), None) or (
        teams[0] if teams else None
    )


def current_team(request: HttpRequest) -> Team | None:
    """For views: the team the viewer is looking at."""
    # An error page may be shown before anybody has asked who is looking.
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return None
    return choose_team(request, access.teams_for(user))
