"""Transitions of trials: made, asked to stop, ended."""

from __future__ import annotations

import logging
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.db.models.functions import Now

from experiments.models import Attempt, Sweep, Trial
from experiments.models.trials import (
    TRIAL_LIVE,
    AttemptState,
    TrialQuerySet,
    TrialState,
)

logger = logging.getLogger(__name__)

# This stop ends a trial as terminated; every other one cancels it.
POLICY = "policy"


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
            queue_attempt(trial)
    except IntegrityError:
        return None
    logger.info("sweep %s trial %s queued", sweep.pk, number)
    return trial


def queue_attempt(trial: Trial) -> Attempt:
    """The trial's next attempt, queued, which takes over as the current one."""
    last = trial.attempts.aggregate(last=Max("n"))["last"] or 0
    if trial.sweep is None:
        raise ValueError(f"trial {trial.pk} has no sweep, so nothing runs it")
    pool_id = trial.sweep.pool_id
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
    only = Trial.objects.filter(pk=trial.pk)
    won = _stop_trials(only, reason=reason, message=message)
    trial.refresh_from_db()
    return bool(won)


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


def end_trial(trial: Trial, state: TrialState, *, reason: str, message: str) -> bool:
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
