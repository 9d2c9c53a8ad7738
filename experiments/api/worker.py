"""The API for workers: they sign on, claim attempts and report on them.

A pool's token opens /hello to /claim, an attempt's runner token the routes below
/attempts/{id}. Requests for an attempt that is not running any more are refused.
"""

from __future__ import annotations

from typing import Annotated, Any

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Now
from django.http import FileResponse, HttpRequest
from ninja import NinjaAPI, Query, Schema
from pydantic import AfterValidator, Field

from experiments import lifecycle, queues, storage
from experiments.api import artifacts, attempt_spec
from experiments.api.attempt_spec import PROTOCOL
from experiments.api.auth import (
    RunnerAuth,
    WorkerAuth,
    calling_attempt,
    running_attempt,
)
from experiments.api.errors import ApiError, BodyParser, add_error_handlers
from experiments.api.points import PointsIn, ReplyOut
from experiments.api.worker_facts import Bytes, HelloIn, WorkerBeatIn, renewed_facts
from experiments.failures import auto_drain, groups
from experiments.models import Attempt, Pool, Worker
from experiments.models.trials import AttemptState
from experiments.models.workers import SILENT_AFTER, DrainCause
from experiments.runner.failpoints import failpoint
from experiments.scheduling import dispatch
from experiments.tracking import ingest

MAX_LOG_CHUNK = 256 << 10
Small = Annotated[int, Field(gt=-(2**31), lt=2**31)]
# No database keeps NUL in a text, and an attempt's end must not fail for one.
WITHOUT_NUL = AfterValidator(lambda text: text.replace("\0", ""))

api = NinjaAPI(
    title="sweepsite, for its workers",
    urls_namespace="worker-api",
    auth=RunnerAuth(),
    parser=BodyParser(),
    docs_url=None,
    openapi_url=None,
)
api.add_router("", artifacts.router)
api.add_router("", attempt_spec.router)
add_error_handlers(api)
pool_auth = WorkerAuth()


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


# --- a pool's workers -------------------------------------------------------------


class WorkerIn(Schema):
    worker: int


class SlotIn(WorkerIn):
    slot: Annotated[int, Field(ge=0, le=1_000)]


class StuckIn(SlotIn):
    message: Annotated[str, Field(max_length=2_000), WITHOUT_NUL] = ""


@api.post("/hello", auth=pool_auth)
def hello(request: HttpRequest, body: HelloIn) -> dict[str, Any]:
    """A worker process starts. Attempts of its predecessor with this name are lost."""
    check_protocol(request)
    pool = _pool(request)
    body.check_devices()
    worker = _signed_on(pool, body)
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


@api.post("/beat", auth=pool_auth)
def beat(request: HttpRequest, body: WorkerBeatIn) -> dict[str, Any]:
    check_protocol(request)
    worker = _worker(request, body.worker)
    Worker.objects.filter(pk=worker.pk).update(
        seen_at=Now(), stopped_at=None, facts=renewed_facts(worker, body)
    )
    auto_drain.drain_by_disk_space(worker, body.disk_free)
    return _drain(worker)


class DrainIn(WorkerIn):
    reason: Annotated[str, Field(max_length=300), WITHOUT_NUL] = ""


@api.post("/drain", auth=pool_auth)
def drain(request: HttpRequest, body: DrainIn) -> dict[str, Any]:
    """The host requests no more trials."""
    check_protocol(request)
    worker = _worker(request, body.worker)
    lifecycle.drain_worker(worker, cause=DrainCause.HOST, reason=body.reason)
    queues.wake_scheduler()
    return _drain(worker)


@api.post("/slots/stuck", auth=pool_auth)
def slot_stuck(request: HttpRequest, body: StuckIn) -> dict[str, Any]:
    """Processes of a trial cannot be killed: the host is drained until a person takes
    it back."""
    check_protocol(request)
    worker = _worker(request, body.worker)
    lifecycle.drain_worker(
        worker,
        cause=DrainCause.HOST,
        reason=f"Slot {body.slot} could not end a trial: {body.message}",
    )
    queues.wake_scheduler()
    return _drain(worker)


@api.post("/slots/idle", auth=pool_auth)
def slot_idle(request: HttpRequest, body: SlotIn) -> dict[str, Any]:
    """A slot's process has just started, so attempts that ran in the slot are lost."""
    check_protocol(request)
    worker = _worker(request, body.worker)
    lost = _lose(Attempt.objects.filter(worker=worker, slot=body.slot))
    dispatch.notify_again(worker, body.slot)
    return {"lost": lost}


@api.post("/bye", auth=pool_auth)
def bye(request: HttpRequest, body: WorkerIn) -> dict[str, Any]:
    worker = _worker(request, body.worker)
    Worker.objects.filter(pk=worker.pk).update(stopped_at=Now())
    return {}


def _pool(request: HttpRequest) -> Pool:
    pool: Pool = request.auth  # type: ignore[attr-defined]
    return pool


def _worker(request: HttpRequest, worker_id: int) -> Worker:
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


# --- one attempt ------------------------------------------------------------------


@api.post("/attempts/{attempt_id}/claim", auth=pool_auth)
def claim(request: HttpRequest, attempt_id: int, body: SlotIn) -> dict[str, Any]:
    check_protocol(request)
    worker = _worker(request, body.worker)
    try:
        won = lifecycle.claim_attempt(attempt_id, worker=worker, slot=body.slot)
    except lifecycle.NoRoom as problem:
        raise ApiError(409, "no_room", str(problem)) from problem
    if won is None:
        raise ApiError(409, "not_claimable", f"Attempt {attempt_id} is not waiting.")
    return attempt_spec.attempt_spec(won)


class HeartbeatIn(Schema):
    elapsed: float | None = None
    pid: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    memory_bytes: int | None = None
    phase: Annotated[str, Field(max_length=100), WITHOUT_NUL] = ""


@api.post("/attempts/{attempt_id}/heartbeat")
def heartbeat(
    request: HttpRequest, attempt_id: int, body: HeartbeatIn
) -> dict[str, Any]:
    attempt = calling_attempt(request)
    if not lifecycle.beat(
        attempt, pid=body.pid, elapsed=body.elapsed, phase=body.phase
    ):
        raise ingest.AttemptNotRunning(f"Attempt {attempt_id} does not count any more.")
    failpoint("beat.noted")
    return {"stop": _stop_of(attempt)}


def _stop_of(attempt: Attempt) -> dict[str, Any] | None:
    """The request to stop, if there is one: for good, or to be queued again."""
    trial = attempt.trial
    if trial.stop_reason:
        reason, message = trial.stop_reason, trial.stop_message
    elif attempt.release_requested_at is not None:
        reason, message = "paused", lifecycle.PAUSE_MESSAGE
    else:
        return None
    grace = trial.sweep.stop_grace if trial.sweep else settings.GRACE_SECONDS
    return {"reason": reason, "message": message, "grace": grace}


@api.post("/attempts/{attempt_id}/metrics", response=ReplyOut, exclude_unset=True)
def metrics(request: HttpRequest, attempt_id: int, body: PointsIn) -> ReplyOut:
    points, refused = body.split()
    return ReplyOut.of(ingest.record(attempt_id, points, refused=refused))


@api.post("/attempts/{attempt_id}/log")
def log(
    request: HttpRequest, attempt_id: int, seq: Annotated[int, Query(ge=0)]
) -> dict[str, int]:
    """Add the next chunk. Idempotent."""
    chunk = request.body
    if len(chunk) > MAX_LOG_CHUNK:
        raise ApiError(413, "too_large", f"At most {MAX_LOG_CHUNK} bytes a chunk.")
    before: int | None = None
    try:
        with transaction.atomic():
            attempt = ingest.locked_attempt(attempt_id)
            before = storage.log_size(attempt_id)
            return {"next": _add_to_log(attempt, seq, chunk)}
    except DatabaseError:
        # It is sent again and would be stored twice.
        if before is not None:
            storage.cut_log(attempt_id, before)
        raise


def _add_to_log(attempt: Attempt, seq: int, chunk: bytes) -> int:
    """The number of the next chunk."""
    if seq != attempt.log_chunks:
        return attempt.log_chunks
    with artifacts.answering_disk_full():
        storage.append_log(attempt.pk, chunk, first=seq == 0)
    Attempt.objects.filter(pk=attempt.pk).update(
        log_chunks=seq + 1, log_bytes=F("log_bytes") + len(chunk)
    )
    return seq + 1


class AttemptFinishIn(Schema):
    cause: lifecycle.Cause
    exit_code: Small | None = None
    signal: Small | None = None
    code: Annotated[str, Field(max_length=40), WITHOUT_NUL] = ""
    over_limit: bool = False
    message: Annotated[str, Field(max_length=2_000), WITHOUT_NUL] = ""
    not_kept: Annotated[str, Field(max_length=2_000), WITHOUT_NUL] = ""
    elapsed: float | None = None
    peak_memory: Bytes | None = None
    log_dropped: Bytes = 0
    unkilled: Annotated[list[Small], Field(max_length=1_000)] = []


@api.post("/attempts/{attempt_id}/finish")
def finish(
    request: HttpRequest, attempt_id: int, body: AttemptFinishIn
) -> dict[str, str]:
    """End the attempt. Idempotent."""
    attempt = calling_attempt(request)
    outcome = lifecycle.Outcome(**body.dict(exclude={"unkilled"}))
    groups.store_signature(attempt, outcome)
    lifecycle.finish_attempt(attempt, outcome)
    if body.cause == "worker_problem" and attempt.worker is not None:
        is_full = body.code == "disk_full"
        auto_drain.drain_after_problems(attempt.worker, disk_full=is_full)
    if body.unkilled and attempt.worker is not None:
        lifecycle.drain_worker(
            attempt.worker,
            cause=DrainCause.HOST,
            reason=f"Processes of trial {attempt.trial.label} cannot be killed:"
            f" {', '.join(map(str, body.unkilled[:20]))}.",
        )
    queues.wake_scheduler()
    attempt.trial.refresh_from_db(fields=["state"])
    return {"state": attempt.trial.state}


@api.get("/attempts/{attempt_id}/code/{digest}.zip")
def code(request: HttpRequest, attempt_id: int, digest: str) -> FileResponse:
    attempt = running_attempt(request)
    snapshot = attempt.trial.sweep.code if attempt.trial.sweep else None
    if snapshot is None or snapshot.digest != digest:
        raise ApiError(404, "not_found", "That is not this attempt's code.")
    return FileResponse(storage.code_path(snapshot.digest).open("rb"))
