"""The slots that a team's sweeps may use, and what each of them does now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count

from experiments import access
from experiments.models import Attempt, Pool, Team, Trial, Worker
from experiments.models.pools import SILENT_AFTER
from experiments.models.trials import AttemptState

# A worker that has been silent for longer is history, not a fault.
FORGOTTEN_AFTER = timedelta(days=1)


@dataclass(frozen=True)
class Slot:
    """One place for a trial. ``trial`` is there when it is the team's own; of other
    teams only ``team_name`` shows."""

    trial: Trial | None = None
    team_name: str = ""

    @property
    def busy(self) -> bool:
        return bool(self.trial or self.team_name)


@dataclass(frozen=True)
class Host:
    worker: Worker
    silent: bool
    slots: Sequence[Slot]


@dataclass(frozen=True)
class PoolSlots:
    pool: Pool
    hosts: Sequence[Host]
    waiting: int

    @property
    def alive(self) -> Sequence[Host]:
        return [host for host in self.hosts if not host.silent]

    @property
    def total(self) -> int:
        return sum(len(host.slots) for host in self.alive)

    @property
    def busy(self) -> int:
        return sum(slot.busy for host in self.alive for slot in host.slots)


@dataclass(frozen=True)
class SlotMap:
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


def slot_map(team: Team, now: datetime) -> SlotMap:
    """Every pool of the team with its hosts, in four queries."""
    pools = list(access.pools_for_team(team))
    hosts = _hosts(pools, team, now)
    waiting = _waiting(pools, team)
    return SlotMap(
        [PoolSlots(pool, hosts[pool.pk], waiting.get(pool.pk, 0)) for pool in pools]
    )


def _hosts(
    pools: Sequence[Pool], team: Team, now: datetime
) -> Mapping[int, Sequence[Host]]:
    workers = Worker.objects.filter(
        pool__in=pools, stopped_at=None, seen_at__gt=now - FORGOTTEN_AFTER
    ).order_by("name")
    running = _running(pools)
    hosts: dict[int, list[Host]] = defaultdict(list)
    for worker in workers:
        slots = [_slot(attempt, team) for attempt in _seats(worker, running)]
        silent = worker.seen_at < now - SILENT_AFTER
        hosts[worker.pool_id].append(Host(worker, silent, slots))
    return hosts


def _running(pools: Sequence[Pool]) -> Mapping[int, Sequence[Attempt]]:
    """Running attempts by worker."""
    attempts = Attempt.objects.filter(
        pool__in=pools, state=AttemptState.RUNNING
    ).select_related("trial__sweep__experiment", "trial__experiment__team")
    by_worker: dict[int, list[Attempt]] = defaultdict(list)
    for attempt in attempts.order_by("slot"):
        if attempt.worker_id is not None:
            by_worker[attempt.worker_id].append(attempt)
    return by_worker


def _seats(
    worker: Worker, running: Mapping[int, Sequence[Attempt]]
) -> Iterator[Attempt | None]:
    """The attempt in each slot of a worker; a slot that nobody has is free. A trial of
    several GPUs stands in each of its slots."""
    seated = {
        slot: attempt
        for attempt in running.get(worker.pk, ())
        for slot in (worker.slots_of(attempt.gpus) or {attempt.slot or 0})
    }
    return (seated.get(index) for index in range(worker.slots))


def _slot(attempt: Attempt | None, team: Team) -> Slot:
    if attempt is None:
        return Slot()
    if attempt.trial.experiment.team_id == team.pk:
        return Slot(trial=attempt.trial)
    return Slot(team_name=attempt.trial.experiment.team.name)


def _waiting(pools: Sequence[Pool], team: Team) -> Mapping[int, int]:
    """How many trials of the team wait in each pool."""
    rows = (
        Attempt.objects.filter(
            pool__in=pools,
            state=AttemptState.QUEUED,
            trial__experiment__team=team,
            trial__sweep__state="running",
        )
        .order_by()
        .values_list("pool")
        .annotate(n=Count("pk"))
    )
    return dict(rows)
