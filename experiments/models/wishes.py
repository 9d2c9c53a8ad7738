"""Trials that people want beside those that the sampler chooses."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from experiments.models.sweeps import Sweep
from experiments.models.teams import User
from experiments.models.trials import Configuration, Trial


class WishQuerySet(models.QuerySet["Wish"]):
    def waiting(self) -> WishQuerySet:
        """Those that are neither begun nor withdrawn."""
        return self.filter(begun_at=None, withdrawn_at=None)


class Wish(Configuration):
    """One more trial of a sweep with given values, beyond its budget.

    Its trial gets the same origin. A wish is carried out once: with
    ``begun_at`` it has the ``number`` of its trial, also after that was deleted.
    """

    sweep = models.ForeignKey(Sweep, models.CASCADE, related_name="wishes")
    asked_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    asked_at = models.DateTimeField(db_default=Now())
    trial = models.OneToOneField(
        Trial, models.SET_NULL, null=True, blank=True, related_name="wish"
    )
    number = models.PositiveIntegerField(null=True, blank=True)
    begun_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = WishQuerySet.as_manager()

    class Meta:
        ordering = ("pk",)
        verbose_name_plural = "wishes"
        indexes = (
            models.Index(
                fields=("sweep",),
                condition=models.Q(begun_at=None, withdrawn_at=None),
                name="wish_waiting",
            ),
        )

    def __str__(self) -> str:
        return f"{self.sweep} {self.origin_text}"
