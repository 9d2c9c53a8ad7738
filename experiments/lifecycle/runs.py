"""Transitions of single runs: trials without a sweep, which people's programs run.

A run has one attempt. No scheduler, recovery or policy touches it: it runs until its
program or a person ends it. A program may reopen it, as MLflow's clients do.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from experiments import access
from experiments.lifecycle.claims import AskClaim, attempt_token
from experiments.lifecycle.trials import USER, end_trial
from experiments.models import (
    Attempt,
    Event,
    Experiment,
    Membership,
    Removable,
    Run,
    TrashItem,
    Trial,
    User,
)
from experiments.models.runs import MAX_RUN_NAME
from experiments.models.trials import AttemptState, TrialState
from experiments.search.fields import DefinitionError, Problem

logger = logging.getLogger(__name__)

RUN_STARTED = "run started"
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
    parent, params and tags. Without a name it gets one with its id.
    """
    start = started_at or Now()
    with transaction.atomic():
        # Two programs that start at once get different numbers.
        locked = Experiment.objects.select_for_update(no_key=True)
        if not locked.filter(pk=experiment.pk).first():
            words = f"The experiment {experiment.name} was moved to the trash."
            raise DefinitionError([Problem("experiment", words)])
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
            name=name.strip()[:MAX_RUN_NAME] or f"run-{trial.pk}",
            created_by=created_by,
            **fields,
        )
        claim = _begin(trial, client, start)
        Event.log(RUN_STARTED, actor=created_by, trial=trial)
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


def revoke_run_tokens(users: Iterable[int] | None = None) -> None:
    """Of single runs whose creators may not change them any more; without `users`, of
    everybody's. Runs below a running trial stay: its token belongs to the sweep."""
    own = Attempt.objects.filter(
        pool=None, trial__sweep=None, trial__run__created_by__isnull=False
    ).exclude(trial_token_digest="")
    if users is not None:
        own = own.filter(trial__run__created_by__in=users)
    roles = Membership.objects.filter(
        user=OuterRef("trial__run__created_by"),
        team=OuterRef("trial__experiment__team"),
        role__in=access.STEERERS,
    )
    is_superuser = Q(trial__run__created_by__is_superuser=True)
    may = Q(trial__run__created_by__is_active=True) & (is_superuser | Exists(roles))
    running = Attempt.objects.filter(pool__isnull=False, state=AttemptState.RUNNING)
    ended = own.filter(~may).exclude(
        trial_token_digest__in=running.values("trial_token_digest")
    )
    pks = list(ended.values_list("pk", flat=True))
    Attempt.objects.filter(pk__in=pks).update(trial_token_digest="")


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
    reply to its next report. A silent run ends when it last sent something."""
    message = f"Marked as {state} by {actor.display_name}."
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
    ended = Trial.objects.filter(pk=trial.pk, sweep=None, state__in=RUN_ENDS)
    with transaction.atomic():
        # Attempts before trials, as reports lock them.
        attempts = Attempt.objects.filter(trial__in=ended.values("pk"))
        won = attempts.exclude(state=AttemptState.RUNNING).update(
            state=AttemptState.RUNNING,
            reason="",
            message="",
            ended_at=None,
            compacted_at=None,
            heartbeat_at=Now(),
        )
        if won:
            ended.update(
                state=TrialState.RUNNING,
                reason="",
                message="",
                stop_reason="",
                stop_message="",
                ended_at=None,
                updated_at=Now(),
            )
    trial.refresh_from_db()
    return bool(won)


def trash_run(trial: Trial, *, actor: User | None, **fields: Any) -> TrashItem | None:
    """Move a run to the trash; one that runs ends as cancelled. ``fields`` are further
    columns of its item. None: it is there."""
    with transaction.atomic():
        if actor:
            end_run_by_hand(trial, TrialState.CANCELLED, actor=actor)
        if not Run.objects.filter(trial=trial, deleted_at=None).update(
            deleted_at=Now()
        ):
            return None
        team = trial.experiment.team
        item = TrashItem.add(
            Removable.RUN,
            trial.label,
            team.pk,
            **{"trial": trial, "trials": 1, "moved_by": actor, **fields},
        )
        # Without a reference to the run, with which the event would be hidden.
        data = {"run": trial.pk, "trash": item.pk}
        Event.log("run moved to trash", trial.label, actor=actor, team=team, data=data)
    return item


def restore_run(trial: Trial, *, actor: User | None) -> bool:
    """Take a run out of the trash. False: it is not there, or is being deleted."""
    with transaction.atomic():
        trashed = Run.objects.filter(trial=trial, deleted_at__isnull=False)
        # The items first: a job that deletes one marks it.
        items = TrashItem.objects.select_for_update().filter(trial=trial)
        if any(item.began_at for item in items) or not trashed.update(deleted_at=None):
            return False
        items.delete()
        Event.log("run restored", trial.label, actor=actor, trial=trial)
    return True
