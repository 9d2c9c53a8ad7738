"""Requests for single trials: kept, carried out once (trials.py), or withdrawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from experiments.db.clock import database_now
from experiments.formatting import exact_duration_text
from experiments.lifecycle.sweeps import lock_sweep, reopen
from experiments.models import Event, Sweep, TrialRequest, User
from experiments.models.sweeps import SWEEP_ENDS, SweepState

GOING_ON = frozenset({SweepState.RUNNING, SweepState.PAUSED})


def add_requests(
    sweep: Sweep,
    wanted: Sequence[TrialRequest],
    *,
    verb: str,
    message: str,
    data: Mapping[str, Any] | None = None,
    actor: User | None = None,
) -> list[TrialRequest]:
    """The sweep shall try these as well, beyond its budget; the event says so.

    A sweep that has ended goes on for them alone, without the time limit that was over.
    The time for which it lay still does not count. Empty: it has not begun.
    """
    more = len(wanted)
    with transaction.atomic():
        won = Sweep.objects.filter(pk=sweep.pk, state__in=GOING_ON).update(
            max_total_trials=F("max_total_trials") + more, updated_at=Now()
        )
        if not won:
            lifted, words = _lifted(sweep)
            won = reopen(sweep, set(SWEEP_ENDS), more, actor=actor, **lifted)
            message = f"{message} {words}".strip()
        if not won:
            return []
        for one in wanted:
            one.sweep, one.requested_by = sweep, actor
        requests = TrialRequest.objects.bulk_create(wanted)
        Event.log(verb, message, actor=actor, sweep=sweep, data=data)
        sweep.refresh_from_db()
    return requests


def make_room(sweep: Sweep) -> None:
    """A budget that somebody has lowered holds what was requested none the less.

    To be called with the sweep's row locked.
    """
    waiting = TrialRequest.objects.waiting().filter(sweep=sweep).count()
    before, needed = sweep.max_total_trials, waiting + sweep.next_number()
    if before >= needed:
        return
    Sweep.objects.filter(pk=sweep.pk).update(max_total_trials=needed, updated_at=Now())
    message = f"max_total_trials: {before} → {needed}, for trials that still wait."
    Event.log("room made", message, sweep=sweep)
    sweep.max_total_trials = needed


def _lifted(sweep: Sweep) -> tuple[dict[str, Any], str]:
    """A limit that would end the sweep again at once is taken away; in words, too."""
    took = sweep.took(database_now())
    if sweep.timeout is None or took is None or took.total_seconds() < sweep.timeout:
        return {}, ""
    time = exact_duration_text(sweep.timeout)
    words = f"Its limit of {time} in all was over and is gone."
    return {"timeout": None}, words


def withdraw_request(trial_request: TrialRequest, *, actor: User | None = None) -> bool:
    """Take back a request that waits. False: it was begun or withdrawn before."""
    with transaction.atomic():
        # As where it is carried out: the sweep's row is locked before the request.
        waiting = TrialRequest.objects.waiting().filter(pk=trial_request.pk)
        if not lock_sweep(trial_request.sweep) or not waiting.update(
            withdrawn_at=Now()
        ):
            return False
        Sweep.objects.filter(
            pk=trial_request.sweep_id, state__in=GOING_ON, max_total_trials__gt=0
        ).update(max_total_trials=F("max_total_trials") - 1, updated_at=Now())
        Event.log(
            "trial not wanted any more",
            f"The trial that waited ({trial_request.origin_text}) was taken back.",
            actor=actor,
            sweep=trial_request.sweep,
            data={"params": trial_request.params, "origin": trial_request.origin_text},
        )
    return True
