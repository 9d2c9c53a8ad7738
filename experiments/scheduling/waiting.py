"""Why trials wait: for pages that ask whether work moves, and if not, what helps.

The order is that of the scheduler, which goes by the database alone (see turns.py), so
what is told here is what it will do when a slot becomes free.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from experiments.db.clock import database_now
from experiments.models import Attempt, Pool, Sweep, Worker
from experiments.models.sweeps import SweepState
from experiments.models.trials import AttemptState
from experiments.scheduling.fair_share import Demand, FairShares, demands_of
from experiments.scheduling.occupancy import HostRow, SlotState, SlotView, occupancy
from experiments.scheduling.pools import PoolState, pool_states
from experiments.scheduling.wait_reasons import WaitReason, WaitReasons


@dataclass(frozen=True)
class QueuePlace:
    """One place in a pool's queue: a queued attempt, or a sweep that would place more.

    `place` counts from 1 in the order in which free slots are given away.
    """

    sweep: Sweep
    attempt: Attempt | None
    place: int
    wait: WaitReason

    @property
    def cause(self) -> str:
        return self.wait.bold

    @property
    def detail(self) -> str:
        return self.wait.rest

    @property
    def help_text(self) -> str:
        """What helps, in a sentence."""
        if self.wait.command:
            return f"Start one with {self.wait.command}"
        return self.wait.help_text

    @property
    def since(self) -> datetime | None:
        return self.wait.since


def queue_of(
    pool: Pool, *, teams: Collection[int] = (), state: PoolState | None = None
) -> list[QueuePlace]:
    """What waits for slots of the pool, in the order in which it will get them.

    Takes a fixed number of queries. `teams` are the ids of those whose sweeps may be
    named in the texts; of others only the team is named. Which of the places somebody
    may see at all is for the caller to say. `state` is the pool's, where it is known.
    """
    sweeps = Sweep.objects.filter(state=SweepState.RUNNING, pool=pool).select_related(
        "experiment__team", "pool"
    )
    turns = demands_of(list(sweeps))
    state = state or pool_states([pool.pk])[pool.pk]
    for attempt in state.open:
        if attempt.trial.sweep_id in turns:
            turns[attempt.trial.sweep_id].open.append(attempt)
    workers = list(Worker.objects.filter(pool=pool).order_by("-seen_at"))
    causes = WaitReasons(pool, state, workers, teams=teams, now=database_now())
    queue = _Queue(state, turns, causes)
    return [
        QueuePlace(sweep, attempt, place, wait)
        for place, (sweep, attempt, wait) in enumerate(queue.places(), start=1)
    ]


class _Queue:
    """The order in which the scheduler would go on, told place by place."""

    def __init__(
        self, state: PoolState, turns: dict[int, Demand], causes: WaitReasons
    ) -> None:
        self._state, self._turns, self._causes = state, turns, causes
        self._shares = FairShares.of(state.placed)

    def places(self) -> Iterator[tuple[Sweep, Attempt | None, WaitReason]]:
        yield from self._dispatched()
        yield from self._in_turn()
        yield from self._held()

    def _dispatched(self) -> Iterator[tuple[Sweep, Attempt | None, WaitReason]]:
        """Attempts that were dispatched, and that no slot has claimed yet."""
        for attempt in self._state.placed:
            if attempt.state == AttemptState.QUEUED and attempt.trial.sweep:
                yield attempt.trial.sweep, attempt, self._causes.dispatched(attempt)

    def _in_turn(self) -> Iterator[tuple[Sweep, Attempt | None, WaitReason]]:
        """Every open attempt, and sweeps without one that would place more."""
        before: Sweep | None = None
        queued = (a for a in self._state.placed if a.state == AttemptState.QUEUED)
        seen = {attempt.trial.sweep_id for attempt in (*queued, *self._state.open)}
        left = dict(self._turns)
        while left:
            sweeps = (turn.sweep for turn in left.values())
            sweep = min(sweeps, key=self._shares.rank)
            turn = left[sweep.pk]
            attempt = turn.open.pop(0) if turn.open else None
            if attempt is None:
                del left[sweep.pk]
                if sweep.pk in seen or not self._would_place(turn):
                    continue
            yield sweep, attempt, self._causes.open(sweep, attempt, before)
            self._shares.add(sweep, 1 if attempt is None else attempt.slots)
            before = sweep

    def _would_place(self, turn: Demand) -> bool:
        """Whether a sweep lacks nothing but a slot; where there is one, the scheduler
        gives it at this moment."""
        sweep = turn.sweep
        if not turn.may_choose or sweep.exhausted:
            return False
        free = self._state.best_host(sweep.gpus, attempt=None, priority=sweep.priority)
        return free is None

    def _held(self) -> Iterator[tuple[Sweep, Attempt | None, WaitReason]]:
        """Those that could not have a slot now, were there one."""
        for attempt in self._state.held:
            if attempt.trial.sweep is not None:
                yield attempt.trial.sweep, attempt, self._causes.held(attempt)


def wait_of(attempt: Attempt, *, teams: Collection[int] = ()) -> WaitReason | None:
    """Why a queued attempt waits; None when it does not wait."""
    if attempt.state != AttemptState.QUEUED:
        return None
    found = (
        place.wait
        for place in queue_of(attempt.pool, teams=teams)
        if place.attempt is not None and place.attempt.pk == attempt.pk
    )
    return next(found, None)


__all__ = [
    "HostRow",
    "QueuePlace",
    "SlotState",
    "SlotView",
    "WaitReason",
    "occupancy",
    "queue_of",
    "wait_of",
]
