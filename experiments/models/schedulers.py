"""Who schedules: the scheduler processes, and when each last went round."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class SchedulerProcess(models.Model):
    """One ``scheduler`` command. Kept here, so that flushing the queue forgets none."""

    host = models.CharField(max_length=100)
    pid = models.PositiveIntegerField()
    version = models.CharField(max_length=30, blank=True)
    started_at = models.DateTimeField(db_default=Now())
    ticked_at = models.DateTimeField(db_default=Now())
    stopped_at = models.DateTimeField(null=True, blank=True)
    round_seconds = models.FloatField("its last round took, seconds", default=0.0)
    longest_seconds = models.FloatField(
        "its longest round lately, seconds", default=0.0
    )

    class Meta:
        ordering = ("-ticked_at",)
        verbose_name_plural = "scheduler processes"

    def __str__(self) -> str:
        return f"scheduler {self.pid} on {self.host}"
