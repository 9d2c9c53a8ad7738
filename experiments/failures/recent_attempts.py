"""A sweep's newest attempts and how each one ended or trains."""

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

# A trial that has trained for this many seconds works, even without a report.
PROVEN_AFTER = 20.0
LOOK_BACK = timedelta(hours=1)
# Older trials than these and the running ones do not count.
MAX_NUMBERS = 60


@dataclass(frozen=True)
class RecentAttempt:
    """How one attempt ended, or how it trains now."""

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
    """The sweep's newest attempts, the newest trial first.

    Without attempts that ended before the sweep was resumed, failures of attempts that
    started before then, and failures on a host before it was taken back.
    """
    since = database_now() - LOOK_BACK
    resumed_at = last_resumed(sweep)
    since = max(since, resumed_at or since)
    attempts = Attempt.objects.filter(
        Q(ended_at__gt=since) | Q(state=AttemptState.RUNNING),
        trial__sweep=sweep,
        trial__number__gte=_from(sweep),
    ).exclude(~Q(signature=""), undrained_since())
    if resumed_at is not None:
        # They started before the problem may have been fixed.
        attempts = attempts.exclude(~Q(signature=""), claimed_at__lt=resumed_at)
    rows = attempts.select_related("worker", "trial").only(
        *("signature", "error", "reason", "state", "elapsed", "worker__host"),
        *("trial__number", "trial__state", "trial__reports"),
    )
    return [_end(a) for a in rows.order_by("-trial__number", "-n")]


def last_resumed(sweep: Sweep) -> datetime | None:
    """When the sweep was last resumed. None: never, or at a time in the future, since
    the clock was set back."""
    resumed_at = sweep.resumed_at
    if resumed_at is None or resumed_at > database_now() + MIN_STEP:
        return None
    return resumed_at


def undrained_since() -> Exists:
    """Whether the attempt's host was drained and taken back after the attempt started.
    All workers of a host count together: they share what was fixed."""
    return Exists(
        Worker.objects.filter(
            pool=OuterRef("worker__pool"),
            host=OuterRef("worker__host"),
            undrained_at__gte=OuterRef("claimed_at"),
        )
    )


def _from(sweep: Sweep) -> int:
    """The lowest trial number that counts."""
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
    """The newest failures in a row with one signature. Trials that have just started do
    not count."""
    run: list[RecentAttempt] = []
    for end in recent:
        if end.live and not end.worked:
            continue
        if not end.failed or (run and end.signature != run[0].signature):
            break
        run.append(end)
    return run
