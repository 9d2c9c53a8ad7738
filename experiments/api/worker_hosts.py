"""The API for workers: they sign on, send heartbeats, drain and sign off.

A pool's token opens these routes.
"""

from __future__ import annotations

from typing import Annotated, Any

from django.conf import settings
from django.db.models import Q, Value
from django.db.models.functions import Now
from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import AfterValidator, Field

from experiments import lifecycle, queues
from experiments.api.attempt_spec import PROTOCOL
from experiments.api.auth import WorkerAuth
from experiments.api.errors import ApiError
from experiments.failures import auto_drain
from experiments.models import Attempt, Pool, Worker
from experiments.models.trials import AttemptState
from experiments.models.workers import SILENT_AFTER, DrainCause
from experiments.scheduling import dispatch

# More devices than any host has.
MAX_GPUS = 1_024
Index = Annotated[int, Field(ge=0, lt=2**31)]
Bytes = Annotated[int, Field(ge=0, lt=2**63)]
# No database keeps NUL in a text, and an attempt's end must not fail for one.
WITHOUT_NUL = AfterValidator(lambda text: text.replace("\0", ""))
router = Router()
pool_auth = WorkerAuth()


class GpuIn(Schema):
    index: Index
    name: Annotated[str, Field(max_length=100), WITHOUT_NUL] = ""
    memory: Bytes | None = None


class FactsIn(Schema):
    """Processors, memory and free disk space, in bytes; what is unknown is left out.

    ``weakness`` is a sentence on how trials are not isolated there; empty: they are.
    """

    cpus: Annotated[int, Field(ge=0, le=100_000)] | None = None
    memory: Bytes | None = None
    disk_free: Bytes | None = None
    weakness: Annotated[str, Field(max_length=300), WITHOUT_NUL] | None = None


class HelloIn(Schema):
    name: Annotated[str, Field(min_length=1, max_length=100), WITHOUT_NUL]
    host: Annotated[str, Field(max_length=100), WITHOUT_NUL]
    boot_id: Annotated[str, Field(max_length=64), WITHOUT_NUL] = ""
    pid: Index
    slots: Annotated[int, Field(ge=1, le=1_000)]
    gpus: Annotated[list[GpuIn], Field(max_length=MAX_GPUS)] = []
    gpus_per_slot: Annotated[int, Field(ge=1, le=MAX_GPUS)] = 1
    facts: FactsIn = FactsIn()
    version: Annotated[str, Field(max_length=30), WITHOUT_NUL] = ""
    python: Annotated[str, Field(max_length=30), WITHOUT_NUL] = ""

    def columns(self) -> dict[str, Any]:
        """The columns of its Worker, but for the name."""
        values: dict[str, Any] = self.dict(exclude={"name"})
        return {**values, "facts": known(values["facts"])}

    def check_devices(self) -> None:
        """Refuse one whose slots need more GPUs than it has."""
        needed = self.slots * self.gpus_per_slot
        if self.gpus and needed > len(self.gpus):
            raise ApiError(
                422,
                "too_few_gpus",
                f"{self.slots} slots of {self.gpus_per_slot} GPUs need {needed}, but"
                f" the host has {len(self.gpus)}. Start it with fewer --slots.",
            )
        if len({gpu.index for gpu in self.gpus}) < len(self.gpus):
            raise ApiError(422, "same_gpu_twice", "A GPU is listed more than once.")


class WorkerBeatIn(Schema):
    worker: int
    disk_free: Bytes | None = None


def known(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value is not None}


def renewed_facts(worker: Worker, beat: WorkerBeatIn) -> dict[str, Any]:
    """The facts of a worker with the new ones of its heartbeat."""
    return {**worker.facts, **known({"disk_free": beat.disk_free})}


def check_protocol(request: HttpRequest) -> None:
    spoken = request.headers.get("X-Sweepsite-Protocol", "")
    if spoken == str(PROTOCOL):
        return
    newer = spoken.isascii() and spoken.isdigit() and len(spoken) < 5
    newer = newer and int(spoken) > PROTOCOL
    raise ApiError(
        426,
        "protocol",
        f"This worker speaks protocol {spoken[:20] or 'unknown'}, the site needs"
        f" {PROTOCOL}: "
        + ("the site is too old." if newer else "the worker is too old.")
        + f" Install sweepsite {settings.VERSION} on the worker's host"
        + (", or a newer one on the site's." if newer else "."),
    )


class WorkerIn(Schema):
    worker: int


class SlotIn(WorkerIn):
    slot: Annotated[int, Field(ge=0, le=1_000)]


class StuckIn(SlotIn):
    message: Annotated[str, Field(max_length=2_000), WITHOUT_NUL] = ""


@router.post("/hello", auth=pool_auth)
def hello(request: HttpRequest, body: HelloIn) -> dict[str, Any]:
    """A worker process starts. Attempts of its predecessor with this name are lost."""
    check_protocol(request)
    pool = _pool(request)
    body.check_devices()
    worker = _signed_on(pool, body)
    lifecycle.take_back(worker, cause=DrainCause.LEAVING)
    _lose(Attempt.objects.filter(worker=worker))
    queues.wake_scheduler()
    return {
        "worker": worker.pk,
        "pool": pool.name,
        "heartbeat_seconds": settings.HEARTBEAT_SECONDS,
        **_drain(worker),
    }


def _drain(worker: Worker) -> dict[str, Any]:
    """Whether the worker is draining, and why."""
    drains = worker.draining_since is not None
    return {"drain": drains, "drain_reason": worker.drain_reason if drains else ""}


def _signed_on(pool: Pool, body: HelloIn) -> Worker:
    """The worker's row. Two hosts may bear one name; that of a living worker is not
    given away, also when both sign on at the same moment: one statement decides."""
    fields = {**body.columns(), "started_at": Now(), "seen_at": Now()}
    worker, is_new = Worker.objects.get_or_create(
        pool=pool, name=body.name, defaults=fields
    )
    silent = Q(seen_at__lt=Now() - Value(SILENT_AFTER))
    free = Q(boot_id=body.boot_id) | Q(stopped_at__isnull=False) | silent
    taken = Worker.objects.filter(free, pk=worker.pk)
    if not is_new and not taken.update(**fields, stopped_at=None):
        raise ApiError(
            409,
            "name_taken",
            f"A worker {body.name!r} of another host runs in pool {pool.name}.",
        )
    return worker


@router.post("/beat", auth=pool_auth)
def beat(request: HttpRequest, body: WorkerBeatIn) -> dict[str, Any]:
    check_protocol(request)
    worker = calling_worker(request, body.worker)
    Worker.objects.filter(pk=worker.pk).update(
        seen_at=Now(), stopped_at=None, facts=renewed_facts(worker, body)
    )
    auto_drain.drain_by_disk_space(worker, body.disk_free)
    return {**_drain(worker), "busy": _busy(worker)}


def _busy(worker: Worker) -> int:
    """How many trials it runs, or is about to run."""
    promised = Q(dispatched_to=worker, state=AttemptState.QUEUED)
    running = Q(worker=worker, state=AttemptState.RUNNING)
    return Attempt.objects.filter(running | promised).count()


class DrainIn(WorkerIn):
    """`leaves`: until it signs on again."""

    reason: Annotated[str, Field(max_length=300), WITHOUT_NUL] = ""
    leaves: bool = False


@router.post("/drain", auth=pool_auth)
def drain(request: HttpRequest, body: DrainIn) -> dict[str, Any]:
    """The host requests no more trials."""
    check_protocol(request)
    worker = calling_worker(request, body.worker)
    cause = DrainCause.LEAVING if body.leaves else DrainCause.HOST
    lifecycle.drain_worker(worker, cause=cause, reason=body.reason)
    queues.wake_scheduler()
    return {**_drain(worker), "busy": _busy(worker)}


@router.post("/slots/stuck", auth=pool_auth)
def slot_stuck(request: HttpRequest, body: StuckIn) -> dict[str, Any]:
    """Processes of a trial cannot be killed: the host is drained until a person takes
    it back."""
    check_protocol(request)
    worker = calling_worker(request, body.worker)
    lifecycle.drain_worker(
        worker,
        cause=DrainCause.HOST,
        reason=f"Slot {body.slot} could not end a trial: {body.message}",
    )
    queues.wake_scheduler()
    return _drain(worker)


@router.post("/slots/idle", auth=pool_auth)
def slot_idle(request: HttpRequest, body: SlotIn) -> dict[str, Any]:
    """A slot's process has just started, so attempts that ran in the slot are lost."""
    check_protocol(request)
    worker = calling_worker(request, body.worker)
    lost = _lose(Attempt.objects.filter(worker=worker, slot=body.slot))
    dispatch.notify_again(worker, body.slot)
    return {"lost": lost}


@router.post("/bye", auth=pool_auth)
def bye(request: HttpRequest, body: WorkerIn) -> dict[str, Any]:
    worker = calling_worker(request, body.worker)
    Worker.objects.filter(pk=worker.pk).update(stopped_at=Now())
    return {}


def _pool(request: HttpRequest) -> Pool:
    pool: Pool = request.auth  # type: ignore[attr-defined]
    return pool


def calling_worker(request: HttpRequest, worker_id: int) -> Worker:
    worker = Worker.objects.filter(pk=worker_id, pool=_pool(request)).first()
    if worker is None:
        raise ApiError(404, "unknown_worker", f"Worker {worker_id} is not known here.")
    return worker


def _lose(attempts: Any) -> list[int]:
    lost = [
        attempt.pk
        for attempt in attempts.filter(state=AttemptState.RUNNING)
        if lifecycle.lose_attempt(
            attempt,
            reason="worker_died",
            message="The worker process that ran it ended unexpectedly.",
        )
    ]
    if lost:
        queues.wake_scheduler()
    return lost
