"""Hosts that get no more trials, until somebody says otherwise."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from experiments.models import Event, User, Worker

logger = logging.getLogger(__name__)

# An event's text is for people of the teams; a column keeps no more than this of it.
MOST_REASON = 300
# How the reason begins for which a host drains only until it has room again; nobody
# else's may.
DISK_FULL = "The host's disk is full"
DRAINS = Q(draining_since__isnull=False)
TAKEN_BACK: Mapping[str, object] = {"draining_since": None, "drain_reason": ""}


def drain_worker(worker: Worker, *, reason: str, actor: User | None = None) -> bool:
    """No more trials from now on; running ones go on to their end.

    Without an actor the site itself does it. False: it drains already, for the first
    reason; but this one takes the place of a disk that is full.
    """
    text = reason or "No reason was given."
    if text.startswith(DISK_FULL):
        text = f"Asked for: {text}"
    where = ~DRAINS | Q(drain_reason__startswith=DISK_FULL)
    return _drain(worker, where, text, actor)


def drain_until_room(worker: Worker, *, told: str) -> bool:
    """The same until take_back_with_room(); `told` is how full the host's disk is.
    False: it drains already."""
    return _drain(worker, ~DRAINS, f"{DISK_FULL}{told}", actor=None)


def _drain(worker: Worker, where: Q, text: str, actor: User | None) -> bool:
    changes = {"draining_since": Now(), "drain_reason": text[:MOST_REASON]}
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
    where = DRAINS & Q(drain_reason__startswith=DISK_FULL)
    return _change(worker, where, TAKEN_BACK, verb="host drained no more", actor=None)


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
