"""Whom a notification concerns, and the deliveries to their channels."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from experiments import access, mail
from experiments.formatting import named_metric_text
from experiments.models import (
    ChannelKind,
    ExperimentWatch,
    Membership,
    Notification,
    NotificationChannel,
    NotificationDelivery,
    NotificationKind,
    Sweep,
    User,
)
from experiments.models.notifications import DEFAULT_KINDS, OF_SWEEPS

Level = ExperimentWatch.Level
Kind = ChannelKind
State = NotificationDelivery.State
BATCH = 200
ENDS = (NotificationKind.FINISHED, NotificationKind.FAILED)


def address_new() -> None:
    """Make the deliveries of notifications that have none yet."""
    new = Notification.objects.filter(addressed_at=None).order_by("id")
    for notification in new.select_related("team", "user", "experiment__team")[:BATCH]:
        _address(notification)


def _address(notification: Notification) -> None:
    with transaction.atomic():
        open_ = Notification.objects.filter(pk=notification.pk, addressed_at=None)
        if not open_.update(addressed_at=Now(), message=_with_best(notification)):
            return
        NotificationDelivery.objects.bulk_create(
            [_delivery(notification, channel) for channel in _channels(notification)],
            ignore_conflicts=True,
        )


def _delivery(
    notification: Notification, channel: NotificationChannel
) -> NotificationDelivery:
    row = NotificationDelivery(notification=notification, channel=channel)
    if channel.kind == Kind.BROWSER:
        row.state, row.sent_at = State.SENT, Now()
    else:
        row.due_at = Now()
    return row


def _with_best(notification: Notification) -> str:
    """Its message, and the best trial of a sweep that has ended."""
    sweep = None
    if notification.sweep_id is not None and notification.kind in ENDS:
        sweep = Sweep.all_objects.filter(pk=notification.sweep_id).first()
    best = sweep.trials.ranked(sweep.goal).first() if sweep else None
    if sweep is None or best is None or best.value is None:
        return notification.message
    metric = sweep.primary_metric
    value = named_metric_text(best.value, metric)
    text = f"The best is trial {best.number}, with {metric} {value}."
    message = notification.message
    stop = "" if message[-1:] in ("", ".") else "."
    return f"{message}{stop} {text}".strip()


def _channels(notification: Notification) -> list[NotificationChannel]:
    """Those that want this kind."""
    people = list(_people(notification))
    ensure_channels(people)
    wanted = Q(user__in=people)
    if notification.team is not None and notification.user is None:
        about = Q(experiment=None) | Q(experiment=notification.experiment_id)
        wanted |= about & Q(team=notification.team)
    rows = NotificationChannel.objects.filter(wanted).select_related("user")
    return [
        channel
        for channel in rows
        if notification.kind in channel.chosen and _can_receive(channel)
    ]


def _can_receive(channel: NotificationChannel) -> bool:
    if channel.kind != Kind.EMAIL:
        return True
    return mail.can_send() and channel.user is not None and bool(channel.user.email)


def _people(notification: Notification) -> QuerySet[User]:
    active = User.objects.filter(is_active=True, service_team=None)
    if notification.user_id is not None:
        return active.filter(pk=notification.user_id)
    if notification.kind in OF_SWEEPS:
        return _watchers(notification, active)
    if notification.team_id is not None:
        admins = Membership.objects.filter(
            team=notification.team_id, role__in=access.ADMINS
        )
        return active.filter(pk__in=admins.values("user"))
    return active.filter(is_superuser=True)


def _watchers(notification: Notification, active: QuerySet[User]) -> QuerySet[User]:
    """The sweep's owner and those who watch its experiment, if they may see it."""
    watches = ExperimentWatch.objects.filter(experiment=notification.experiment_id)
    owners = Sweep.all_objects.filter(pk=notification.sweep_id or 0).values(
        "created_by"
    )
    people = active.filter(
        Q(pk__in=watches.filter(level=Level.ALL).values("user")) | Q(pk__in=owners)
    ).exclude(pk__in=watches.filter(level=Level.NONE).values("user"))
    if notification.experiment and notification.experiment.open_to_all:
        return people
    members = Membership.objects.filter(team=notification.team_id)
    return people.filter(Q(is_superuser=True) | Q(pk__in=members.values("user")))


def ensure_channels(people: list[User]) -> None:
    """Each person's own two channels, as they are before they choose."""
    rows = [
        NotificationChannel(user=person, kind=kind, name=kind.label, kinds=kinds)
        for person in people
        for kind, kinds in ((Kind(k), v) for k, v in DEFAULT_KINDS.items())
    ]
    NotificationChannel.objects.bulk_create(rows, ignore_conflicts=True)
