"""Choose and place new trials, and end sweeps that are done.

Any number of schedulers may run: the unique (sweep, number) of a trial and the
filtered updates of lifecycle.py keep them from doing anything twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from django.db import DatabaseError
from django.db.models import Count, Max, Q, Sum

from experiments import lifecycle, queues
from experiments.clock import database_now
from experiments.histories import search_of
from experiments.models import Attempt, Pool, Sweep, Trial, Worker
from experiments.models.sweeps import SweepState
from experiments.models.trials import (
    IMPORTED,
    TRIAL_LIVE,
    AttemptState,
    TrialState,
)
from experiments.reruns import next_rerun, open_reruns, reruns_under_way
from experiments.search.samplers import Suggestion

logger = logging.getLogger(__name__)


def advance_all() -> None:
    """One scheduling round: end what is done, then fill free slots in turn."""
    running = list(
        Sweep.objects.filter(state=SweepState.RUNNING)
        .select_related("experiment", "pool")
        .annotate(live=Count("trials", filter=Q(trials__state__in=TRIAL_LIVE)))
        .order_by("live", "id")
    )
    waiting = [sweep for sweep in running if _guarded(settle, sweep) is False]
    while waiting:
        waiting = [sweep for sweep in waiting if _guarded(place_trial, sweep)]


T = TypeVar("T")


def _guarded(step: Callable[[Sweep], T], sweep: Sweep) -> T | None:
    """One sweep's step. A sweep that cannot be handled is paused and says why: it must
    not keep the others from going on. None: it failed."""
    try:
        return step(sweep)
    except DatabaseError:
        raise
    except Exception as error:
        logger.exception("sweep %s cannot be scheduled", sweep.pk)
        message = f"The scheduler could not go on with this sweep: {error}"
        lifecycle.pause_sweep(sweep, reason="internal_error", message=message)
        return None


# --- ending -----------------------------------------------------------------------


def settle(sweep: Sweep) -> bool:
    """End or pause a sweep if it is time to. True: it needs no new trials now."""
    counts = trial_counts(sweep)
    return (
        end_at_timeout(sweep)
        or _end_at_target(sweep)
        or _fail_after_bad_start(sweep, counts)
        or _pause_after_failures(sweep)
        or _complete(sweep, counts)
    )


def trial_counts(sweep: Sweep) -> dict[str, int]:
    """How many of its own trials are in each state; every state is there."""
    counts = dict.fromkeys(TrialState.values, 0)
    rows = sweep.trials.own().order_by().values_list("state")
    counts.update(rows.annotate(count=Count("pk")))
    return counts


def end_at_timeout(sweep: Sweep) -> bool:
    if sweep.timeout is None or sweep.started_at is None:
        return False
    if database_now() < sweep.started_at + timedelta(seconds=sweep.timeout):
        return False
    message = f"The sweep's time of {sweep.timeout:g} s was over."
    return lifecycle.cancel_sweep(sweep, reason="sweep_timeout", message=message)


def _end_at_target(sweep: Sweep) -> bool:
    target = sweep.objective.target
    if target is None:
        return False
    better = "value__gte" if sweep.goal == "maximize" else "value__lte"
    reached = sweep.trials.exclude(state=TrialState.FAILED).filter(**{better: target})
    if reruns_under_way(sweep):
        # That the target was reached before is why they run, and no reason to end them.
        reached = reached.exclude(pk__in=sweep.trials.reruns())
        if sweep.resumed_at is not None:
            reached = reached.exclude(ended_at__lte=sweep.resumed_at)
    trial = reached.order_by("number").first()
    if trial is None:
        return False
    message = (
        f"Trial {trial.number} reached the target {target:g} with {trial.value:g}."
    )
    lifecycle.complete_sweep(sweep, reason="target", message=message)
    lifecycle.stop_live_trials(sweep, reason="target", message=message)
    return True


def _fail_after_bad_start(sweep: Sweep, counts: dict[str, int]) -> bool:
    """When the first max(3, max_concurrent_trials) to end have all failed."""
    failed = counts[TrialState.FAILED]
    first = max(3, sweep.max_concurrent_trials)
    if failed < first or failed < sum(counts.values()) - _live(counts):
        return False
    message = (
        f"The first {failed} trials that ended have all failed, so no more were"
        f" started. {_last_failure(sweep)}"
    )
    return lifecycle.fail_sweep(sweep, reason="first_trials_failed", message=message)


def _pause_after_failures(sweep: Sweep) -> bool:
    most = sweep.max_failed_trials
    if most is None:
        return False
    failures = sweep.trials.own().filter(state=TrialState.FAILED)
    if sweep.resumed_at is not None:
        failures = failures.filter(ended_at__gt=sweep.resumed_at)
    count = failures.count()
    if count < most:
        return False
    message = (
        f"Paused after {count} failed trials (max_failed_trials is {most})."
        f" {_last_failure(sweep)} Resuming allows {most} more."
    )
    return lifecycle.pause_sweep(sweep, reason="max_failed_trials", message=message)


def _last_failure(sweep: Sweep) -> str:
    failures = sweep.trials.own().filter(state=TrialState.FAILED)
    trial = failures.order_by("-ended_at").first()
    return f"The last, trial {trial.number}: {trial.message}" if trial else ""


def _live(counts: dict[str, int]) -> int:
    return sum(counts[state] for state in TRIAL_LIVE)


def _complete(sweep: Sweep, counts: dict[str, int]) -> bool:
    tried = sum(counts.values())
    budget = sweep.max_total_trials - imported_trials(sweep)
    if _live(counts) or not (sweep.exhausted or tried >= budget):
        return False
    if sweep.exhausted and open_reruns(sweep):
        return False
    if tried and counts[TrialState.FAILED] == tried:
        message = f"All {tried} trials failed. {_last_failure(sweep)}"
        return lifecycle.fail_sweep(sweep, reason="all_failed", message=message)
    if tried < budget:
        different = tried - sweep.trials.reruns().count()
        message = f"Every one of the {different} configurations of the space was tried."
        return lifecycle.complete_sweep(sweep, reason="exhausted", message=message)
    message = f"All {tried} trials were tried."
    return lifecycle.complete_sweep(sweep, reason="max_total_trials", message=message)


# --- placing ----------------------------------------------------------------------


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
        _complete(sweep, trial_counts(sweep))
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


def imported_trials(sweep: Sweep) -> int:
    return sweep.trials.filter(origin=IMPORTED).count()


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
