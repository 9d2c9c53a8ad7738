"""What waits in a pool, in the order of the scheduler (see fair_share.py), and why."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from experiments.db.clock import database_now
from experiments.models import Attempt, Pool, Sweep, Worker
from experiments.models.sweeps import SweepState
from experiments.models.trials import AttemptState
from experiments.scheduling.fair_share import (
    Demand,
    FairShares,
    add_waiting,
    demands_of,
)
from experiments.scheduling.pools import PoolState, pool_states
from experiments.scheduling.wait_reasons import WaitReason, WaitReasons


@dataclass(frozen=True)
class QueuePlace:
    """A queued attempt, or a sweep that would place more. `place` counts from 1."""

    sweep: Sweep
    attempt: Attempt | None
    place: int
    reason: WaitReason

    @property
    def since(self) -> datetime | None:
        return self.attempt.created_at if self.attempt else None


def queue_of(
    pool: Pool, *, teams: Collection[int] = (), state: PoolState | None = None
) -> list[QueuePlace]:
    """What waits for slots of the pool, in the order in which it will get them.

    Takes a fixed number of queries. `teams` are the ids of those whose sweeps the texts
    may name; of other sweeps they only name the team. `state` is the pool's, if known.
    """
    sweeps = Sweep.objects.filter(state=SweepState.RUNNING, pool=pool)
    demands = demands_of(list(sweeps.select_related("experiment__team", "pool")))
    state = state or pool_states([pool.pk])[pool.pk]
    add_waiting(demands, state)
    workers = list(Worker.objects.filter(pool=pool).order_by("-seen_at"))
    reasons = WaitReasons(pool, state, workers, teams=teams, now=database_now())
    queue = _Queue(state, demands, reasons)
    return [
        QueuePlace(sweep, attempt, place, reason)
        for place, (sweep, attempt, reason) in enumerate(queue.places(), start=1)
    ]


Place = tuple[Sweep, Attempt | None, WaitReason]


class _Queue:
    """The order in which the scheduler would continue."""

    def __init__(
        self, state: PoolState, demands: dict[int, Demand], reasons: WaitReasons
    ) -> None:
        self._state, self._demands, self._reasons = state, demands, reasons
        self._shares = FairShares.of(state.placed)

    def places(self) -> Iterator[Place]:
        for attempt in self._state.placed:
            if attempt.state == AttemptState.QUEUED and attempt.trial.sweep:
                yield attempt.trial.sweep, attempt, self._reasons.dispatched(attempt)
        yield from self._open()
        for attempt in self._state.held:
            if attempt.trial.sweep is not None:
                yield attempt.trial.sweep, attempt, self._reasons.held(attempt)
        listed = {attempt.trial.sweep_id for attempt in self._state.held}
        for pk, demand in self._demands.items():
            if demand.is_held and pk not in listed:
                yield demand.sweep, None, self._reasons.over_quota(demand.sweep)

    def _open(self) -> Iterator[Place]:
        """Every open attempt, and sweeps without one that would place more."""
        before: Sweep | None = None
        queued = (a for a in self._state.placed if a.state == AttemptState.QUEUED)
        seen = {attempt.trial.sweep_id for attempt in (*queued, *self._state.open)}
        left = dict(self._demands)
        while left:
            sweeps = (demand.sweep for demand in left.values())
            sweep = min(sweeps, key=self._shares.rank)
            demand = left[sweep.pk]
            attempt = demand.open.pop(0) if demand.open else None
            if attempt is None:
                del left[sweep.pk]
                if sweep.pk in seen or not self._would_place(demand):
                    continue
            yield sweep, attempt, self._reasons.open(sweep, attempt, before)
            self._shares.add(sweep, 1 if attempt is None else attempt.slots)
            before = sweep

    def _would_place(self, demand: Demand) -> bool:
        """Whether a sweep lacks only a slot; the scheduler gives it a free one now."""
        sweep = demand.sweep
        if not demand.may_choose or sweep.exhausted:
            return False
        free = self._state.best_host(sweep.gpus, attempt=None, priority=sweep.priority)
        return free is None


def wait_of(attempt: Attempt, *, teams: Collection[int] = ()) -> WaitReason | None:
    """Why a queued attempt waits; None when it does not wait."""
    if attempt.state != AttemptState.QUEUED or attempt.pool is None:
        return None
    places = queue_of(attempt.pool, teams=teams)
    return next((place.reason for place in places if place.attempt == attempt), None)
