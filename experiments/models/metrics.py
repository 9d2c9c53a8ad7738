"""Metrics, reports, the policy's decisions and output files.

Numbers are in the metric's own sign. NULL stands for NaN, which SQLite lacks.
"""

from __future__ import annotations

import time

from django.db import models
from django.db.models.functions import Now

from experiments.models.fields import trash_mark
from experiments.models.sweeps import Sweep
from experiments.models.trials import Attempt, Trial

# Metrics of the machine begin so. They have a limit of their own, and pages
# keep them apart from those of the training.
SYSTEM = "system/"


class MetricQuerySet(models.QuerySet["Metric"]):
    def of_training(self) -> MetricQuerySet:
        """Without those of the machine."""
        return self.exclude(name__startswith=SYSTEM)

    def of_system(self) -> MetricQuerySet:
        return self.filter(name__startswith=SYSTEM)


class MetricManager(models.Manager["Metric"]):
    """Reads metrics without their tails, and what is stored after them: most readers do
    not need those."""

    def get_queryset(self) -> models.QuerySet[Metric]:
        return super().get_queryset().defer("tail", "collected")


class Metric(models.Model):
    """One named series of an attempt, with running statistics of its points.

    ``last_*`` are of the point with the greatest (step, time), ``low`` and ``high`` of
    the finite values. The newest points are in ``tail``, the others in segments; see
    tracking/codec.py. Times are microseconds since 1970.
    """

    attempt = models.ForeignKey(Attempt, models.CASCADE, related_name="metrics")
    name = models.CharField(max_length=250)
    count = models.PositiveIntegerField(default=0)
    last_step = models.BigIntegerField(null=True)
    last_time = models.BigIntegerField(null=True)
    last_value = models.FloatField(null=True)
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)
    tail = models.BinaryField(default=b"")
    # Only collectors have sent it: points that the script itself reports replace it.
    collected = models.BooleanField(default=False)

    objects = MetricManager.from_queryset(MetricQuerySet)()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("attempt", "name"), name="metric_name_once_per_attempt"
            ),
        )

    def __str__(self) -> str:
        return self.name


class Segment(models.Model):
    """Neighboring points of a metric, in the order of arrival.

    ``first`` is the place of its first point in the series, from 0. ``low`` and
    ``high`` are of the finite values, if any.
    """

    # No index of its own: the constraint's begins with this column.
    metric = models.ForeignKey(
        Metric, models.CASCADE, related_name="segments", db_index=False
    )
    first = models.PositiveIntegerField()
    count = models.PositiveIntegerField()
    low_step = models.BigIntegerField()
    high_step = models.BigIntegerField()
    low_time = models.BigIntegerField()
    high_time = models.BigIntegerField()
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)
    data = models.BinaryField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("metric", "first"), name="segment_place_once"
            ),
        )

    def __str__(self) -> str:
        return f"points {self.first} to {self.first + self.count - 1}"


class ReportVersion(models.Model):
    """The version of a sweep's reports, for processes that have them in memory.

    A report that a policy may judge, and a trial that starts over, get the next version
    as ``Trial.stamp``. The row is locked before a version is read or given out. Delete
    it if reports change in another way: then they are read again.
    """

    sweep = models.OneToOneField(Sweep, models.CASCADE, related_name="report_version")
    # Microseconds since 1970, but always higher than the one before.
    version = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.sweep} {self.version}"

    @classmethod
    def advance(cls, sweep_id: int) -> int:
        """Lock the row and return the sweep's next version; 0 if nobody needs one."""
        rows = cls.objects.filter(sweep=sweep_id)
        row = rows.select_for_update().first()
        if row is None:
            return 0
        version = next_version(row.version)
        rows.update(version=version)
        return version


def next_version(version: int) -> int:
    """Also higher than one that was given out and rolled back."""
    return max(version + 1, time.time_ns() // 1_000)


class Decision(models.Model):
    """One verdict of the policy (stop or continue), with its inputs."""

    # No indexes of their own: those below begin with these columns.
    trial = models.ForeignKey(
        Trial, models.CASCADE, related_name="decisions", db_index=False
    )
    attempt = models.ForeignKey(
        Attempt, models.CASCADE, related_name="decisions", db_index=False
    )
    policy = models.CharField(max_length=40)
    settings = models.JSONField(default=dict)
    n = models.PositiveIntegerField()
    value = models.FloatField(null=True)
    threshold = models.FloatField(null=True)
    rivals = models.PositiveIntegerField()
    setters = models.JSONField(default=list)
    facts = models.JSONField(default=dict)
    stop = models.BooleanField()
    reason = models.TextField()
    # Parts of the reason; for their marks see search/termination/evidence.py.
    clause = models.TextField(blank=True)
    named_best = models.CharField(max_length=40, blank=True)
    limit_words = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("n",)
        constraints = (
            models.UniqueConstraint(fields=("attempt", "n"), name="decision_n_once"),
        )
        indexes = (models.Index(fields=("trial", "n"), name="decision_by_trial"),)

    def __str__(self) -> str:
        return f"report {self.n}: {'stop' if self.stop else 'continue'}"

    @property
    def policy_words(self) -> str:
        """The policy's name, such as ``Median stopping``."""
        return self.policy.replace("_", " ").capitalize()


class ArtifactManager(models.Manager["Artifact"]):
    """All files except those in the trash."""

    def get_queryset(self) -> models.QuerySet[Artifact]:
        return super().get_queryset().filter(trash=None)


class Artifact(models.Model):
    """One file of an attempt's outputs folder, stored in the data folder."""

    attempt = models.ForeignKey(Attempt, models.CASCADE, related_name="artifacts")
    path = models.CharField(max_length=500)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    # False: its process died while writing it, so no later attempt gets it.
    whole = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    trash = trash_mark()

    objects = ArtifactManager()
    all_objects: models.Manager[Artifact] = models.Manager()

    class Meta:
        ordering = ("path",)
        constraints = (
            models.UniqueConstraint(
                fields=("attempt", "path"), name="artifact_path_once_per_attempt"
            ),
        )
        indexes = (
            models.Index(
                fields=("trash",),
                condition=models.Q(trash__isnull=False),
                name="artifact_in_trash",
            ),
        )

    def __str__(self) -> str:
        return self.path
