"""The API for workers: they claim attempts and report on them.

A pool's token opens /claim, an attempt's runner token the other routes below
/attempts/{id}. Requests for an attempt that is not running any more are refused.
"""

from __future__ import annotations

from typing import Annotated, Any

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import F
from django.http import FileResponse, HttpRequest
from ninja import NinjaAPI, Query, Schema
from pydantic import Field

from experiments import lifecycle, queues, storage
from experiments.api import artifacts, attempt_spec, worker_hosts
from experiments.api.auth import (
    RunnerAuth,
    calling_attempt,
    running_attempt,
)
from experiments.api.errors import ApiError, BodyParser, add_error_handlers
from experiments.api.points import CollectedIn, ReplyOut
from experiments.api.worker_hosts import (
    WITHOUT_NUL,
    Bytes,
    SlotIn,
    calling_worker,
    check_protocol,
    pool_auth,
)
from experiments.failures import auto_drain, groups
from experiments.models import Attempt
from experiments.models.environments import note_environment
from experiments.models.trials import AttemptState
from experiments.models.workers import DrainCause
from experiments.runner.failpoints import failpoint
from experiments.tracking import ingest

MAX_LOG_CHUNK = 256 << 10
Small = Annotated[int, Field(gt=-(2**31), lt=2**31)]

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
api.add_router("", worker_hosts.router)
add_error_handlers(api)


@api.post("/attempts/{attempt_id}/claim", auth=pool_auth)
def claim(request: HttpRequest, attempt_id: int, body: SlotIn) -> dict[str, Any]:
    check_protocol(request)
    worker = calling_worker(request, body.worker)
    won = lifecycle.claim_attempt(attempt_id, worker=worker, slot=body.slot)
    if won is None:
        raise ApiError(409, "not_claimable", f"Attempt {attempt_id} is not waiting.")
    return attempt_spec.attempt_spec(won)


class HeartbeatIn(Schema):
    elapsed: float | None = None
    pid: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    memory_bytes: int | None = None
    phase: Annotated[str, Field(max_length=100), WITHOUT_NUL] = ""
    environment: dict[str, Any] | None = None


@api.post("/attempts/{attempt_id}/heartbeat")
def heartbeat(
    request: HttpRequest, attempt_id: int, body: HeartbeatIn
) -> dict[str, Any]:
    attempt = calling_attempt(request)
    if not lifecycle.beat(
        attempt, pid=body.pid, elapsed=body.elapsed, phase=body.phase
    ):
        raise ingest.AttemptNotRunning(f"Attempt {attempt_id} does not count any more.")
    if body.environment:
        note_environment(attempt.trial, body.environment)
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
def metrics(request: HttpRequest, attempt_id: int, body: CollectedIn) -> ReplyOut:
    """Store points of the script's spool, or those that the runner has collected."""
    points, refused = body.split()
    return ReplyOut.of(
        ingest.record(
            attempt_id,
            points,
            refused=refused,
            batch=body.batch,
            collected=body.collected,
        )
    )


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
            return _add_to_log(attempt, seq, chunk)
    except DatabaseError:
        # It is sent again and would be stored twice.
        if before is not None:
            storage.cut_log(attempt_id, before)
        raise


def _add_to_log(attempt: Attempt, seq: int, chunk: bytes) -> dict[str, int]:
    """The number of the next chunk, and the bytes of those before it."""
    if seq != attempt.log_chunks:
        return {"next": attempt.log_chunks, "bytes": attempt.log_bytes}
    with artifacts.answering_disk_full():
        storage.append_log(attempt.pk, chunk, first=seq == 0)
    Attempt.objects.filter(pk=attempt.pk).update(
        log_chunks=seq + 1, log_bytes=F("log_bytes") + len(chunk)
    )
    return {"next": seq + 1, "bytes": attempt.log_bytes + len(chunk)}


class AttemptFinishIn(Schema):
    cause: lifecycle.Cause
    exit_code: Small | None = None
    signal: Small | None = None
    code: Annotated[str, Field(max_length=40), WITHOUT_NUL] = ""
    over_limit: bool = False
    message: Annotated[str, Field(max_length=2_000), WITHOUT_NUL] = ""
    not_kept: Annotated[str, Field(max_length=2_000), WITHOUT_NUL] = ""
    lost: Annotated[
        list[Annotated[str, Field(max_length=500), WITHOUT_NUL]], Field(max_length=10)
    ] = []
    elapsed: float | None = None
    peak_memory: Bytes | None = None
    log_dropped: Bytes = 0
    unkilled: Annotated[list[Small], Field(max_length=1_000)] = []
    environment: dict[str, Any] | None = None
    printed: Annotated[
        list[Annotated[str, Field(max_length=100), WITHOUT_NUL]], Field(max_length=3)
    ] = []


@api.post("/attempts/{attempt_id}/finish")
def finish(
    request: HttpRequest, attempt_id: int, body: AttemptFinishIn
) -> dict[str, str]:
    """End the attempt. Idempotent."""
    attempt = calling_attempt(request)
    outcome = lifecycle.Outcome(**body.dict(exclude={"unkilled", "environment"}))
    if body.environment and attempt.state == AttemptState.RUNNING:
        note_environment(attempt.trial, body.environment)
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
    try:
        return FileResponse(storage.code_path(snapshot.digest).open("rb"))
    except FileNotFoundError as error:
        words = "The site has lost the archive of this code. Upload the code again."
        raise ApiError(410, "gone", words) from error
