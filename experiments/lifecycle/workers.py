"""Transitions of worker hosts: drained, undrained, and removed from the list."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from django.db import transaction
from django.db.models import Q, Value
from django.db.models.functions import Now

from experiments.models import Event, User, Worker
from experiments.models.workers import SILENT_AFTER, DrainCause
from experiments.search.fields import cut

logger = logging.getLogger(__name__)

# The column keeps no more characters.
MAX_REASON = 300
DRAINS = Q(draining_since__isnull=False)
# Causes that end by themselves, and are replaced by other ones.
PASSING = (DrainCause.DISK_FULL, DrainCause.LEAVING)
TAKEN_BACK: Mapping[str, object] = {
    "draining_since": None,
    "drain_cause": "",
    "drain_reason": "",
}


def drain_words(reason: str, actor: User) -> str:
    """Why a person drains a host."""
    return f"{reason} ({cut(actor.username)})" if reason else f"By {actor.username}."


def drain_worker(
    worker: Worker,
    *,
    reason: str,
    cause: DrainCause = DrainCause.PERSON,
    actor: User | None = None,
) -> bool:
    """Give the host no more trials; running ones continue to their end.

    False: the host drains already and keeps its first reason. Only causes that
    take_back() ends are replaced by other ones.
    """
    where = ~DRAINS
    if cause not in PASSING:
        where |= Q(drain_cause__in=PASSING)
    changes = {
        "draining_since": Now(),
        "drain_cause": cause,
        "drain_reason": (reason or "No reason was given.")[:MAX_REASON],
    }
    return _change(worker, where, changes, verb="host drained", actor=actor)


def undrain_worker(worker: Worker, *, actor: User | None = None) -> bool:
    """Give the host trials again; its earlier failures no longer count. False: it does
    not drain."""
    changes = {**TAKEN_BACK, "undrained_at": Now()}
    return _change(worker, DRAINS, changes, verb="host undrained", actor=actor)


def take_back(worker: Worker, *, cause: DrainCause) -> bool:
    """Give a host trials again whose cause to drain has passed. Its earlier failures
    still count. False: it drains for another reason, or not at all."""
    where = DRAINS & Q(drain_cause=cause)
    return _change(worker, where, TAKEN_BACK, verb="host undrained", actor=None)


def _change(
    worker: Worker,
    where: Q,
    changes: Mapping[str, object],
    *,
    verb: str,
    actor: User | None,
) -> bool:
    """Change the row where the condition holds, with an event."""
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
    """Remove a silent host from the list. False: it is alive, or not on the list.

    Its attempts end with their leases. A host that reports again is on the list again.
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
