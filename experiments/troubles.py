"""Hosts that cannot start trials: after a few tries in a row they get no more.

One whose disk is full gets none at once, as others would fail there as well; and when
it tells of room it takes trials again without being asked to.
"""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Max, QuerySet

from experiments import lifecycle
from experiments.clock import database_now
from experiments.lifecycle.attempts import TROUBLE
from experiments.models import Attempt, Worker
from experiments.models.pools import DrainCause
from experiments.models.trials import AttemptState
from experiments.storage import NO_ROOM_WORDS
from experiments.words import bytes_text

MOST, WITHIN = 3, timedelta(minutes=10)
# Free bytes of a host's disk: with less it gets no trial, with more it does again.
LEAST_FREE, ENOUGH_FREE = 32_000_000, 64_000_000
DISK_FULL = "The host's disk is full"
ROOM_HELPS = "It takes trials again by itself once there is room."


def mind_room(worker: Worker, free: int | None) -> None:
    """Drain a host that tells of no room, or take it back; ``free`` in bytes."""
    if free is None:
        return
    if free < LEAST_FREE and worker.draining_since is None:
        reason = f"{DISK_FULL}: {bytes_text(free)} are free. {ROOM_HELPS}"
        lifecycle.drain_worker(worker, cause=DrainCause.DISK_FULL, reason=reason)
    elif free >= ENOUGH_FREE and worker.drain_cause == DrainCause.DISK_FULL:
        lifecycle.take_back_with_room(worker)


def drain_if_in_trouble(worker: Worker) -> bool:
    """Drain a worker that has told of trouble again and again, with nothing that went
    well in between, since it was taken back last; of a full disk it tells once."""
    worker.refresh_from_db(fields=["draining_since"])
    if worker.draining_since is not None:
        return False
    messages = list(_troubles(worker).values_list("message", flat=True)[:MOST])
    if len(messages) == MOST:
        minutes = WITHIN.seconds // 60
        reason = f"{MOST} trials in {minutes} minutes could not begin: {messages[0]}"
        return lifecycle.drain_worker(worker, cause=DrainCause.FAILURES, reason=reason)
    if messages and any(words in messages[0] for words in NO_ROOM_WORDS):
        reason = f"{DISK_FULL}. {ROOM_HELPS} A trial could not begin: {messages[0]}"
        return lifecycle.drain_worker(worker, cause=DrainCause.DISK_FULL, reason=reason)
    return False


def _troubles(worker: Worker) -> QuerySet[Attempt]:
    """Those that count, the newest first."""
    attempts = Attempt.objects.filter(worker=worker)
    if worker.undrained_at is not None:
        attempts = attempts.filter(claimed_at__gt=worker.undrained_at)
    since = database_now() - WITHIN
    finished = attempts.filter(state=AttemptState.FINISHED)
    well = finished.aggregate(last=Max("ended_at"))["last"]
    return attempts.filter(
        state=AttemptState.LOST,
        reason=TROUBLE,
        ended_at__gt=since if well is None else max(since, well),
    ).order_by("-ended_at")
