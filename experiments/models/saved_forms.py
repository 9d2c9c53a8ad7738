"""Forms that are not sent yet, saved as a person types; a team's templates; saved
views; dismissed suggestions."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models.functions import Now

from experiments.models.sweeps import CodeSnapshot, Experiment, Sweep
from experiments.models.teams import Team, User

SAVED_DAYS, DISCARDED_DAYS = 30, 1


class SavedForm(models.Model):
    """What a person has entered in one form of a team; nobody else sees it."""

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    team = models.ForeignKey(Team, models.CASCADE, related_name="+")
    # Which form: `new`, `new:experiment:5`, `clone:7`, `draft:12`.
    key = models.CharField(max_length=60)
    version = models.PositiveIntegerField(default=1)
    # As a browser sends it, without tokens.
    data = models.TextField()
    updated_at = models.DateTimeField(db_default=Now())
    # Set: it can only be restored.
    discarded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("user", "team", "key"),
                condition=models.Q(discarded_at=None),
                name="saved_form_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.key} of {self.user_id}"

    @property
    def mark(self) -> str:
        """The version as forms carry it; no other row ever has the same."""
        return f"{self.pk}.{self.version}"

    @classmethod
    def old(cls) -> models.QuerySet[SavedForm]:
        """Those that nobody has changed or restored for a long time."""
        limit, discarded = (
            Now() - models.Value(timedelta(days=days))
            for days in (SAVED_DAYS, DISCARDED_DAYS)
        )
        old = models.Q(updated_at__lt=limit) | models.Q(discarded_at__lt=discarded)
        return cls.objects.filter(old)


class SweepTemplate(models.Model):
    """A named sweep document that members of a team start from."""

    team = models.ForeignKey(Team, models.CASCADE, related_name="sweep_templates")
    name = models.CharField(max_length=100)
    document = models.JSONField()
    # The files that the document names, which stay as long as it does.
    code = models.ForeignKey(
        CodeSnapshot, models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(
                fields=("team", "name"), name="template_once_per_team"
            ),
        )

    def __str__(self) -> str:
        return self.name


class SavedView(models.Model):
    """A named address of an experiment's page: filter, sort, columns and so on.

    A view of trials or charts is for each sweep of the experiment.
    """

    class Page(models.TextChoices):
        EXPERIMENT = "experiment"
        TRIALS = "trials"
        CHARTS = "charts"

    experiment = models.ForeignKey(
        Experiment, models.CASCADE, related_name="saved_views"
    )
    # NULL: the team's.
    owner = models.ForeignKey(
        User, models.CASCADE, null=True, blank=True, related_name="+"
    )
    page = models.CharField(max_length=10, choices=Page)
    name = models.CharField(max_length=60)
    # As in an address, behind the question mark.
    query = models.TextField(blank=True)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("name", "pk")
        constraints = (
            models.UniqueConstraint(
                fields=("experiment", "page", "owner", "name"),
                name="own_view_once",
            ),
            models.UniqueConstraint(
                fields=("experiment", "page", "name"),
                condition=models.Q(owner=None),
                name="team_view_once",
            ),
        )

    def __str__(self) -> str:
        return self.name


class DismissedAdvice(models.Model):
    """A suggestion for a sweep that a person does not want to see again."""

    sweep = models.ForeignKey(Sweep, models.CASCADE, related_name="+")
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    # Such as widen:lr.
    key = models.CharField(max_length=300)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("sweep", "user", "key"), name="advice_dismissed_once"
            ),
        )

    def __str__(self) -> str:
        return self.key
