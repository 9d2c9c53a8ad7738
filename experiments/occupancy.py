"""What every slot of a host does: for pages that show where trials run.

A slot that was promised to a trial is taken, as the scheduler counts it: what is told
here and why others wait have one source.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from experiments.clock import database_now
from experiments.hosts import PoolState, pool_states
from experiments.models import Attempt, Pool, Worker
from experiments.models.pools import SILENT_AFTER
from experiments.models.trials import AttemptState

SlotState = Literal["running", "promised", "free", "draining", "silent"]


@dataclass(frozen=True)
class SlotView:
    """What stands at one place of a host's row.

    A trial that takes several slots is one view whose `span` is their number. `devices`
    are the indexes of the GPUs there. Where the state is promised, the attempt has not
    begun yet.
    """

    index: int
    span: int
    state: SlotState
    attempt: Attempt | None
    devices: Sequence[int] = ()


@dataclass(frozen=True)
class HostRow:
    """One worker and its slots from left to right.

    Whether it gives signs of life and whether it drains is said by its slots' states
    and by the worker's own columns.
    """

    worker: Worker
    slots: Sequence[SlotView]


def occupancy(
    pools: Iterable[Pool], states: Mapping[int, PoolState] | None = None
) -> list[HostRow]:
    """The hosts of these pools by pool and name, without those that have signed off.

    Takes a fixed number of queries. The attempts come with their trial, sweep,
    experiment and team. `states` are those of the pools, where they are known.
    """
    ids = [pool.pk for pool in pools]
    if states is None:
        states = pool_states(ids)
    workers = Worker.objects.filter(pool__in=ids, stopped_at=None)
    running, promised = _by_worker(states.values())
    now = database_now()
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
    """The attempts that run on each worker, and those that were promised a place on
    one which takes trials, in the order of the promises."""
    running: ByWorker = defaultdict(list)
    promised: ByWorker = defaultdict(list)
    for state in states:
        hosts = {host.worker.pk for host in state.hosts}
        for attempt in state.placed:
            if attempt.state == AttemptState.RUNNING:
                running[attempt.worker_id or 0].append(attempt)
            elif attempt.rung_for_id in hosts:
                promised[attempt.rung_for_id or 0].append(attempt)
    return running, promised


def _running(
    worker: Worker, attempts: Iterable[Attempt], silent: bool
) -> Iterator[tuple[set[int], SlotView]]:
    """What runs, with all of its slots; a trial stands at the first of them."""
    state: SlotState = "silent" if silent else "running"
    for attempt in attempts:
        seats = _seats(worker, attempt)
        yield seats, SlotView(min(seats), len(seats), state, attempt, attempt.gpus)


def _rest(
    worker: Worker, free: list[int], promised: Iterable[Attempt], silent: bool
) -> Iterator[SlotView]:
    """Where nothing runs. What was promised beyond the free slots waits for others to
    end, and has no place yet."""
    for attempt in () if silent else promised:
        own, free = free[: attempt.slots], free[attempt.slots :]
        if own:
            devices = [device for slot in own for device in worker.devices_of(slot)]
            yield SlotView(own[0], len(own), "promised", attempt, devices)
    state: SlotState = "free" if worker.draining_since is None else "draining"
    for slot in free:
        devices = worker.devices_of(slot)
        yield SlotView(slot, 1, "silent" if silent else state, None, devices)


def _seats(worker: Worker, attempt: Attempt) -> set[int]:
    return worker.slots_of(attempt.gpus) or {attempt.slot or 0}
