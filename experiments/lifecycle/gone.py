"""Hosts that will not come back: off the list at an admin's word."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Now

from experiments.models import Event, User, Worker
from experiments.models.pools import SILENT_AFTER


def forget_worker(worker: Worker, *, actor: User) -> bool:
    """Take a silent host off the list. False: it gives signs of life, or is off it.

    What ran there is given up by its lease as ever; a host that is heard of after all
    is back on the list by that.
    """
    with transaction.atomic():
        won = Worker.objects.filter(
            pk=worker.pk, stopped_at=None, seen_at__lt=Now() - Value(SILENT_AFTER)
        ).update(stopped_at=Now())
        if won:
            Event.log(
                "host forgotten",
                f"{worker.name} in pool {worker.pool.name}",
                actor=actor,
                data={"worker": worker.pk, "name": worker.name},
            )
    return bool(won)
