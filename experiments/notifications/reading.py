"""Notifications in the browser."""

from __future__ import annotations

from django.db.models import QuerySet
from django.db.models.functions import Now

from experiments.models import ChannelKind, NotificationDelivery, User


def notifications_for(user: User) -> QuerySet[NotificationDelivery]:
    """Those of a token of one team are of that team alone."""
    rows = NotificationDelivery.objects.filter(
        channel__user=user, channel__kind=ChannelKind.BROWSER
    )
    if user.token_team_id is not None:
        rows = rows.filter(notification__team=user.token_team_id)
    return rows.select_related("notification__team")


def mark_read(rows: QuerySet[NotificationDelivery]) -> int:
    """Returns how many were not read before."""
    unread = rows.filter(read_at=None).order_by().values("pk")
    return NotificationDelivery.objects.filter(pk__in=unread).update(read_at=Now())
