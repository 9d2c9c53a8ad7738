"""RQ workers that run only their own jobs, as worker hosts can write to the queue."""

from __future__ import annotations

import gc
import logging
import os
import secrets
import signal
import socket
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue, Worker
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer

from experiments.queues import (
    RENEWAL_SECONDS,
    RUN_ATTEMPT,
    GuardedJob,
    connect,
    pool_queue,
    queue_name,
    site_jobs,
)
from experiments.queues.site_jobs import SITE_QUEUE
from experiments.runner.signals import die_with_parent

logger = logging.getLogger(__name__)

# A site worker that was killed is noticed after this many seconds.
SITE_HEARTBEAT_SECONDS = 20


class RefusedJob(Exception):
    """The queue held a job that its workers do not run."""


class GuardedWorker(Worker):
    """Runs only the jobs in `allowed`, without callbacks; survives queue outages."""

    job_class = GuardedJob
    # The types of the arguments by the name of the function.
    allowed: Mapping[str, tuple[type, ...]] = {}

    def execute_job(self, job: Job, queue: Queue) -> None:
        self.refuse_foreign(job)
        super().execute_job(job, queue)

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        self.refuse_foreign(job)
        return super().perform_job(job, queue, execution)

    def refuse_foreign(self, job: Job) -> None:
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
        if self.allowed.get(str(job.func_name)) != types or any(plain):
            raise RefusedJob(f"refused a job that is not allowed: {job.func_name!r}")

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        # A killed worker must not leave its horse, and so a training, behind.
        die_with_parent(signal.SIGTERM)
        super().main_work_horse(job, queue)

    def maintain_heartbeats(self, job: Job, execution: Execution) -> None:
        try:
            super().maintain_heartbeats(job, execution)
        except (RedisError, OSError) as error:
            # RQ would quit here and leave the training without a guard.
            logger.warning("queue away while a job runs: %s", error)

    def handle_warm_shutdown_request(self) -> None:
        """Pass SIGTERM on: the runner stops its training and releases the attempt."""
        if self.horse_pid:
            os.kill(self.horse_pid, signal.SIGTERM)


class SlotWorker(GuardedWorker):
    """Runs attempts, in a slot of a worker."""

    allowed = {RUN_ATTEMPT: (int,)}


class SiteWorker(GuardedWorker):
    """Runs the site's jobs; only the process of a job loads Django's applications."""

    allowed = {
        site_jobs.SIMULATE: (int, str, str, int, int),
        site_jobs.REMOVE_ORPHANS: (int, int),
        **dict.fromkeys(site_jobs.PLAIN, ()),
    }

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        return SITE_HEARTBEAT_SECONDS

    def handle_warm_shutdown_request(self) -> None:
        # The queue may have died with the supervisor: saying goodbye must not wait
        # for it.
        self.connection.set_retry(Retry(NoBackoff(), 0))
        super().handle_warm_shutdown_request()

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        import django

        django.setup()
        # Judging makes millions of small objects, none of them in a circle.
        gc.disable()
        super().main_work_horse(job, queue)


W = TypeVar("W", bound=GuardedWorker)


def slot_worker(pool: str, *, name: str, worker: int | None = None) -> SlotWorker:
    """A slot of the pool's worker with that id, ready for ``work()``."""
    names = [pool] if worker is None else [queue_name(pool, worker), pool]
    return _worker(SlotWorker, names, name=name)


def site_worker() -> SiteWorker:
    """A worker for the site's own jobs, ready for ``work()``."""
    name = f"site-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    return _worker(SiteWorker, [SITE_QUEUE], name=name)


def _worker(kind: type[W], queues: Sequence[str], *, name: str) -> W:
    connection = connect(retries=60)
    return kind(
        [pool_queue(each, connection) for each in queues],
        name=name,
        connection=connection,
        serializer=JSONSerializer,
        job_monitoring_interval=RENEWAL_SECONDS,
        log_job_description=False,
        worker_ttl=60,
    )
