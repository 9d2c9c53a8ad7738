"""Accounts, for administrators of the site."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from django.core.exceptions import ValidationError as FieldError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import Field

from experiments import access
from experiments.accounts.people import (
    create_person,
    free_name,
    password_link,
    people,
    remove_factors,
    set_active,
)
from experiments.api.auth import administrator, caller, reader
from experiments.api.errors import (
    WITHOUT_NUL,
    ClosedSchema,
    refuse_by_token,
    refused_field,
)
from experiments.api.idempotency import idempotent
from experiments.api.pagination import paginate
from experiments.api.schemas import answers
from experiments.models import User

router = Router(tags=["people"])


class PersonIn(ClosedSchema):
    username: Annotated[str, Field(min_length=1, max_length=150, pattern=WITHOUT_NUL)]
    email: Annotated[str, Field(max_length=254, pattern=WITHOUT_NUL)] = ""
    administrator: bool = False


class PersonChangeIn(ClosedSchema):
    active: bool | None = None
    administrator: bool | None = None


class PersonOut(Schema):
    id: int
    username: str
    name: str
    email: str
    active: bool
    administrator: bool
    last_login: datetime | None
    joined: datetime

    @classmethod
    def of(cls, person: User) -> PersonOut:
        return cls(
            id=person.pk,
            username=person.username,
            name=person.get_full_name(),
            email=person.email,
            active=person.is_active,
            administrator=person.is_superuser,
            last_login=person.last_login,
            joined=person.date_joined,
        )


class TeamRoleOut(Schema):
    team: Annotated[str, Field(description="its slug")]
    role: str


class MeOut(Schema):
    """The caller, and what the token allows."""

    username: str
    name: str
    email: str
    administrator: bool
    teams: list[TeamRoleOut]
    scope: str
    expires_at: Annotated[datetime | None, Field(description="of the token")]


@router.get("/me", response=answers(200, MeOut))
def get_me(request: HttpRequest) -> MeOut:
    known, user = caller(request), reader(request)
    roles = user.memberships.filter(team__in=access.teams_for(user))
    return MeOut(
        username=user.username,
        name=user.get_full_name(),
        email=user.email,
        administrator=access.sees_everything(user),
        teams=[
            TeamRoleOut(team=slug, role=role)
            for slug, role in roles.order_by("team__slug").values_list(
                "team__slug", "role"
            )
        ],
        scope=known.scope,
        expires_at=known.expires_at,
    )


class PasswordLinkOut(Schema):
    link: Annotated[str, Field(description="works once, and only for an hour")]


class NewPersonOut(PersonOut, PasswordLinkOut):
    pass


def new_name(text: str) -> str:
    """The name of a new account."""
    try:
        return free_name(text)
    except FieldError as error:
        raise refused_field(error, "username") from error


def _rows(page: list[User]) -> list[PersonOut]:
    return [PersonOut.of(person) for person in page]


@router.get("/people", response=answers(200, list[PersonOut]))
@paginate(rows=_rows)
def list_people(
    request: HttpRequest,
    q: Annotated[
        str, Query(pattern=WITHOUT_NUL, description="Part of a name or e-mail address.")
    ] = "",
) -> QuerySet[User]:
    """Everybody who may log in, or has done so."""
    administrator(request)
    wanted = Q(username__icontains=q) | Q(email__icontains=q)
    return people().filter(wanted).order_by("id")


@router.post("/people", response=answers(201, NewPersonOut))
@idempotent
def add_person(request: HttpRequest, body: PersonIn) -> Status[NewPersonOut]:
    """Create an account, with a link by which its person chooses a password. A token
    cannot create an administrator."""
    actor = administrator(request)
    refuse_by_token(body.administrator, "create an administrator")
    person = create_person(new_name(body.username), email=body.email, actor=actor)
    link = password_link(person, actor=actor)
    return Status(201, NewPersonOut(**PersonOut.of(person).dict(), link=link))


@router.patch("/people/{person_id}", response=answers(200, PersonOut))
def change_person(
    request: HttpRequest, person_id: int, body: PersonChangeIn
) -> PersonOut:
    """Disable or enable an account. A token cannot change or make an administrator."""
    actor = administrator(request)
    person = access.found_or_404(people(), pk=person_id)
    other = body.administrator not in (None, person.is_superuser)
    refuse_by_token(other, "change who is an administrator")
    refuse_by_token(
        person.is_superuser and body.active is False, "disable an administrator"
    )
    if body.active is not None:
        set_active(person, body.active, actor=actor)
    return PersonOut.of(access.found_or_404(people(), pk=person_id))


@router.post(
    "/people/{person_id}/password-link", response=answers(200, PasswordLinkOut)
)
def make_password_link(request: HttpRequest, person_id: int) -> PasswordLinkOut:
    """A link for a person who has never logged in to choose a password."""
    actor = administrator(request)
    person = access.found_or_404(people(), pk=person_id)
    used = person.is_superuser or person.last_login is not None
    refuse_by_token(used, "make a password link for an account that is in use")
    return PasswordLinkOut(link=password_link(person, actor=actor))


@router.delete("/people/{person_id}/factors", response=answers(204, None))
def remove_second_factors(request: HttpRequest, person_id: int) -> Status[None]:
    """Remove the second factors of a person who has lost them. Idempotent. A token
    cannot remove those of an administrator."""
    actor = administrator(request)
    person = access.found_or_404(people(), pk=person_id)
    refuse_by_token(
        person.is_superuser, "remove the second factors of an administrator"
    )
    remove_factors(person, actor=actor)
    return Status(204, None)
