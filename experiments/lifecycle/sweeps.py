"""Transitions of sweeps."""

from __future__ import annotations

import logging
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from experiments.failpoints import failpoint
from experiments.lifecycle.attempts import ask_release
from experiments.lifecycle.locks import lock_sweep
from experiments.lifecycle.trials import stop_live_trials
from experiments.models import Event, Sweep, User
from experiments.models.sweeps import SweepState

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
