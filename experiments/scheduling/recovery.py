"""Repairs what was lost between two processes: dispatches, workers, deadlines.

Every function may run at any time, any number of times, in any number of processes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import Enum, auto

from django.conf import settings
from django.db.models import Exists, Max, OuterRef, Q, QuerySet

from experiments import lifecycle
from experiments.db.clock import database_now
from experiments.formatting import exact_duration_text
from experiments.lifecycle.attempts import MIN_STEP
from experiments.models import Attempt, Sweep, Trial, Worker
from experiments.models.sweeps import SWEEP_ENDS, SweepState
from experiments.models.trials import AttemptState
from experiments.runner.failpoints import failpoint
from experiments.scheduling.dispatch import notify_waiting
from experiments.scheduling.rounds import end_at_timeout, guarded

logger = logging.getLogger(__name__)

# An idle worker sends a heartbeat every ten seconds.
SILENT_AFTER = timedelta(seconds=15)


class Silence(Enum):
    """Whose silence means that its process died: none, attempts that must stop
    anyway, or of all."""

    NONE = auto()
    STOPPING = auto()
    ALL = auto()


# Called after a step has measured a silence: the database's clock may be set at any
# moment of a round, and then no silence counts.
SilenceCounts = Callable[[], Silence]


def recover(counts: SilenceCounts) -> None:
    """One round. A step that fails does not keep the others from their work."""
    failpoint("recovery.notifies")
    with guarded(_log):
        lifecycle.renew_future_heartbeats()
    with guarded(_log):
        notify_waiting()
    with guarded(_log):
        stop_trials_of_ended_sweeps()
    with guarded(_log):
        end_overdue(counts)
    with guarded(_log):
        end_paused()
    with guarded(_log):
        lose_silent(counts)
    with guarded(_log):
        lose_silent_asks(counts)


def _log(error: Exception) -> None:
    logger.exception("a step of the recovery failed; the others continue")


def stop_trials_of_ended_sweeps() -> None:
    """Stop live trials of ended sweeps: a trial may be created or queued again at the
    moment at which its sweep ends."""
    live = Trial.objects.live().filter(
        Q(stop_reason="") | Q(current_attempt__state=AttemptState.QUEUED),
        sweep=OuterRef("pk"),
    )
    for sweep in Sweep.objects.filter(Exists(live), state__in=SWEEP_ENDS):
        lifecycle.stop_live_trials(
            sweep, reason=sweep.reason, message=sweep.message or "The sweep has ended."
        )


def end_paused() -> None:
    """End paused sweeps at their timeout: a pause does not stop their time."""
    paused = Sweep.objects.filter(state=SweepState.PAUSED, timeout__isnull=False)
    for sweep in paused.select_related("experiment"):
        end_at_timeout(sweep)


# --- trials that run too long -------------------------------------------------------


def end_overdue(counts: SilenceCounts) -> None:
    """Request a stop of trials that train for longer than their limit and a lease.

    A worker's attempt goes by the time that its runner reports; before the first report
    only the lease limits it. An asked trial goes by the time that was added up between
    its heartbeats and, where all silence counts, the time since the last one: a process
    that could not reach the site may have ended long ago.
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
    all_count = rows and counts() is Silence.ALL
    for trial_id, digest, elapsed, last, limit in rows:
        trained = elapsed or 0.0
        if all_count and not digest and last is not None:
            trained += max(0.0, (now - last).total_seconds())
        if limit is not None and trained > limit + settings.LEASE_SECONDS:
            _stop_overdue(trial_id, limit)


def _stop_overdue(trial_id: int, limit: float) -> None:
    trial = Trial.objects.filter(pk=trial_id).first()
    if trial is None:
        return
    message = f"The trial's time of {exact_duration_text(limit)} was over."
    lifecycle.request_stop(trial, reason="trial_timeout", message=message)


# --- silent workers -----------------------------------------------------------------


def all_workers_are_silent() -> bool:
    """Whether workers run attempts, and no worker of any pool sent a heartbeat lately.

    Then the site was probably away, or cut off from everybody: all hosts rarely die at
    once. A scheduler on another machine notices this by the missing requests alone.
    """
    last = last_heartbeat()
    return last is not None and last < database_now() - SILENT_AFTER


def last_heartbeat() -> datetime | None:
    """The last heartbeat of any worker or of a worker's attempt, never in the future.
    None: workers run no attempt."""
    beats = _of_workers().aggregate(last=Max("heartbeat_at"))["last"]
    seen = Worker.objects.aggregate(last=Max("seen_at"))["last"]
    if beats is None:
        return None
    latest: datetime = max(beats, seen or beats)
    return min(latest, database_now())


def _of_workers() -> QuerySet[Attempt]:
    """Running attempts without asked ones, which may send heartbeats rarely."""
    running = Attempt.objects.filter(state=AttemptState.RUNNING)
    return running.exclude(worker=None, runner_token_digest="")


def lose_silent(counts: SilenceCounts) -> None:
    """Give up attempts whose runner was silent for a lease.

    The lease counts back from the last heartbeat of any other runner or, for attempts
    that must stop, from now. A runner that comes back later ends itself: its attempt is
    stale.
    """
    now, latest = database_now(), last_heartbeat()
    if latest is None:
        return
    lease = timedelta(seconds=settings.LEASE_SECONDS)
    silent = _of_workers().filter(heartbeat_at__lt=now - lease)
    for attempt in _that_count(silent.select_related("worker", "trial"), counts):
        limit = (now if attempt.trial.stop_reason else latest) - lease
        where = attempt.worker.name if attempt.worker else "its worker"
        message = (
            f"{where} sent no heartbeat for {settings.LEASE_SECONDS} s: power, network,"
            " or a killed process."
        )
        lifecycle.lose_attempt(
            attempt, reason="silent", message=message, silent_since=limit
        )


def _that_count(silent: QuerySet[Attempt], counts: SilenceCounts) -> list[Attempt]:
    """Those of the silent attempts whose silence counts."""
    attempts = list(silent)
    whose = counts() if attempts else Silence.NONE
    return [
        attempt
        for attempt in attempts
        if whose is Silence.ALL
        or (whose is Silence.STOPPING and attempt.trial.stop_reason)
    ]


# --- silent processes that asked for a trial ------------------------------------------


def lose_silent_asks(counts: SilenceCounts) -> None:
    """Give up asked trials whose process was silent for longer than it may be."""
    now = database_now()
    silent = Attempt.objects.filter(
        state=AttemptState.RUNNING,
        runner_token_digest="",
        worker=None,
        heartbeat_at__lt=now - timedelta(seconds=settings.LEASE_SECONDS),
        trial__sweep__isnull=False,
    )
    for attempt in _that_count(silent.select_related("trial__sweep"), counts):
        allowed = _allowed_silence(attempt)
        limit = now - timedelta(seconds=allowed)
        if _last_touched(attempt, now) < limit:
            time = exact_duration_text(allowed)
            message = f"The process that asked for it was silent for {time}."
            lifecycle.lose_attempt(
                attempt, reason="silent", message=message, silent_since=limit
            )


def _last_touched(attempt: Attempt, now: datetime) -> datetime:
    """The last heartbeat, or the last change of the trial, such as a request to stop.

    A change in the future does not count: the clock was set back since.
    """
    last, changed = attempt.heartbeat_at or now, attempt.trial.updated_at
    return last if changed > now + MIN_STEP else max(last, changed)


def _allowed_silence(attempt: Attempt) -> float:
    """The seconds for which the process may send nothing: a lease once it must stop,
    else the sweep's trial_timeout or the site's limit."""
    if attempt.trial.stop_reason:
        return float(settings.LEASE_SECONDS)
    sweep = attempt.trial.sweep
    own = sweep.trial_timeout if sweep is not None else None
    return own or float(settings.ASK_TIMEOUT_SECONDS)
