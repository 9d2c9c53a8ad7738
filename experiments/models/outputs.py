"""Files that training processes leave behind."""

from __future__ import annotations

from django.db import models

from experiments.models.trials import Attempt


class Artifact(models.Model):
    """One file of an attempt's outputs folder. Its bytes are in the data folder."""

    attempt = models.ForeignKey(Attempt, models.CASCADE, related_name="artifacts")
    path = models.CharField(max_length=500)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    # False: it was being written when its process died, so no later attempt gets it.
    whole = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("path",)
        constraints = (
            models.UniqueConstraint(
                fields=("attempt", "path"), name="artifact_path_once_per_attempt"
            ),
        )

    def __str__(self) -> str:
        return self.path
