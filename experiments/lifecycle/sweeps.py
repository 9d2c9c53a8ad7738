"""Transitions of sweeps."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import F, Max
from django.db.models.functions import Coalesce, Now

from experiments.clock import database_now
from experiments.lifecycle.trials import stop_live_trials
from experiments.models import Event, Sweep, User
from experiments.models.sweeps import SweepState

logger = logging.getLogger(__name__)

# The verb of the event that lists trials to run again; the scheduler goes by it.
RUN_AGAIN = "trials to run again"


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
    data = {"reason": reason} if reason else {}
    _add_event(sweep, verb, message, actor=actor, data=data)


def _add_event(
    sweep: Sweep, verb: str, message: str, *, actor: User | None, data: dict[str, Any]
) -> None:
    Event.objects.create(
        team_id=sweep.experiment.team_id,
        actor=actor,
        sweep=sweep,
        verb=verb,
        message=message,
        data=data,
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


def run_again(
    sweep: Sweep,
    numbers: Sequence[int],
    *,
    message: str,
    to_end: bool = False,
    actor: User | None = None,
) -> bool:
    """These trials of the sweep shall run once more each, beyond its budget.

    With ``to_end`` no policy ends them early.
    A completed sweep goes on for them alone. The time for which it lay still does not
    count. False: the sweep has not begun, or was cancelled, or has failed.
    """
    more = len(numbers)
    with transaction.atomic():
        won = Sweep.objects.filter(
            pk=sweep.pk, state__in={SweepState.RUNNING, SweepState.PAUSED}
        ).update(max_total_trials=F("max_total_trials") + more, updated_at=Now())
        won = won or _move_sweep(
            sweep,
            sources={SweepState.COMPLETED},
            to=SweepState.RUNNING,
            actor=actor,
            resumed_at=Now(),
            ended_at=None,
            **_room_for(sweep, more),
        )
        if won:
            data = {"trials": list(numbers)} | ({"to_end": True} if to_end else {})
            _add_event(sweep, RUN_AGAIN, message, actor=actor, data=data)
            sweep.refresh_from_db()
    return bool(won)


def _room_for(sweep: Sweep, more: int) -> dict[str, Any]:
    """The limits of a sweep that has ended and that goes on for so many trials."""
    last = sweep.trials.aggregate(last=Max("number"))["last"]
    room: dict[str, Any] = {
        "max_total_trials": more + (0 if last is None else last + 1)
    }
    if sweep.timeout is not None and sweep.ended_at is not None:
        idle = database_now() - sweep.ended_at
        room["timeout"] = sweep.timeout + idle.total_seconds()
    return room


def mark_exhausted(sweep: Sweep) -> None:
    """The space has no untried configuration left."""
    Sweep.objects.filter(pk=sweep.pk).update(exhausted=True, updated_at=Now())
    sweep.exhausted = True
