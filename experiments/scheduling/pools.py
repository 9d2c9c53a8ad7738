"""The hosts of pools as the scheduler sees them: free, taken and promised slots.

A dispatched attempt has a promised place. A dispatch without a claim for a while counts
as lost, and the attempt is open again.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from experiments.db.clock import database_now
from experiments.lifecycle.attempts import MIN_STEP, WORKER_PROBLEM
from experiments.models import Attempt, Sweep, Worker
from experiments.models.sweeps import SweepState
from experiments.models.trials import AttemptState

NOTIFY_AGAIN_AFTER = timedelta(seconds=10)
# Seconds. A trial that only had bad hosts should soon run again.
MAX_DELAY = 8
# An attempt of several slots gets a reserved host at this age.
RESERVE_AFTER = timedelta(seconds=20)


def retry_delay(n: int) -> timedelta:
    """How long the n-th attempt waits: one bad host must not use up all attempts."""
    return timedelta(seconds=min(MAX_DELAY, 2 ** (n - 2) if n > 2 else 0))


@dataclass
class HostState:
    """A worker that is alive and not draining.

    `free` slots are neither taken nor promised; below 0, more are promised than exist.
    `reserved_for` is an attempt that waits for several slots here at once.
    """

    worker: Worker
    free: int
    reserved_for: Attempt | None = None

    def room_for(self, gpus: int) -> int | None:
        """The slots that a trial with `gpus` takes here; None: they are not free."""
        need = self.worker.slots_for(gpus)
        return need if need is not None and need <= self.free else None

    def is_reserved(self, attempt: Attempt | None, priority: int) -> bool:
        """Whether its free slots are for another attempt, of no lower priority."""
        owner = self.reserved_for
        if owner is None or (attempt is not None and attempt.pk == owner.pk):
            return False
        sweep = owner.trial.sweep
        return sweep is not None and priority <= sweep.priority


@dataclass
class PoolState:
    """One pool: its hosts, and its live attempts in the order they were queued.

    `alive` counts workers with heartbeats, draining ones included. `placed` attempts
    run or were dispatched, `open` ones wait for a place, and `held` ones may not have
    one now.
    """

    hosts: list[HostState] = field(default_factory=list)
    alive: int = 0
    open: list[Attempt] = field(default_factory=list)
    placed: list[Attempt] = field(default_factory=list)
    held: list[Attempt] = field(default_factory=list)
    # By trial: workers that could not start it before, and so are its last choice.
    avoided: dict[int, set[int]] = field(default_factory=dict)

    def has_host_for(self, gpus: int) -> bool:
        return any(host.worker.slots_for(gpus) is not None for host in self.hosts)

    def best_host(
        self, gpus: int, *, attempt: Attempt | None, priority: int
    ) -> HostState | None:
        """The host for such a trial now; None: no host has room.

        In pools with GPUs it is the fullest host with room, so that whole hosts stay
        free for trials of several slots; else it is the emptiest.
        """
        packs = any(host.worker.gpus for host in self.hosts)
        fitting = [
            host
            for host in self.hosts
            if host.room_for(gpus) and not host.is_reserved(attempt, priority)
        ]
        order = 1 if packs else -1
        avoided = () if attempt is None else self.avoided.get(attempt.trial_id, ())
        return min(
            fitting,
            key=lambda host: (host.worker.pk in avoided, order * host.free),
            default=None,
        )

    def host_to_prefetch(self, share: float) -> HostState | None:
        """A full host where another trial of one slot may wait for the next free slot:
        fewer than this share of its slots have a waiting trial."""
        full = [
            host
            for host in self.hosts
            if host.free <= 0
            and host.reserved_for is None
            and -host.free < math.ceil(host.worker.slots * share)
        ]
        return max(full, key=lambda host: host.free / host.worker.slots, default=None)

    def prefetched(self) -> list[Attempt]:
        """The attempts that wait for slots which are still taken, the newest first."""
        beyond = {host.worker.pk: -host.free for host in self.hosts if host.free < 0}
        found = []
        for attempt in reversed(self.placed):
            dispatched_to = attempt.dispatched_to_id or 0
            if (
                attempt.state == AttemptState.QUEUED
                and beyond.get(dispatched_to, 0) > 0
            ):
                beyond[dispatched_to] -= attempt.slots
                found.append(attempt)
        return found

    @property
    def slots(self) -> int:
        return sum(host.worker.slots for host in self.hosts)

    def reserve_hosts(self, now: datetime) -> None:
        """Reserve a host for each attempt that has waited long for several slots."""
        for attempt in self.open:
            gpus = attempt.trial.sweep.gpus if attempt.trial.sweep else 0
            if now - attempt.created_at < RESERVE_AFTER:
                continue
            wide = [
                host
                for host in self.hosts
                if host.reserved_for is None and (host.worker.slots_for(gpus) or 0) > 1
            ]
            if wide:
                max(wide, key=lambda host: host.free).reserved_for = attempt


def pool_states(
    pools: Collection[int], *, now: datetime | None = None
) -> dict[int, PoolState]:
    """These pools by id, in three queries, and another for each pool in which retries
    wait. `now` is the database's clock, if read before."""
    states = {pool: PoolState() for pool in pools}
    now = now or database_now()
    hosts: dict[int, HostState] = {}
    for worker in Worker.objects.alive().filter(pool__in=pools).order_by("pk"):
        state = states[worker.pool_id]
        state.alive += 1
        if worker.draining_since is None:
            hosts[worker.pk] = HostState(worker, worker.slots)
            state.hosts.append(hosts[worker.pk])
    for attempt in live_attempts(pools):
        state = states[attempt.pool_id or 0]
        if is_placed(attempt, hosts, now):
            state.placed.append(attempt)
            host = hosts.get(attempt.worker_id or attempt.dispatched_to_id or 0)
            if host is not None:
                host.free -= attempt.slots
        elif is_open(attempt, now):
            state.open.append(attempt)
        else:
            state.held.append(attempt)
    for state in states.values():
        state.reserve_hosts(now)
        state.avoided = _avoided(state.open)
    return states


def _avoided(attempts: Collection[Attempt]) -> dict[int, set[int]]:
    """By trial: the workers that had a problem with it."""
    again = [attempt.trial_id for attempt in attempts if attempt.n > 1]
    if not again:
        return {}
    avoided: dict[int, set[int]] = {}
    rows = Attempt.objects.filter(
        trial__in=again,
        state=AttemptState.LOST,
        reason=WORKER_PROBLEM,
        worker__isnull=False,
    ).values_list("trial", "worker")
    for trial, worker in rows:
        avoided.setdefault(trial, set()).add(worker or 0)
    return avoided


def live_attempts(pools: Collection[int]) -> list[Attempt]:
    """Queued attempts of sweeps, and those that workers run, the oldest first.

    They have their trial, sweep, experiment and team. Two queries.
    """
    attempts = list(
        Attempt.objects.filter(
            pool__in=pools,
            state__in=(AttemptState.QUEUED, AttemptState.RUNNING),
            trial__sweep__isnull=False,
        )
        .exclude(state=AttemptState.RUNNING, worker=None)
        .select_related("trial")
        .defer("trial__params")
        .order_by("pk")
    )
    # A sweep's document is read once, not once for each attempt.
    sweeps = Sweep.objects.select_related("experiment__team").in_bulk(
        {attempt.trial.sweep_id for attempt in attempts}
    )
    for attempt in attempts:
        attempt.trial.sweep = sweeps.get(attempt.trial.sweep_id)
    return [attempt for attempt in attempts if attempt.trial.sweep is not None]


def is_placed(attempt: Attempt, hosts: Collection[int], now: datetime) -> bool:
    """Whether it runs on a worker, or was dispatched to one of these hosts or to the
    pool lately."""
    if attempt.state == AttemptState.RUNNING:
        return True
    dispatched = (
        attempt.dispatched_at is not None
        and attempt.dispatched_at > now - NOTIFY_AGAIN_AFTER
    )
    # Without a host it is in the pool's queue, for the first worker that comes.
    there = attempt.dispatched_to_id is None or attempt.dispatched_to_id in hosts
    return dispatched and there and _sweep_runs(attempt)


def is_open(attempt: Attempt, now: datetime) -> bool:
    """Whether a queued attempt may have a place: its sweep runs, its delay is over, and
    it is not held by its team's quota.

    A delay that began in the future is over: the clock was set back meanwhile.
    """
    delay, waited = retry_delay(attempt.n), now - attempt.created_at
    over = not delay or waited >= delay or waited < -MIN_STEP
    return over and _sweep_runs(attempt) and not is_held(attempt)


def is_held(attempt: Attempt) -> bool:
    """Whether it waits as its team is over its quota. What has begun is tried again."""
    sweep = attempt.trial.sweep
    is_over = sweep is not None and sweep.experiment.team.over_quota_since is not None
    return is_over and attempt.n == 1


def _sweep_runs(attempt: Attempt) -> bool:
    sweep = attempt.trial.sweep
    return sweep is not None and sweep.launches and sweep.state == SweepState.RUNNING
