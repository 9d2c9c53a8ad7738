"""Experiments, sweeps, code snapshots and earlier search spaces."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.urls import reverse

from experiments.models.fields import OrderedJSONField, trash_mark
from experiments.models.teams import Team, User
from experiments.models.workers import Pool
from experiments.search.records import Objective

# The creator of what a command made without a user.
COMMAND_LINE = "command line"


class Created:
    """A row that a user or a command created."""

    created_by: Any

    @property
    def creator(self) -> str:
        """The creator's name for pages."""
        return self.created_by.display_name if self.created_by else COMMAND_LINE


class ExperimentManager(models.Manager["Experiment"]):
    """All experiments except those in the trash."""

    def get_queryset(self) -> models.QuerySet[Experiment]:
        return super().get_queryset().filter(deletion_requested_at=None)


class Experiment(Created, models.Model):
    """A team's question, and the sweeps that answer it."""

    team = models.ForeignKey(Team, models.CASCADE, related_name="experiments")
    # As long as MLflow's clients may name one.
    name = models.CharField(max_length=500)
    slug = models.SlugField(max_length=60)
    question = models.CharField(max_length=300, blank=True)
    notes = models.TextField(blank=True)
    tags = models.JSONField(default=list, blank=True)
    # Key and value, as MLflow's clients set and find them.
    mlflow_tags = models.JSONField(default=dict, blank=True)
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    archived_at = models.DateTimeField(null=True, blank=True)
    open_to_all = models.BooleanField(
        "everybody may read it",
        default=False,
        help_text="All people of this site see its sweeps, runs, metrics, logs and"
        " outputs, and change nothing.",
    )
    # Since then it is in the trash, with its sweeps and runs.
    deletion_requested_at = models.DateTimeField(null=True, blank=True)

    objects = ExperimentManager()
    all_objects: models.Manager[Experiment] = models.Manager()

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("team", "slug"), name="experiment_slug_once_per_team"
            ),
        )

    def __str__(self) -> str:
        return self.name

    def next_number(self) -> int:
        """The number of its next sweep; the first is 1."""
        sweeps = Sweep.all_objects.filter(experiment=self)
        last = sweeps.aggregate(last=models.Max("number"))["last"]
        return 1 + int(last or 0)

    def get_absolute_url(self) -> str:
        return reverse("experiment_detail", args=(self.pk,))


class CodeManager(models.Manager["CodeSnapshot"]):
    """All snapshots except those in the trash, also with the sweeps that used them."""

    def get_queryset(self) -> models.QuerySet[CodeSnapshot]:
        same = models.OuterRef("pk")
        gone = Sweep.all_objects.filter(
            code=same, deletion_requested_at__gte=models.OuterRef("created_at")
        )
        used = Sweep.objects.filter(code=same)
        waits = models.Exists(gone) & ~models.Exists(used)
        return super().get_queryset().filter(trash=None).exclude(waits)


class CodeSnapshot(models.Model):
    """The files of a training script, stored once per content as a zip archive."""

    team = models.ForeignKey(Team, models.CASCADE, related_name="code_snapshots")
    digest = models.CharField(max_length=64)
    files = models.JSONField(default=list)
    size = models.PositiveBigIntegerField()
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # When the files came last.
    created_at = models.DateTimeField(auto_now_add=True)
    trash = trash_mark()

    objects = CodeManager()
    all_objects: models.Manager[CodeSnapshot] = models.Manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("team", "digest"), name="code_digest_once_per_team"
            ),
        )
        indexes = (
            models.Index(
                fields=("trash",),
                condition=models.Q(trash__isnull=False),
                name="code_in_trash",
            ),
        )

    def __str__(self) -> str:
        return self.digest[:12]


class SweepState(models.TextChoices):
    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


SWEEP_ENDS = frozenset({SweepState.COMPLETED, SweepState.CANCELLED, SweepState.FAILED})


class SweepManager(models.Manager["Sweep"]):
    """All sweeps except those in the trash."""

    def get_queryset(self) -> models.QuerySet[Sweep]:
        return super().get_queryset().filter(deletion_requested_at=None)


class Sweep(Created, models.Model):
    """One search: its document, limits and state.

    ``definition`` is the canonical sweep document. What may change while the sweep runs
    also has columns, which take precedence.
    """

    experiment = models.ForeignKey(Experiment, models.CASCADE, related_name="sweeps")
    number = models.PositiveIntegerField()
    name = models.CharField("display name", max_length=200, blank=True)
    description = models.TextField(blank=True)
    notes = models.TextField(blank=True)
    tags = models.JSONField(default=dict, blank=True)

    definition = OrderedJSONField()
    code = models.ForeignKey(
        CodeSnapshot, models.PROTECT, null=True, blank=True, related_name="sweeps"
    )
    pool = models.ForeignKey(Pool, models.PROTECT, related_name="sweeps")
    primary_metric = models.CharField(max_length=250)
    goal = models.CharField(
        max_length=10, choices=[("minimize", "minimize"), ("maximize", "maximize")]
    )
    early_termination = models.JSONField(null=True, blank=True)
    max_total_trials = models.PositiveIntegerField()
    max_concurrent_trials = models.PositiveIntegerField()
    max_failed_trials = models.PositiveIntegerField(null=True, blank=True)
    timeout = models.FloatField("timeout, seconds", null=True, blank=True)
    trial_timeout = models.FloatField("trial timeout, seconds", null=True, blank=True)
    priority = models.SmallIntegerField(default=0)
    # False: its trials are ask-and-tell, run by programs of the user.
    launches = models.BooleanField(default=True)
    # The git commit that all of its trials run, as the first one found it.
    code_commit = models.CharField(max_length=64, blank=True)
    preflight = models.JSONField(null=True, blank=True)
    space_version = models.PositiveIntegerField(default=1)

    state = models.CharField(
        max_length=10, choices=SweepState, default=SweepState.DRAFT
    )
    reason = models.CharField(max_length=40, blank=True)
    message = models.TextField(blank=True)
    exhausted = models.BooleanField(default=False)
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    resumed_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    # The best value of which people were notified.
    notified_best = models.FloatField(null=True, blank=True, editable=False)
    # Between an end and its reopening; does not count towards the timeout.
    idle = models.FloatField("idle, seconds", default=0)
    archived_at = models.DateTimeField(null=True, blank=True)
    # Since then it is in the trash, and hidden.
    deletion_requested_at = models.DateTimeField(null=True, blank=True)

    objects = SweepManager()
    all_objects: models.Manager[Sweep] = models.Manager()

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("experiment", "number"), name="sweep_number_once"
            ),
        )
        indexes = (models.Index(fields=("state",), name="sweep_by_state"),)

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        """The name to say, such as ``digits-3``."""
        return f"{self.experiment.slug}-{self.number}"

    @property
    def objective(self) -> Objective:
        target = self.definition.get("objective", {}).get("target")
        goal: Any = self.goal
        return Objective(self.primary_metric, goal, target)

    @property
    def gpus(self) -> int:
        """How many GPUs of one host each trial needs; 0: those of its slot."""
        return int((self.definition.get("resources") or {}).get("gpus") or 0)

    @property
    def has_ended(self) -> bool:
        return self.state in SWEEP_ENDS

    @property
    def max_attempts(self) -> int:
        """How often the infrastructure may lose one trial before it fails."""
        return int(self.definition.get("retries", {}).get("max_attempts", 2))

    @property
    def on_failure(self) -> int:
        """How often a trial is retried after its script has failed."""
        return int(self.definition.get("retries", {}).get("on_failure", 0))

    @property
    def when_cut_off(self) -> str:
        """What a training does if its worker cannot reach the site for a lease."""
        return str(self.definition.get("retries", {}).get("when_cut_off", "stop"))

    @property
    def stop_grace(self) -> float:
        """Seconds from SIGTERM to SIGKILL for a trial that has to stop."""
        given = self.definition.get("limits", {}).get("stop_grace")
        return float(settings.GRACE_SECONDS if given is None else given)

    @property
    def outputs_limit(self) -> int:
        """At most this many bytes of an attempt's outputs are stored."""
        own = self.definition.get("resources", {}).get("outputs")
        limit: int = settings.OUTPUTS_LIMIT_BYTES
        return limit if own is None else min(int(own), limit)

    def took(self, now: datetime) -> timedelta | None:
        """How long it has run, until its end or now; None for a draft.

        Pauses count; the time between an end and a reopening does not. Never negative,
        even if the clock was set back.
        """
        if self.started_at is None:
            return None
        whole = (self.ended_at or now) - self.started_at
        return max(timedelta(), whole - timedelta(seconds=self.idle))

    @property
    def deadline(self) -> datetime | None:
        """When its timeout ends; None without one."""
        if self.timeout is None or self.started_at is None:
            return None
        return self.started_at + timedelta(seconds=self.timeout + self.idle)

    def next_number(self) -> int:
        """The number of its next trial; the first is 0."""
        return self.trials.all().next_number()

    def get_absolute_url(self) -> str:
        return reverse("sweep_detail", args=(self.pk,))


class SpaceVersion(models.Model):
    """An earlier search space of a sweep that was changed while running.

    ``document`` has the space and its constraints. The trial number ``until`` is the
    first one drawn from the next version.
    """

    sweep = models.ForeignKey(Sweep, models.CASCADE, related_name="space_versions")
    version = models.PositiveIntegerField()
    document = OrderedJSONField()
    until = models.PositiveIntegerField()
    changed_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("version",)
        constraints = (
            models.UniqueConstraint(
                fields=("sweep", "version"), name="space_version_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.sweep} space {self.version}"
