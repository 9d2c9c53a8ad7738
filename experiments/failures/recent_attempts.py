"""The newest attempts of a sweep: how each one ended, or how it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q

from experiments.db.clock import database_now
from experiments.failures.known_errors import KnownError, known_error
from experiments.lifecycle.attempts import MIN_STEP
from experiments.models import Attempt, Sweep, Worker
from experiments.models.trials import AttemptState, TrialState

# A trial that has trained for so many seconds works, also without a report.
PROVEN_AFTER = 20.0
LOOK_BACK = timedelta(hours=1)
# So many numbers are looked back, beside those of the trials that may be running.
MAX_NUMBERS = 60


@dataclass(frozen=True)
class RecentAttempt:
    """One attempt: how it ended, or how it stands."""

    number: int
    signature: str
    error: str
    reason: str
    live: bool
    worked: bool
    elapsed: float
    worker: int | None
    host: str

    @property
    def failed(self) -> bool:
        return bool(self.signature)

    @property
    def known_error(self) -> KnownError | None:
        return known_error(self.error)


def recent_attempts(sweep: Sweep) -> list[RecentAttempt]:
    """The sweep's newest attempts, the newest trial first; what ended before the sweep
    was resumed is over and done with, and so are failures of what had begun by then,
    and those of a host before it was taken back."""
    since = database_now() - LOOK_BACK
    resumed_at = last_resumed(sweep)
    since = max(since, resumed_at or since)
    attempts = Attempt.objects.filter(
        Q(ended_at__gt=since) | Q(state=AttemptState.RUNNING),
        trial__sweep=sweep,
        trial__number__gte=_from(sweep),
    ).exclude(~Q(signature=""), undrained_since())
    if resumed_at is not None:
        # These began with whatever was wrong before somebody looked at it.
        attempts = attempts.exclude(~Q(signature=""), claimed_at__lt=resumed_at)
    rows = attempts.select_related("worker", "trial").only(
        *("signature", "error", "reason", "state", "elapsed", "worker__host"),
        *("trial__number", "trial__state", "trial__reports"),
    )
    return [_end(a) for a in rows.order_by("-trial__number", "-n")]


def last_resumed(sweep: Sweep) -> datetime | None:
    """When the sweep last went on, for what has happened since. None: never, or by a
    clock that was set back: until it gets there again, nothing would come after it."""
    resumed_at = sweep.resumed_at
    if resumed_at is None or resumed_at > database_now() + MIN_STEP:
        return None
    return resumed_at


def undrained_since() -> Exists:
    """Whether the host of an attempt drained and was taken back after the attempt had
    begun. All workers of a host are one here: they share what was mended."""
    return Exists(
        Worker.objects.filter(
            pool=OuterRef("worker__pool"),
            host=OuterRef("worker__host"),
            undrained_at__gte=OuterRef("claimed_at"),
        )
    )


def _from(sweep: Sweep) -> int:
    """The lowest number that is looked at: those before it are too old."""
    last = sweep.trials.order_by("-number").values_list("number", flat=True).first()
    return max(0, (last or 0) - MAX_NUMBERS - sweep.max_concurrent_trials)


def _end(attempt: Attempt) -> RecentAttempt:
    trial, elapsed = attempt.trial, attempt.elapsed or 0.0
    live = attempt.state == AttemptState.RUNNING
    good = trial.state in (TrialState.COMPLETED, TrialState.TERMINATED)
    alive = live and (trial.reports > 0 or elapsed >= PROVEN_AFTER)
    return RecentAttempt(
        number=trial.number,
        signature=attempt.signature,
        error=attempt.error,
        reason=attempt.reason,
        live=live,
        worked=not attempt.signature and (good or alive),
        elapsed=elapsed,
        worker=attempt.worker_id,
        host=attempt.worker.host if attempt.worker else "",
    )


def failure_streak(recent: Sequence[RecentAttempt]) -> list[RecentAttempt]:
    """Failures alike without another end between them, from the newest on. A trial
    that has just begun tells nothing yet."""
    run: list[RecentAttempt] = []
    for end in recent:
        if end.live and not end.worked:
            continue
        if not end.failed or (run and end.signature != run[0].signature):
            break
        run.append(end)
    return run
