"""The caller's API tokens, and those of service accounts of teams they manage."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field

from experiments import access
from experiments.accounts.tokens import (
    TokenRequest,
    create_token,
    default_days,
    managed_accounts,
    managed_tokens,
    renew_token,
    revocable_tokens,
    revoke_token,
)
from experiments.api.auth import caller, manager, reader
from experiments.api.errors import WITHOUT_NUL, ClosedSchema
from experiments.api.idempotency import idempotent
from experiments.api.pagination import paginate
from experiments.api.schemas import answers
from experiments.models import ApiToken, Team, User

router = Router(tags=["tokens"])
Days = Annotated[
    int | None,
    Field(
        ge=1,
        le=settings.TOKEN_DAYS,
        description="how long it lasts; 90 days, or what the site allows",
    ),
]


class TokenIn(ClosedSchema):
    name: Annotated[str, Field(min_length=1, max_length=100, pattern=WITHOUT_NUL)]
    scope: Literal["read", "write", "admin"] = "write"
    team: Annotated[
        str | None,
        Field(pattern=WITHOUT_NUL, description="slug of the only team it reaches"),
    ] = None
    days: Days = None
    ends_with_password: bool = False
    account: Annotated[
        str | None,
        Field(pattern=WITHOUT_NUL, description="a service account, instead of you"),
    ] = None


class RenewalIn(ClosedSchema):
    days: Days = None


class TokenOut(Schema):
    id: int
    owner: str
    name: str
    scope: str
    team: Annotated[str | None, Field(description="the only team; null: all")]
    prefix: Annotated[str, Field(description="the first characters of the secret")]
    created_at: datetime
    expires_at: Annotated[
        datetime | None, Field(description="null: older than the rule that tokens end")
    ]
    ends_with_password: bool
    last_used_at: datetime | None
    last_address: str
    last_program: str

    @classmethod
    def of(cls, token: ApiToken) -> TokenOut:
        same = {
            name: getattr(token, name)
            for name in cls.model_fields
            if name not in ("id", "owner", "team")
        }
        team = token.team.slug if token.team else None
        return cls(id=token.pk, owner=token.user.username, team=team, **same)


class NewTokenOut(TokenOut):
    secret: Annotated[str, Field(description="only in this answer")]


def _rows(page: list[ApiToken]) -> list[TokenOut]:
    return [TokenOut.of(token) for token in page]


@router.get("/tokens", response=answers(200, list[TokenOut]))
@paginate(rows=_rows)
def list_tokens(request: HttpRequest) -> QuerySet[ApiToken]:
    """Tokens that are not revoked, the newest first."""
    return managed_tokens(reader(request)).order_by("-id")


@router.post("/tokens", response=answers(201, NewTokenOut))
@idempotent
def add_token(request: HttpRequest, body: TokenIn) -> Status[NewTokenOut]:
    """Create a token. It reaches no more teams than yours, and ends no later."""
    user = manager(request)
    owner, team = _owner(user, body.account), _team(user, body.team)
    wanted = TokenRequest(
        body.name,
        body.scope,
        body.days or default_days(),
        team,
        ends_with_password=body.ends_with_password,
    )
    latest = caller(request).expires_at
    token, secret = create_token(owner, wanted, actor=user, latest=latest)
    return Status(201, NewTokenOut(**TokenOut.of(token).dict(), secret=secret))


def _owner(user: User, account: str | None) -> User:
    if account is None:
        return user
    return access.found_or_404(managed_accounts(user), username=account)


def _team(user: User, slug: str | None) -> Team | None:
    if slug is not None:
        return access.found_or_404(access.teams_for(user), slug=slug)
    if user.token_team_id is None:
        return None
    return Team.objects.get(pk=user.token_team_id)


@router.post("/tokens/{token_id}/renew", response=answers(200, TokenOut))
def renew(request: HttpRequest, token_id: int, body: RenewalIn) -> TokenOut:
    """Let a token last longer, but no longer than yours. Its secret stays the same."""
    user = manager(request)
    token = access.found_or_404(managed_tokens(user), pk=token_id)
    days, latest = body.days or default_days(), caller(request).expires_at
    renew_token(token, days, actor=user, latest=latest)
    return TokenOut.of(access.found_or_404(managed_tokens(user), pk=token_id))


@router.delete("/tokens/{token_id}", response=answers(204, None))
def remove_token(request: HttpRequest, token_id: int) -> Status[None]:
    """Revoke a token, also one that is limited to a team you manage. Programs that use
    it are refused from now on."""
    user = manager(request)
    token = access.found_or_404(revocable_tokens(user), pk=token_id)
    revoke_token(token, actor=user)
    return Status(204, None)
