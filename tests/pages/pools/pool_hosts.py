"""Hosts of pools in tests of pages, and what runs on them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from experiments import lifecycle
from experiments.models import Attempt, Pool, Worker
from tests import factories
from tests.pages import clients


def page(client: Client, url: str = "/pools/") -> str:
    return clients.page(client, url)


def gpu_host(pool: Pool, name: str = "gpu", *, slots: int = 4) -> Worker:
    worker = factories.worker(pool, name, slots=slots)
    worker.gpus = [{"index": n, "name": "A4000"} for n in range(slots)]
    worker.save()
    return worker


def put(trial: Any, worker: Worker, slot: int, *, slots: int = 1) -> Attempt:
    """The trial runs in that slot of the worker, and in the next ones."""
    attempts = Attempt.objects.filter(pk=trial.current_attempt_id)
    attempts.update(pool=worker.pool)
    assert lifecycle.claim_attempt(trial.current_attempt_id, worker=worker, slot=slot)
    places = range(slot, slot + slots)
    devices = [device for place in places for device in worker.devices_of(place)]
    attempts.update(slot=slot, slots=slots, gpus=devices)
    return attempts.get()


def silence(worker: Worker, **ago: float) -> None:
    Worker.objects.filter(pk=worker.pk).update(
        seen_at=timezone.now() - timedelta(**ago)
    )
