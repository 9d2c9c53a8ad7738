"""Teams, their people, and their experiments."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from django.core.exceptions import PermissionDenied
from django.core.exceptions import ValidationError as FieldError
from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import Field

from experiments import access
from experiments.accounts.members import add_member, change_role, remove_member
from experiments.api.auth import (
    chosen_team,
    manager,
    readable_sweep,
    reader,
    writer,
)
from experiments.api.errors import (
    WITHOUT_NUL,
    ClosedSchema,
    check_seen,
    invalid,
    refused_field,
)
from experiments.api.idempotency import idempotent
from experiments.api.pagination import paginate
from experiments.api.schemas import answers
from experiments.api.uploads import TeamSlug
from experiments.models import Experiment, Membership, Sweep, Team, User
from experiments.sweeps.annotations import create_experiment
from experiments.sweeps.transfer import (
    TransferPlan,
    transfer_experiment,
    transfer_sweep,
)

router = Router(tags=["teams"])
RoleName = Literal["viewer", "member", "admin"]
Word = Annotated[str, Field(pattern=WITHOUT_NUL, min_length=1, max_length=40)]


class TeamOut(Schema):
    slug: str
    name: str
    role: Annotated[str | None, Field(description="yours; null: you are in no role")]
    pools: Annotated[list[str], Field(description="that its sweeps may use")]
    requires_second_factor: bool


class MemberOut(Schema):
    id: int
    username: str
    name: str
    role: Annotated[str, Field(description="viewer, member or admin")]
    active: bool
    service_account: bool
    since: datetime

    @classmethod
    def of(cls, row: Membership) -> MemberOut:
        return cls(
            id=row.user_id,
            username=row.user.username,
            name=row.user.get_full_name(),
            role=row.role,
            active=row.user.is_active,
            service_account=row.user.service_team_id is not None,
            since=row.created_at,
        )


class MemberIn(ClosedSchema):
    username: Annotated[str, Field(min_length=1, max_length=150, pattern=WITHOUT_NUL)]
    role: RoleName = "member"


class RoleIn(ClosedSchema):
    role: RoleName


def _team_rows(user: User) -> QuerySet[Team]:
    return access.teams_for(user).prefetch_related("pools", "memberships")


def team_out(team: Team, user: User) -> TeamOut:
    roles = [row.role for row in team.memberships.all() if row.user_id == user.pk]
    return TeamOut(
        slug=team.slug,
        name=team.name,
        role=roles[0] if roles else None,
        pools=[pool.name for pool in team.pools.all()],
        requires_second_factor=team.requires_second_factor,
    )


def _teams_out(request: HttpRequest, page: list[Team]) -> list[TeamOut]:
    return [team_out(team, reader(request)) for team in page]


@router.get("/teams", response=answers(200, list[TeamOut]))
@paginate(rows_for=_teams_out)
def list_teams(request: HttpRequest) -> QuerySet[Team]:
    """Your teams."""
    return _team_rows(reader(request)).order_by("name", "id")


@router.get("/teams/{slug}", response=answers(200, TeamOut))
def get_team(request: HttpRequest, slug: str) -> TeamOut:
    user = reader(request)
    return team_out(access.found_or_404(_team_rows(user), slug=slug), user)


def managed_team(request: HttpRequest, slug: str) -> tuple[Team, User]:
    """The team and the caller, one of its admins with a token of scope admin."""
    team = access.found_or_404(access.teams_for(reader(request)), slug=slug)
    user = manager(request)
    if not access.can_manage(user, team):
        raise PermissionDenied(f"Only admins of team {team.name} may do that.")
    return team, user


def _member(team: Team, user_id: int) -> User:
    people = User.objects.filter(memberships__team=team)
    return access.found_or_404(people, pk=user_id)


def member_out(team: Team, person: User) -> MemberOut:
    return MemberOut.of(team.memberships.select_related("user").get(user=person))


def _members_out(page: list[Membership]) -> list[MemberOut]:
    return list(map(MemberOut.of, page))


@router.get("/teams/{slug}/members", response=answers(200, list[MemberOut]))
@paginate(rows=_members_out)
def list_members(request: HttpRequest, slug: str) -> QuerySet[Membership]:
    """People and service accounts of one of your teams, in the order of joining."""
    team = access.found_or_404(access.teams_for(reader(request)), slug=slug)
    return team.memberships.select_related("user").order_by("id")


@router.post("/teams/{slug}/members", response=answers(201, MemberOut))
@idempotent
def add(request: HttpRequest, slug: str, body: MemberIn) -> Status[MemberOut]:
    """Add somebody who has an account."""
    team, actor = managed_team(request, slug)
    person = User.objects.filter(username=body.username, service_team=None).first()
    if person is None:
        text = f"There is no account {body.username!r}. Check the spelling, or invite"
        text += " the person by a link, on the team's page."
        raise invalid("username", text)
    add_member(team, person, body.role, actor=actor)
    return Status(201, member_out(team, person))


@router.patch("/teams/{slug}/members/{user_id}", response=answers(200, MemberOut))
def change(request: HttpRequest, slug: str, user_id: int, body: RoleIn) -> MemberOut:
    """Give a member another role."""
    team, actor = managed_team(request, slug)
    person = _member(team, user_id)
    change_role(team, person, body.role, actor=actor)
    return member_out(team, person)


@router.delete("/teams/{slug}/members/{user_id}", response=answers(204, None))
def remove(
    request: HttpRequest,
    slug: str,
    user_id: int,
    owner: Annotated[
        str | None,
        Query(
            pattern=WITHOUT_NUL,
            description="User name of who gets their running sweeps; without it the"
            " sweeps stay theirs.",
        ),
    ] = None,
) -> Status[None]:
    """Their work stays, and their running sweeps continue."""
    team, actor = managed_team(request, slug)
    person = _member(team, user_id)
    remove_member(team, person, owner or "", actor=actor)
    return Status(204, None)


@router.post("/teams/{slug}/leave", response=answers(204, None))
def leave(request: HttpRequest, slug: str) -> Status[None]:
    """Leave a team; your work stays, and your running sweeps continue."""
    user = writer(request)
    mine = Team.objects.filter(memberships__user=user, pk__in=access.teams_for(user))
    change_role(access.found_or_404(mine, slug=slug), user, None, actor=user)
    return Status(204, None)


# --- experiments ----------------------------------------------------------------------


class ExperimentRowOut(Schema):
    id: int
    team: Annotated[str, Field(description="its slug")]
    name: str
    slug: Annotated[str, Field(description="its sweeps are called SLUG-1 and so on")]
    question: str
    tags: list[str]
    notes: Annotated[str, Field(description="Markdown")]
    open_to_all: Annotated[bool, Field(description="whether everybody may read it")]
    archived: bool
    created_at: datetime

    @classmethod
    def of(cls, row: Experiment) -> ExperimentRowOut:
        return cls(
            id=row.pk,
            team=row.team.slug,
            name=row.name,
            slug=row.slug,
            question=row.question,
            tags=row.tags,
            notes=row.notes,
            open_to_all=row.open_to_all,
            archived=row.archived_at is not None,
            created_at=row.created_at,
        )


def _experiment_rows(page: list[Experiment]) -> list[ExperimentRowOut]:
    return [ExperimentRowOut.of(row) for row in page]


@router.get("/experiments", response=answers(200, list[ExperimentRowOut]))
@paginate(rows=_experiment_rows)
def list_experiments(request: HttpRequest) -> QuerySet[Experiment]:
    """Those of your teams, and those that are open to all, the newest first."""
    return access.experiments_for(reader(request)).order_by("-id")


@router.get("/experiments/{experiment_id}", response=answers(200, ExperimentRowOut))
def get_experiment(request: HttpRequest, experiment_id: int) -> ExperimentRowOut:
    mine = access.experiments_for(reader(request))
    found = access.found_or_404(mine, pk=experiment_id)
    return ExperimentRowOut.of(found)


class ExperimentIn(ClosedSchema):
    name: Annotated[str, Field(min_length=1, max_length=200, pattern=WITHOUT_NUL)]
    question: Annotated[str, Field(max_length=300, pattern=WITHOUT_NUL)] = ""
    tags: Annotated[list[Word], Field(max_length=20)] = []
    notes: Annotated[
        str, Field(max_length=100_000, pattern=WITHOUT_NUL, description="Markdown")
    ] = ""


@router.post("/experiments", response=answers(201, ExperimentRowOut))
@idempotent
def add_experiment(
    request: HttpRequest, body: ExperimentIn, team: TeamSlug = None
) -> Status[ExperimentRowOut]:
    """Create an experiment in one of your teams."""
    owner, user = chosen_team(request, team), writer(request)
    for name in ("name", "question"):
        check_seen(name, getattr(body, name))
    try:
        made = create_experiment(owner, body.name.strip(), user=user, words=body.dict())
    except FieldError as error:
        raise refused_field(error, "name") from error
    return Status(201, ExperimentRowOut.of(made))


class TransferIn(ClosedSchema):
    team: Annotated[str, Field(description="slug of the team that gets it")]
    dry_run: Annotated[bool, Field(description="only say what it changes")] = False


class TransferOut(Schema):
    transferred: bool
    problems: Annotated[list[str], Field(description="what speaks against it")]
    effects: Annotated[list[str], Field(description="what it changes")]


@router.post(
    "/experiments/{experiment_id}/transfer", response=answers(200, TransferOut)
)
def move_experiment(
    request: HttpRequest, experiment_id: int, body: TransferIn
) -> TransferOut:
    """Give an experiment with its sweeps and runs to another of your teams.

    You are an admin of its team, and a member or admin of the other.
    """
    mine = access.experiments_for(reader(request))
    found = access.found_or_404(mine, pk=experiment_id)
    return _transferred(request, found, found.team, body)


@router.post("/sweeps/{sweep_id}/transfer", response=answers(200, TransferOut))
def move_sweep(request: HttpRequest, sweep_id: int, body: TransferIn) -> TransferOut:
    """Give an ended sweep or a draft to another of your teams: it goes to that
    team's experiment of the same name, under a new number."""
    sweep = readable_sweep(request, sweep_id)
    return _transferred(request, sweep, sweep.experiment.team, body)


def _transferred(
    request: HttpRequest, item: Experiment | Sweep, owner: Team, body: TransferIn
) -> TransferOut:
    _, actor = managed_team(request, owner.slug)
    team = access.found_or_404(access.teams_for(actor), slug=body.team)
    access.check_can_steer(actor, team)
    plan = TransferPlan.of(item, team)
    if not body.dry_run:
        if isinstance(item, Experiment):
            transfer_experiment(item, team, actor=actor)
        else:
            transfer_sweep(item, team, actor=actor)
    return TransferOut(
        transferred=not body.dry_run,
        problems=list(plan.problems),
        effects=list(plan.effects),
    )
