"""Heartbeats of schedulers: one row each, written every few seconds."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError
from django.db.models.functions import Now

from experiments.db.clock import database_now
from experiments.models import SchedulerProcess

WRITTEN_EVERY = 5.0
# Rows of processes that ended longer ago are deleted.
KEEP = timedelta(days=1)


class SchedulerHeartbeat:
    """One scheduler's row: made at its first round, renewed by later ones."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._row = 0
        self._noted = float("-inf")
        self._longest = 0.0

    def note(self, seconds: float) -> None:
        """Note a round that took so many seconds. Raises DatabaseError."""
        self._longest = max(self._longest, seconds)
        if self._now() - self._noted < WRITTEN_EVERY:
            return
        facts = {"round_seconds": seconds, "longest_seconds": self._longest}
        renewed = SchedulerProcess.objects.filter(pk=self._row).update(
            heartbeat_at=Now(), stopped_at=None, **facts
        )
        if not renewed:
            self._begin(facts)
        self._noted, self._longest = self._now(), 0.0

    def _begin(self, facts: dict[str, float]) -> None:
        old = database_now() - KEEP
        SchedulerProcess.objects.filter(heartbeat_at__lt=old).delete()
        self._row = SchedulerProcess.objects.create(
            host=socket.gethostname()[:100],
            pid=os.getpid(),
            version=settings.VERSION,
            **facts,
        ).pk

    def stop(self) -> None:
        """Note the end, if the database responds."""
        with contextlib.suppress(DatabaseError):
            SchedulerProcess.objects.filter(pk=self._row).update(stopped_at=Now())
