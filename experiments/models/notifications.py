"""Notifications: facts that people want to know, where they are sent, and the results.

A notification is stored in the transaction of its fact, and a job sends it later: a
lost queue or a killed process only delays it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.db import models
from django.db.models.functions import Now

from experiments.models.sweeps import Experiment, Sweep
from experiments.models.teams import Team, User

MAX_TITLE = 200
MAX_ANSWER = 300


class NotificationKind(models.TextChoices):
    FINISHED = "finished", "A sweep has finished"
    FAILED = "failed", "A sweep has failed"
    STUCK = "stuck", "A sweep has paused itself, or waits for a worker"
    BEST = "best", "A running sweep has a new best trial"
    QUOTA = "quota", "A team is near or over its quota"
    TOKEN = "token", "An API token ends soon"
    BACKUP = "backup", "The newest backup is too old"
    TEST = "test", "A test"


OF_SWEEPS = (
    *(NotificationKind.FINISHED, NotificationKind.FAILED, NotificationKind.STUCK),
    NotificationKind.BEST,
)
# What a person can choose.
CHOICES = tuple(kind for kind in NotificationKind if kind != NotificationKind.TEST)


def _row_of(model: type[models.Model]) -> Any:
    """A reference that stays when the row goes, without a lock on it."""
    return models.ForeignKey(
        model, models.DO_NOTHING, null=True, related_name="+", db_constraint=False
    )


class Notification(models.Model):
    """One fact, once: ``key`` names it. It is for ``user``, or for those whom its sweep
    or team concerns."""

    kind = models.CharField(max_length=10, choices=NotificationKind)
    key = models.CharField(max_length=120, unique=True)
    title = models.CharField(max_length=MAX_TITLE)
    message = models.TextField(blank=True)
    # Of the page that shows it, without the site.
    path = models.CharField(max_length=200, blank=True)
    user = models.ForeignKey(User, models.CASCADE, null=True, related_name="+")
    team = models.ForeignKey(Team, models.CASCADE, null=True, related_name="+")
    experiment = _row_of(Experiment)
    sweep = _row_of(Sweep)
    created_at = models.DateTimeField(db_default=Now(), db_index=True)
    # When its deliveries were made.
    addressed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index(
                fields=("id",),
                condition=models.Q(addressed_at=None),
                name="notification_new",
            ),
        )

    def __str__(self) -> str:
        return self.title

    @classmethod
    def note(
        cls,
        kind: NotificationKind,
        key: str,
        title: str,
        message: str = "",
        *,
        sweep: Sweep | None = None,
        **fields: Any,
    ) -> None:
        """Store the fact in the caller's transaction, unless it is known."""
        if sweep is not None:
            fields |= {"experiment": sweep.experiment, "sweep": sweep}
            fields |= {"team": sweep.experiment.team, "path": sweep.get_absolute_url()}
        fields |= {"title": title[:MAX_TITLE], "message": message}
        row = Notification(kind=kind, key=key, **fields)
        Notification.objects.bulk_create([row], ignore_conflicts=True)


class ChannelKind(models.TextChoices):
    BROWSER = "browser", "in the browser"
    EMAIL = "email", "e-mail"
    SLACK = "slack", "Slack-compatible webhook"
    WEBHOOK = "webhook", "signed webhook"


class NotificationChannel(models.Model):
    """Where notifications of some kinds are sent, for one person or else one team."""

    kind = models.CharField(max_length=10, choices=ChannelKind)
    user = models.ForeignKey(
        User, models.CASCADE, null=True, related_name="notification_channels"
    )
    team = models.ForeignKey(
        Team, models.CASCADE, null=True, related_name="notification_channels"
    )
    # Only about this one.
    experiment = models.ForeignKey(
        Experiment, models.CASCADE, null=True, blank=True, related_name="+"
    )
    name = models.CharField(max_length=100)
    # Names of NotificationKind, with spaces between them.
    kinds = models.CharField(max_length=120, blank=True)
    host = models.CharField(max_length=255, blank=True)
    # Both encrypted: the address of a webhook is a secret as well.
    address = models.TextField(blank=True)
    secret = models.TextField(blank=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(
                fields=("user", "kind"),
                condition=models.Q(kind__in=("browser", "email")),
                name="channel_once_per_person",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def chosen(self) -> list[str]:
        return self.kinds.split()

    @property
    def chosen_words(self) -> list[str]:
        return [NotificationKind(kind).label for kind in self.chosen]

    @property
    def is_webhook(self) -> bool:
        return self.kind in (ChannelKind.SLACK, ChannelKind.WEBHOOK)


class NotificationDelivery(models.Model):
    """One notification on its way to one channel; never a second time."""

    class State(models.TextChoices):
        WAITING = "waiting"
        SENT = "sent"
        FAILED = "failed"

    notification = models.ForeignKey(
        Notification, models.CASCADE, related_name="deliveries"
    )
    channel = models.ForeignKey(
        NotificationChannel, models.CASCADE, related_name="deliveries"
    )
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    tries = models.PositiveSmallIntegerField(default=0)
    # When it is tried next; one that is being sent is tried again if nothing ends it.
    due_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)
    # What the last try came to, in words.
    answer = models.CharField(max_length=MAX_ANSWER, blank=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("notification", "channel"), name="delivery_once"
            ),
        )
        indexes = (
            models.Index(
                fields=("due_at",),
                condition=models.Q(state="waiting"),
                name="delivery_due",
            ),
            models.Index(fields=("channel", "-id"), name="delivery_by_channel"),
        )

    def __str__(self) -> str:
        return f"{self.notification} to {self.channel}: {self.state}"


class ExperimentWatch(models.Model):
    """Of which sweeps of an experiment a person is notified, if not of their own."""

    class Level(models.TextChoices):
        ALL = "all", "all sweeps"
        NONE = "none", "no sweep"

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    experiment = models.ForeignKey(Experiment, models.CASCADE, related_name="+")
    level = models.CharField(max_length=4, choices=Level)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("user", "experiment"), name="watch_once"),
        )

    def __str__(self) -> str:
        return f"{self.user_id} watches {self.level} of {self.experiment_id}"


def joined(kinds: Collection[str]) -> str:
    """The kinds as channels store them."""
    return " ".join(kind for kind in CHOICES if kind in kinds)


# Of people who have chosen nothing.
DEFAULT_KINDS: Mapping[str, str] = {
    ChannelKind.BROWSER: joined(
        [kind for kind in CHOICES if kind != NotificationKind.BEST]
    ),
    ChannelKind.EMAIL: joined(
        [NotificationKind.QUOTA, NotificationKind.TOKEN, NotificationKind.BACKUP]
    ),
}
