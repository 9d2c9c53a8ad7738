"""API tokens: creating, renewing and ending them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from experiments import access
from experiments.db.clock import database_now
from experiments.models import ApiToken, Event, Team, User
from experiments.sweeps.control import NotPossible
from experiments.tokens import new_token

USUAL_DAYS = (7, 30, 90, 180, 365)
DEFAULT_DAYS = 90


@dataclass(frozen=True)
class TokenRequest:
    """What a new token is for. Without a team, it reaches all teams of its owner."""

    name: str
    scope: str
    days: int
    team: Team | None = None
    ends_with_password: bool = False


def allowed_days() -> list[int]:
    """The choices of a form, the longest last."""
    longest = settings.TOKEN_DAYS
    return [*(days for days in USUAL_DAYS if days < longest), longest]


def default_days() -> int:
    return min(DEFAULT_DAYS, settings.TOKEN_DAYS)


def end_after(days: int, *, latest: datetime | None = None) -> datetime:
    """When a token that lasts this many days ends. Raises NotPossible.

    ``latest``: the end of the token that asks for it, so that none prolongs itself.
    """
    if not 1 <= days <= settings.TOKEN_DAYS:
        raise NotPossible(
            f"{days} is not allowed for days: a token lasts from 1 to"
            f" {settings.TOKEN_DAYS} days."
        )
    end = timezone.now() + timedelta(days=days)
    if latest is not None and end > latest:
        raise NotPossible(
            f"A token that is made or renewed with yours ends no later than yours, on"
            f" {latest:%-d %b %Y, %H:%M} UTC."
        )
    return end


def create_token(
    owner: User,
    wanted: TokenRequest,
    *,
    actor: User | None,
    latest: datetime | None = None,
) -> tuple[ApiToken, str]:
    """The token and its secret, which is not stored. Raises NotPossible."""
    end = end_after(wanted.days, latest=latest)
    if wanted.team is not None and wanted.team not in access.teams_for(owner):
        raise NotPossible(
            f"{owner.username} is not in team {wanted.team.name}, so the token would"
            " reach nothing."
        )
    secret = new_token("swp")
    token = ApiToken.objects.create(
        user=owner,
        team=wanted.team,
        name=wanted.name[:100],
        scope=wanted.scope,
        prefix=secret.prefix,
        digest=secret.digest,
        expires_at=end,
        ends_with_password=wanted.ends_with_password,
    )
    _log("created", token, actor, after=_described(token))
    return token, secret.secret


def renew_token(
    token: ApiToken, days: int, *, actor: User | None, latest: datetime | None = None
) -> datetime:
    """Its new end. Raises NotPossible."""
    end = end_after(days, latest=latest)
    if not ApiToken.valid().filter(pk=token.pk).update(expires_at=end):
        raise NotPossible("This token has ended, so it cannot be renewed.")
    before, after = {"ends": _day(token.expires_at)}, {"ends": _day(end)}
    _log("renewed", token, actor, before=before, after=after)
    return end


def revoke_token(token: ApiToken, *, actor: User | None) -> bool:
    """False: it is revoked already."""
    rows = ApiToken.objects.filter(pk=token.pk, revoked_at=None)
    revoked = bool(rows.update(revoked_at=database_now()))
    if revoked:
        _log("revoked", token, actor, before=_described(token))
    return revoked


def revoke_all(tokens: QuerySet[ApiToken], *, actor: User | None) -> int:
    rows = list(
        tokens.filter(revoked_at=None).select_related("user__service_team", "team")
    )
    return sum(revoke_token(token, actor=actor) for token in rows)


def end_with_password(owner: User) -> None:
    """Revoke the tokens that end when their owner's password changes."""
    if owner.pk is not None:
        revoke_all(owner.api_tokens.filter(ends_with_password=True), actor=None)


def managed_accounts(user: User) -> QuerySet[User]:
    """The service accounts of teams that the user manages."""
    teams = access.teams_for(user, roles=access.ADMINS)
    accounts = User.objects.filter(service_team__in=teams, is_active=True)
    return accounts.select_related("service_team")


def managed_tokens(user: User) -> QuerySet[ApiToken]:
    """The user's own tokens, and those of service accounts of teams they manage. A
    token of one team reaches only tokens of that team."""
    teams = access.teams_for(user, roles=access.ADMINS)
    own = Q(user=user)
    if user.token_team_id is not None:
        own &= Q(team=user.token_team_id)
    return ApiToken.objects.filter(
        own | Q(user__service_team__in=teams.values("pk")), revoked_at=None
    ).select_related("user__service_team", "team")


def tokens_limited_to(team: Team) -> QuerySet[ApiToken]:
    """People's tokens that reach this team alone."""
    people = ApiToken.objects.filter(user__service_team=None)
    return people.filter(team=team, revoked_at=None).select_related("user", "team")


def revocable_tokens(user: User) -> QuerySet[ApiToken]:
    """Also people's tokens that are limited to a team that the user manages."""
    teams = access.teams_for(user, roles=access.ADMINS)
    theirs = ApiToken.objects.filter(team__in=teams.values("pk"), revoked_at=None)
    return managed_tokens(user) | theirs.select_related("user__service_team", "team")


def _described(token: ApiToken) -> dict[str, str]:
    return {
        "of": token.user.username,
        "scope": token.scope,
        "team": token.team.name if token.team else "all",
        "ends": _day(token.expires_at),
    }


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else "never"


def _log(
    done: Literal["created", "renewed", "revoked"],
    token: ApiToken,
    actor: User | None,
    *,
    before: dict[str, str] | None = None,
    after: dict[str, str] | None = None,
) -> None:
    Event.log(
        f"token {done}",
        f"{token.prefix}… of {token.user.username}",
        actor=actor,
        team=token.user.service_team or token.team,
        about=token,
        before=before,
        after=after,
        data={"token": token.pk},
    )
