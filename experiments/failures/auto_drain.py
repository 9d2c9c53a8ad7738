"""Drains hosts on which trials fail or cannot start, or whose disk is full.

A host whose disk was full takes trials again once it has room.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta

from django.db.models import Max, QuerySet

from experiments import lifecycle
from experiments.db.clock import database_now
from experiments.failures.recent_attempts import (
    PROVEN_AFTER,
    RecentAttempt,
    failure_streak,
    undrained_since,
)
from experiments.formatting import bytes_text
from experiments.lifecycle.attempts import WORKER_PROBLEM
from experiments.models import Attempt, Sweep, Worker
from experiments.models.trials import AttemptState, TrialState
from experiments.models.workers import DrainCause

logger = logging.getLogger(__name__)

# A host is drained after MIN_FAILURES equal failures if as many trials work elsewhere.
# One working trial is enough after MANY_FAILURES, or if the values cannot be the cause.
MIN_FAILURES, MANY_FAILURES = 4, 8
HOST_ERRORS = frozenset({"gpu", "disk"})


def host_to_drain(recent: Sequence[RecentAttempt]) -> list[RecentAttempt] | None:
    """The failures of a host on which all trials fail, if trials work elsewhere."""
    for host in {end.host for end in recent if end.failed and end.host}:
        here = failure_streak([end for end in recent if end.host == host])
        if len(here) < MIN_FAILURES - 1:
            continue
        since = min(end.number for end in here)
        others = [end for end in recent if end.host != host]
        alike = any(end.signature == here[0].signature for end in others)
        working = [e for e in others if e.worked and e.number >= since - len(others)]
        if not alike and len(working) >= _needed_elsewhere(here):
            return here
    return None


def hosts_are_to_blame(sweep: Sweep) -> bool:
    """Whether hosts explain all failures of the sweep: each of these hosts is drained
    or was taken back, and another host is alive; or it is one host, and a trial trains
    on another."""
    failed = sweep.trials.own().filter(state=TrialState.FAILED)
    attempts = Attempt.objects.filter(trial__in=failed)
    hosts = Worker.objects.filter(attempts__in=attempts)
    blamed = Worker.objects.filter(attempts__in=attempts.exclude(undrained_since()))
    if blamed.filter(draining_since=None).exists():
        names = set(blamed.values_list("host", flat=True))
        training = sweep.trials.live().filter(
            current_attempt__elapsed__gte=PROVEN_AFTER
        )
        others = training.exclude(current_attempt__worker__host__in=names)
        return len(names) == 1 and others.exists()
    alive = Worker.objects.alive().filter(pool=sweep.pool_id, draining_since=None)
    return hosts.exists() and alive.exists()


def _needed_elsewhere(here: Sequence[RecentAttempt]) -> float:
    """How many trials must work elsewhere before the host is drained."""
    known = here[0].known_error
    if known and (known.always or known.kind in HOST_ERRORS):
        return 1
    if len(here) >= MANY_FAILURES:
        return 1
    return MIN_FAILURES if len(here) >= MIN_FAILURES else float("inf")


def drain_host(sweep: Sweep, failures: Sequence[RecentAttempt]) -> None:
    """Drain the host; an admin can take it back on the Pools page."""
    reason = (
        f"The last {len(failures)} trials of {sweep} on this host failed with the same"
        f" error, and trials work on other hosts: {failures[0].error}"
    )[:300]
    host = failures[0].host
    alive = Worker.objects.alive().filter(pool=sweep.pool_id, host=host)
    # Always in one order: the rows stay locked until all are drained.
    for worker in alive.order_by("pk"):
        if worker.draining_since is None:
            lifecycle.drain_worker(worker, cause=DrainCause.FAILURES, reason=reason)
            logger.warning("worker %s is drained: %s", worker.pk, reason)


MAX_PROBLEMS, WITHIN = 3, timedelta(minutes=10)
# Free bytes on a host's disk: it is drained with less, and taken back with more.
MIN_FREE, ENOUGH_FREE = 32_000_000, 64_000_000
DISK_FULL = "The host's disk is full"
ROOM_HELPS = "It takes trials again once it has room."


def drain_by_disk_space(worker: Worker, free: int | None) -> None:
    """Drain a host whose disk is full, or take it back; ``free`` in bytes."""
    if free is None:
        return
    if free < MIN_FREE and worker.draining_since is None:
        reason = f"{DISK_FULL}: {bytes_text(free)} are free. {ROOM_HELPS}"
        lifecycle.drain_worker(worker, cause=DrainCause.DISK_FULL, reason=reason)
    elif free >= ENOUGH_FREE and worker.drain_cause == DrainCause.DISK_FULL:
        lifecycle.take_back(worker, cause=DrainCause.DISK_FULL)


def drain_after_problems(worker: Worker, *, disk_full: bool = False) -> bool:
    """Drain a worker on which several trials in a row could not start since it was last
    taken back; one is enough if that trial found a full disk."""
    worker.refresh_from_db(fields=["draining_since"])
    if worker.draining_since is not None:
        return False
    messages = list(_problems(worker).values_list("message", flat=True)[:MAX_PROBLEMS])
    if len(messages) == MAX_PROBLEMS:
        minutes = WITHIN.seconds // 60
        reason = (
            f"{MAX_PROBLEMS} trials in {minutes} minutes could not start: {messages[0]}"
        )
        return lifecycle.drain_worker(worker, cause=DrainCause.FAILURES, reason=reason)
    if messages and disk_full:
        reason = f"{DISK_FULL}. {ROOM_HELPS} A trial could not start: {messages[0]}"
        return lifecycle.drain_worker(worker, cause=DrainCause.DISK_FULL, reason=reason)
    return False


def _problems(worker: Worker) -> QuerySet[Attempt]:
    """The attempts that could not start and count, the newest first."""
    attempts = Attempt.objects.filter(worker=worker)
    if worker.undrained_at is not None:
        attempts = attempts.filter(claimed_at__gt=worker.undrained_at)
    since = database_now() - WITHIN
    finished = attempts.filter(state=AttemptState.FINISHED)
    well = finished.aggregate(last=Max("ended_at"))["last"]
    return attempts.filter(
        state=AttemptState.LOST,
        reason=WORKER_PROBLEM,
        ended_at__gt=since if well is None else max(since, well),
    ).order_by("-ended_at")
