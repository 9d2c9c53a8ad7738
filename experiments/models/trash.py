"""The trash, from which things can be restored, and the rules that fill it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from experiments.models.sweeps import COMMAND_LINE, Experiment, Sweep
from experiments.models.teams import Team, User
from experiments.models.trials import Trial


class Removable(models.TextChoices):
    """What can be removed."""

    EXPERIMENT = "experiment"
    SWEEP = "sweep"
    RUN = "run"
    ARTIFACTS = "artifacts"
    LOGS = "logs"
    LOG_MIDDLES = "log middles", "the middle of long logs"
    METRICS = "metrics", "points of other metrics"
    CODE = "code", "uploaded code"


# These stay readable until their days in the trash are over.
SHORTENED = frozenset({Removable.LOG_MIDDLES, Removable.METRICS})


class CleanupRule(models.Model):
    """What is moved to the trash of a team every night.

    ``selection`` is what cleanup/selection.py reads. A rule of the kind ``trash`` says
    for how many days the team's trash is kept.
    """

    TRASH = "trash"

    team = models.ForeignKey(Team, models.CASCADE, related_name="cleanup_rules")
    selection = models.JSONField(default=dict)
    enabled = models.BooleanField(default=True)
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now())
    # What it would move to the trash, and when that was computed.
    bytes = models.PositiveBigIntegerField(null=True, blank=True)
    measured_at = models.DateTimeField(null=True, blank=True)
    last_run_at = models.DateTimeField(null=True, blank=True)
    last_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    # Why it could not run.
    problem = models.TextField(blank=True)

    class Meta:
        ordering = ("team", "pk")

    def __str__(self) -> str:
        return f"rule {self.pk}"


class TrashQuerySet(models.QuerySet["TrashItem"]):
    def due(self) -> TrashQuerySet:
        """Those whose days are over, and nobody has stopped."""
        return self.filter(until__lte=Now(), stopped_at=None).order_by("until", "pk")


class TrashItem(models.Model):
    """Something in the trash: out of sight, and deleted for good after ``until``.

    What it holds is marked: a sweep by ``deletion_requested_at``, a run by
    ``deleted_at``, files by ``trash``. A row goes with what it names.
    """

    team = models.ForeignKey(Team, models.CASCADE, related_name="trash")
    kind = models.CharField(max_length=20, choices=Removable)
    # What it was called when it was moved.
    name = models.CharField(max_length=600)
    # Where files are, or what was moved as a whole.
    experiment = models.ForeignKey(
        Experiment, models.CASCADE, null=True, blank=True, related_name="trash"
    )
    sweep = models.ForeignKey(
        Sweep, models.CASCADE, null=True, blank=True, related_name="trash"
    )
    trial = models.ForeignKey(
        Trial, models.CASCADE, null=True, blank=True, related_name="trash"
    )
    # The size or factor of what is only shortened.
    keep = models.PositiveBigIntegerField(null=True, blank=True)
    trials = models.PositiveIntegerField(default=0)
    files = models.PositiveIntegerField(default=0)
    bytes = models.PositiveBigIntegerField(default=0)
    freed = models.PositiveBigIntegerField(default=0)
    moved_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    rule = models.ForeignKey(
        CleanupRule, models.SET_NULL, null=True, blank=True, related_name="moved"
    )
    moved_at = models.DateTimeField(db_default=Now())
    # NULL: until somebody deletes it.
    until = models.DateTimeField(null=True, blank=True)
    # Since then it is being deleted, and cannot be restored.
    began_at = models.DateTimeField(null=True, blank=True)
    # Since then its deletion waits until somebody continues it.
    stopped_at = models.DateTimeField(null=True, blank=True)

    objects = TrashQuerySet.as_manager()

    class Meta:
        ordering = ("until", "pk")
        indexes = (models.Index(fields=("until",), name="trash_by_end"),)

    def __str__(self) -> str:
        return self.name

    @classmethod
    def add(cls, kind: Removable, name: str, team_id: int, **fields: Any) -> TrashItem:
        until = trash_end(team_id)
        return cls.objects.create(
            kind=kind, name=name[:600], team_id=team_id, until=until, **fields
        )

    @property
    def is_due(self) -> bool:
        return self.until is not None and self.until <= timezone.now()

    @property
    def mover(self) -> str:
        """Who moved it, for pages."""
        if self.rule_id:
            return f"rule {self.rule_id}"
        return self.moved_by.display_name if self.moved_by else COMMAND_LINE


class CleanupTask(models.Model):
    """A move to the trash, or a restore of ``item``, that is too large for a request.
    A job of the site does it, and then removes this row."""

    team = models.ForeignKey(Team, models.CASCADE, related_name="cleanup_tasks")
    actor = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    words = models.CharField(max_length=700)
    # What cleanup/selection.py reads; empty for a restore.
    selection = models.JSONField(default=dict, blank=True)
    item = models.ForeignKey(
        TrashItem, models.CASCADE, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now())
    # Why it could not be done.
    problem = models.TextField(blank=True)

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return self.words


def trash_end(team_id: int) -> datetime | None:
    """Until when what the team moves to the trash now can be restored; None: until
    somebody deletes it."""
    rules = CleanupRule.objects.filter(team=team_id, selection__kind=CleanupRule.TRASH)
    rule = rules.first()
    if rule is not None and not rule.enabled:
        return None
    days = rule.selection.get("older_than") if rule else None
    return timezone.now() + timedelta(days=days or settings.TRASH_DAYS)
