"""Channels of people and teams: making, changing, deleting and trying them, and what a
person wants to know."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Now

from experiments import access, encryption
from experiments.models import (
    ChannelKind,
    Event,
    Experiment,
    ExperimentWatch,
    Notification,
    NotificationChannel,
    NotificationDelivery,
    NotificationKind,
    Team,
    User,
)
from experiments.models.notifications import CHOICES, DEFAULT_KINDS, OF_SWEEPS, joined
from experiments.notifications.messages import PREFIX
from experiments.notifications.recipients import ensure_channels
from experiments.notifications.sending import CLAIM_SECONDS, PURPOSE, attempt
from experiments.notifications.webhooks import WebhookError, checked_host
from experiments.search.fields import DefinitionError, Problem
from experiments.search.wording import unseen_problem
from experiments.sweeps.control import NotPossible

Kind = ChannelKind
MAX_NAME, MAX_CHANNELS = 60, 20
# Of a team: what concerns one person or the site is not for it.
TEAM_KINDS = (*OF_SWEEPS, NotificationKind.QUOTA)


@dataclass(frozen=True)
class ChannelRequest:
    """A webhook. Without an experiment, it gets facts about all."""

    kind: str
    name: str
    address: str
    kinds: Collection[str]
    experiment: Experiment | None = None


class StillSending(Exception):
    """A test holds a thread of the web server until the host answers, so each person
    sends one at a time."""


def channels_for(user: User) -> QuerySet[NotificationChannel]:
    """The user's own and those of teams that the user manages."""
    teams = access.teams_for(user, roles=access.ADMINS)
    mine = Q(team__in=teams.values("pk"))
    if user.token_team_id is None:
        mine |= Q(user=user)
    rows = NotificationChannel.objects.filter(mine)
    return rows.select_related("user", "team", "experiment")


def webhooks_of(owner: User | Team) -> QuerySet[NotificationChannel]:
    return owner.notification_channels.filter(kind__in=(Kind.SLACK, Kind.WEBHOOK))


def own_channels(user: User) -> Mapping[str, NotificationChannel]:
    """The two that each person has: in the browser, and e-mail."""
    rows = user.notification_channels.filter(kind__in=(Kind.BROWSER, Kind.EMAIL))
    found = {row.kind: row for row in rows}
    if len(found) < len(DEFAULT_KINDS):
        ensure_channels([user])
        found = {row.kind: row for row in rows.all()}
    return found


def create_webhook(
    owner: User | Team, wanted: ChannelRequest, *, actor: User
) -> tuple[NotificationChannel, str]:
    """The channel and its signing secret, which is shown once; empty for Slack.

    Raises DefinitionError or NotPossible.
    """
    if webhooks_of(owner).count() >= MAX_CHANNELS:
        raise NotPossible(
            f"There are {MAX_CHANNELS} webhooks already. Delete one first."
        )
    if wanted.kind not in (Kind.SLACK, Kind.WEBHOOK):
        raise _problem("kind", f'Use slack or webhook, not "{wanted.kind}".')
    row = NotificationChannel(
        kind=wanted.kind, name=_checked_name(wanted.name), created_by=actor
    )
    setattr(row, "team" if isinstance(owner, Team) else "user", owner)
    row.kinds = _checked_kinds(wanted.kinds, row)
    row.experiment = wanted.experiment
    _set_address(row, wanted.address)
    secret = ""
    if row.kind == Kind.WEBHOOK:
        secret = PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
        row.secret = encryption.encrypt(secret, purpose=PURPOSE)
    row.save()
    _log("webhook added", row, actor, after=_described(row))
    return row, secret


def change_channel(
    row: NotificationChannel,
    *,
    actor: User,
    name: str | None = None,
    kinds: Collection[str] | None = None,
    address: str | None = None,
) -> None:
    """Raises DefinitionError. Name and address are those of a webhook."""
    before = _described(row)
    for field_name, given in (("name", name), ("address", address)):
        if given is not None and not row.is_webhook:
            text = f"Only webhooks can get another {field_name}."
            raise _problem(field_name, text)
    if kinds is not None:
        row.kinds = _checked_kinds(kinds, row)
    if name is not None:
        row.name = _checked_name(name)
    if address:
        _set_address(row, address)
    NotificationChannel.objects.filter(pk=row.pk).update(
        kinds=row.kinds, name=row.name, address=row.address, host=row.host
    )
    after = _described(row)
    if after != before or address:
        verb = "webhook changed" if row.is_webhook else "notifications chosen"
        _log(verb, row, actor, before=before, after=after)


def delete_webhook(row: NotificationChannel, *, actor: User) -> None:
    NotificationChannel.objects.filter(pk=row.pk).delete()
    _log("webhook deleted", row, actor, before=_described(row))


def send_test(row: NotificationChannel, *, actor: User) -> NotificationDelivery:
    """Send a test now, once; the delivery says what came of it. Raises StillSending."""
    made = _new_test(row, actor)
    # Its times are those of the database.
    rows = NotificationDelivery.objects.select_related("notification__team")
    delivery = rows.select_related("channel__user").get(pk=made.pk)
    if row.kind == Kind.BROWSER:
        NotificationDelivery.objects.filter(pk=delivery.pk).update(
            state=NotificationDelivery.State.SENT, due_at=None, sent_at=Now()
        )
    else:
        attempt(delivery, tries_again=False)
    _log("notification tested", row, actor)
    delivery.refresh_from_db()
    return delivery


@transaction.atomic
def _new_test(row: NotificationChannel, actor: User) -> NotificationDelivery:
    # Two requests at once take their turns.
    User.objects.select_for_update(no_key=True).get(pk=actor.pk)
    key, span = f"test {actor.pk} ", Value(timedelta(seconds=CLAIM_SECONDS))
    if NotificationDelivery.objects.filter(
        notification__key__startswith=key,
        notification__created_at__gt=Now() - span,
        state=NotificationDelivery.State.WAITING,
    ).exists():
        raise StillSending("Your last test is still being sent. Wait for its result.")
    notification = Notification.objects.create(
        kind=NotificationKind.TEST,
        key=f"{key}{secrets.token_hex(8)}",
        title="A test from sweepsite",
        message=f"{actor.display_name} has sent it to try {row.name}.",
        user=row.user,
        team=row.team,
        addressed_at=Now(),
    )
    # The job leaves it alone until then.
    return NotificationDelivery.objects.create(
        notification=notification, channel=row, due_at=Now() + span
    )


def set_watch(user: User, experiment: Experiment, level: str) -> None:
    """``own``: only the user's own sweeps. Raises DefinitionError."""
    own = ExperimentWatch.objects.filter(user=user, experiment=experiment)
    if level == "own":
        own.delete()
    elif level in ExperimentWatch.Level.values:
        ExperimentWatch.objects.update_or_create(
            user=user, experiment=experiment, defaults={"level": level}
        )
    else:
        allowed = "own, all or none"
        raise _problem("level", f'"{level[:40]}" is not allowed. Use {allowed}.')


def with_watch(rows: QuerySet[Experiment], user: User) -> QuerySet[Experiment]:
    """Each with ``watched``: all, none, or None for the user's own sweeps."""
    own = ExperimentWatch.objects.filter(user=user, experiment=OuterRef("pk"))
    return rows.annotate(watched=Subquery(own.values("level")[:1]))


def _checked_name(name: str) -> str:
    name = name.strip()
    if not 0 < len(name) <= MAX_NAME:
        raise _problem("name", f"Enter a name of at most {MAX_NAME} characters.")
    if problem := unseen_problem(name, in_line=True):
        raise _problem("name", problem)
    return name


def _checked_kinds(kinds: Collection[str], row: NotificationChannel) -> str:
    allowed = TEAM_KINDS if row.team_id is not None else CHOICES
    if wrong := sorted(set(kinds) - set(allowed)):
        listed = ", ".join(allowed)
        raise _problem("kinds", f'"{wrong[0][:40]}" is not allowed. Use {listed}.')
    return joined(kinds)


def _set_address(row: NotificationChannel, address: str) -> None:
    try:
        host = checked_host(address)
    except WebhookError as error:
        raise _problem("address", str(error)) from error
    row.host = host[:255]
    row.address = encryption.encrypt(address.strip(), purpose=PURPOSE)


def _problem(field_name: str, text: str) -> DefinitionError:
    return DefinitionError([Problem(field_name, text)])


def _described(row: NotificationChannel) -> dict[str, str]:
    """Without its address, which is a secret."""
    return {"name": row.name, "kind": row.kind, "host": row.host, "about": row.kinds}


def _log(
    verb: str,
    row: NotificationChannel,
    actor: User,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    Event.log(
        verb,
        f"{row.name}{' at ' + row.host if row.host else ''}",
        actor=actor,
        team=row.team,
        about=row,
        before=before,
        after=after,
    )
