"""Choose new trials and place them: on which host, and in whose turn.

Any number of schedulers may do so at once: the unique (sweep, number) of a trial keeps
them from placing one twice, and a filtered update from dispatching an attempt twice.

Trials that are over so soon that their slots should not wait for the scheduler.
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
from experiments.scheduling.fair_share import Demand, FairShares, demands_of
from experiments.scheduling.pools import HostState, PoolState, pool_states
from experiments.search.samplers import SAMPLERS, Suggestion
from experiments.sweeps.requests import next_request, unchosen_before
from experiments.tracking.history import search_of
from experiments.tracking.spaces import began_at

# Trials that take longer than this, in seconds, gain nothing worth an early choice.
QUICK = 20.0
# A round of the scheduler, its dispatches and a start take well below these seconds.
ROUND = 3.0
# By so many of its last attempts a sweep is judged, when it has had some at least.
LOOKED_AT, NEEDED = 8, 3


def is_chosen_by_number(sweep: Sweep) -> bool:
    """Whether its choices are the same whatever its trials have brought."""
    kind = (sweep.definition.get("sampling_algorithm") or {}).get("type", "")
    sampler = SAMPLERS.get(str(kind))
    return sampler is not None and not sampler.needs_history


def prefetch_share(sweep: Sweep) -> float:
    """For what share of a host's slots the next trial should be there before the slot
    is free, from 0 to 1: 0 where choices go by results, or trials take long."""
    if not is_chosen_by_number(sweep):
        return 0.0
    last = (
        Attempt.objects.filter(
            trial__sweep=sweep, state=AttemptState.FINISHED, elapsed__isnull=False
        )
        .order_by("-pk")
        .values_list("elapsed", "claimed_at", "ended_at")[:LOOKED_AT]
    )
    # The training alone is less, but where the clock was set back meanwhile.
    took = [
        max(trained or 0.0, (end - start).total_seconds())
        for trained, start, end in last
        if start and end
    ]
    if len(took) < NEEDED:
        return 0.0
    mean = math.fsum(took) / len(took)
    return 0.0 if mean > QUICK else min(1.0, ROUND / max(mean, 0.001))


# A slot that begins anew can take but one; some others' may hang there still.
MAX_RERUNS = 8


class Dispatch:
    """One round of placing, for sweeps that run.

    It reads what it needs in a fixed number of queries, and then keeps the count
    itself. The numbers of trials are read before the free slots are counted: a
    scheduler that counts too few taken also has a number that is taken, and then stores
    nothing.
    """

    def __init__(self, sweeps: Collection[Sweep]) -> None:
        self._turns = demands_of(sweeps)
        self._states = pool_states({sweep.pool_id for sweep in sweeps})
        self._shares = {
            pool: FairShares.of(state.placed) for pool, state in self._states.items()
        }
        self._least_gpus: dict[int, int] = {}
        for turn in self._turns.values():
            pool, gpus = turn.sweep.pool_id, turn.sweep.gpus
            self._least_gpus[pool] = min(gpus, self._least_gpus.get(pool, gpus))
        for state in self._states.values():
            for attempt in state.open:
                if attempt.trial.sweep_id in self._turns:
                    self._turns[attempt.trial.sweep_id].open.append(attempt)
            for attempt in state.ahead():
                if attempt.trial.sweep_id in self._turns:
                    self._turns[attempt.trial.sweep_id].ahead += 1
        self._all = dict(self._turns)

    def next_sweep(self) -> Sweep | None:
        """Whose turn it is; None: nobody can have any more."""
        sweeps = (turn.sweep for turn in self._turns.values())
        return min(sweeps, key=self._rank, default=None)

    def _rank(self, sweep: Sweep) -> tuple[int, int, int, int]:
        return self._shares[sweep.pool_id].rank(sweep)

    def drop(self, sweep: Sweep) -> None:
        """The sweep gets nothing more in this round."""
        self._turns.pop(sweep.pk, None)

    def restart(self) -> None:
        """Give every sweep that still runs a turn again, dropped ones included."""
        self._turns = {
            pk: turn
            for pk, turn in self._all.items()
            if turn.sweep.state == SweepState.RUNNING
        }

    def serve(self, sweep: Sweep) -> Trial | None:
        """Place one more trial of the sweep. None: there is no place for one now."""
        turn, state = self._turns[sweep.pk], self._states[sweep.pool_id]
        if turn.open:
            return self.serve_open(sweep)
        if not turn.may_choose:
            return None
        host = state.best_host(sweep.gpus, attempt=None, priority=sweep.priority)
        if host is None:
            turn.is_over = True
            if not self._waits_in_sight(turn, state):
                return None
        return self._place_new(turn, host, notifies=host is not None or not state.alive)

    def serve_open(self, sweep: Sweep) -> Trial | None:
        """Dispatch the attempt of the sweep that has waited longest.

        None: none waits, or there is no place for it.
        """
        turn, state = self._turns[sweep.pk], self._states[sweep.pool_id]
        if not turn.open or turn.is_full:
            return None
        attempt = turn.open[0]
        host = state.best_host(sweep.gpus, attempt=attempt, priority=sweep.priority)
        if host is None and state.alive:
            return None
        turn.open.pop(0)
        if _promise(attempt, sweep, host):
            self._count(turn, host)
            _notify(attempt, sweep, host)
        return attempt.trial

    def prefetch(self, sweep: Sweep) -> Trial | None:
        """Place a trial that waits for a slot which is still taken. None: nobody may.

        Only for sweeps of quick trials that the sampler chooses without results: their
        slots then need not wait for the next round. The first sweep of another kind
        ends it for the pool: the next free slot is for that sweep.
        """
        turn, state = self._turns[sweep.pk], self._states[sweep.pool_id]
        if not turn.open and not turn.lacks_only_slots(state.slots):
            return None
        share = 0.0 if turn.open or sweep.gpus else prefetch_share(sweep)
        host = state.host_to_prefetch(share)
        if host is None:
            self._close(sweep.pool_id)
            return None
        trial = self._place_new(turn, host, notifies=True)
        turn.ahead += trial is not None
        return trial

    def _place_new(
        self, turn: Demand, host: HostState | None, *, notifies: bool
    ) -> Trial | None:
        trial = _new_trial(turn, host, notifies=notifies)
        if trial is not None:
            turn.number += 1
            turn.live += 1
            self._count(turn, host)
        return trial

    def _close(self, pool: int) -> None:
        """Nobody gets anything more of this pool in this round."""
        self._turns = {
            pk: turn for pk, turn in self._turns.items() if turn.sweep.pool_id != pool
        }

    def _count(self, turn: Demand, host: HostState | None) -> None:
        if host is None:
            return
        need = host.worker.slots_for(turn.sweep.gpus) or 1
        host.free -= need
        self._shares[turn.sweep.pool_id].add(turn.sweep, need)

    def _waits_in_sight(self, turn: Demand, state: PoolState) -> bool:
        """Whether a trial is chosen although there is no place for it.

        In general one is chosen when a slot is free for it and not before, so that the
        choice knows every result there is. But where no host could ever take it, one
        waits and so shows it; and one that takes several slots, where others want
        fewer, has to wait as an attempt, or theirs would always come before it.
        """
        gpus = turn.sweep.gpus
        if not state.has_host_for(gpus):
            return turn.live == 0
        wide = all((host.worker.slots_for(gpus) or 2) > 1 for host in state.hosts)
        return wide and self._least_gpus[turn.sweep.pool_id] < gpus


def notify_waiting() -> None:
    """Dispatch attempts of running sweeps that were dispatched long ago or never."""
    queued = Attempt.objects.filter(state=AttemptState.QUEUED)
    sweeps = Sweep.objects.filter(
        state=SweepState.RUNNING, pk__in=queued.values("trial__sweep")
    )
    placing = Dispatch(sweeps.select_related("experiment", "pool"))
    while (sweep := placing.next_sweep()) is not None:
        if placing.serve_open(sweep) is None:
            placing.drop(sweep)


def notify_again(worker: Worker) -> None:
    """Notify a worker that has just started of the attempts dispatched to it.

    The process that took the job may have died before its claim. Jobs that are still
    in the queue are not doubled.
    """
    promised = Attempt.objects.filter(state=AttemptState.QUEUED, dispatched_to=worker)
    name = queues.queue_name(worker.pool.name, worker.pk)
    for pk in promised.order_by("dispatched_at").values_list("pk", flat=True)[
        :MAX_RERUNS
    ]:
        if not queues.notify(pk, name):
            return


# --- choosing ---------------------------------------------------------------------


def _new_trial(turn: Demand, host: HostState | None, *, notifies: bool) -> Trial | None:
    """Choose, store and dispatch the sweep's next trial."""
    sweep = turn.sweep
    trial_request = next_request(sweep)
    chosen = trial_request or next_suggestion(sweep, turn.number)
    if chosen is None:
        return None
    failpoint("dispatch.chosen")
    with transaction.atomic():
        trial = lifecycle.create_trial(
            sweep,
            number=turn.number,
            params=dict(chosen.params),
            origin=chosen.origin,
            trial_request=trial_request,
        )
        attempt = None if trial is None else trial.current_attempt
        if attempt is not None and notifies:
            # In one transaction: no other scheduler sees it without its place.
            _promise(attempt, sweep, host)
    failpoint("dispatch.stored")
    if attempt is not None and notifies:
        _notify(attempt, sweep, host)
    return trial


def next_suggestion(sweep: Sweep, number: int) -> Suggestion | None:
    """The sampler's choice. None: the space is exhausted, and the sweep now says so."""
    suggestion = None if sweep.exhausted else suggest(sweep, number)
    if suggestion is None and not sweep.exhausted:
        lifecycle.mark_exhausted(sweep)
    return suggestion


def suggest(sweep: Sweep, number: int) -> Suggestion | None:
    """The sampler's choice for this trial number; None when the space is exhausted.

    A sampler that goes by the number alone counts the trials that it has chosen; where
    it begins anew in a space that was changed, those since then.
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


# --- promising --------------------------------------------------------------------


def _promise(attempt: Attempt, sweep: Sweep, host: HostState | None) -> bool:
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
    worker = None if host is None else host.worker.pk
    if not queues.notify(attempt.pk, queues.queue_name(sweep.pool.name, worker)):
        Attempt.objects.filter(pk=attempt.pk).update(dispatched_at=None)
    failpoint("dispatch.notified")
