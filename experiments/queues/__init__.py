"""The queue: RQ jobs that tell workers which attempts wait, and wake-up calls.

The database is the truth: a job holds an attempt's id and nothing more, and a lost,
doubled or flushed job only costs time. Only this package knows RQ and Redis.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from redis import Redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.client import Pipeline
from redis.exceptions import BusyLoadingError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry
from rq import Queue
from rq.exceptions import InvalidJobOperation
from rq.executions import Execution, ExecutionRegistry
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer
from rq.utils import as_text

logger = logging.getLogger(__name__)

RUN_ATTEMPT = "experiments.workers.jobs.run_attempt"
# So often a slot's worker renews the execution of its job. RQ keeps one for a minute
# after the next renewal is due.
RENEWAL_SECONDS = 5
MAX_EXECUTION_SECONDS = RENEWAL_SECONDS + 60
# A worker that has missed two renewals counts as dead.
MAX_SILENT_SECONDS = 2 * RENEWAL_SECONDS
WAKE_KEY = "sweepsite:wake"


def connect(*, retries: int) -> Redis:
    """A connection that retries with back-off. A plain URL in RQ_QUEUES has none."""
    return Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=2,
        retry=Retry(ExponentialWithJitterBackoff(base=0.1, cap=2), retries),
        retry_on_error=[RedisConnectionError, RedisTimeoutError, BusyLoadingError],
    )


class GuardedJob(Job):
    """A job without callbacks, whatever its hash in Redis names.

    RQ imports and calls a callback even of a job that is never run, when it cleans up
    abandoned jobs. The names stay readable, so that such a job can be refused.
    """

    success_callback = failure_callback = stopped_callback = None

    def send_webhooks(
        self, status: str | JobStatus, *, exc_string: str | None = None
    ) -> None:
        """Send nothing: URLs from the queue are not trusted."""

    def delete(
        self,
        pipeline: Pipeline | None = None,
        remove_from_queue: bool = True,
        delete_dependents: bool = False,
    ) -> None:
        """Also if its hash is gone, or that of an execution whose worker was killed:
        RQ raises then."""
        try:
            super().delete(pipeline, remove_from_queue, delete_dependents)
        except (InvalidJobOperation, ValueError):
            registry = ExecutionRegistry(self.id, self.connection)
            (pipeline or self.connection).delete(self.key, registry.key)


@functools.cache
def shared_connection() -> Redis:
    """For the web server and the scheduler, which give up soon and try again later."""
    return connect(retries=1)


@contextlib.contextmanager
def new_connection() -> Iterator[Redis]:
    """For questions about the queue's health: an open connection works even if nobody
    can make another, because the socket's file is gone."""
    with connect(retries=1) as connection:
        yield connection


def pool_queue(pool: str, connection: Redis | None = None) -> Queue:
    return Queue(
        pool,
        connection=connection or shared_connection(),
        job_class=GuardedJob,
        serializer=JSONSerializer,
    )


def queue_name(pool: str, worker: int | None = None) -> str:
    """The queue of a pool, which all of its workers share, or that of one worker."""
    return pool if worker is None else f"{pool}@{worker}"


def notify(attempt_id: int, name: str, *, host: str = "", restarted: str = "") -> bool:
    """Enqueue an attempt under that name (see queue_name), unless its job waits there
    or a slot has it. False: the queue does not answer.

    If a `host` is named, the job of another host's slot does not count: that host is
    dead or has been given up. Nor does that of the slot that has just `restarted`,
    which is named without its process id.
    """
    job_id = f"attempt-{attempt_id}"
    try:
        queue = pool_queue(name)
        # A job's hash can outlive its place in the queue.
        if queue.get_job_position(job_id) is None and not _runs(
            job_id, host, restarted
        ):
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


def _runs(job_id: str, host: str, restarted: str) -> bool:
    """Whether a slot has the job, and its worker is alive."""
    connection = shared_connection()
    for found in ExecutionRegistry(job_id, connection).get_execution_ids():
        key = Execution(found, job_id, connection).key
        name = as_text(connection.hget(key, "worker_name") or b"")
        slot = name.rpartition("-")[0]
        there = not host or slot.rpartition("-")[0] == host
        silent = MAX_EXECUTION_SECONDS - connection.ttl(key)
        if name and there and slot != restarted and silent <= MAX_SILENT_SECONDS:
            return True
    return False


def wake_scheduler() -> None:
    """Ask for a scheduling round now, or when the transaction is committed: before that
    the round would see nothing of it."""
    transaction.on_commit(_wake)


def _wake() -> None:
    """Without the queue the next round comes anyway."""
    try:
        with shared_connection().pipeline() as pipeline:
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


def answers() -> bool:
    return not problem()


def problem() -> str:
    """Why the queue does not answer; empty when it does."""
    try:
        with new_connection() as connection:
            connection.ping()
    except RedisError as error:
        return str(error) or type(error).__name__
    return ""


@dataclass(frozen=True)
class QueueFacts:
    """The server behind the queue. Memory in bytes; a ``limit`` of 0 means none."""

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
    """Facts about the server, and how many jobs wait in the named queues of each pool,
    in one exchange. None: it does not answer."""
    try:
        with (
            new_connection() as server_,
            server_.pipeline(transaction=False) as pipeline,
        ):
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
