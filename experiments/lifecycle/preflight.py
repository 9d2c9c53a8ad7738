"""Transitions of a sweep's pre-flight: one configuration runs before all others."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from experiments.db.clock import database_now
from experiments.lifecycle.sweeps import move_sweep
from experiments.models import Event, Sweep, User
from experiments.models.sweeps import SweepState

# Why a sweep is paused: its pre-flight went wrong, or it went well and waits.
PREFLIGHT_FAILED, PREFLIGHT_HELD = "preflight_failed", "preflight"


def start_preflight(sweep: Sweep, *, hold: bool, actor: User | None = None) -> bool:
    """Start a draft with one trial alone; the others follow when it has proven itself.

    With ``hold`` the sweep is paused then, for somebody to look at what was found.
    """
    return move_sweep(
        sweep,
        sources={SweepState.DRAFT},
        to=SweepState.RUNNING,
        actor=actor,
        message="One configuration is tried first.",
        started_at=Coalesce(F("started_at"), Now()),
        preflight=_begun(sweep, hold=hold),
    )


def repeat_preflight(sweep: Sweep, *, actor: User | None = None) -> bool:
    """Resume a paused sweep with one trial that has to prove itself: the one that still
    runs, or else a new one."""
    hold = bool((sweep.preflight or {}).get("hold"))
    return move_sweep(
        sweep,
        sources={SweepState.PAUSED},
        to=SweepState.RUNNING,
        actor=actor,
        message="One configuration is tried again first.",
        resumed_at=Now(),
        preflight=_begun(sweep, hold=hold),
    )


def _begun(sweep: Sweep, *, hold: bool) -> dict[str, Any]:
    live = sweep.trials.live().order_by("number").first()
    return {
        "state": "running",
        "since": database_now().isoformat(),
        "hold": hold,
        "from": live.number if live else sweep.next_number(),
    }


def end_preflight(sweep: Sweep, found: dict[str, Any], *, message: str) -> bool:
    """Keep what the pre-flight found, and pause the sweep if it failed or is held.

    False: somebody else has ended it. ``found["state"]`` is ``passed`` or ``failed``.
    """
    before = sweep.preflight or {}
    data = {**before, **found}
    failed = found["state"] == "failed"
    with transaction.atomic():
        won = Sweep.objects.filter(
            pk=sweep.pk, state=SweepState.RUNNING, preflight__state="running"
        ).update(preflight=data, message="", updated_at=Now())
        if not won:
            return False
        Event.log(f"pre-flight {found['state']}", message, sweep=sweep, data=found)
        if failed or data.get("hold"):
            move_sweep(
                sweep,
                sources={SweepState.RUNNING},
                to=SweepState.PAUSED,
                reason=PREFLIGHT_FAILED if failed else PREFLIGHT_HELD,
                message=message,
            )
    sweep.refresh_from_db()
    return True
