"""Transitions of sweeps.

Sweeps that go on after their end, for more trials.

The commit that all trials of a sweep run: the first that one of them looked up.

The lock on a sweep's row, which comes before those on workers, attempts and trials.

PostgreSQL locks the row so that others may still refer to it; on SQLite a transaction
has the whole database to itself from its beginning.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from experiments.db.clock import database_now
from experiments.formatting import exact_duration_text
from experiments.lifecycle.attempts import ask_release
from experiments.lifecycle.trials import stop_live_trials
from experiments.models import Event, Sweep, TrialRequest, User
from experiments.models.sweeps import SWEEP_ENDS, SweepState
from experiments.models.trials import TrialState
from experiments.runner.failpoints import failpoint


def lock_sweep(sweep: Sweep) -> bool:
    """Read the row anew, which nobody else changes until the transaction ends.

    What it refers to, such as its pool, is not read again. False: it is gone.
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
    """The sweep of an attempt, locked in the same way. None: it does not run."""
    rows = Sweep.objects.select_for_update(no_key=True, of=("self",))
    return rows.filter(state=SweepState.RUNNING, trials__attempts=attempt_id).first()


logger = logging.getLogger(__name__)


def move_sweep(
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
            data = {"reason": reason} if reason else {}
            Event.log(f"sweep {to}", message, actor=actor, sweep=sweep, data=data)
            failpoint("sweep.moved")
    if won:
        logger.info("sweep %s %s -> %s: %s", sweep.pk, sweep.state, to, reason or "-")
        sweep.refresh_from_db()
    return bool(won)


def start_sweep(sweep: Sweep, *, actor: User | None = None) -> bool:
    return move_sweep(
        sweep,
        sources={SweepState.DRAFT},
        to=SweepState.RUNNING,
        actor=actor,
        started_at=Coalesce(F("started_at"), Now()),
    )


def pause_sweep(
    sweep: Sweep,
    *,
    actor: User | None = None,
    reason: str = "user",
    message: str = "",
    requeue: bool = False,
) -> bool:
    """No new trials from now on; running ones go on to their end.

    With ``requeue`` they are put back instead, also those of a sweep that was paused
    before: see put_back_running. False: it is not running, and nothing was put back.
    """
    with transaction.atomic():
        won = move_sweep(
            sweep,
            sources={SweepState.RUNNING},
            to=SweepState.PAUSED,
            reason=reason,
            message=message,
            actor=actor,
        )
        return bool(requeue and put_back_running(sweep, actor=actor)) or won


def put_back_running(sweep: Sweep, *, actor: User | None = None) -> int:
    """Ask the running attempts of a paused sweep to stop, with grace; how many.

    They end as released, which is no try of their trials: these wait, and run again
    once the sweep is resumed. Those that end otherwise meanwhile have ended.
    """
    with transaction.atomic():
        if not lock_sweep(sweep) or sweep.state != SweepState.PAUSED:
            return 0
        asked = ask_release(sweep)
        if asked:
            Sweep.objects.filter(pk=sweep.pk).update(updated_at=Now())
            noun = "trial goes" if asked == 1 else "trials go"
            message = f"{asked} running {noun} back to the queue."
            Event.log("trials put back", message, actor=actor, sweep=sweep)
            sweep.refresh_from_db()
    return asked


def resume_sweep(sweep: Sweep, *, actor: User | None = None) -> bool:
    return move_sweep(
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
        won = move_sweep(
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
    return move_sweep(
        sweep,
        sources={SweepState.RUNNING},
        to=SweepState.COMPLETED,
        reason=reason,
        message=message,
        ended_at=Now(),
    )


def fail_sweep(sweep: Sweep, *, reason: str, message: str) -> bool:
    with transaction.atomic():
        won = move_sweep(
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
    """The space has no untried configuration left; no other one took its place."""
    won = Sweep.objects.filter(pk=sweep.pk, space_version=sweep.space_version).update(
        exhausted=True, updated_at=Now()
    )
    sweep.exhausted = bool(won)


EXTENDED = "sweep extended"


def extend_sweep(sweep: Sweep, more: int, *, actor: User | None = None) -> bool:
    """A sweep that has ended goes on for so many more trials.

    A target that was reached and a timeout that is over no longer hold. False: it has
    not ended.
    """
    before = {"max_total_trials": sweep.max_total_trials, "timeout": sweep.timeout}
    freed, words = _freed(sweep)
    with transaction.atomic():
        if not reopen(sweep, set(SWEEP_ENDS), more, actor=actor, **freed):
            return False
        noun = "trial" if more == 1 else "trials"
        after = {name: getattr(sweep, name) for name in before}
        Event.log(
            EXTENDED,
            " ".join([f"Goes on for {more} more {noun}.", *words]),
            actor=actor,
            sweep=sweep,
            data={"before": before, "after": after},
        )
    return True


def reopen(
    sweep: Sweep,
    sources: set[SweepState],
    more: int,
    *,
    actor: User | None,
    **fields: Any,
) -> bool:
    """From an end back to running, with room for so many trials after the last.

    What still waited to be carried out when it ended is not carried out any more.
    Wants a transaction.
    """
    if not lock_sweep(sweep) or sweep.state not in sources:
        return False
    TrialRequest.objects.waiting().filter(sweep=sweep).update(withdrawn_at=Now())
    still = database_now() - sweep.ended_at if sweep.ended_at else timedelta()
    return move_sweep(
        sweep,
        sources=sources,
        to=SweepState.RUNNING,
        actor=actor,
        resumed_at=Now(),
        ended_at=None,
        idle=F("idle") + max(0.0, still.total_seconds()),
        max_total_trials=more + sweep.next_number(),
        **fields,
    )


def _freed(sweep: Sweep) -> tuple[dict[str, Any], list[str]]:
    """What would end the sweep again at once is taken away; in words, too."""
    fields: dict[str, Any] = {}
    words = []
    target = sweep.objective.target
    if target is not None and _is_reached(sweep, target):
        objective = {**sweep.definition["objective"]}
        del objective["target"]
        fields["definition"] = {**sweep.definition, "objective": objective}
        words.append(f"The target {target:g} was reached and no longer holds.")
    took = sweep.took(database_now())
    limit = sweep.timeout
    if limit is not None and took is not None and took.total_seconds() >= limit:
        fields["timeout"] = None
        time = exact_duration_text(limit)
        words.append(f"The limit of {time} in all was over and is gone.")
    return fields, words


def _is_reached(sweep: Sweep, target: float) -> bool:
    better = "value__gte" if sweep.goal == "maximize" else "value__lte"
    tried = sweep.trials.exclude(state=TrialState.FAILED)
    return tried.filter(**{better: target}).exists()


def settle_commit(sweep: Sweep, commit: str) -> str:
    """Offer the commit that the sweep's git reference stands for at this moment.

    Returns the one that counts, which is another attempt's where that was earlier.
    """
    undecided = Sweep.objects.filter(pk=sweep.pk, code_commit="")
    if undecided.update(code_commit=commit):
        return commit
    settled: str = Sweep.objects.values_list("code_commit", flat=True).get(pk=sweep.pk)
    return settled
