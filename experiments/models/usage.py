"""How much space was used, by day, and what belongs to nothing any more."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from experiments.models.sweeps import Experiment, Sweep
from experiments.models.teams import Team, User


class SpaceKind(models.TextChoices):
    ARTIFACTS = "artifacts"
    LOGS = "logs"
    METRICS = "metrics"
    CODE = "code"
    CACHES = "caches"
    TRASH = "trash"
    # What the database has besides metrics.
    DATABASE = "database"
    ORPHANS = "orphans"


class SpaceUsage(models.Model):
    """The space that one sweep took on one day, by kind. A job measures it.

    Without a sweep it is of the experiment's runs or the team's code; without a team,
    of the installation. The rows of a deleted sweep stay: they are the team's history.
    """

    day = models.DateField()
    measured_at = models.DateTimeField(db_default=Now())
    team = models.ForeignKey(
        Team, models.CASCADE, null=True, related_name="space_usage", db_index=False
    )
    experiment = models.ForeignKey(
        Experiment,
        models.DO_NOTHING,
        null=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    sweep = models.ForeignKey(
        Sweep,
        models.DO_NOTHING,
        null=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    owner = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    kind = models.CharField(max_length=10, choices=SpaceKind)
    bytes = models.PositiveBigIntegerField(default=0)
    files = models.PositiveBigIntegerField(default=0)
    rows = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name_plural = "space usage"
        indexes = (
            models.Index(fields=("team", "day"), name="space_by_team"),
            models.Index(fields=("day",), name="space_by_day"),
        )

    def __str__(self) -> str:
        return f"{self.kind} on {self.day}"


class Orphan(models.Model):
    """A file without a row, or rows without their file: ``name`` says which."""

    class Kind(models.TextChoices):
        ATTEMPT = "attempt", "logs and outputs of deleted trials"
        CODE = "code", "code that no team has"
        RECORDING = "recording", "recordings of deleted sweeps"
        UNFINISHED = "unfinished", "unfinished uploads"
        MISSING = "missing", "outputs whose file is missing"

    kind = models.CharField(max_length=10, choices=Kind)
    name = models.CharField(max_length=200)
    bytes = models.PositiveBigIntegerField(default=0)
    files = models.PositiveBigIntegerField(default=0)
    found_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("-bytes", "kind", "name")
        constraints = (
            models.UniqueConstraint(fields=("kind", "name"), name="orphan_once"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.name}"
