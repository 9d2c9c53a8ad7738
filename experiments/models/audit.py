"""Who did what: rows that are added and never changed."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from experiments.models.sweeps import Sweep
from experiments.models.teams import Team, User
from experiments.models.trials import Trial


class Event(models.Model):
    """One thing that happened. Without an actor, the system did it."""

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

    def __str__(self) -> str:
        return f"{self.verb}: {self.message}"
