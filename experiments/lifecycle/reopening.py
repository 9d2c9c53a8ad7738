"""Sweeps that go on after their end, for more trials."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from experiments.clock import database_now
from experiments.lifecycle.locks import lock_sweep
from experiments.lifecycle.sweeps import move_sweep
from experiments.models import Event, Sweep, User, Wish
from experiments.models.sweeps import SWEEP_ENDS, SweepState
from experiments.models.trials import TrialState
from experiments.words import exact_duration_text

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
    Wish.objects.waiting().filter(sweep=sweep).update(withdrawn_at=Now())
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
