"""The caller's notifications; webhooks of the caller and of teams they manage."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field

from experiments import access
from experiments.api.auth import manager, reader, writer
from experiments.api.errors import WITHOUT_NUL, ClosedSchema
from experiments.api.idempotency import idempotent
from experiments.api.pagination import paginate
from experiments.api.schemas import answers
from experiments.models import (
    Experiment,
    NotificationChannel,
    NotificationDelivery,
    Team,
    User,
)
from experiments.notifications.channels import (
    ChannelRequest,
    change_channel,
    channels_for,
    create_webhook,
    delete_webhook,
    own_channels,
    send_test,
    set_watch,
    with_watch,
)
from experiments.notifications.messages import url_of
from experiments.notifications.reading import mark_read, notifications_for
from experiments.sweeps.control import NotPossible

router = Router(tags=["notifications"])
KindName = Literal["finished", "failed", "stuck", "best", "quota", "token", "backup"]
LevelName = Literal["own", "all", "none"]


class NotificationOut(Schema):
    id: int
    kind: Annotated[str, Field(description="finished, failed, stuck, best, …")]
    title: str
    message: str
    url: str
    team: str | None
    experiment: int | None
    sweep: int | None
    created_at: datetime
    read_at: datetime | None

    @classmethod
    def of(cls, row: NotificationDelivery) -> NotificationOut:
        fact = row.notification
        return cls(
            id=row.pk,
            kind=fact.kind,
            title=fact.title,
            message=fact.message,
            url=url_of(fact),
            team=fact.team.slug if fact.team else None,
            experiment=fact.experiment_id,
            sweep=fact.sweep_id,
            created_at=fact.created_at,
            read_at=row.read_at,
        )


class ReadOut(Schema):
    read: Annotated[int, Field(description="how many were not read before")]


class ChannelIn(ClosedSchema):
    kind: Literal["slack", "webhook"]
    name: Annotated[str, Field(max_length=200, pattern=WITHOUT_NUL)]
    address: Annotated[str, Field(max_length=2_000, pattern=WITHOUT_NUL)]
    kinds: Annotated[list[KindName], Field(max_length=20)]
    team: Annotated[
        str | None, Field(pattern=WITHOUT_NUL, description="slug; null: for you")
    ] = None
    experiment: Annotated[
        int | None, Field(description="of the team: only about this one", ge=1)
    ] = None


class ChannelChangeIn(ClosedSchema):
    name: Annotated[str | None, Field(max_length=200, pattern=WITHOUT_NUL)] = None
    address: Annotated[str | None, Field(max_length=2_000, pattern=WITHOUT_NUL)] = None
    kinds: Annotated[list[KindName] | None, Field(max_length=20)] = None


class ChannelOut(Schema):
    id: int
    kind: Annotated[str, Field(description="browser, email, slack or webhook")]
    name: str
    host: str
    kinds: list[str]
    team: str | None
    experiment: int | None

    @classmethod
    def of(cls, row: NotificationChannel) -> ChannelOut:
        return cls(
            id=row.pk,
            kind=row.kind,
            name=row.name,
            host=row.host,
            kinds=row.chosen,
            team=row.team.slug if row.team else None,
            experiment=row.experiment_id,
        )


class NewChannelOut(ChannelOut):
    secret: Annotated[str, Field(description="only in this answer; empty for slack")]


class DeliveryOut(Schema):
    id: int
    title: str
    state: Annotated[str, Field(description="waiting, sent or failed")]
    tries: int
    answer: Annotated[str, Field(description="the result of the last try, in words")]
    created_at: datetime
    due_at: datetime | None
    sent_at: datetime | None

    @classmethod
    def of(cls, row: NotificationDelivery) -> DeliveryOut:
        same = ("state", "tries", "answer", "due_at", "sent_at")
        return cls(
            id=row.pk,
            title=row.notification.title,
            created_at=row.notification.created_at,
            **{name: getattr(row, name) for name in same},
        )


class WatchIn(ClosedSchema):
    level: LevelName


class WatchOut(Schema):
    level: Annotated[
        str, Field(description="which sweeps notify you: own, all or none")
    ]


def _notification_rows(page: list[NotificationDelivery]) -> list[NotificationOut]:
    return [NotificationOut.of(row) for row in page]


def _channel_rows(page: list[NotificationChannel]) -> list[ChannelOut]:
    return [ChannelOut.of(row) for row in page]


def _delivery_rows(page: list[NotificationDelivery]) -> list[DeliveryOut]:
    return [DeliveryOut.of(row) for row in page]


@router.get("/notifications", response=answers(200, list[NotificationOut]))
@paginate(rows=_notification_rows)
def list_notifications(
    request: HttpRequest, unread: bool = False
) -> QuerySet[NotificationDelivery]:
    """Your notifications in the browser, the newest first."""
    rows = notifications_for(reader(request)).order_by("-id")
    return rows.filter(read_at=None) if unread else rows


@router.post("/notifications/read", response=answers(200, ReadOut))
def read_notifications(request: HttpRequest) -> ReadOut:
    """Mark all as read."""
    return ReadOut(read=mark_read(notifications_for(writer(request))))


@router.get("/notifications/channels", response=answers(200, list[ChannelOut]))
@paginate(rows=_channel_rows)
def list_channels(request: HttpRequest) -> QuerySet[NotificationChannel]:
    """Where notifications go: yours, and those of teams that you manage."""
    user = reader(request)
    if user.token_team_id is None and user.service_team_id is None:
        own_channels(user)
    return channels_for(user).order_by("-id")


@router.post("/notifications/channels", response=answers(201, NewChannelOut))
@idempotent
def add_channel(request: HttpRequest, body: ChannelIn) -> Status[NewChannelOut]:
    """Add a webhook, for you or for a team that you manage."""
    user = manager(request)
    owner = _owner(user, body.team)
    wanted = ChannelRequest(
        body.kind,
        body.name,
        body.address,
        body.kinds,
        _experiment(owner, body.experiment),
    )
    row, secret = create_webhook(owner, wanted, actor=user)
    return Status(201, NewChannelOut(**ChannelOut.of(row).dict(), secret=secret))


def _owner(user: User, slug: str | None) -> User | Team:
    if slug is not None:
        team = access.found_or_404(access.teams_for(user), slug=slug)
        access.check_can_manage(user, team)
        return team
    if user.token_team_id is not None:
        raise PermissionDenied("This token is for one team. Name it as team.")
    return user


def _experiment(owner: User | Team, pk: int | None) -> Experiment | None:
    if pk is None:
        return None
    team = owner.pk if isinstance(owner, Team) else None
    return access.found_or_404(Experiment.objects.filter(team=team), pk=pk)


@router.patch("/notifications/channels/{channel_id}", response=answers(200, ChannelOut))
def edit_channel(
    request: HttpRequest, channel_id: int, body: ChannelChangeIn
) -> ChannelOut:
    """Choose what it is about, or give a webhook another name or address."""
    row, user = _channel(request, channel_id)
    change_channel(row, actor=user, **body.dict())
    return ChannelOut.of(row)


@router.delete("/notifications/channels/{channel_id}", response=answers(204, None))
def remove_channel(request: HttpRequest, channel_id: int) -> Status[None]:
    """Delete a webhook and its log."""
    row, user = _channel(request, channel_id)
    if not row.is_webhook:
        raise NotPossible(f"{row.name} cannot be deleted. Choose what it is about.")
    delete_webhook(row, actor=user)
    return Status(204, None)


@router.post(
    "/notifications/channels/{channel_id}/test", response=answers(200, DeliveryOut)
)
def test_channel(request: HttpRequest, channel_id: int) -> DeliveryOut:
    """Send a test now, once. The answer says whether it arrived."""
    row, user = _channel(request, channel_id)
    return DeliveryOut.of(send_test(row, actor=user))


@router.get(
    "/notifications/channels/{channel_id}/deliveries",
    response=answers(200, list[DeliveryOut]),
)
@paginate(rows=_delivery_rows)
def list_deliveries(
    request: HttpRequest, channel_id: int
) -> QuerySet[NotificationDelivery]:
    """What was sent there and what came of it, the newest first."""
    row, _ = _channel(request, channel_id)
    rows = NotificationDelivery.objects.filter(channel=row)
    return rows.select_related("notification").order_by("-id")


def _channel(request: HttpRequest, channel_id: int) -> tuple[NotificationChannel, User]:
    user = manager(request)
    return access.found_or_404(channels_for(user), pk=channel_id), user


@router.get("/experiments/{experiment_id}/watch", response=answers(200, WatchOut))
def get_watch(request: HttpRequest, experiment_id: int) -> WatchOut:
    user = reader(request)
    return _watch(user, experiment_id)


@router.put("/experiments/{experiment_id}/watch", response=answers(200, WatchOut))
def put_watch(request: HttpRequest, experiment_id: int, body: WatchIn) -> WatchOut:
    """Choose which sweeps of an experiment notify you."""
    user = reader(request)
    experiment = access.found_or_404(access.experiments_for(user), pk=experiment_id)
    set_watch(writer(request), experiment, body.level)
    return _watch(user, experiment_id)


def _watch(user: User, experiment_id: int) -> WatchOut:
    rows = with_watch(access.experiments_for(user), user)
    experiment = access.found_or_404(rows, pk=experiment_id)
    return WatchOut(level=getattr(experiment, "watched", None) or "own")
