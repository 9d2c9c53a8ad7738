"""What each slot of a host does, for pages.

A promised slot is taken, as the scheduler counts it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from experiments import access
from experiments.db.clock import database_now
from experiments.models import Attempt, Pool, Team, Worker
from experiments.models.sweeps import SweepState
from experiments.models.trials import AttemptState
from experiments.models.workers import SILENT_AFTER
from experiments.scheduling.pools import PoolState, pool_states

# Team pages do not show workers that were silent for longer.
HIDDEN_AFTER = timedelta(days=1)

SlotState = Literal["running", "promised", "free", "draining", "silent"]


@dataclass(frozen=True)
class SlotView:
    """One slot, or the `span` slots of one trial. `devices` are the indexes of its
    GPUs. A promised slot's attempt has not started."""

    index: int
    span: int
    state: SlotState
    attempt: Attempt | None
    devices: Sequence[int] = ()

    @property
    def places(self) -> range:
        """The slots that it takes, for rows that show each slot."""
        return range(self.index, self.index + self.span)


@dataclass(frozen=True)
class HostRow:
    """One worker and its slots from left to right."""

    worker: Worker
    slots: Sequence[SlotView]

    @property
    def silent(self) -> bool:
        return any(slot.state == "silent" for slot in self.slots)


@dataclass(frozen=True)
class PoolSlots:
    """A pool's hosts, and how many of one team's trials wait."""

    pool: Pool
    hosts: Sequence[HostRow]
    waiting: int

    @property
    def total(self) -> int:
        return sum(host.worker.slots for host in self.hosts if not host.silent)

    @property
    def busy(self) -> int:
        slots = (slot for host in self.hosts for slot in host.slots)
        return sum(slot.span for slot in slots if slot.state == "running")


@dataclass(frozen=True)
class TeamSlots:
    pools: Sequence[PoolSlots]

    @property
    def total(self) -> int:
        return sum(pool.total for pool in self.pools)

    @property
    def busy(self) -> int:
        return sum(pool.busy for pool in self.pools)

    @property
    def waiting(self) -> int:
        return sum(pool.waiting for pool in self.pools)


def team_slots(team: Team) -> TeamSlots:
    """Every pool that the team may use, with its hosts."""
    pools = list(access.pools_for_team(team))
    now = database_now()
    states = pool_states([pool.pk for pool in pools], now=now)
    hosts: dict[int, list[HostRow]] = defaultdict(list)
    for row in occupancy(pools, states, now=now):
        if row.worker.seen_at > now - HIDDEN_AFTER:
            hosts[row.worker.pool_id].append(row)
    return TeamSlots(
        [
            PoolSlots(pool, hosts[pool.pk], _waiting(states[pool.pk], team))
            for pool in pools
        ]
    )


def _waiting(state: PoolState, team: Team) -> int:
    """How many trials of the team's running sweeps are queued in the pool."""
    queued = (
        attempt.trial.sweep
        for attempt in (*state.open, *state.held, *state.placed)
        if attempt.state == AttemptState.QUEUED
    )
    return sum(
        sweep.state == SweepState.RUNNING and sweep.experiment.team_id == team.pk
        for sweep in queued
        if sweep is not None
    )


def occupancy(
    pools: Iterable[Pool],
    states: Mapping[int, PoolState] | None = None,
    *,
    now: datetime | None = None,
) -> list[HostRow]:
    """The hosts of these pools by pool and name, without stopped ones.

    Takes a fixed number of queries. Attempts have their trial, sweep, experiment and
    team. `states` are the pools', and `now` is the database's clock, if known.
    """
    ids = [pool.pk for pool in pools]
    if states is None:
        states = pool_states(ids, now=now)
    workers = Worker.objects.filter(pool__in=ids, stopped_at=None)
    running, promised = _by_worker(states.values())
    now = now or database_now()
    rows = []
    for worker in workers.select_related("pool").order_by("pool__name", "name"):
        silent = now - SILENT_AFTER > worker.seen_at
        views = list(_running(worker, running[worker.pk], silent))
        taken = {slot for slots, _ in views for slot in slots}
        free = [slot for slot in range(worker.slots) if slot not in taken]
        rest = list(_rest(worker, free, promised[worker.pk], silent))
        slots = sorted([v for _, v in views] + rest, key=lambda v: (v.index, v.span))
        rows.append(HostRow(worker, slots))
    return rows


ByWorker = dict[int, list[Attempt]]


def _by_worker(states: Iterable[PoolState]) -> tuple[ByWorker, ByWorker]:
    """By worker: its running attempts, and those dispatched to it in their order."""
    running: ByWorker = defaultdict(list)
    promised: ByWorker = defaultdict(list)
    for state in states:
        hosts = {host.worker.pk for host in state.hosts}
        for attempt in state.placed:
            if attempt.state == AttemptState.RUNNING:
                running[attempt.worker_id or 0].append(attempt)
            elif attempt.dispatched_to_id in hosts:
                promised[attempt.dispatched_to_id or 0].append(attempt)
    return running, promised


def _running(
    worker: Worker, attempts: Iterable[Attempt], silent: bool
) -> Iterator[tuple[set[int], SlotView]]:
    """Running attempts with all of their slots; the view is at the first one."""
    state: SlotState = "silent" if silent else "running"
    for attempt in attempts:
        taken = _slots_taken(worker, attempt)
        yield taken, SlotView(min(taken), len(taken), state, attempt, attempt.gpus)


def _rest(
    worker: Worker, free: list[int], promised: Iterable[Attempt], silent: bool
) -> Iterator[SlotView]:
    """Slots where nothing runs. Prefetched attempts have no slot yet."""
    for attempt in () if silent else promised:
        own, free = free[: attempt.slots], free[attempt.slots :]
        if own:
            devices = [device for slot in own for device in worker.devices_of(slot)]
            yield SlotView(own[0], len(own), "promised", attempt, devices)
    state: SlotState = "free" if worker.draining_since is None else "draining"
    for slot in free:
        devices = worker.devices_of(slot)
        yield SlotView(slot, 1, "silent" if silent else state, None, devices)


def _slots_taken(worker: Worker, attempt: Attempt) -> set[int]:
    return worker.slots_of(attempt.gpus) or {attempt.slot or 0}
