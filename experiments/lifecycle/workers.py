"""Hosts that get no more trials, until somebody says otherwise.

Hosts that will not come back: off the list at an admin's word.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from django.db import transaction
from django.db.models import Q, Value
from django.db.models.functions import Now

from experiments.models import Event, User, Worker
from experiments.models.workers import SILENT_AFTER, DrainCause

logger = logging.getLogger(__name__)

# An event's text is for people of the teams; a column keeps no more than this of it.
MAX_REASON = 300
DRAINS = Q(draining_since__isnull=False)
DISK_FULL = Q(drain_cause=DrainCause.DISK_FULL)
TAKEN_BACK: Mapping[str, object] = {
    "draining_since": None,
    "drain_cause": "",
    "drain_reason": "",
}


def drain_worker(
    worker: Worker,
    *,
    reason: str,
    cause: DrainCause = DrainCause.PERSON,
    actor: User | None = None,
) -> bool:
    """Give the host no more trials; running ones continue to their end.

    With the cause DISK_FULL, it ends with take_back_with_room(). False: the host drains
    already, and keeps its first reason; only a full disk gives way to other reasons.
    """
    where = ~DRAINS if cause == DrainCause.DISK_FULL else ~DRAINS | DISK_FULL
    changes = {
        "draining_since": Now(),
        "drain_cause": cause,
        "drain_reason": (reason or "No reason was given.")[:MAX_REASON],
    }
    return _change(worker, where, changes, verb="host drained", actor=actor)


def undrain_worker(worker: Worker, *, actor: User | None = None) -> bool:
    """The host may have trials again, and what failed there before is forgiven.

    False: it did not drain.
    """
    changes = {**TAKEN_BACK, "undrained_at": Now()}
    return _change(worker, DRAINS, changes, verb="host drained no more", actor=actor)


def take_back_with_room(worker: Worker) -> bool:
    """A host whose disk was full may have trials again; nothing is forgiven, so that
    it drains for good should they fail there as before. False: it drained for another
    reason, or not at all."""
    return _change(
        worker, DRAINS & DISK_FULL, TAKEN_BACK, verb="host drained no more", actor=None
    )


def _change(
    worker: Worker,
    where: Q,
    changes: Mapping[str, object],
    *,
    verb: str,
    actor: User | None,
) -> bool:
    """Change the row if it is as it has to be, and write down who did."""
    message = str(changes["drain_reason"])
    with transaction.atomic():
        won = Worker.objects.filter(where, pk=worker.pk).update(**changes)
        if won:
            data = {"worker": worker.pk, "name": worker.name}
            Event.log(verb, message, actor=actor, data=data)
    worker.refresh_from_db()
    if won:
        logger.info("%s: %s %s", worker, verb, message)
    return bool(won)


def forget_worker(worker: Worker, *, actor: User) -> bool:
    """Take a silent host off the list. False: it gives signs of life, or is off it.

    What ran there is given up by its lease as ever; a host that is heard of after all
    is back on the list by that.
    """
    with transaction.atomic():
        won = Worker.objects.filter(
            pk=worker.pk, stopped_at=None, seen_at__lt=Now() - Value(SILENT_AFTER)
        ).update(stopped_at=Now())
        if won:
            Event.log(
                "host forgotten",
                f"{worker.name} in pool {worker.pool.name}",
                actor=actor,
                data={"worker": worker.pk, "name": worker.name},
            )
    return bool(won)
