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
    set_active,
)
from experiments.api.auth import administrator
from experiments.api.errors import WITHOUT_NUL, ApiError, ClosedSchema
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


class PasswordLinkOut(Schema):
    link: Annotated[str, Field(description="works once, and only for an hour")]


class NewPersonOut(PersonOut, PasswordLinkOut):
    pass


def _check_by_token(refused: bool, what: str) -> None:
    """A stolen token must not be enough for what the page asks the password for."""
    if refused:
        words = f"A token cannot {what}. Do it on the page People."
        raise ApiError(403, "password_needed", words)


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
def add_person(request: HttpRequest, body: PersonIn) -> Status[NewPersonOut]:
    """Create an account, with a link by which its person chooses a password. A token
    cannot create an administrator."""
    actor = administrator(request)
    _check_by_token(body.administrator, "create an administrator")
    try:
        name = free_name(body.username)
    except FieldError as error:
        if error.code == "taken":
            raise ApiError(409, "name_taken", str(error.message)) from error
        raise ApiError(422, "invalid", "", {"username": error.messages}) from error
    person = create_person(name, email=body.email, actor=actor)
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
    _check_by_token(other, "change who is an administrator")
    _check_by_token(
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
    _check_by_token(used, "make a password link for an account that is in use")
    return PasswordLinkOut(link=password_link(person, actor=actor))
