"""Transitions of sweeps, and the lock on a sweep's row.

Lock a sweep before workers, attempts and trials. PostgreSQL locks the row so that
others can still refer to it; on SQLite a transaction locks the whole database.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from experiments.db.clock import database_now
from experiments.formatting import exact_duration_text
from experiments.lifecycle.attempts import ask_release
from experiments.lifecycle.trials import stop_live_trials
from experiments.models import (
    Event,
    Notification,
    NotificationKind,
    Sweep,
    TrialRequest,
    User,
)
from experiments.models.sweeps import SWEEP_ENDS, SweepState
from experiments.models.trials import TrialState
from experiments.runner.failpoints import failpoint
from experiments.search.wording import counted

logger = logging.getLogger(__name__)
EXTENDED = "sweep extended"


def lock_sweep(sweep: Sweep) -> bool:
    """Read the row again and lock it until the transaction ends. False: it is gone.

    What it refers to, such as its pool, is not read again.
    """
    columns = [
        field.attname for field in Sweep._meta.concrete_fields if not field.is_relation
    ]
    rows = Sweep.objects.select_for_update(no_key=True)
    try:
        sweep.refresh_from_db(fields=columns, from_queryset=rows)
    except Sweep.DoesNotExist:
        return False
    return True


def lock_running_sweep(attempt_id: int) -> Sweep | None:
    """The sweep of an attempt, locked. None: it does not run."""
    rows = Sweep.objects.select_for_update(no_key=True, of=("self",))
    return rows.filter(state=SweepState.RUNNING, trials__attempts=attempt_id).first()


def move_sweep(
    sweep: Sweep,
    sources: Collection[SweepState],
    to: SweepState,
    *,
    reason: str = "",
    message: str = "",
    actor: User | None = None,
    **fields: Any,
) -> bool:
    """One transition, logged as an event. False: the sweep was in another state."""
    fields = {**_moment(sources, to), **fields}
    with transaction.atomic():
        won = Sweep.objects.filter(pk=sweep.pk, state__in=sources).update(
            state=to, reason=reason, message=message, updated_at=Now(), **fields
        )
        if won:
            data = {"reason": reason} if reason else {}
            event = Event.log(
                f"sweep {to}", message, actor=actor, sweep=sweep, data=data
            )
            if actor is None and reason != "user":
                _notify(sweep, to, message, number=event.pk)
            failpoint("sweep.moved")
    if won:
        logger.info("sweep %s %s -> %s: %s", sweep.pk, sweep.state, to, reason or "-")
        sweep.refresh_from_db()
    return bool(won)


NOTIFIED = {
    SweepState.COMPLETED: (NotificationKind.FINISHED, "has completed"),
    SweepState.CANCELLED: (NotificationKind.FINISHED, "was cancelled"),
    SweepState.FAILED: (NotificationKind.FAILED, "has failed"),
    SweepState.PAUSED: (NotificationKind.STUCK, "has paused itself"),
}


def _notify(sweep: Sweep, to: SweepState, message: str, *, number: int) -> None:
    """Note what no person did, for those who want to know."""
    if to in NOTIFIED:
        kind, what = NOTIFIED[to]
        title = f"Sweep {sweep.label} {what}"
        Notification.note(kind, f"event {number}", title, message, sweep=sweep)


def _moment(sources: Collection[SweepState], to: SweepState) -> dict[str, Any]:
    """The column that has the time of such a transition."""
    if to in SWEEP_ENDS:
        return {"ended_at": Now()}
    if to != SweepState.RUNNING:
        return {}
    if SweepState.DRAFT in sources:
        return {"started_at": Coalesce(F("started_at"), Now())}
    return {"resumed_at": Now()}


def start_sweep(sweep: Sweep, *, actor: User | None = None) -> bool:
    return move_sweep(sweep, {SweepState.DRAFT}, SweepState.RUNNING, actor=actor)


def pause_sweep(
    sweep: Sweep,
    *,
    actor: User | None = None,
    reason: str = "user",
    message: str = "",
    requeue: bool = False,
) -> bool:
    """Start no new trials; running ones continue to their end.

    With ``requeue`` running ones stop and are queued again, also if the sweep is paused
    already: see put_back_running. False: nothing changed.
    """
    with transaction.atomic():
        won = move_sweep(
            sweep,
            {SweepState.RUNNING},
            SweepState.PAUSED,
            reason=reason,
            message=message,
            actor=actor,
        )
        return bool(requeue and put_back_running(sweep, actor=actor)) or won


def put_back_running(sweep: Sweep, *, actor: User | None = None) -> int:
    """Ask the running attempts of a paused sweep to stop; returns how many.

    Such a stop does not count as an attempt: the trials are queued, and run again when
    the sweep is resumed.
    """
    with transaction.atomic():
        if not lock_sweep(sweep) or sweep.state != SweepState.PAUSED:
            return 0
        asked = ask_release(sweep)
        if asked:
            Sweep.objects.filter(pk=sweep.pk).update(updated_at=Now())
            message = f"Stopped and queued again: {counted(asked, 'running trial')}."
            Event.log("trials put back", message, actor=actor, sweep=sweep)
            sweep.refresh_from_db()
    return asked


def resume_sweep(sweep: Sweep, *, actor: User | None = None) -> bool:
    return move_sweep(sweep, {SweepState.PAUSED}, SweepState.RUNNING, actor=actor)


def cancel_sweep(
    sweep: Sweep,
    *,
    actor: User | None = None,
    reason: str = "user",
    message: str = "Cancelled by a person.",
) -> bool:
    """Queued trials end at once; running ones are asked to stop."""
    with transaction.atomic():
        won = move_sweep(
            sweep,
            {SweepState.DRAFT, SweepState.RUNNING, SweepState.PAUSED},
            SweepState.CANCELLED,
            reason=reason,
            message=message,
            actor=actor,
        )
        if won:
            stop_live_trials(sweep, reason=reason, message=message)
    return won


def complete_sweep(sweep: Sweep, *, reason: str, message: str) -> bool:
    running = {SweepState.RUNNING}
    return move_sweep(
        sweep, running, SweepState.COMPLETED, reason=reason, message=message
    )


def fail_sweep(sweep: Sweep, *, reason: str, message: str) -> bool:
    with transaction.atomic():
        active = {SweepState.RUNNING, SweepState.PAUSED}
        won = move_sweep(
            sweep, active, SweepState.FAILED, reason=reason, message=message
        )
        if won:
            stop_live_trials(sweep, reason="sweep_failed", message=message)
    return won


def mark_exhausted(sweep: Sweep) -> None:
    """Note that the search space has no untried configuration left."""
    won = Sweep.objects.filter(pk=sweep.pk, space_version=sweep.space_version).update(
        exhausted=True, updated_at=Now()
    )
    sweep.exhausted = bool(won)


def extend_sweep(sweep: Sweep, more: int, *, actor: User | None = None) -> bool:
    """Reopen a sweep that has ended for ``more`` trials. False: it has not ended.

    A target that was reached and a timeout that is over are removed.
    """
    before = {"max_total_trials": sweep.max_total_trials, "timeout": sweep.timeout}
    target, target_message = _without_target(sweep)
    timeout, timeout_message = without_timeout(sweep)
    with transaction.atomic():
        if not reopen(sweep, more, actor=actor, **target, **timeout):
            return False
        after = {name: getattr(sweep, name) for name in before}
        message = f"Extended by {counted(more, 'trial')}."
        Event.log(
            EXTENDED,
            " ".join(filter(None, (message, target_message, timeout_message))),
            actor=actor,
            sweep=sweep,
            before=before,
            after=after,
        )
    return True


def reopen(sweep: Sweep, more: int, *, actor: User | None, **fields: Any) -> bool:
    """From an end back to running, with room for ``more`` trials after the last.

    Requests that waited when it ended are withdrawn. Needs a transaction.
    """
    if not lock_sweep(sweep) or sweep.state not in SWEEP_ENDS:
        return False
    TrialRequest.objects.waiting().filter(sweep=sweep).update(withdrawn_at=Now())
    idle = database_now() - sweep.ended_at if sweep.ended_at else timedelta()
    return move_sweep(
        sweep,
        SWEEP_ENDS,
        SweepState.RUNNING,
        actor=actor,
        ended_at=None,
        idle=F("idle") + max(0.0, idle.total_seconds()),
        max_total_trials=more + sweep.next_number(),
        **fields,
    )


def _without_target(sweep: Sweep) -> tuple[dict[str, Any], str]:
    """The column and a message that remove a target that was reached."""
    target = sweep.objective.target
    if target is None:
        return {}, ""
    better = "value__gte" if sweep.goal == "maximize" else "value__lte"
    tried = sweep.trials.exclude(state=TrialState.FAILED)
    if not tried.filter(**{better: target}).exists():
        return {}, ""
    objective = {**sweep.definition["objective"]}
    del objective["target"]
    definition = {**sweep.definition, "objective": objective}
    message = f"The target {target:g} was reached and is removed."
    return {"definition": definition}, message


def without_timeout(sweep: Sweep) -> tuple[dict[str, Any], str]:
    """The column and a message that remove a timeout that is over."""
    took = sweep.took(database_now())
    if sweep.timeout is None or took is None or took.total_seconds() < sweep.timeout:
        return {}, ""
    limit = exact_duration_text(sweep.timeout)
    return {"timeout": None}, f"The limit of {limit} was removed."


def settle_commit(sweep: Sweep, commit: str) -> str:
    """Store the commit of the sweep's git reference, unless an earlier attempt has
    stored one. Returns the stored one."""
    Sweep.objects.filter(pk=sweep.pk, code_commit="").update(code_commit=commit)
    stored: str = Sweep.objects.values_list("code_commit", flat=True).get(pk=sweep.pk)
    return stored
