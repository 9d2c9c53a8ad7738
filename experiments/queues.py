"""The one module that knows RQ and Redis. The queue is a doorbell and never the truth:
a job carries an attempt's id; losing it, doubling it or flushing the queue costs time.
"""

from __future__ import annotations

import functools
import logging
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from redis import Redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import BusyLoadingError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry
from rq import Queue, Worker
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from experiments.runner.kernel import die_with_parent

logger = logging.getLogger(__name__)

RUN_ATTEMPT = "experiments.jobs.run_attempt"
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


def ring(attempt_id: int, name: str) -> bool:
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
        logger.warning("attempt %s not rung: %s", attempt_id, error)
        return False
    return True


def wake_scheduler() -> None:
    """Ask for a scheduling round now. Lost wishes are made good by the slow tick."""
    try:
        with _connection().pipeline() as pipeline:
            pipeline.lpush(WAKE_KEY, "1")
            pipeline.ltrim(WAKE_KEY, 0, 9)
            pipeline.execute()
    except RedisError as error:
        logger.warning("scheduler not woken: %s", error)


def wait_for_wake(connection: Redis, *, seconds: float) -> bool:
    """Sleep until somebody wakes the scheduler, at most so long; eats all wishes."""
    try:
        woken = connection.blpop([WAKE_KEY], timeout=seconds)
        if woken is not None:
            connection.delete(WAKE_KEY)
    except RedisError as error:
        logger.warning("the queue does not answer: %s", error)
        return False
    return woken is not None


def answers() -> bool:
    return not trouble()


def trouble() -> str:
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
    return QueueFacts(
        server=_server_name(server),
        memory=int(memory.get("used_memory", 0)),
        limit=int(memory.get("maxmemory", 0)),
        policy=str(memory.get("maxmemory_policy", "")),
        depths=_depths(names, lengths),
    )


def _depths(
    names: Mapping[str, Sequence[str]], lengths: Sequence[int]
) -> dict[str, int]:
    left = iter(lengths)
    return {pool: sum(next(left) for _ in queues) for pool, queues in names.items()}


def _server_name(info: Mapping[str, Any]) -> str:
    """``Valkey 9.1.2`` or ``Redis 8.0.1``."""
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info.get('redis_version', '')}".strip()


class RefusedJob(Exception):
    """Something other than our doorbell lay in the queue."""


class SlotWorker(Worker):
    """An RQ worker that runs nothing but attempts and that outlives a queue outage.

    Whoever can write to the queue could name any function, so everything but
    ``run_attempt(<whole number>)`` without callbacks is refused unread.
    """

    job_class = AttemptJob

    def execute_job(self, job: Job, queue: Queue) -> None:
        refuse_foreign(job)
        super().execute_job(job, queue)

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        refuse_foreign(job)
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
        """Hand the wish on: the runner stops its training and releases the attempt."""
        if self.horse_pid:
            os.kill(self.horse_pid, signal.SIGTERM)


def refuse_foreign(job: Job) -> None:
    """Raise RefusedJob unless the job is a doorbell for one attempt."""
    plain: list[Any] = [
        job._success_callback_name,
        job._failure_callback_name,
        job._stopped_callback_name,
        job.webhooks,
        job.kwargs,
        job.retries_left,
    ]
    args = job.args
    rung = job.func_name == RUN_ATTEMPT and len(args) == 1 and type(args[0]) is int
    if not rung or any(plain):
        raise RefusedJob(f"refused a job that is no attempt: {job.func_name!r}")


def slot_worker(pool: str, *, name: str, worker: int | None = None) -> SlotWorker:
    """A slot of a pool's worker, of that id, ready for ``work()``."""
    connection = connect(retries=60)
    names = [pool] if worker is None else [queue_name(pool, worker), pool]
    return SlotWorker(
        [pool_queue(name, connection) for name in names],
        name=name,
        connection=connection,
        serializer=JSONSerializer,
        job_monitoring_interval=5,
        log_job_description=False,
        worker_ttl=60,
    )
