"""Background jobs of the site itself, such as simulations, on their own queue.

A flushed queue or a killed worker only delays them: the caller ensures a job again.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError
from rq import Queue, get_current_job
from rq.job import Job, JobStatus

from experiments.queues import pool_queue, shared_connection

logger = logging.getLogger(__name__)

# No pool can have this name.
SITE_QUEUE = "@site"
SIMULATE = "experiments.tracking.policy_simulations.simulate"
PURGE = "experiments.cleanup.purge.purge_trash"
MOVE = "experiments.cleanup.tasks.run_tasks"
RUN_RULES = "experiments.cleanup.rules.run_rules"
MEASURE = "experiments.cleanup.measure.measure"
REMOVE_ORPHANS = "experiments.cleanup.orphans.remove_listed"
COMPACT = "experiments.tracking.compaction.compact_ended"
SEND_EVENTS = "experiments.audit.syslog.send_waiting"
NOTIFY = "experiments.notifications.sending.send_waiting"
# Those without arguments.
PLAIN = (PURGE, MOVE, RUN_RULES, MEASURE, COMPACT, SEND_EVENTS, NOTIFY)
MAX_WAITING, MAX_TRIES = 12, 3
WANTED_KEY = "sweepsite:wanted:"
QUEUE_DOWN = "The queue does not answer; this starts when it does."
QUEUE_FULL = "Other jobs wait already; this one starts after some of them."


class QueueBusy(Exception):
    """A job cannot be enqueued now; the message says why."""


@dataclass(frozen=True)
class SiteJob:
    """The progress of a job: the share that is ``done``, and how far it is in words.

    It has failed if its worker was killed MAX_TRIES times.
    """

    done: float = 0.0
    words: str = ""
    result: Any = None
    has_failed: bool = False

    @property
    def ended(self) -> bool:
        return self.has_failed or self.result is not None


def ensure_job(
    function: str, *args: Any, job_id: str, keep: int, wanted: float
) -> SiteJob:
    """The progress of the job with this id, which is enqueued if there is none.

    Its result is kept for `keep` seconds. A job that reports its progress can stop if
    nobody ensures it again within `wanted` seconds. Raises QueueBusy.
    """
    try:
        queue = site_queue()
        wanted_ms = max(1, round(wanted * 1000))
        shared_connection().set(WANTED_KEY + job_id, "1", px=wanted_ms)
        queue.started_job_registry.cleanup()
        job = queue.fetch_job(job_id)
        known = _progress(job, queue)
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
        raise QueueBusy(QUEUE_DOWN) from error


def ensure_later(function: str, *, job_id: str, every: float) -> None:
    """For callers that ask again regularly: a busy queue has the job then."""
    with contextlib.suppress(QueueBusy):
        ensure_job(function, job_id=job_id, keep=0, wanted=every)


def site_queue() -> Queue:
    return pool_queue(SITE_QUEUE)


def _progress(job: Job | None, queue: Queue) -> SiteJob | None:
    """None when the job has to be enqueued."""
    if job is None:
        return None
    state = job.get_status(refresh=False)
    if state == JobStatus.FINISHED:
        result = job.return_value()
        return None if result is None else SiteJob(1.0, result=result)
    if state == JobStatus.FAILED and job.meta.get("tries", 0) >= MAX_TRIES:
        return SiteJob(has_failed=True)
    # A job's hash can outlive its place in the queue.
    lost = state == JobStatus.QUEUED and queue.get_job_position(job) is None
    if lost or state not in {JobStatus.QUEUED, JobStatus.STARTED}:
        return None
    return SiteJob(job.meta.get("done", 0.0), job.meta.get("words", ""))


def _make_room(queue: Queue, lost: Job | None) -> int:
    """Delete a lost job; how often its worker was killed. Raises QueueBusy."""
    if queue.count >= MAX_WAITING:
        raise QueueBusy(QUEUE_FULL)
    if lost is None:
        return 0
    killed = lost.get_status(refresh=False) == JobStatus.FAILED
    lost.delete()
    return int(lost.meta.get("tries", 0)) if killed else 0


def running(job_id: str) -> SiteJob | None:
    """The progress of a job that waits or runs. None if there is none, or if the queue
    does not answer."""
    try:
        queue = site_queue()
        found = _progress(queue.fetch_job(job_id), queue)
    except RedisError:
        return None
    return found if found and not found.ended else None


def started_job() -> tuple[str, str] | None:
    """The id and the function of the job that runs now. None if there is none, or if
    the queue does not answer."""
    try:
        queue = site_queue()
        started = queue.started_job_registry.get_job_ids(cleanup=False)
        jobs = map(queue.fetch_job, started)
        return next(((job.id, job.func_name or "") for job in jobs if job), None)
    except RedisError:
        return None


def is_wanted(job_id: str) -> bool:
    try:
        return bool(shared_connection().exists(WANTED_KEY + job_id))
    except RedisError:
        return False


def makes_way() -> bool:
    """Whether another job waits. Then the current one should return, and is enqueued
    again behind it."""
    job = get_current_job()
    if job is None or not site_queue().count:
        return False
    job.repeats_left = 1
    return True


def report_progress(share: float, words: str = "") -> bool:
    """Store the progress in the current job; False when nobody wants it any more."""
    job = get_current_job()
    if job is None:
        return True
    job.meta |= {"done": share, "words": words}
    job.save_meta()  # type: ignore[no-untyped-call]
    return bool(job.connection.exists(WANTED_KEY + job.id))
