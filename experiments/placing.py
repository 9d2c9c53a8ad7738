"""Choose new trials and place them: which sweep's turn it is, and where there is room.

Any number of schedulers may do so at once: the unique (sweep, number) of a trial keeps
them from placing one twice.
"""

from __future__ import annotations

from django.db.models import Max, Sum

from experiments import lifecycle, queues
from experiments.clock import database_now
from experiments.histories import search_of
from experiments.models import Attempt, Pool, Sweep, Trial, Worker
from experiments.models.sweeps import SweepState
from experiments.models.trials import AttemptState
from experiments.reruns import next_rerun
from experiments.search.samplers import Suggestion


def place_trial(sweep: Sweep) -> Trial | None:
    """Choose, store and ring one more trial. None: there is no place for one now.

    The number is read before the trials are counted: a scheduler that counts too few
    also has a number that is taken, and then stores nothing.
    """
    last = sweep.trials.aggregate(last=Max("number"))["last"]
    number = 0 if last is None else last + 1
    if number >= sweep.max_total_trials or not _has_place(sweep):
        return None
    suggestion = next_rerun(sweep) or _something_new(sweep, number)
    if suggestion is None:
        return None
    trial = lifecycle.create_trial(
        sweep, number=number, params=dict(suggestion.params), origin=suggestion.origin
    )
    if trial is not None and trial.current_attempt_id is not None:
        ring_attempt(trial.current_attempt_id, sweep.pool)
    return trial


def _something_new(sweep: Sweep, number: int) -> Suggestion | None:
    """The sampler's choice, unless it has run out of choices or does so now."""
    suggestion = None if sweep.exhausted else suggest(sweep, number)
    if suggestion is None and not sweep.exhausted:
        lifecycle.mark_exhausted(sweep)
    return suggestion


def suggest(sweep: Sweep, number: int) -> Suggestion | None:
    """The sampler's choice for this trial number; None when the space is exhausted.

    A sampler that goes by the number alone counts the trials that it has chosen.
    """
    with search_of(sweep) as search:
        if search.sampler.needs_history:
            return search.sampler.suggest(number, search.history)
        others = sweep.trials.unchosen().filter(number__lt=number).count()
        return search.sampler.suggest(number - others)


def _has_place(sweep: Sweep) -> bool:
    """Whether the sweep's own limit and a free slot of its pool allow one more.

    A trial is chosen when a slot is free for it and not before, so that the choice
    knows every result there is. Without any worker one trial waits, and so shows it.
    """
    live = sweep.trials.live().count()
    if live >= sweep.max_concurrent_trials:
        return False
    slots = pool_slots(sweep.pool)
    return live == 0 if not slots else busy_slots(sweep.pool) < slots


def pool_slots(pool: Pool) -> int:
    """Slots of the pool's workers that have given a sign of life lately."""
    total = Worker.objects.alive().filter(pool=pool).aggregate(n=Sum("slots"))["n"]
    return int(total or 0)


def busy_slots(pool: Pool) -> int:
    """Attempts that hold a slot of the pool, or that are about to."""
    live = (AttemptState.QUEUED, AttemptState.RUNNING)
    attempts = Attempt.objects.filter(pool=pool, state__in=live)
    return attempts.exclude(
        trial__sweep__state=SweepState.PAUSED, state="queued"
    ).count()


def ring_attempt(attempt_id: int, pool: Pool) -> None:
    if queues.ring(attempt_id, pool.name):
        Attempt.objects.filter(pk=attempt_id).update(rung_at=database_now())
