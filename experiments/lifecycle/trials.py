"""Transitions of trials: made, asked to stop, ended."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.db.models.functions import Now

from experiments.models import Attempt, Event, Sweep, Trial, TrialRequest, User
from experiments.models.sweeps import SweepState
from experiments.models.trials import (
    TRIAL_LIVE,
    AttemptState,
    TrialQuerySet,
    TrialState,
)
from experiments.runner.failpoints import failpoint
from experiments.search.wording import counted

logger = logging.getLogger(__name__)

# This stop ends a trial as terminated; every other one cancels it.
POLICY = "policy"
# The script succeeded, but never reported the primary metric.
NO_METRIC = "no_metric"
RAN_TO_THE_END, INCOMPLETE = "Ran to the end.", "It ended normally, but"
# A person stopped a trial, or its whole sweep: the event says which.
USER, CANCELLED_ALONE = "user", "trial cancelled"
CANCELLED_SOME = "trials cancelled"
CHANGED_BY_STOP = (
    *("state", "reason", "message", "stop_reason", "stop_message"),
    *("ended_at", "updated_at"),
)


class Taken(Exception):
    """Another process has used the trial's number, or has begun its request."""


def create_trial(
    sweep: Sweep,
    *,
    number: int,
    params: dict[str, Any],
    origin: str,
    trial_request: TrialRequest | None = None,
) -> Trial | None:
    """A queued trial with its first attempt. It begins the request, if there is one.

    None: another scheduler was first, or the sweep has ended or is paused.
    """
    try:
        with transaction.atomic():
            trial = store_trial(
                sweep,
                number=number,
                params=params,
                origin=origin,
                trial_request=trial_request,
            )
            failpoint("dispatch.storing")
            queue_attempt(trial)
    except Taken:
        return None
    logger.info("sweep %s trial %s queued", sweep.pk, number)
    return trial


def store_trial(
    sweep: Sweep,
    *,
    number: int,
    params: dict[str, Any],
    origin: str,
    trial_request: TrialRequest | None = None,
) -> Trial:
    """A trial without an attempt; needs a transaction. Raises Taken, also if the sweep
    no longer runs, or if its search space has changed since the sweep was read."""
    unchanged = Sweep.objects.filter(
        pk=sweep.pk, state=SweepState.RUNNING, space_version=sweep.space_version
    )
    # An UPDATE locks the row: nobody can end the sweep or change its space meanwhile.
    if not unchanged.update(space_version=sweep.space_version):
        raise Taken
    try:
        trial = Trial.objects.create(
            experiment_id=sweep.experiment_id,
            sweep=sweep,
            number=number,
            params=params,
            origin=origin,
            source_number=trial_request.source_number if trial_request else None,
            runs_to_end=trial_request.runs_to_end if trial_request else False,
        )
    except IntegrityError as error:
        raise Taken from error
    if trial_request is not None:
        waiting = TrialRequest.objects.waiting().filter(pk=trial_request.pk)
        if not waiting.update(begun_at=Now(), trial=trial, number=number):
            raise Taken
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

    The runner finds this in the reply to its next heartbeat.
    """
    only = Trial.objects.filter(pk=trial.pk)
    won = _stop_trials(only, reason=reason, message=message)
    trial.refresh_from_db(fields=CHANGED_BY_STOP)
    return bool(won)


def cancel_trial(trial: Trial, *, actor: User | None, message: str) -> bool:
    """Ask one trial to stop for a person, with an event."""
    with transaction.atomic():
        won = request_stop(trial, reason=USER, message=message)
        if won:
            text = f"Trial {trial.number} was cancelled after {trial.reports} reports."
            Event.log(CANCELLED_ALONE, text, actor=actor, trial=trial)
    return won


def cancel_trials(
    sweep: Sweep, numbers: Sequence[int], *, actor: User | None, message: str
) -> list[int]:
    """Ask some trials of a sweep to stop for a person, with one event; returns the
    numbers of those that were live."""
    trials = sweep.trials.filter(number__in=numbers)
    with transaction.atomic():
        live = trials.live().filter(stop_reason="").order_by("number")
        asked = list(live.values_list("number", flat=True))
        if asked:
            _stop_trials(trials, reason=USER, message=message)
            text = f"{counted(len(asked), 'trial')} cancelled."
            data = {"trials": asked}
            Event.log(CANCELLED_SOME, text, actor=actor, sweep=sweep, data=data)
    return asked


def stop_live_trials(sweep: Sweep, *, reason: str, message: str) -> int:
    """Ask all live trials of a sweep to stop, in four statements."""
    trials = Trial.objects.filter(sweep=sweep)
    return _stop_trials(trials, reason=reason, message=message)


def _stop_trials(trials: TrialQuerySet, *, reason: str, message: str) -> int:
    """Attempts before trials: PostgreSQL locks rows in this order everywhere."""
    with transaction.atomic(savepoint=False):
        attempts = Attempt.objects.filter(trial__in=trials.live().values("pk"))
        queued = list(
            attempts.filter(state=AttemptState.QUEUED).values_list("pk", flat=True)
        )
        if queued:
            Attempt.objects.filter(pk__in=queued, state=AttemptState.QUEUED).update(
                state=AttemptState.FINISHED, reason=reason, ended_at=Now()
            )
        attempts.filter(state=AttemptState.RUNNING, stop_requested_at=None).update(
            stop_requested_at=Now()
        )
        failpoint("stop.marked")
        asked = trials.filter(state__in=TRIAL_LIVE, stop_reason="").update(
            stop_reason=reason, stop_message=message, updated_at=Now()
        )
        if queued:
            _end_unclaimed(queued, reason=reason, message=message)
    failpoint("stop.committed")
    if asked:
        logger.info("%s trials asked to stop: %s", asked, reason)
    return asked


def _end_unclaimed(attempts: list[int], *, reason: str, message: str) -> None:
    """Cancel the trials whose attempts ended before a worker claimed them."""
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


def is_incomplete(trial: Trial) -> bool:
    """Whether a completed trial has lost a part of its results."""
    return trial.state == TrialState.COMPLETED and trial.message.startswith(INCOMPLETE)


def accept_reported(sweep: Sweep) -> None:
    """Complete trials that failed only for lack of the primary metric, and have reports
    of it now that the metric has changed. Needs a transaction."""
    failed = Trial.objects.filter(
        sweep=sweep, state=TrialState.FAILED, reason=NO_METRIC, reports__gt=0
    )
    attempts = Attempt.objects.filter(pk__in=failed.values("current_attempt"))
    attempts.update(error="", signature="")
    failed.update(
        state=TrialState.COMPLETED,
        reason="",
        message=RAN_TO_THE_END,
        updated_at=Now(),
    )


def end_trial(
    trial: Trial,
    state: TrialState,
    *,
    reason: str,
    message: str,
    ended_at: datetime | None = None,
) -> bool:
    won = Trial.objects.filter(pk=trial.pk, state__in=TRIAL_LIVE).update(
        state=state,
        reason=reason,
        message=message,
        ended_at=ended_at or Now(),
        updated_at=Now(),
    )
    if won:
        logger.info(
            "trial %s %s -> %s: %s", trial.pk, trial.state, state, reason or "-"
        )
    return bool(won)
