"""The queue on a real server: each attempt once, and no other jobs are run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from django.utils.module_loading import import_string
from redis import Redis
from rq import Callback, Queue
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer
from rq.webhook import Webhook

from experiments import queues
from experiments.queues import site_jobs, workers


def test_notifying_twice_enqueues_one_job(redis: Redis) -> None:
    assert queues.notify(7, "default")
    assert queues.notify(7, "default")
    queue = queues.pool_queue("default")
    assert queue.job_ids == ["attempt-7"]
    job = queue.fetch_job("attempt-7")
    assert job is not None
    assert (job.func_name, job.args) == (queues.RUN_ATTEMPT, [7])
    assert job.timeout == -1


def test_a_job_that_lost_its_place_in_the_queue_is_enqueued_again(redis: Redis) -> None:
    queues.notify(7, "default")
    redis.delete("rq:queue:default")
    queues.notify(7, "default")
    assert queues.pool_queue("default").job_ids == ["attempt-7"]


class TestAJobThatASlotHas:
    """It has left the queue, and its attempt waits until the slot has claimed it."""

    @pytest.fixture
    def slot(self, redis: Redis) -> workers.SlotWorker:
        return workers.slot_worker("default", name="host-2-1-4711")

    @pytest.fixture
    def taken(self, slot: workers.SlotWorker) -> Job:
        queues.notify(7, "default")
        taken = slot.dequeue_job_and_maintain_ttl(timeout=1)
        assert taken is not None
        return taken[0]

    def test_it_is_not_enqueued_again(
        self, slot: workers.SlotWorker, taken: Job
    ) -> None:
        slot.prepare_execution(taken)
        assert queues.notify(7, "default", restarted="host-2-0")
        assert queues.pool_queue("default").job_ids == []

    def test_it_is_when_the_slot_has_restarted(
        self, slot: workers.SlotWorker, taken: Job
    ) -> None:
        slot.prepare_execution(taken)
        queues.notify(7, "default", restarted="host-2-1")
        assert queues.pool_queue("default").job_ids == ["attempt-7"]

    def test_it_is_for_another_host(self, slot: workers.SlotWorker, taken: Job) -> None:
        slot.prepare_execution(taken)
        assert queues.notify(7, "default@3", host="host-2")
        assert queues.pool_queue("default@3").job_ids == []
        assert queues.notify(7, "default@4", host="host-3")
        assert queues.pool_queue("default@4").job_ids == ["attempt-7"]

    @pytest.mark.parametrize(("silent", "queued"), [(9, 0), (12, 1), (64, 1)])
    def test_it_is_when_its_worker_is_silent(
        self,
        slot: workers.SlotWorker,
        taken: Job,
        redis: Redis,
        silent: int,
        queued: int,
    ) -> None:
        execution = slot.prepare_execution(taken)
        assert 64_000 < redis.pttl(execution.key) <= 65_000
        redis.expire(execution.key, 65 - silent)
        queues.notify(7, "default")
        assert len(queues.pool_queue("default").job_ids) == queued

    def test_it_is_when_the_queue_has_lost_its_execution(
        self, slot: workers.SlotWorker, taken: Job, redis: Redis
    ) -> None:
        redis.delete(slot.prepare_execution(taken).key)
        queues.notify(7, "default")
        assert queues.pool_queue("default").job_ids == ["attempt-7"]

    @pytest.mark.parametrize("lost", ["rq:job:attempt-7", "rq:execution:attempt-7:*"])
    def test_it_ends_well_although_the_queue_has_lost_its_keys(
        self,
        slot: workers.SlotWorker,
        taken: Job,
        redis: Redis,
        monkeypatch: pytest.MonkeyPatch,
        lost: str,
    ) -> None:
        """Another slot had the same job and ended first, or was killed long ago."""
        execution = slot.prepare_execution(taken)

        def lose(attempt: int) -> None:
            redis.delete(*redis.keys(lost))

        monkeypatch.setattr(queues.RUN_ATTEMPT, lose)
        queue = queues.pool_queue("default")
        assert slot.perform_job(taken, queue, execution)
        left = {key.decode() for key in redis.keys("*attempt-7*")}
        assert left == set()


@pytest.mark.django_db
def test_waking_ends_the_schedulers_wait_and_calls_do_not_pile_up(
    redis: Redis, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(50):
            queues.wake_scheduler()
    assert queues.wait_for_wake(redis, seconds=1)
    assert not queues.wait_for_wake(redis, seconds=0.1)


@pytest.mark.django_db
def test_the_scheduler_wakes_when_the_change_can_be_seen(
    redis: Redis, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        queues.wake_scheduler()
        assert not queues.wait_for_wake(redis, seconds=0.1)
    assert queues.wait_for_wake(redis, seconds=1)


@pytest.mark.django_db
@pytest.mark.usefixtures("no_queue")
def test_a_queue_that_is_down_is_no_error(
    django_capture_on_commit_callbacks: Any,
) -> None:
    assert not queues.notify(7, "default")
    with django_capture_on_commit_callbacks(execute=True):
        queues.wake_scheduler()
    assert not queues.answers()


@pytest.mark.parametrize(
    ("function", "args", "extra"),
    [
        ("os.system", ("touch {mark}",), {}),
        (queues.RUN_ATTEMPT, ("7",), {}),
        (queues.RUN_ATTEMPT, (7, 8), {}),
        (queues.RUN_ATTEMPT, (7,), {"kwargs": {"x": 1}}),
        (queues.RUN_ATTEMPT, (7,), {"on_failure": Callback("os.system")}),
        (
            queues.RUN_ATTEMPT,
            (7,),
            {"webhooks": [Webhook("http://127.0.0.1:1/", job_status="failed")]},
        ),
    ],
)
def test_a_job_that_is_not_allowed_is_refused(
    redis: Redis, tmp_path: Path, function: str, args: Any, extra: dict[str, Any]
) -> None:
    mark = tmp_path / "mark"
    filled = tuple(a.format(mark=mark) if isinstance(a, str) else a for a in args)
    queue = Queue("default", connection=redis, serializer=JSONSerializer)
    queue.enqueue_call(function, args=filled, job_id="foreign", timeout=-1, **extra)
    job = queues.pool_queue("default").fetch_job("foreign")
    assert job is not None
    worker = workers.slot_worker("default", name=f"test-{os.getpid()}-{id(job)}")
    with pytest.raises(workers.RefusedJob):
        worker.execute_job(job, queue)
    assert not mark.exists()


CALLED: list[str] = []


def note_the_call(job: Job, *_: object) -> None:
    CALLED.append(job.id)


def abandon(redis: Redis) -> None:
    """Leave a foreign job with a callback behind, as if its worker had died."""
    queue = Queue("default", connection=redis, serializer=JSONSerializer)
    job = queue.enqueue_call(
        "os.getpid",
        job_id="foreign",
        on_failure=Callback(f"{__name__}.note_the_call"),
    )
    queue.remove(job)
    job.set_status(JobStatus.STARTED)
    redis.zadd(queue.started_job_registry.key, {"foreign:1": 1})


def test_clearing_away_an_abandoned_job_calls_nothing_that_it_names(
    redis: Redis,
) -> None:
    CALLED.clear()
    abandon(redis)
    plain = Queue("default", connection=redis, serializer=JSONSerializer)
    plain.started_job_registry.cleanup()
    assert CALLED == ["foreign"], "the job would have been called back"
    redis.flushall()
    abandon(redis)
    worker = workers.slot_worker("default", name="test-cleanup")
    worker.clean_registries()
    assert plain.failed_job_registry.get_job_ids() == ["foreign"]
    assert CALLED == ["foreign"]


def test_the_admin_pages_read_jobs_without_callbacks(redis: Redis) -> None:
    from django_rq import get_queue

    assert get_queue("default").job_class is queues.GuardedJob


def test_the_site_s_worker_runs_every_job_of_the_site() -> None:
    """One that is not allowed is refused each time, and nobody notices."""
    allowed = workers.SiteWorker.allowed
    named = {
        value
        for value in vars(site_jobs).values()
        if isinstance(value, str) and value.startswith("experiments.")
    } - {site_jobs.__name__, site_jobs.__package__}
    assert named == set(allowed)
    assert all(callable(import_string(name)) for name in named)
