"""The audit log: who did what. Rows never change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models
from django.db.models.functions import Now

from experiments.models.sweeps import Sweep
from experiments.models.teams import Team, User
from experiments.models.trials import Trial


class Event(models.Model):
    """Something that happened. Without an actor, the system did it."""

    team = models.ForeignKey(Team, models.CASCADE, null=True, blank=True)
    actor = models.ForeignKey(User, models.SET_NULL, null=True, blank=True)
    verb = models.CharField(max_length=60)
    sweep = models.ForeignKey(
        Sweep, models.CASCADE, null=True, blank=True, related_name="events"
    )
    trial = models.ForeignKey(
        Trial, models.CASCADE, null=True, blank=True, related_name="events"
    )
    message = models.TextField(blank=True)
    data = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("team", "-id"), name="event_by_team"),)

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
        data: Mapping[str, Any] | None = None,
    ) -> Event:
        """Add an event. Its team is that of the trial or sweep."""
        about = trial or sweep
        return cls.objects.create(
            team_id=about.experiment.team_id if about else team and team.pk,
            actor=actor,
            verb=verb,
            sweep=trial.sweep if trial else sweep,
            trial=trial,
            message=message,
            data=dict(data or {}),
        )

    def __str__(self) -> str:
        return f"{self.verb}: {self.message}"
