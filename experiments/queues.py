"""The one module that knows RQ and Redis. The queue is a doorbell and never the truth:
a job carries an attempt's id; losing it, doubling it or flushing the queue costs time.
"""

from __future__ import annotations

import functools
import gc
import logging
import os
import secrets
import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.conf import settings
from redis import Redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import BusyLoadingError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry
from rq import Queue, Worker, get_current_job
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from experiments.runner.signals import die_with_parent

logger = logging.getLogger(__name__)

RUN_ATTEMPT = "experiments.workers.jobs.run_attempt"
SIMULATE = "experiments.tracking.policy_simulations.simulate"
# Nothing else is run from a queue: names, with the types of their arguments.
AllowedJobs = Mapping[str, tuple[type, ...]]
SLOT_JOBS: AllowedJobs = {RUN_ATTEMPT: (int,)}
SITE_JOBS: AllowedJobs = {SIMULATE: (int, str, str, int, int)}
# No pool can have this name.
SITE_QUEUE = "@site"
MAX_SITE_JOBS, MAX_TRIES = 12, 3
# A worker that was killed is noticed after this many seconds.
SITE_HEARTBEAT_SECONDS = 20
WANTED_KEY = "sweepsite:wanted:"
QUEUE_AWAY = "The queue does not answer; this starts when it does."
WAKE_KEY = "sweepsite:wake"


def connect(*, retries: int) -> Redis:
    """A connection that retries with back-off. A plain URL in RQ_QUEUES has none."""
    return Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=2,
        retry=Retry(ExponentialWithJitterBackoff(base=0.1, cap=2), retries),
        retry_on_error=[RedisConnectionError, RedisTimeoutError, BusyLoadingError],
    )


class AttemptJob(Job):
    """A job that calls nobody back, whatever its hash names.

    RQ would import and call a function named there even for a job that is never run:
    when it clears away what seems abandoned. The names stay readable, so that a job
    that has some is refused.
    """

    success_callback = failure_callback = stopped_callback = None

    def send_webhooks(
        self, status: str | JobStatus, *, exc_string: str | None = None
    ) -> None:
        """Send nothing: a URL from the queue is nothing to open."""


@functools.cache
def _connection() -> Redis:
    """For the web server and the scheduler: give up soon, repair comes later."""
    return connect(retries=1)


def pool_queue(pool: str, connection: Redis | None = None) -> Queue:
    return Queue(
        pool,
        connection=connection or _connection(),
        job_class=AttemptJob,
        serializer=JSONSerializer,
    )


def queue_name(pool: str, worker: int | None = None) -> str:
    """A pool's queue, or that of one of its workers, by its id.

    A bell hangs at the host for which the trial was placed. Those in the pool's own
    queue are for whichever worker comes first.
    """
    return pool if worker is None else f"{pool}@{worker}"


def notify(attempt_id: int, name: str) -> bool:
    """Tell a pool or a host (see queue_name) that an attempt waits. False: the queue
    does not answer."""
    job_id = f"attempt-{attempt_id}"
    try:
        queue = pool_queue(name)
        # Look into the list itself: a job's hash can outlive its place in the queue.
        if _connection().lpos(queue.key, job_id) is None:
            queue.enqueue_call(
                RUN_ATTEMPT,
                args=(attempt_id,),
                job_id=job_id,
                timeout=-1,
                result_ttl=0,
                failure_ttl=86_400,
            )
    except RedisError as error:
        logger.warning("no worker was notified of attempt %s: %s", attempt_id, error)
        return False
    return True


def wake_scheduler() -> None:
    """Ask for a scheduling round now. Without the queue the next one comes anyway."""
    try:
        with _connection().pipeline() as pipeline:
            pipeline.lpush(WAKE_KEY, "1")
            pipeline.ltrim(WAKE_KEY, 0, 9)
            pipeline.execute()
    except RedisError as error:
        logger.warning("scheduler not woken: %s", error)


def wait_for_wake(connection: Redis, *, seconds: float) -> bool:
    """Wait for wake_scheduler(), at most this long. Several calls count as one."""
    try:
        woken = connection.blpop([WAKE_KEY], timeout=seconds)
        if woken is not None:
            connection.delete(WAKE_KEY)
    except RedisError as error:
        logger.warning("the queue does not answer: %s", error)
        return False
    return woken is not None


class QueueBusy(Exception):
    """A job cannot be put into the queue now; the message says why."""


@dataclass(frozen=True)
class SiteJob:
    """How far a job of the site is. It has failed if it was killed again and again."""

    done: float = 0.0
    result: Any = None
    has_failed: bool = False

    @property
    def ended(self) -> bool:
        return self.has_failed or self.result is not None


def site_job(
    function: str, *args: Any, job_id: str, keep: int, wanted: float
) -> SiteJob:
    """The job with that id; it is put into the queue if it is gone. Raises QueueBusy.

    Its result is kept for `keep` seconds, and it is dropped unless somebody asks for it
    every `wanted` seconds. An emptied queue or a killed worker only costs time.
    """
    try:
        queue = pool_queue(SITE_QUEUE)
        _connection().set(WANTED_KEY + job_id, "1", px=max(1, round(wanted * 1000)))
        queue.started_job_registry.cleanup()
        job = queue.fetch_job(job_id)
        known = _known(job, queue)
        if known is not None:
            return known
        queue.enqueue_call(
            function,
            args=args,
            job_id=job_id,
            timeout=-1,
            result_ttl=keep,
            failure_ttl=60,
            meta={"tries": _make_room(queue, job) + 1},
        )
        return SiteJob()
    except RedisError as error:
        logger.warning("%s not enqueued: %s", job_id, error)
        raise QueueBusy(QUEUE_AWAY) from error


def _known(job: Job | None, queue: Queue) -> SiteJob | None:
    """How far a job is; None when it has to be put into the queue."""
    if job is None:
        return None
    state = job.get_status(refresh=False)
    if state == JobStatus.FINISHED:
        result = job.return_value()
        return None if result is None else SiteJob(1.0, result)
    if state == JobStatus.FAILED and job.meta.get("tries", 0) >= MAX_TRIES:
        return SiteJob(has_failed=True)
    # A job's hash can outlive its place in the queue.
    lost = state == JobStatus.QUEUED and queue.get_job_position(job) is None
    if lost or state not in {JobStatus.QUEUED, JobStatus.STARTED}:
        return None
    return SiteJob(job.meta.get("done", 0.0))


def _make_room(queue: Queue, gone: Job | None) -> int:
    """Forget a job that is gone; how often it was killed. Raises QueueBusy."""
    if queue.count >= MAX_SITE_JOBS:
        raise QueueBusy("Other jobs wait already; this one starts after some of them.")
    if gone is None:
        return 0
    killed = gone.get_status(refresh=False) == JobStatus.FAILED
    gone.delete()
    return int(gone.meta.get("tries", 0)) if killed else 0


def is_wanted(job_id: str) -> bool:
    try:
        return bool(_connection().exists(WANTED_KEY + job_id))
    except RedisError:
        return False


def report_progress(share: float) -> bool:
    """Keep in a job how far it is; False when nobody waits for it any more."""
    job = get_current_job()
    if job is None:
        return True
    job.meta["done"] = share
    job.save_meta()  # type: ignore[no-untyped-call]
    return bool(job.connection.exists(WANTED_KEY + job.id))


def answers() -> bool:
    return not problem()


def problem() -> str:
    """Why the queue does not answer; empty when it does."""
    try:
        _connection().ping()
    except RedisError as error:
        return str(error) or type(error).__name__
    return ""


@dataclass(frozen=True)
class QueueFacts:
    """The server behind the queue. Memory in bytes; ``limit`` 0: it has none."""

    server: str
    memory: int
    limit: int
    policy: str
    depths: Mapping[str, int]

    @property
    def fill(self) -> float:
        """The share of its memory limit that is used; 0 without a limit."""
        return self.memory / self.limit if self.limit else 0.0


def facts(names: Mapping[str, Sequence[str]]) -> QueueFacts | None:
    """What the server says of itself and how many bells wait for each pool, whose
    queues (see queue_name) are named, in one exchange. None: it does not answer."""
    try:
        with _connection().pipeline(transaction=False) as pipeline:
            pipeline.info("server")
            pipeline.info("memory")
            for name in (name for queues in names.values() for name in queues):
                pipeline.llen(pool_queue(name).key)
            server, memory, *lengths = pipeline.execute()
    except RedisError as error:
        logger.warning("the queue does not answer: %s", error)
        return None
    left = iter(lengths)
    return QueueFacts(
        server=_server_name(server),
        memory=int(memory.get("used_memory", 0)),
        limit=int(memory.get("maxmemory", 0)),
        policy=str(memory.get("maxmemory_policy", "")),
        depths={pool: sum(next(left) for _ in all_) for pool, all_ in names.items()},
    )


def _server_name(info: Mapping[str, Any]) -> str:
    """``Valkey 9.1.2`` or ``Redis 8.0.1``."""
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info.get('redis_version', '')}".strip()


class RefusedJob(Exception):
    """The queue held something that its workers are not for."""


class GuardedWorker(Worker):
    """An RQ worker that runs nothing but what it is for, and outlives a queue outage.

    Whatever is not one of the allowed jobs, without callbacks, is refused unread.
    """

    job_class = AttemptJob
    allowed: AllowedJobs = {}

    def execute_job(self, job: Job, queue: Queue) -> None:
        refuse_foreign(job, self.allowed)
        super().execute_job(job, queue)

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        refuse_foreign(job, self.allowed)
        return super().perform_job(job, queue, execution)

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        # A killed worker must not leave its horse, and so a training, behind.
        die_with_parent(signal.SIGTERM)
        super().main_work_horse(job, queue)

    def maintain_heartbeats(self, job: Job, execution: Execution) -> None:
        try:
            super().maintain_heartbeats(job, execution)
        except (RedisError, OSError) as error:
            # RQ would quit here and leave the training without a guard.
            logger.warning("queue away while a trial runs: %s", error)

    def handle_warm_shutdown_request(self) -> None:
        """The runner stops its training and releases the attempt."""
        if self.horse_pid:
            os.kill(self.horse_pid, signal.SIGTERM)


class SlotWorker(GuardedWorker):
    """Runs attempts, in a slot of a worker."""

    allowed = SLOT_JOBS


class SiteWorker(GuardedWorker):
    """Runs the site's jobs; only a job's own process loads Django's applications."""

    allowed = SITE_JOBS

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        return SITE_HEARTBEAT_SECONDS

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        import django

        django.setup()
        # Judging makes millions of small objects, none of them in a circle.
        gc.disable()
        super().main_work_horse(job, queue)


def refuse_foreign(job: Job, allowed: AllowedJobs) -> None:
    """Raise RefusedJob unless the job is one of those that are allowed."""
    plain: list[Any] = [
        job._success_callback_name,
        job._failure_callback_name,
        job._stopped_callback_name,
        job.webhooks,
        job.kwargs,
        job.retries_left,
    ]
    types = tuple(type(each) for each in job.args)
    if allowed.get(str(job.func_name)) != types or any(plain):
        raise RefusedJob(f"refused a job that is not allowed: {job.func_name!r}")


W = TypeVar("W", bound=GuardedWorker)


def slot_worker(pool: str, *, name: str, worker: int | None = None) -> SlotWorker:
    """A slot of a pool's worker, of that id, ready for ``work()``."""
    names = [pool] if worker is None else [queue_name(pool, worker), pool]
    return _listening(SlotWorker, names, name=name)


def site_worker() -> SiteWorker:
    """A worker for the site's own jobs, ready for ``work()``."""
    name = f"site-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    return _listening(SiteWorker, [SITE_QUEUE], name=name)


def _listening(kind: type[W], names: Sequence[str], *, name: str) -> W:
    connection = connect(retries=60)
    return kind(
        [pool_queue(each, connection) for each in names],
        name=name,
        connection=connection,
        serializer=JSONSerializer,
        job_monitoring_interval=5,
        log_job_description=False,
        worker_ttl=60,
    )
