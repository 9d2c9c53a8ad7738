"""Requested trials: stored, begun once (see trials.py), or withdrawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from experiments.lifecycle.sweeps import lock_sweep, reopen, without_timeout
from experiments.models import Event, Sweep, TrialRequest, User
from experiments.models.sweeps import SweepState

ACTIVE = frozenset({SweepState.RUNNING, SweepState.PAUSED})


def add_requests(
    sweep: Sweep,
    wanted: Sequence[TrialRequest],
    *,
    verb: str,
    message: str,
    data: Mapping[str, Any] | None = None,
    actor: User | None = None,
) -> list[TrialRequest]:
    """Add trials beyond the sweep's budget, with an event. Empty: it is a draft.

    A sweep that has ended is reopened for them alone, without a timeout that is over.
    Its idle time does not count.
    """
    more = len(wanted)
    with transaction.atomic():
        won = Sweep.objects.filter(pk=sweep.pk, state__in=ACTIVE).update(
            max_total_trials=F("max_total_trials") + more, updated_at=Now()
        )
        if not won:
            timeout, removed = without_timeout(sweep)
            won = reopen(sweep, more, actor=actor, **timeout)
            message = f"{message} {removed}".strip()
        if not won:
            return []
        for one in wanted:
            one.sweep, one.requested_by = sweep, actor
        requests = TrialRequest.objects.bulk_create(wanted)
        Event.log(verb, message, actor=actor, sweep=sweep, data=data)
        sweep.refresh_from_db()
    return requests


def make_room(sweep: Sweep) -> None:
    """Raise a lowered budget to what waiting requests need. Lock the sweep before."""
    waiting = TrialRequest.objects.waiting().filter(sweep=sweep).count()
    before, needed = sweep.max_total_trials, waiting + sweep.next_number()
    if before >= needed:
        return
    Sweep.objects.filter(pk=sweep.pk).update(max_total_trials=needed, updated_at=Now())
    message = f"max_total_trials: {before} → {needed}, for trials that still wait."
    Event.log("budget raised", message, sweep=sweep)
    sweep.max_total_trials = needed


def withdraw_request(trial_request: TrialRequest, *, actor: User | None = None) -> bool:
    """Remove a request that waits. False: it has begun or was removed already."""
    with transaction.atomic():
        # In the order in which trials.py locks them: first the sweep, then the request.
        waiting = TrialRequest.objects.waiting().filter(pk=trial_request.pk)
        if not lock_sweep(trial_request.sweep) or not waiting.update(
            withdrawn_at=Now()
        ):
            return False
        Sweep.objects.filter(
            pk=trial_request.sweep_id, state__in=ACTIVE, max_total_trials__gt=0
        ).update(max_total_trials=F("max_total_trials") - 1, updated_at=Now())
        Event.log(
            "trial request removed",
            f"A waiting trial ({trial_request.origin_text}) was removed.",
            actor=actor,
            sweep=trial_request.sweep,
            data={"params": trial_request.params, "origin": trial_request.origin_text},
        )
    return True
