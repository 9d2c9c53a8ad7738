"""What every page tells an admin at its top: the queue or the scheduler is away, or
there is no room left for what they do."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from django.core.cache import cache
from django.db import DatabaseError
from django.db.models import Max
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from experiments import queues
from experiments.clock import database_now
from experiments.models import SchedulerProcess, User
from experiments.pages.health import room
from experiments.pages.health.worries import (
    Worry,
    disk_worries,
    no_scheduler,
    queue_worries,
)

KEY = "installation-worries"
# Seconds for which all pages tell the same, good news and bad: to ask a queue that is
# away takes its time.
KEPT_FOR, TROUBLE_KEPT_FOR = 5, 15
# A scheduler that starts together with the site needs a moment for its first round.
PATIENCE = 30.0
STARTED = time.monotonic()


def installation(request: HttpRequest) -> dict[str, Any]:
    """``installation_worries`` for the frame of a page; none for anybody else."""
    user = getattr(request, "user", None)
    if not (isinstance(user, User) and user.is_superuser):
        return {"installation_worries": ()}
    return {"installation_worries": SimpleLazyObject(current)}


def current() -> Sequence[Worry]:
    """One query and one question to the queue, now and then."""
    known: Sequence[Worry] | None = cache.get(KEY)
    if known is None:
        known = [worry for worry in (_disk(), _queue(), _scheduler()) if worry]
        cache.set(KEY, known, TROUBLE_KEPT_FOR if known else KEPT_FOR)
    return known


def _disk() -> Worry | None:
    """A share of a large disk that is small, and much, is for the page of health."""
    disk = room.disk()
    return next(disk_worries(disk), None) if disk.free < room.LEAST_FREE else None


def _queue() -> Worry | None:
    facts = queues.facts({})
    if facts is None and queues.answers():
        # It only may not tell of itself.
        return None
    return next((worry for worry in queue_worries(facts) if worry.grave), None)


def _scheduler() -> Worry | None:
    try:
        last = SchedulerProcess.objects.aggregate(last=Max("ticked_at"))["last"]
        age = (database_now() - last).total_seconds() if last else None
    except DatabaseError:
        return None
    if age is None and time.monotonic() - STARTED < PATIENCE:
        return None
    return no_scheduler(age)
