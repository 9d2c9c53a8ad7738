"""Chooses new trials and dispatches attempts to hosts.

Any number of schedulers may run: the unique (sweep, number) of a trial keeps them from
creating it twice, and a filtered update from dispatching an attempt twice.
"""

from __future__ import annotations

import math
from collections.abc import Collection

from django.db import transaction

from experiments import lifecycle, queues
from experiments.db.clock import database_now
from experiments.models import Attempt, Sweep, Trial, Worker
from experiments.models.sweeps import SweepState
from experiments.models.trials import AttemptState
from experiments.runner.failpoints import failpoint
from experiments.scheduling.fair_share import (
    Demand,
    FairShares,
    add_waiting,
    demands_of,
)
from experiments.scheduling.pools import HostState, PoolState, pool_states
from experiments.search.samplers import SAMPLERS, Suggestion
from experiments.sweeps.requests import next_request, unchosen_before
from experiments.tracking.history import search_of
from experiments.tracking.spaces import began_at

# Trials that take longer than this gain nothing from an early choice.
MAX_PREFETCH_SECONDS = 20.0
# A round of the scheduler, its dispatches and a start take less than this.
ROUND_SECONDS = 3.0
# The last attempts of a sweep tell how long its trials take.
MAX_ATTEMPTS, MIN_ATTEMPTS = 8, 3
# A slot that has just started can take only one; a few more may be lost.
MAX_NOTIFIED_AGAIN = 8


class Dispatch:
    """One round of dispatches for running sweeps.

    It reads in a fixed number of queries and then counts for itself. Trials' numbers
    are read before free slots are counted: a scheduler that misses a taken slot also
    has a taken number, and so stores nothing.
    """

    def __init__(self, sweeps: Collection[Sweep]) -> None:
        self._all = demands_of(sweeps)
        self._demands = dict(self._all)
        self._states = pool_states({sweep.pool_id for sweep in sweeps})
        self._shares = {
            pool: FairShares.of(state.placed) for pool, state in self._states.items()
        }
        self._least_gpus: dict[int, int] = {}
        for demand in self._all.values():
            pool, gpus = demand.sweep.pool_id, demand.sweep.gpus
            self._least_gpus[pool] = min(gpus, self._least_gpus.get(pool, gpus))
        for state in self._states.values():
            add_waiting(self._all, state)

    def next_sweep(self) -> Sweep | None:
        """The sweep that gets the next free slot; None: no sweep can have more."""
        sweeps = (demand.sweep for demand in self._demands.values())
        return min(sweeps, key=self._rank, default=None)

    def _rank(self, sweep: Sweep) -> tuple[int, int, int, int]:
        return self._shares[sweep.pool_id].rank(sweep)

    def drop(self, sweep: Sweep) -> None:
        """The sweep gets nothing more in this round."""
        self._demands.pop(sweep.pk, None)

    def restart(self) -> None:
        """Serve every sweep that still runs again, dropped ones included."""
        self._demands = {
            pk: demand
            for pk, demand in self._all.items()
            if demand.sweep.state == SweepState.RUNNING
        }

    def serve(self, sweep: Sweep) -> Trial | None:
        """Place one more trial of the sweep. None: no slot is free for it."""
        demand, state = self._demands[sweep.pk], self._states[sweep.pool_id]
        if demand.open:
            return self.serve_open(sweep)
        if not demand.may_choose:
            return None
        host = state.best_host(sweep.gpus, attempt=None, priority=sweep.priority)
        if host is None:
            demand.is_over = True
            if not self._must_queue(demand, state):
                return None
        dispatches = host is not None or not state.alive
        return self._place_new(demand, host, dispatches=dispatches)

    def serve_open(self, sweep: Sweep) -> Trial | None:
        """Dispatch the sweep's oldest waiting attempt. None: none waits, or no slot is
        free for it."""
        demand, state = self._demands[sweep.pk], self._states[sweep.pool_id]
        if not demand.open or demand.is_full:
            return None
        attempt = demand.open[0]
        host = state.best_host(sweep.gpus, attempt=attempt, priority=sweep.priority)
        if host is None and state.alive:
            return None
        demand.open.pop(0)
        if _store_dispatch(attempt, sweep, host):
            self._count(demand, host)
            _notify(attempt, sweep, host)
        return attempt.trial

    def prefetch(self, sweep: Sweep) -> Trial | None:
        """Place a trial that waits for a slot which is still taken.

        This is for sweeps with quick trials that the sampler chooses without results:
        their slots need not wait for the next round. The first other sweep ends
        prefetching in its pool: it gets the next free slot.
        """
        demand, state = self._demands[sweep.pk], self._states[sweep.pool_id]
        if not demand.open and not demand.lacks_only_slots(state.slots):
            return None
        share = 0.0 if demand.open or sweep.gpus else prefetch_share(sweep)
        host = state.host_to_prefetch(share)
        if host is None:
            self._close(sweep.pool_id)
            return None
        trial = self._place_new(demand, host, dispatches=True)
        demand.prefetched += trial is not None
        return trial

    def _place_new(
        self, demand: Demand, host: HostState | None, *, dispatches: bool
    ) -> Trial | None:
        trial = _new_trial(demand, host, dispatches=dispatches)
        if trial is not None:
            demand.number += 1
            demand.live += 1
            self._count(demand, host)
        return trial

    def _close(self, pool: int) -> None:
        """No sweep of this pool gets more in this round."""
        self._demands = {
            pk: demand
            for pk, demand in self._demands.items()
            if demand.sweep.pool_id != pool
        }

    def _count(self, demand: Demand, host: HostState | None) -> None:
        if host is None:
            return
        need = host.worker.slots_for(demand.sweep.gpus) or 1
        host.free -= need
        self._shares[demand.sweep.pool_id].add(demand.sweep, need)

    def _must_queue(self, demand: Demand, state: PoolState) -> bool:
        """Whether to choose a trial although no slot is free for it.

        Usually a trial is chosen when a slot becomes free, so that the choice knows
        every result. But where no host can ever run it, one trial waits to show that.
        And where others need fewer slots, a trial of several slots must wait as an
        attempt, or the others would always come first.
        """
        gpus = demand.sweep.gpus
        if not state.has_host_for(gpus):
            return demand.live == 0
        wide = all((host.worker.slots_for(gpus) or 2) > 1 for host in state.hosts)
        return wide and self._least_gpus[demand.sweep.pool_id] < gpus


def notify_waiting() -> None:
    """Dispatch attempts of running sweeps that were dispatched long ago or never."""
    queued = Attempt.objects.filter(state=AttemptState.QUEUED)
    sweeps = Sweep.objects.filter(
        state=SweepState.RUNNING, pk__in=queued.values("trial__sweep")
    )
    dispatch = Dispatch(sweeps.select_related("experiment", "pool"))
    while (sweep := dispatch.next_sweep()) is not None:
        if dispatch.serve_open(sweep) is None:
            dispatch.drop(sweep)


def notify_again(worker: Worker, slot: int) -> None:
    """Notify a worker whose slot has just started of the attempts dispatched to it.

    The process that took the job may have died before its claim. Jobs that are still
    in the queue, or that another slot has taken, are not doubled.
    """
    promised = Attempt.objects.filter(state=AttemptState.QUEUED, dispatched_to=worker)
    name = queues.queue_name(worker.pool.name, worker.pk)
    oldest = promised.order_by("dispatched_at").values_list("pk", flat=True)
    for pk in oldest[:MAX_NOTIFIED_AGAIN]:
        restarted = f"{worker.name}-{slot}"
        if not queues.notify(pk, name, host=worker.name, restarted=restarted):
            return


# --- choosing ---------------------------------------------------------------------


def _new_trial(
    demand: Demand, host: HostState | None, *, dispatches: bool
) -> Trial | None:
    """Choose, store and dispatch the sweep's next trial."""
    sweep = demand.sweep
    trial_request = next_request(sweep)
    chosen = trial_request or next_suggestion(sweep, demand.number)
    if chosen is None:
        return None
    failpoint("dispatch.chosen")
    with transaction.atomic():
        trial = lifecycle.create_trial(
            sweep,
            number=demand.number,
            params=dict(chosen.params),
            origin=chosen.origin,
            trial_request=trial_request,
        )
        attempt = None if trial is None else trial.current_attempt
        if attempt is not None and dispatches:
            # In one transaction: no other scheduler sees it undispatched.
            _store_dispatch(attempt, sweep, host)
    failpoint("dispatch.stored")
    if attempt is not None and dispatches:
        _notify(attempt, sweep, host)
    return trial


def next_suggestion(sweep: Sweep, number: int) -> Suggestion | None:
    """The sampler's choice. None: the space is exhausted, as the sweep now stores."""
    suggestion = None if sweep.exhausted else suggest(sweep, number)
    if suggestion is None and not sweep.exhausted:
        lifecycle.mark_exhausted(sweep)
    return suggestion


def suggest(sweep: Sweep, number: int) -> Suggestion | None:
    """The sampler's choice for this trial number; None when the space is exhausted.

    A sampler without history counts the trials that it has chosen, in a changed space
    those since the change.
    """
    with search_of(sweep) as search:
        if search.sampler.needs_history:
            return search.sampler.suggest(number, search.history)
        place = number - unchosen_before(sweep, number)
        if not search.begins_anew:
            return search.sampler.suggest(place)
        start = began_at(sweep)
        place -= start - unchosen_before(sweep, start)
        return search.untried(place, before=start)


# --- prefetching ------------------------------------------------------------------


def prefetch_share(sweep: Sweep) -> float:
    """For which share of a host's slots the next trial should wait, from 0 to 1.

    It is 0 where the sampler needs results, or where trials take long.
    """
    kind = (sweep.definition.get("sampling_algorithm") or {}).get("type", "")
    sampler = SAMPLERS.get(str(kind))
    if sampler is None or sampler.needs_history:
        return 0.0
    last = (
        Attempt.objects.filter(
            trial__sweep=sweep, state=AttemptState.FINISHED, elapsed__isnull=False
        )
        .order_by("-pk")
        .values_list("elapsed", "claimed_at", "ended_at")[:MAX_ATTEMPTS]
    )
    # It takes at least its training: the clock may have been set back meanwhile.
    took = [
        max(trained or 0.0, (end - start).total_seconds())
        for trained, start, end in last
        if start and end
    ]
    if len(took) < MIN_ATTEMPTS:
        return 0.0
    mean = math.fsum(took) / len(took)
    if mean > MAX_PREFETCH_SECONDS:
        return 0.0
    return min(1.0, ROUND_SECONDS / max(mean, 0.001))


# --- storing and notifying --------------------------------------------------------


def _store_dispatch(attempt: Attempt, sweep: Sweep, host: HostState | None) -> bool:
    """Store to which host it is dispatched. False: another scheduler did so, or it no
    longer waits."""
    worker = None if host is None else host.worker
    waiting = Attempt.objects.filter(
        pk=attempt.pk, state=AttemptState.QUEUED, dispatched_at=attempt.dispatched_at
    )
    slots = None if worker is None else worker.slots_for(sweep.gpus)
    return bool(
        waiting.update(
            dispatched_to=worker,
            dispatched_at=database_now(),
            slots=slots or attempt.slots,
        )
    )


def _notify(attempt: Attempt, sweep: Sweep, host: HostState | None) -> None:
    """Notify the host, or the pool where there is none. Without an answer from the
    queue the attempt stays open."""
    pool = sweep.pool.name
    if host is None:
        notified = queues.notify(attempt.pk, queues.queue_name(pool))
    else:
        name = queues.queue_name(pool, host.worker.pk)
        notified = queues.notify(attempt.pk, name, host=host.worker.name)
    if not notified:
        Attempt.objects.filter(pk=attempt.pk).update(dispatched_at=None)
    failpoint("dispatch.notified")
