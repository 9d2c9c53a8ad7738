"""Which slots of a host, and which of its GPUs, an attempt gets."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models.functions import Now

from experiments.models import Attempt, Worker
from experiments.models.trials import AttemptState
from experiments.search.figures import counted


class NoRoom(Exception):
    """The host cannot take the attempt now, which stays queued. The text says why."""


@dataclass(frozen=True)
class Seats:
    """So many slots of one host, with the indexes of the GPUs that come with them."""

    slots: int
    devices: list[int]


def take_seats(worker: Worker, slot: int, *, gpus: int) -> Seats:
    """What an attempt that asks for so many GPUs (0: no matter) gets of the host.

    To be called in the transaction of the claim: it locks the host's row, so that two
    claims never get one device. Raises NoRoom.
    """
    Worker.objects.filter(pk=worker.pk).update(seen_at=Now())
    worker.refresh_from_db()
    if worker.draining_since is not None:
        raise NoRoom(f"Host {worker.name} drains: {worker.drain_reason}")
    if not worker.gpus and not gpus:
        return Seats(1, [])
    return choose_seats(worker, slot, gpus=gpus, taken=taken_slots(worker))


def taken_slots(worker: Worker) -> set[int]:
    """The slots whose GPUs a running attempt has."""
    running = Attempt.objects.filter(worker=worker, state=AttemptState.RUNNING)
    rows = running.values_list("slot", "gpus")
    return {
        taken
        for slot, devices in rows
        for taken in (worker.slots_of(devices) or {slot or 0})
    }


def choose_seats(
    worker: Worker, slot: int, *, gpus: int, taken: Collection[int]
) -> Seats:
    """GPUs that lie close together, with the slot's own ones among them if they can be.

    Where a neighbour's trial has the slot's own ones, others do as well: every slot's
    process sees what it is told to see.
    """
    need = worker.slots_for(gpus)
    if need is None:
        raise NoRoom(
            f"The trial needs {counted(gpus, 'GPU')} on one host; host {worker.name}"
            f" has {len(worker.gpus)} in {counted(worker.slots, 'slot')}."
        )
    free = [place for place in range(worker.slots) if place not in taken]
    if len(free) < need:
        raise NoRoom(
            f"The trial needs {counted(need, 'slot')} at once; host {worker.name} has"
            f" {len(free)} free."
        )
    rows = [free[first : first + need] for first in range(len(free) - need + 1)]
    chosen = min(rows, key=lambda row: (row[-1] - row[0], slot not in row))
    devices = [device for place in chosen for device in worker.devices_of(place)]
    return Seats(need, devices[: gpus or None])
