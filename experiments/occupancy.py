"""What every slot of a host does: for pages that show where trials run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from experiments.clock import database_now
from experiments.hosts import live_attempts
from experiments.models import Attempt, Pool, Worker
from experiments.models.pools import SILENT_AFTER
from experiments.models.trials import AttemptState

SlotState = Literal["running", "free", "draining", "silent"]


@dataclass(frozen=True)
class SlotView:
    """What stands at one place of a host's row.

    A trial that takes several slots is one view whose `span` is their number. `devices`
    are the indexes of the GPUs there.
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


def occupancy(pools: Iterable[Pool]) -> list[HostRow]:
    """The hosts of these pools by pool and name, without those that have signed off.

    Takes a fixed number of queries. The attempts come with their trial, sweep,
    experiment and team.
    """
    ids = [pool.pk for pool in pools]
    workers = Worker.objects.filter(pool__in=ids, stopped_at=None)
    running: dict[int, list[Attempt]] = defaultdict(list)
    for attempt in live_attempts(ids):
        if attempt.state == AttemptState.RUNNING and attempt.worker_id is not None:
            running[attempt.worker_id].append(attempt)
    now = database_now()
    return [
        HostRow(
            worker,
            list(
                _slots(worker, running[worker.pk], now - SILENT_AFTER > worker.seen_at)
            ),
        )
        for worker in workers.select_related("pool").order_by("pool__name", "name")
    ]


def _slots(
    worker: Worker, attempts: Collection[Attempt], silent: bool
) -> Iterator[SlotView]:
    """From left to right; a trial stands at the first of its slots."""
    seats = [(_seats(worker, attempt), attempt) for attempt in attempts]
    taken = {slot for slots, _ in seats for slot in slots}
    free: SlotState = "free" if worker.draining_since is None else "draining"
    views = [
        SlotView(
            min(slots),
            len(slots),
            "silent" if silent else "running",
            attempt,
            attempt.gpus,
        )
        for slots, attempt in seats
    ]
    views += [
        SlotView(slot, 1, "silent" if silent else free, None, worker.devices_of(slot))
        for slot in range(worker.slots)
        if slot not in taken
    ]
    yield from sorted(views, key=lambda view: (view.index, view.span))


def _seats(worker: Worker, attempt: Attempt) -> set[int]:
    return worker.slots_of(attempt.gpus) or {attempt.slot or 0}
