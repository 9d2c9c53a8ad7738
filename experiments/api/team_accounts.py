"""Creating and changing teams, their invitations and their service accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from django.core.exceptions import ValidationError as FieldError
from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Schema, Status
from pydantic import Field

from experiments import access
from experiments.accounts.invitations import (
    invite,
    open_invitations,
    revoke_invitation,
)
from experiments.accounts.people import close_service_account, create_service_account
from experiments.accounts.teams import (
    create_team,
    free_slug,
    rename_team,
    require_second_factor,
)
from experiments.api.auth import administrator
from experiments.api.errors import (
    WITHOUT_NUL,
    ApiError,
    ClosedSchema,
    check_seen,
    invalid,
    refuse_by_token,
    refused_field,
    refused_twice,
)
from experiments.api.idempotency import idempotent
from experiments.api.pagination import paginate
from experiments.api.people import new_name
from experiments.api.schemas import answers
from experiments.api.teams import (
    MemberOut,
    RoleName,
    TeamOut,
    managed_team,
    member_out,
    router,
    team_out,
)
from experiments.cleanup.teams import delete_team
from experiments.models import Invitation, Pool, Team

TeamName = Annotated[str, Field(min_length=1, max_length=100, pattern=WITHOUT_NUL)]


class TeamIn(ClosedSchema):
    name: TeamName
    pools: Annotated[
        list[str], Field(max_length=1_000, description="names of those it may use")
    ] = []


class TeamChangeIn(ClosedSchema):
    name: TeamName | None = None
    requires_second_factor: Annotated[
        bool | None, Field(description="a token can require it, and not stop that")
    ] = None


def _checked(name: str, *, but: Team | None = None) -> str:
    name = name.strip()
    if not name:
        raise invalid("name", "Enter a name.")
    check_seen("name", name)
    others = Team.objects.exclude(pk=but.pk) if but else Team.objects.all()
    if others.filter(name=name).exists():
        raise ApiError(409, "name_taken", f"A team named {name!r} already exists.")
    return name


@router.post("/teams", response=answers(201, TeamOut))
@idempotent
def add_team(request: HttpRequest, body: TeamIn) -> Status[TeamOut]:
    """Create a team, as an administrator of the site, who becomes its first admin."""
    actor, name = administrator(request), _checked(body.name)
    pools = list(Pool.objects.filter(name__in=body.pools))
    if missing := sorted(set(body.pools) - {pool.name for pool in pools}):
        words = f"There is no pool {missing[0]!r}."
        raise invalid("pools", words)
    try:
        team = Team(name=name, slug=free_slug(name))
    except FieldError as error:
        raise refused_field(error, "name") from error
    words = f"Another team has the address /teams/{team.slug}/. Choose another name."
    taken = ApiError(409, "name_taken", words)
    with refused_twice(Team.objects.filter(slug=team.slug), taken):
        return Status(201, team_out(create_team(team, pools, actor=actor), actor))


@router.patch("/teams/{slug}", response=answers(200, TeamOut))
def change_team(request: HttpRequest, slug: str, body: TeamChangeIn) -> TeamOut:
    """Rename a team, whose address stays, or require a second factor of its people."""
    team, actor = managed_team(request, slug)
    wanted = body.requires_second_factor
    stops = wanted is False and team.requires_second_factor
    refuse_by_token(stops, "stop requiring a second factor", "the team's page")
    if body.name is not None:
        rename_team(team, _checked(body.name, but=team), actor=actor)
    if wanted is not None:
        require_second_factor(team, wanted, actor=actor)
    return team_out(Team.objects.get(pk=team.pk), actor)


@router.delete("/teams/{slug}", response=answers(204, None))
def remove_team(request: HttpRequest, slug: str) -> Status[None]:
    """Delete a team that has no experiments and an empty trash, for good."""
    team, actor = managed_team(request, slug)
    delete_team(team, actor=actor)
    return Status(204, None)


# --- invitations --------------------------------------------------------------------


class InvitationIn(ClosedSchema):
    role: RoleName = "member"
    meant_for: Annotated[
        str,
        Field(
            max_length=100,
            pattern=WITHOUT_NUL,
            description="a name or an e-mail address, for the list; no e-mail is sent",
        ),
    ] = ""
    days: Annotated[Literal[1, 7, 30], Field(description="how long its link works")] = 7


class InvitationOut(Schema):
    id: int
    role: str
    meant_for: str
    created_by: str | None
    expires_at: datetime

    @classmethod
    def of(cls, row: Invitation) -> InvitationOut:
        same = {
            name: getattr(row, name) for name in ("role", "meant_for", "expires_at")
        }
        by = row.created_by.username if row.created_by else None
        return cls(id=row.pk, created_by=by, **same)


class NewInvitationOut(InvitationOut):
    link: Annotated[str, Field(description="works once; only in this answer")]


def _invitations_out(page: list[Invitation]) -> list[InvitationOut]:
    return list(map(InvitationOut.of, page))


@router.get("/teams/{slug}/invitations", response=answers(200, list[InvitationOut]))
@paginate(rows=_invitations_out)
def list_invitations(request: HttpRequest, slug: str) -> QuerySet[Invitation]:
    """Invitations whose links still work, the newest first."""
    team, _ = managed_team(request, slug)
    return open_invitations(team).order_by("-id")


@router.post("/teams/{slug}/invitations", response=answers(201, NewInvitationOut))
@idempotent
def add_invitation(
    request: HttpRequest, slug: str, body: InvitationIn
) -> Status[NewInvitationOut]:
    """A link by which one person joins the team."""
    team, actor = managed_team(request, slug)
    check_seen("meant_for", body.meant_for)
    made, link = invite(team, actor=actor, **body.dict())
    return Status(201, NewInvitationOut(**InvitationOut.of(made).dict(), link=link))


@router.delete("/teams/{slug}/invitations/{invitation_id}", response=answers(204, None))
def remove_invitation(
    request: HttpRequest, slug: str, invitation_id: int
) -> Status[None]:
    """Revoke an invitation. Its link no longer works."""
    team, actor = managed_team(request, slug)
    rows = open_invitations(team).select_related("team")
    revoke_invitation(access.found_or_404(rows, pk=invitation_id), actor=actor)
    return Status(204, None)


# --- service accounts ---------------------------------------------------------------


class ServiceAccountIn(ClosedSchema):
    username: Annotated[str, Field(min_length=1, max_length=150, pattern=WITHOUT_NUL)]
    role: RoleName = "member"


@router.post("/teams/{slug}/service-accounts", response=answers(201, MemberOut))
@idempotent
def add_service_account(
    request: HttpRequest, slug: str, body: ServiceAccountIn
) -> Status[MemberOut]:
    """An account that has tokens and never logs in; `POST /tokens` with `account`
    makes its tokens."""
    team, actor = managed_team(request, slug)
    name = new_name(body.username)
    account = create_service_account(team, name, body.role, actor=actor)
    return Status(201, member_out(team, account))


@router.delete(
    "/teams/{slug}/service-accounts/{service_account_id}", response=answers(204, None)
)
def remove_service_account(
    request: HttpRequest, slug: str, service_account_id: int
) -> Status[None]:
    """Close a service account for good. Its tokens end; its sweeps stay."""
    team, actor = managed_team(request, slug)
    accounts = team.service_accounts.filter(is_active=True)
    rows = accounts.select_related("service_team")
    account = access.found_or_404(rows, pk=service_account_id)
    close_service_account(account, actor=actor)
    return Status(204, None)
