"""Transitions of attempts, and what they mean for their trials."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from experiments import ranks
from experiments.lifecycle.trials import POLICY, end_trial, queue_attempt
from experiments.models import Attempt, Report, Trial
from experiments.models.sweeps import SWEEP_ENDS
from experiments.models.trials import AttemptState, TrialState

logger = logging.getLogger(__name__)

# A host that dies with every attempt must not be fed for ever.
MOST_ATTEMPTS = 20


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
        end_trial(trial, state, reason=reason, message=message)
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


def lose_attempt(
    attempt: Attempt,
    *,
    reason: str,
    message: str,
    unheard_since: datetime | None = None,
) -> bool:
    """The infrastructure lost a running attempt: try again, or give the trial up.

    A trial that was asked to stop ends now; one whose worker was shut down in order
    ("released") goes back to the queue without counting as a loss. ``unheard_since``
    leaves one alone that has given a sign of life after all.
    """
    running = Attempt.objects.filter(pk=attempt.pk, state=AttemptState.RUNNING)
    if unheard_since is not None:
        running = running.filter(heartbeat_at__lt=unheard_since)
    with transaction.atomic():
        won = running.update(
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
        end_trial(trial, state, reason=trial.stop_reason, message=trial.stop_message)
    elif trial.sweep is not None and trial.sweep.state in SWEEP_ENDS:
        end_trial(
            trial,
            TrialState.CANCELLED,
            reason=trial.sweep.reason,
            message=trial.sweep.message,
        )
    elif _may_try_again(trial):
        _forget_reports(trial)
        queue_attempt(trial)
    else:
        end_trial(trial, TrialState.FAILED, reason="lost", message=message)


def _may_try_again(trial: Trial) -> bool:
    lost = trial.attempts.filter(state=AttemptState.LOST)
    counts = lost.filter(~Q(reason="released")).count()
    most = trial.sweep.max_attempts if trial.sweep else 1
    return counts < most and lost.count() < MOST_ATTEMPTS


def _forget_reports(trial: Trial) -> None:
    """Training starts over, so its reports are counted from one again. The points of
    the lost attempt stay with it, for the record."""
    ranks.count_out(trial)
    Report.objects.filter(trial=trial).delete()
    Trial.objects.filter(pk=trial.pk).update(
        reports=0, value=None, value_report=None, last_value=None, updated_at=Now()
    )
