"""Transitions of single runs: trials without a sweep, which people's programs run.

A run has one attempt. No scheduler, recovery or policy touches it: it runs until its
program or a person ends it. A program may reopen it, as MLflow's clients do.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from experiments.lifecycle.claims import AskClaim, attempt_token
from experiments.lifecycle.trials import USER, end_trial
from experiments.models import Attempt, Event, Experiment, Run, Trial, User
from experiments.models.runs import MAX_RUN_NAME
from experiments.models.trials import AttemptState, TrialState

logger = logging.getLogger(__name__)

RUN_ENDS = frozenset({TrialState.COMPLETED, TrialState.FAILED, TrialState.CANCELLED})


def start_run(
    experiment: Experiment,
    *,
    name: str = "",
    created_by: User | None = None,
    client: str = "",
    started_at: datetime | None = None,
    **fields: Any,
) -> AskClaim:
    """A single run, which runs from now on, or since ``started_at``.

    ``client`` is its program's name, and ``fields`` are further columns of Run, such as
    parent, params and tags. Without a name it gets one with its number.
    """
    start = started_at or Now()
    with transaction.atomic():
        # Two programs that start at once get different numbers.
        Experiment.objects.select_for_update(no_key=True).get(pk=experiment.pk)
        runs = Trial.objects.filter(experiment=experiment, sweep=None)
        number = max(1, runs.next_number())
        trial = Trial.objects.create(
            experiment=experiment,
            number=number,
            state=TrialState.RUNNING,
            started_at=start,
        )
        Run.objects.create(
            trial=trial,
            name=name.strip()[:MAX_RUN_NAME] or f"run-{number}",
            created_by=created_by,
            **fields,
        )
        claim = _begin(trial, client, start)
    logger.info("run %s started", trial.pk)
    return claim


def _begin(trial: Trial, client: str, start: datetime | Now) -> AskClaim:
    attempt = Attempt.objects.create(
        trial=trial,
        n=1,
        state=AttemptState.RUNNING,
        client=client[:200],
        claimed_at=start,
        heartbeat_at=Now(),
    )
    token = attempt_token(attempt)
    Attempt.objects.filter(pk=attempt.pk).update(trial_token_digest=token.digest)
    Trial.objects.filter(pk=trial.pk).update(current_attempt=attempt)
    found = Attempt.objects.select_related("trial__experiment__team", "trial__run")
    return AskClaim(found.get(pk=attempt.pk), token)


def finish_run(
    trial: Trial,
    state: TrialState,
    *,
    message: str = "",
    ended_at: datetime | None = None,
) -> bool:
    """End a single run as completed, failed or cancelled. False: it has ended."""
    return _end(trial, state, reason="", message=message, ended_at=ended_at)


def end_run_by_hand(trial: Trial, state: TrialState, *, actor: User) -> bool:
    """End a run for a person. Its program, if it still runs, is asked to stop in the
    reply to its next report. A silent run ends at its last sign of life."""
    word = "failed" if state == TrialState.FAILED else "ended"
    message = f"Marked as {word} by {actor.display_name}."
    attempt = trial.current_attempt
    last = attempt.heartbeat_at if attempt else None
    with transaction.atomic():
        won = _end(trial, state, reason=USER, message=message, ended_at=last)
        if won:
            Trial.objects.filter(pk=trial.pk).update(
                stop_reason=USER, stop_message=message
            )
            Event.log("run ended", message, actor=actor, trial=trial)
    return won


def _end(
    trial: Trial,
    state: TrialState,
    *,
    reason: str,
    message: str,
    ended_at: datetime | None,
) -> bool:
    if trial.sweep_id is not None or state not in RUN_ENDS:
        raise ValueError(f"trial {trial.pk} cannot end as a single run, {state}")
    with transaction.atomic():
        won = Attempt.objects.filter(trial=trial, state=AttemptState.RUNNING).update(
            state=AttemptState.FINISHED,
            reason=reason,
            message=message,
            ended_at=ended_at or Now(),
            # How long it took is the time from its start to its end.
            elapsed=None,
        )
        if won:
            end_trial(trial, state, reason=reason, message=message, ended_at=ended_at)
    trial.refresh_from_db()
    return bool(won)


def reopen_run(trial: Trial) -> bool:
    """Continue a run that has ended, as ``mlflow.start_run(run_id=…)`` does. False: it
    runs, or is a trial of a sweep, whose end is final."""
    ended: Mapping[str, Any] = {"sweep": None, "state__in": RUN_ENDS}
    with transaction.atomic():
        won = Trial.objects.filter(pk=trial.pk, **ended).update(
            state=TrialState.RUNNING,
            reason="",
            message="",
            stop_reason="",
            stop_message="",
            ended_at=None,
            updated_at=Now(),
        )
        if won:
            Attempt.objects.filter(trial=trial).update(
                state=AttemptState.RUNNING,
                reason="",
                message="",
                ended_at=None,
                heartbeat_at=Now(),
            )
    trial.refresh_from_db()
    return bool(won)
