"""The audit log: who did what to what, and from where. Rows never change."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from experiments import origin
from experiments.models.sweeps import Sweep
from experiments.models.teams import Team, User
from experiments.models.trials import Trial

MAX_NAME = 200
# Rows of one short step.
MAX_DELETED = 5_000
SECRET = re.compile(
    r"(^|[_-])(password\d?|secret|token|digest|credential|(api_?)?key)$", re.IGNORECASE
)
HIDDEN = "(not recorded)"


def _row_of(model: type[models.Model], related_name: str = "+") -> Any:
    """A reference that stays when the row goes: an event outlives what it is about."""
    return models.ForeignKey(
        model,
        models.DO_NOTHING,
        null=True,
        blank=True,
        db_constraint=False,
        related_name=related_name,
    )


class Event(models.Model):
    """One act. Without an actor and a person, sweepsite itself did it.

    Names are those of that moment: the rows may have other names now, or be gone. One
    act is one event, however many rows it changes.
    """

    team = _row_of(Team)
    team_name = models.CharField(max_length=100, blank=True)
    actor = _row_of(User)
    actor_name = models.CharField(max_length=150, blank=True)
    verb = models.CharField(max_length=60)
    object_kind = models.CharField(max_length=60, blank=True)
    object_name = models.CharField(max_length=MAX_NAME, blank=True)
    sweep = _row_of(Sweep, "events")
    trial = _row_of(Trial, "events")
    message = models.TextField(blank=True)
    before = models.JSONField(default=dict, blank=True)
    after = models.JSONField(default=dict, blank=True)
    data = models.JSONField(default=dict, blank=True)
    via = models.CharField(max_length=120, default=origin.ITSELF)
    address = models.CharField(max_length=45, blank=True)
    request_id = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField(db_default=Now(), db_index=True)

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index(fields=("team", "-id"), name="event_by_team"),
            models.Index(fields=("verb", "-id"), name="event_by_verb"),
            models.Index(fields=("object_name", "-id"), name="event_by_object"),
        )

    @classmethod
    def log(
        cls,
        verb: str,
        message: str = "",
        *,
        actor: User | None = None,
        team: Team | None = None,
        sweep: Sweep | None = None,
        trial: Trial | None = None,
        about: models.Model | str = "",
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> Event:
        """Add an event. Its team is that of the trial or sweep. ``about`` names another
        object, such as a token; ``before`` and ``after`` are what changed."""
        event = cls.of(verb, message, actor=actor, team=team, sweep=sweep, trial=trial)
        if about:
            event.object_kind, event.object_name = _named(about)
        event.before = without_secrets(before or {})
        event.after = without_secrets(after or {})
        event.data = dict(data or {})
        event.save(force_insert=True)
        return event

    @classmethod
    def of(
        cls,
        verb: str,
        message: str = "",
        *,
        actor: User | None = None,
        team: Team | None = None,
        sweep: Sweep | None = None,
        trial: Trial | None = None,
    ) -> Event:
        """The event, not stored yet."""
        row = trial or sweep
        team = row.experiment.team if row else team
        source = origin.current()
        kind, name = _named(row or team or "")
        return cls(
            team=team,
            team_name=team.name if team else "",
            actor=actor,
            actor_name=actor.username if actor else source.person,
            verb=verb,
            object_kind=kind,
            object_name=name,
            sweep=trial.sweep if trial else sweep,
            trial=trial,
            message=message,
            via=source.via[:120],
            address=source.address,
            request_id=source.request_id,
        )

    @classmethod
    def delete_old(cls) -> int:
        """Delete some events that are older than EVENT_DAYS; returns how many."""
        limit = Now() - models.Value(timedelta(days=settings.EVENT_DAYS))
        old = cls.objects.filter(created_at__lt=limit).order_by("created_at")
        pks = list(old.values_list("pk", flat=True)[:MAX_DELETED])
        return cls.objects.filter(pk__in=pks).delete()[0] if pks else 0

    @property
    def who(self) -> str:
        """The person's name as it is now; that of the moment if the account is gone."""
        try:
            actor = self.actor
        except User.DoesNotExist:
            actor = None
        return actor.display_name if actor else self.actor_name or origin.ITSELF

    def __str__(self) -> str:
        return f"{self.verb}: {self.message}"


def _named(about: models.Model | str) -> tuple[str, str]:
    """Its kind, such as `sweep`, and what it is called."""
    if isinstance(about, str):
        return "", about[:MAX_NAME]
    is_run = isinstance(about, Trial) and about.sweep_id is None
    kind = "run" if is_run else str(about._meta.verbose_name)
    return kind, str(about)[:MAX_NAME]


def without_secrets(value: Any) -> Any:
    """The mapping without the values of fields that sound like secrets."""
    if not isinstance(value, Mapping):
        return value
    return {
        str(name): HIDDEN if SECRET.search(str(name)) else without_secrets(each)
        for name, each in value.items()
    }


class LogForwarding(models.Model):
    """How far the events were sent to a log server: one row."""

    sent_until = models.BigIntegerField()
    sent_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"until event {self.sent_until}"
