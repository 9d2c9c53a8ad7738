"""Hosts that get no more trials, until somebody says otherwise."""

from __future__ import annotations

import logging

from django.db import transaction
from django.db.models.functions import Now

from experiments.models import Event, User, Worker

logger = logging.getLogger(__name__)

# An event's text is for people of the teams; a column keeps no more than this of it.
MOST_REASON = 300


def drain_worker(worker: Worker, *, reason: str, actor: User | None = None) -> bool:
    """No more trials from now on; running ones go on to their end.

    Without an actor the site itself does it. False: it drains already, for the first
    reason.
    """
    return _change(
        worker,
        drains=False,
        verb="host drained",
        message=reason[:MOST_REASON] or "No reason was given.",
        actor=actor,
    )


def undrain_worker(worker: Worker, *, actor: User | None = None) -> bool:
    """The host may have trials again, and what failed there before is forgiven.

    False: it did not drain.
    """
    return _change(
        worker, drains=True, verb="host drained no more", message="", actor=actor
    )


def _change(
    worker: Worker, *, drains: bool, verb: str, message: str, actor: User | None
) -> bool:
    """Turn one that drains, or one that does not, into the other."""
    times: dict[str, Now | None] = {"draining_since": None if drains else Now()}
    if drains:
        times["undrained_at"] = Now()
    with transaction.atomic():
        won = Worker.objects.filter(
            pk=worker.pk, draining_since__isnull=not drains
        ).update(drain_reason=message, **times)
        if won:
            Event.objects.create(
                actor=actor,
                verb=verb,
                message=message,
                data={"worker": worker.pk, "name": worker.name},
            )
    worker.refresh_from_db()
    if won:
        logger.info("%s: %s %s", worker, verb, message)
    return bool(won)
