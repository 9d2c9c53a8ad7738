"""Recovery: repairs what was lost between two processes.

Doorbells that nobody heard, workers that fell silent, deadlines that nobody kept,
trials of a sweep that ended at the same moment. Every function may run at any time,
any number of times, in any number of processes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, Max, OuterRef, Q, QuerySet

from experiments import lifecycle
from experiments.db.clock import database_now, never_set
from experiments.formatting import exact_duration_text
from experiments.models import Attempt, Sweep, Trial, Worker
from experiments.models.sweeps import SWEEP_ENDS, SweepState
from experiments.models.trials import AttemptState
from experiments.runner.failpoints import failpoint
from experiments.scheduling.ask import end_silent_asks
from experiments.scheduling.dispatch import notify_waiting
from experiments.scheduling.rounds import end_at_timeout, guarded

logger = logging.getLogger(__name__)

# An idle worker sends a heartbeat every ten seconds.
UNHEARD_AFTER = timedelta(seconds=15)


def recover(
    *,
    declare_losses: bool,
    only_stopping: bool = False,
    was_set: Callable[[], bool] = never_set,
) -> None:
    """One round. Without ``declare_losses`` silence is not taken for death, and with
    ``only_stopping`` only that of attempts which are to stop anyway.

    ``was_set`` tells whether the database's clock was set since the caller looked, and
    is asked once silence was measured: it may be set at any moment of the round.
    """
    failpoint("recovery.notifies")
    all_count = declare_losses and not only_stopping
    with guarded(_log):
        lifecycle.renew_future_heartbeats()
    with guarded(_log):
        notify_waiting()
    with guarded(_log):
        stop_trials_of_ended_sweeps()
    with guarded(_log):
        end_overdue(silence_counts=all_count, was_set=was_set)
    with guarded(_log):
        end_paused()
    if declare_losses:
        with guarded(_log):
            lose_silent_stopping(was_set=was_set)
        with guarded(_log):
            end_silent_asks(only_stopping=only_stopping, was_set=was_set)
    if all_count:
        with guarded(_log):
            lose_silent(was_set=was_set)


def _log(error: Exception) -> None:
    logger.exception("a step of the repair failed; the others go on")


def all_workers_are_silent() -> bool:
    """Whether workers run attempts, and for some beats nothing was heard from any of
    these nor from any worker of any pool.

    It is then far more likely that the site is away, or cut off from everybody, than
    that all hosts have died at once. Only their requests tell: a scheduler on another
    machine than the site knows of it by nothing else.
    """
    last = last_heartbeat()
    return last is not None and last < database_now() - UNHEARD_AFTER


def last_heartbeat() -> datetime | None:
    """The last heartbeat of any worker or of an attempt that one runs, and never a
    time to come. None: they run none."""
    beats = _of_workers().aggregate(last=Max("heartbeat_at"))["last"]
    seen = Worker.objects.aggregate(last=Max("seen_at"))["last"]
    if beats is None:
        return None
    heard: datetime = max(beats, seen or beats)
    return min(heard, database_now())


def _of_workers() -> QuerySet[Attempt]:
    """Running attempts but those that no worker runs: these beat when they like, see
    outside.py."""
    running = Attempt.objects.filter(state=AttemptState.RUNNING)
    return running.exclude(worker=None, runner_token_digest="")


def stop_trials_of_ended_sweeps() -> None:
    """Stop live trials of ended sweeps: one may be created, or be lost and queued
    again, at the very moment at which its sweep ends."""
    strays = Trial.objects.live().filter(
        Q(stop_reason="") | Q(current_attempt__state=AttemptState.QUEUED),
        sweep=OuterRef("pk"),
    )
    for sweep in Sweep.objects.filter(Exists(strays), state__in=SWEEP_ENDS):
        lifecycle.stop_live_trials(
            sweep, reason=sweep.reason, message=sweep.message or "The sweep has ended."
        )


def end_overdue(
    *, silence_counts: bool = True, was_set: Callable[[], bool] = never_set
) -> None:
    """Ask trials to stop that train for longer than they may, and a lease.

    A worker's attempt by its runner's own word of how long it trains; before the first
    one the lease alone watches over it. One that no worker runs by what is added up
    between its heartbeats and, where ``silence_counts``, the time since the last:
    one that could not reach the site may have ended long ago, and comes to say so.
    """
    timed = Attempt.objects.filter(
        state=AttemptState.RUNNING,
        stop_requested_at=None,
        trial__sweep__trial_timeout__isnull=False,
    ).exclude(~Q(runner_token_digest=""), elapsed=None)
    rows = timed.order_by("pk").values_list(
        *("trial", "runner_token_digest", "elapsed", "heartbeat_at"),
        "trial__sweep__trial_timeout",
    )
    now = database_now()
    overdue: dict[int, float] = {}
    for trial_id, digest, told, heard, limit in rows:
        trained = told or 0.0
        if silence_counts and not digest and heard is not None:
            trained += max(0.0, (now - heard).total_seconds())
        if limit is not None and trained > limit + settings.LEASE_SECONDS:
            overdue[trial_id] = limit
    if overdue and was_set():
        return
    for trial_id, limit in overdue.items():
        _stop_overdue(trial_id, limit)


def _stop_overdue(trial_id: int, limit: float) -> None:
    trial = Trial.objects.filter(pk=trial_id).first()
    if trial is None:
        return
    message = f"The trial's time of {exact_duration_text(limit)} was over."
    lifecycle.request_stop(trial, reason="trial_timeout", message=message)


def end_paused() -> None:
    """A sweep's time runs on while it is paused."""
    paused = Sweep.objects.filter(state=SweepState.PAUSED, timeout__isnull=False)
    for sweep in paused.select_related("experiment"):
        end_at_timeout(sweep)


def lose_silent(*, was_set: Callable[[], bool] = never_set) -> None:
    """Give up attempts whose runner was silent for a lease before the last heartbeat
    of any other.

    A runner that comes back later ends itself: its attempt is stale.
    """
    heard = last_heartbeat()
    if heard is not None:
        _lose(_of_workers(), heard=heard, was_set=was_set)


def lose_silent_stopping(*, was_set: Callable[[], bool] = never_set) -> None:
    """Give up attempts that must stop and whose runner was silent for a lease."""
    stopping = _of_workers().exclude(trial__stop_reason="")
    _lose(stopping, heard=database_now(), was_set=was_set)


def _lose(
    attempts: QuerySet[Attempt], *, heard: datetime, was_set: Callable[[], bool]
) -> None:
    limit = heard - timedelta(seconds=settings.LEASE_SECONDS)
    silent = attempts.filter(heartbeat_at__lt=limit).select_related("worker")
    if silent and was_set():
        return
    for attempt in silent:
        where = attempt.worker.name if attempt.worker else "its worker"
        message = (
            f"Nothing was heard from {where} for {settings.LEASE_SECONDS} s: power,"
            " network, or a killed process."
        )
        lifecycle.lose_attempt(
            attempt, reason="silent", message=message, unheard_since=limit
        )
