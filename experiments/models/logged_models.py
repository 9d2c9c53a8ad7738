"""Models that programs log by MLflow's protocol."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Now

from experiments.models.fields import OrderedJSONField
from experiments.models.sweeps import Experiment
from experiments.models.trials import Attempt, Trial


def new_model_id() -> str:
    return f"m-{uuid.uuid4().hex}"


class LoggedModel(models.Model):
    """A model's description. Its files are artifacts of an attempt."""

    class Status(models.TextChoices):
        PENDING = "LOGGED_MODEL_PENDING"
        READY = "LOGGED_MODEL_READY"
        UPLOAD_FAILED = "LOGGED_MODEL_UPLOAD_FAILED"

    id = models.CharField(max_length=34, primary_key=True, default=new_model_id)
    experiment = models.ForeignKey(
        Experiment, models.CASCADE, related_name="logged_models"
    )
    name = models.CharField(max_length=500)
    kind = models.CharField("model type", max_length=500, blank=True)
    # The run that made it, if one did; of another server's run, its id.
    source_run = models.ForeignKey(
        Trial, models.CASCADE, null=True, blank=True, related_name="logged_models"
    )
    foreign_run = models.CharField(max_length=32, blank=True)
    # Where its files are, in the folder models/ID.
    attempt = models.ForeignKey(Attempt, models.CASCADE, related_name="logged_models")
    status = models.CharField(max_length=30, choices=Status, default=Status.PENDING)
    params = OrderedJSONField(default=dict, blank=True)
    tags = OrderedJSONField(default=dict, blank=True)
    # Its last values: of each metric, data set and run, as MLflow describes them.
    metrics = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("-created_at", "id")

    def __str__(self) -> str:
        return self.name
