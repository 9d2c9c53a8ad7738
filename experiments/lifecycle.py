"""The state machine. Every change of a sweep's, trial's or attempt's state is here.

A transition is one filtered UPDATE whose row count says who won; a caller that comes
second changes nothing and is told so. Final states never change. Nothing here rings a
doorbell: callers do, after the commit.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Literal

from django.db import IntegrityError, transaction
from django.db.models import F, Max, Q
from django.db.models.functions import Coalesce, Now

from experiments.models import (
    Attempt,
    Event,
    Report,
    Sweep,
    Trial,
    User,
    Worker,
)
from experiments.models.sweeps import SWEEP_ENDS, SweepState
from experiments.models.trials import (
    TRIAL_LIVE,
    AttemptState,
    TrialQuerySet,
    TrialState,
)
from experiments.tokens import Token, new_token

logger = logging.getLogger(__name__)

# A host that dies with every attempt must not be fed for ever.
MOST_ATTEMPTS = 20
# These stops end a trial as terminated; every other one cancels it.
POLICY = "policy"


# --- sweeps -----------------------------------------------------------------------


def _move_sweep(
    sweep: Sweep,
    *,
    sources: set[SweepState],
    to: SweepState,
    reason: str = "",
    message: str = "",
    actor: User | None = None,
    **fields: Any,
) -> bool:
    """One transition, logged as an event. False: the sweep was elsewhere already."""
    with transaction.atomic():
        won = Sweep.objects.filter(pk=sweep.pk, state__in=sources).update(
            state=to, reason=reason, message=message, updated_at=Now(), **fields
        )
        if won:
            _log_event(sweep, f"sweep {to}", message, actor=actor, reason=reason)
    if won:
        logger.info("sweep %s %s -> %s: %s", sweep.pk, sweep.state, to, reason or "-")
        sweep.refresh_from_db()
    return bool(won)


def _log_event(
    sweep: Sweep, verb: str, message: str, *, actor: User | None, reason: str = ""
) -> None:
    Event.objects.create(
        team_id=sweep.experiment.team_id,
        actor=actor,
        sweep=sweep,
        verb=verb,
        message=message,
        data={"reason": reason} if reason else {},
    )


def start_sweep(sweep: Sweep, *, actor: User | None = None) -> bool:
    return _move_sweep(
        sweep,
        sources={SweepState.DRAFT},
        to=SweepState.RUNNING,
        actor=actor,
        started_at=Coalesce(F("started_at"), Now()),
    )


def pause_sweep(
    sweep: Sweep, *, actor: User | None = None, reason: str = "user", message: str = ""
) -> bool:
    """No new trials from now on; running ones go on to their end."""
    return _move_sweep(
        sweep,
        sources={SweepState.RUNNING},
        to=SweepState.PAUSED,
        reason=reason,
        message=message,
        actor=actor,
    )


def resume_sweep(sweep: Sweep, *, actor: User | None = None) -> bool:
    return _move_sweep(
        sweep,
        sources={SweepState.PAUSED},
        to=SweepState.RUNNING,
        actor=actor,
        resumed_at=Now(),
    )


def cancel_sweep(
    sweep: Sweep,
    *,
    actor: User | None = None,
    reason: str = "user",
    message: str = "Cancelled by a person.",
) -> bool:
    """Queued trials end at once; running ones are asked to stop."""
    with transaction.atomic():
        won = _move_sweep(
            sweep,
            sources={SweepState.DRAFT, SweepState.RUNNING, SweepState.PAUSED},
            to=SweepState.CANCELLED,
            reason=reason,
            message=message,
            actor=actor,
            ended_at=Now(),
        )
        if won:
            stop_live_trials(sweep, reason=reason, message=message)
    return won


def complete_sweep(sweep: Sweep, *, reason: str, message: str) -> bool:
    return _move_sweep(
        sweep,
        sources={SweepState.RUNNING},
        to=SweepState.COMPLETED,
        reason=reason,
        message=message,
        ended_at=Now(),
    )


def fail_sweep(sweep: Sweep, *, reason: str, message: str) -> bool:
    with transaction.atomic():
        won = _move_sweep(
            sweep,
            sources={SweepState.RUNNING, SweepState.PAUSED},
            to=SweepState.FAILED,
            reason=reason,
            message=message,
            ended_at=Now(),
        )
        if won:
            stop_live_trials(sweep, reason="sweep_failed", message=message)
    return won


def mark_exhausted(sweep: Sweep) -> None:
    """The space has no untried configuration left."""
    Sweep.objects.filter(pk=sweep.pk).update(exhausted=True, updated_at=Now())
    sweep.exhausted = True


# --- trials -----------------------------------------------------------------------


def create_trial(
    sweep: Sweep, *, number: int, params: dict[str, Any], origin: str
) -> Trial | None:
    """A queued trial with its first attempt. None: another scheduler had the number."""
    try:
        with transaction.atomic():
            trial = Trial.objects.create(
                experiment_id=sweep.experiment_id,
                sweep=sweep,
                number=number,
                params=params,
                origin=origin,
            )
            _queue_attempt(trial)
    except IntegrityError:
        return None
    logger.info("sweep %s trial %s queued", sweep.pk, number)
    return trial


def _queue_attempt(trial: Trial) -> Attempt:
    """The trial's next attempt, queued, which takes over as the current one."""
    last = trial.attempts.aggregate(last=Max("n"))["last"] or 0
    pool_id = trial.sweep.pool_id if trial.sweep else None
    attempt = Attempt.objects.create(trial=trial, n=last + 1, pool_id=pool_id)
    Trial.objects.filter(pk=trial.pk).update(
        current_attempt=attempt, state=TrialState.QUEUED, updated_at=Now()
    )
    trial.current_attempt, trial.state = attempt, TrialState.QUEUED
    return attempt


def request_stop(trial: Trial, *, reason: str, message: str) -> bool:
    """Ask a live trial to stop. The first reason counts; a queued trial ends at once.

    The wish is a column: the runner finds it in the reply to its next heartbeat.
    """
    return bool(
        _stop_trials(Trial.objects.filter(pk=trial.pk), reason=reason, message=message)
    )


def stop_live_trials(sweep: Sweep, *, reason: str, message: str) -> int:
    """The same for every live trial of a sweep, in four statements."""
    return _stop_trials(
        Trial.objects.filter(sweep=sweep), reason=reason, message=message
    )


def _stop_trials(trials: TrialQuerySet, *, reason: str, message: str) -> int:
    """Attempts before trials, as everywhere: PostgreSQL locks rows in this order."""
    with transaction.atomic():
        attempts = Attempt.objects.filter(trial__in=trials.live().values("pk"))
        queued = list(
            attempts.filter(state=AttemptState.QUEUED).values_list("pk", flat=True)
        )
        Attempt.objects.filter(pk__in=queued, state=AttemptState.QUEUED).update(
            state=AttemptState.FINISHED, reason=reason, ended_at=Now()
        )
        attempts.filter(state=AttemptState.RUNNING, stop_asked_at=None).update(
            stop_asked_at=Now()
        )
        asked = trials.filter(state__in=TRIAL_LIVE, stop_reason="").update(
            stop_reason=reason, stop_message=message, updated_at=Now()
        )
        _end_unclaimed(queued, reason=reason, message=message)
    if asked:
        logger.info("%s trials asked to stop: %s", asked, reason)
    return asked


def _end_unclaimed(attempts: list[int], *, reason: str, message: str) -> None:
    """Cancel the trials of those attempts that were ended before a worker came."""
    ended = Attempt.objects.filter(
        pk__in=attempts, state=AttemptState.FINISHED, claimed_at=None
    ).values_list("trial", flat=True)
    Trial.objects.filter(pk__in=list(ended), state=TrialState.QUEUED).update(
        state=TrialState.CANCELLED,
        reason=reason,
        message=message,
        ended_at=Now(),
        updated_at=Now(),
    )


# --- attempts ---------------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    """A won claim: the two secrets exist nowhere else."""

    attempt: Attempt
    runner_token: Token
    trial_token: Token


def claim_attempt(attempt_id: int, *, worker: Worker, slot: int) -> Claim | None:
    """Give a queued attempt to a slot. None: it is not to be had (any more)."""
    runner, trial = new_token("run"), new_token("trl")
    # Asked apart: joined into the UPDATE, PostgreSQL could let two claims win.
    if not Attempt.objects.filter(
        pk=attempt_id, trial__sweep__state=SweepState.RUNNING
    ).exists():
        return None
    with transaction.atomic():
        won = Attempt.objects.filter(
            pk=attempt_id, state=AttemptState.QUEUED, pool_id=worker.pool_id
        ).update(
            state=AttemptState.RUNNING,
            worker=worker,
            slot=slot,
            claimed_at=Now(),
            heartbeat_at=Now(),
            runner_token_digest=runner.digest,
            trial_token_digest=trial.digest,
        )
        if not won:
            return None
        Trial.objects.filter(
            current_attempt=attempt_id, state=TrialState.QUEUED
        ).update(
            state=TrialState.RUNNING,
            started_at=Coalesce(F("started_at"), Now()),
            updated_at=Now(),
        )
    attempt = Attempt.objects.select_related("trial__sweep__experiment").get(
        pk=attempt_id
    )
    logger.info("trial %s attempt %s claimed", attempt.trial_id, attempt.n)
    return Claim(attempt, runner, trial)


def beat(attempt: Attempt, *, pid: int | None, elapsed: float | None) -> bool:
    """Renew the lease. False: the attempt is no longer running."""
    return bool(
        Attempt.objects.filter(pk=attempt.pk, state=AttemptState.RUNNING).update(
            heartbeat_at=Now(), pid=pid, elapsed=elapsed
        )
    )


Cause = Literal["exited", "stopped", "trial_timeout", "not_started", "released"]


@dataclass(frozen=True)
class Outcome:
    """How a training process ended, as its runner saw it."""

    cause: Cause
    exit_code: int | None = None
    signal: int | None = None
    code: str = ""
    message: str = ""
    elapsed: float | None = None
    peak_memory: int | None = None
    log_dropped: int = 0


def finish_attempt(attempt: Attempt, outcome: Outcome) -> bool:
    """End a running attempt and, with it, its trial. False: it had ended before."""
    if outcome.cause == "released":
        return lose_attempt(attempt, reason="released", message=outcome.message)
    with transaction.atomic():
        won = Attempt.objects.filter(pk=attempt.pk, state=AttemptState.RUNNING).update(
            state=AttemptState.FINISHED,
            ended_at=Now(),
            heartbeat_at=Now(),
            reason=outcome.code or outcome.cause,
            message=outcome.message,
            elapsed=outcome.elapsed,
            exit_code=outcome.exit_code,
            signal=outcome.signal,
            peak_memory=outcome.peak_memory,
            log_dropped=outcome.log_dropped,
        )
        if not won:
            return False
        trial = Trial.objects.get(pk=attempt.trial_id)
        state, reason, message = _final_state(trial, outcome)
        _end_trial(trial, state, reason=reason, message=message)
    return True


def _final_state(trial: Trial, outcome: Outcome) -> tuple[TrialState, str, str]:
    """State, reason and sentence of a trial whose process has ended."""
    if outcome.cause == "trial_timeout":
        return TrialState.CANCELLED, "trial_timeout", outcome.message
    if trial.stop_reason == POLICY:
        return TrialState.TERMINATED, POLICY, trial.stop_message
    if trial.stop_reason:
        return TrialState.CANCELLED, trial.stop_reason, trial.stop_message
    if outcome.cause == "not_started":
        return TrialState.FAILED, outcome.code or "not_started", outcome.message
    if outcome.signal is not None or outcome.exit_code:
        reason = "signal" if outcome.signal is not None else "exit_code"
        return TrialState.FAILED, reason, outcome.message
    if not trial.reports:
        return TrialState.FAILED, "no_metric", _no_metric_message(trial)
    return TrialState.COMPLETED, "", "Ran to the end."


def _no_metric_message(trial: Trial) -> str:
    """Which names were reported instead, so that a misspelt one is seen at once."""
    wanted = trial.sweep.primary_metric if trial.sweep else ""
    seen = list(
        trial.current_attempt.metrics.order_by("name").values_list("name", flat=True)[
            :20
        ]
        if trial.current_attempt
        else ()
    )
    names = ", ".join(repr(name) for name in seen) or "no metric at all"
    return (
        f"The script ended without reporting the primary metric {wanted!r}."
        f" It reported {names}. Names must be equal to the letter."
    )


def _end_trial(trial: Trial, state: TrialState, *, reason: str, message: str) -> bool:
    won = Trial.objects.filter(pk=trial.pk, state__in=TRIAL_LIVE).update(
        state=state,
        reason=reason,
        message=message,
        ended_at=Now(),
        updated_at=Now(),
    )
    if won:
        logger.info(
            "trial %s %s -> %s: %s", trial.pk, trial.state, state, reason or "-"
        )
    return bool(won)


def lose_attempt(attempt: Attempt, *, reason: str, message: str) -> bool:
    """The infrastructure lost a running attempt: try again, or give the trial up.

    A trial that was asked to stop ends now; one whose worker was shut down in order
    ("released") goes back to the queue without counting as a loss.
    """
    with transaction.atomic():
        won = Attempt.objects.filter(pk=attempt.pk, state=AttemptState.RUNNING).update(
            state=AttemptState.LOST, reason=reason, message=message, ended_at=Now()
        )
        if not won:
            return False
        trial = Trial.objects.select_related("sweep").get(pk=attempt.trial_id)
        _after_loss(trial, message)
    logger.info("trial %s attempt %s lost: %s", trial.pk, attempt.n, reason)
    return True


def _after_loss(trial: Trial, message: str) -> None:
    if trial.stop_reason:
        ended = trial.stop_reason == POLICY
        state = TrialState.TERMINATED if ended else TrialState.CANCELLED
        _end_trial(trial, state, reason=trial.stop_reason, message=trial.stop_message)
    elif trial.sweep is not None and trial.sweep.state in SWEEP_ENDS:
        _end_trial(
            trial,
            TrialState.CANCELLED,
            reason=trial.sweep.reason,
            message=trial.sweep.message,
        )
    elif _may_try_again(trial):
        _forget_reports(trial)
        _queue_attempt(trial)
    else:
        _end_trial(trial, TrialState.FAILED, reason="lost", message=message)


def _may_try_again(trial: Trial) -> bool:
    lost = trial.attempts.filter(state=AttemptState.LOST)
    counts = lost.filter(~Q(reason="released")).count()
    most = trial.sweep.max_attempts if trial.sweep else 1
    return counts < most and lost.count() < MOST_ATTEMPTS


def _forget_reports(trial: Trial) -> None:
    """Training starts over, so its reports are counted from one again. The points of
    the lost attempt stay with it, for the record."""
    Report.objects.filter(trial=trial).delete()
    Trial.objects.filter(pk=trial.pk).update(
        reports=0, value=None, value_report=None, last_value=None, updated_at=Now()
    )
