"""What is logged about a trial beyond its metrics; single runs, which have no sweep."""

from __future__ import annotations

from django.db import models

from experiments.models.fields import OrderedJSONField
from experiments.models.sweeps import Created
from experiments.models.teams import User
from experiments.models.trials import Trial

MAX_RUN_NAME = 250
MLFLOW_PREFIX = "mlflow."


class Run(Created, models.Model):
    """What a script logged about its trial besides metrics and files.

    Every single run has this row: a trial without a sweep, which a program of a person
    starts, logs to and ends. A trial of a sweep gets it with the first thing logged.
    """

    trial = models.OneToOneField(
        Trial, models.CASCADE, primary_key=True, related_name="run"
    )
    name = models.CharField(max_length=MAX_RUN_NAME, blank=True)
    parent = models.ForeignKey(
        Trial, models.SET_NULL, null=True, blank=True, related_name="child_runs"
    )
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    note = models.TextField(blank=True)
    # Texts by name, as they were logged.
    params = OrderedJSONField(default=dict, blank=True)
    tags = OrderedJSONField(default=dict, blank=True)
    # Data sets and models, as MLflow describes them.
    inputs = models.JSONField(default=list, blank=True)
    outputs = models.JSONField(default=list, blank=True)
    # What is needed to run it again: command, host, packages, commit and so on.
    environment = models.JSONField(default=dict, blank=True)
    # Since then it is in the trash, and hidden.
    deleted_at = models.DateTimeField(null=True, blank=True)
    # Since then lists leave it out.
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = (
            models.Index(
                fields=("deleted_at",),
                condition=models.Q(deleted_at__isnull=False),
                name="run_in_trash",
            ),
        )

    @property
    def visible_tags(self) -> dict[str, str]:
        """What programs and people tagged. MLflow's own tags have other places."""
        return {k: v for k, v in self.tags.items() if not k.startswith(MLFLOW_PREFIX)}

    def __str__(self) -> str:
        return self.name
