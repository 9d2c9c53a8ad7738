"""Transitions of a sweep's pre-flight: one configuration is tested first."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from experiments.db.clock import database_now
from experiments.lifecycle.sweeps import move_sweep
from experiments.models import Event, Sweep, User
from experiments.models.sweeps import SweepState

# Why a sweep is paused: its pre-flight failed, or passed and is held.
PREFLIGHT_FAILED, PREFLIGHT_HELD = "preflight_failed", "preflight"


def start_preflight(sweep: Sweep, *, hold: bool, actor: User | None = None) -> bool:
    """Start a draft with one trial; the others follow when it has passed.

    With ``hold`` the sweep is then paused, so that somebody looks at the result.
    """
    return move_sweep(
        sweep,
        {SweepState.DRAFT},
        SweepState.RUNNING,
        actor=actor,
        message="One configuration is tested first.",
        preflight=_begun(sweep, hold=hold),
    )


def repeat_preflight(sweep: Sweep, *, actor: User | None = None) -> bool:
    """Resume a paused sweep and test one trial: one that still runs, or a new one."""
    hold = bool((sweep.preflight or {}).get("hold"))
    return move_sweep(
        sweep,
        {SweepState.PAUSED},
        SweepState.RUNNING,
        actor=actor,
        message="One configuration is tested again first.",
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
    """Store what the pre-flight found, and pause the sweep if it failed or is held.

    ``found["state"]`` is ``passed`` or ``failed``. False: it has ended already.
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
                {SweepState.RUNNING},
                SweepState.PAUSED,
                reason=PREFLIGHT_FAILED if failed else PREFLIGHT_HELD,
                message=message,
            )
    sweep.refresh_from_db()
    return True
