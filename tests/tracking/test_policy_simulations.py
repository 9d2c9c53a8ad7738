"""Simulations: in the request, or as jobs on the site's queue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from redis import Redis
from rq import SimpleWorker
from rq.job import JobStatus
from rq.serializers import JSONSerializer

from experiments import queues
from experiments.models import Sweep
from experiments.queues import site_jobs
from experiments.search.simulation.figures import Average
from experiments.tracking import policy_simulations
from experiments.tracking.policy_simulations import (
    Question,
    SimulationResult,
    ask,
    mark_named,
    read,
    trade_off_size,
)
from experiments.tracking.recordings import Mark, mark_of
from tests import factories

pytestmark = pytest.mark.django_db

MEDIAN = {"type": "median_stopping", "delay_evaluation": 2}
BANDIT = {"type": "bandit", "slack_factor": 0.05}


@pytest.fixture(autouse=True)
def sweep(settings: Any, tmp_path: Path) -> Sweep:
    settings.HOME = tmp_path
    forget()
    sweep = factories.sweep(factories.team())
    for level in (0.5, 0.9, 0.4, 0.3):
        factories.reported_trial(sweep, [level] * 4, state="completed")
    return sweep


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is answered while a request waits."""
    monkeypatch.setattr(policy_simulations, "MAX_QUICK_SECONDS", -1)


def forget() -> None:
    """What another process of the site does not know."""
    for cache in (
        policy_simulations._recordings,
        policy_simulations._answers,
        policy_simulations._enqueued,
    ):
        cache.clear()  # type: ignore[attr-defined]


def work() -> None:
    """Run the jobs that wait, in this process."""
    connection = queues.connect(retries=1)
    queue = queues.pool_queue(site_jobs.SITE_QUEUE, connection)
    worker = SimpleWorker([queue], connection=connection, serializer=JSONSerializer)
    worker.work(burst=True, logging_level="ERROR")


def question_of(sweep: Sweep, *policies: dict[str, Any], **more: int) -> Question:
    return Question.of(sweep, mark_of(sweep), policies, **more)


def asked(sweep: Sweep, question: Question, *, keep: float = 60) -> SimulationResult:
    return ask(sweep, question, wait=0, keep=keep)


def ended(told: SimulationResult) -> list[Any]:
    return [np.count_nonzero(answer) for answer in told.answers]  # type: ignore[arg-type]


def test_little_work_is_answered_at_once(sweep: Sweep) -> None:
    told = asked(sweep, question_of(sweep, MEDIAN, BANDIT))
    assert told.complete and told.done == 1
    assert ended(told) == [2, 2]


@pytest.mark.usefixtures("redis", "slow")
def test_more_work_is_a_job_with_the_same_answers(sweep: Sweep) -> None:
    question = question_of(sweep, MEDIAN, BANDIT)
    told = asked(sweep, question)
    assert (told.complete, told.done, told.busy, told.problem) == (False, 0, "", "")
    work()
    assert ended(asked(sweep, question)) == [2, 2]


@pytest.mark.usefixtures("redis", "slow")
def test_another_process_of_the_site_finds_the_answers(sweep: Sweep) -> None:
    question = question_of(sweep, MEDIAN)
    asked(sweep, question)
    work()
    forget()
    assert ended(asked(sweep, question)) == [2]
    assert site_jobs.site_queue().count == 0


@pytest.mark.usefixtures("redis", "slow")
def test_averages_over_orders_are_answered_too(sweep: Sweep) -> None:
    question = question_of(sweep, MEDIAN, orders=3, reports=1_000)
    asked(sweep, question)
    work()
    (answer,) = asked(sweep, question).answers
    assert isinstance(answer, Average)
    assert 0 < answer.saved < 1


@pytest.mark.usefixtures("redis")
def test_a_large_sweep_is_read_by_a_job(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy_simulations, "MAX_QUICK_REPORTS", 0)
    monkeypatch.setattr(policy_simulations, "MAX_WAIT", 0)
    mark = mark_of(sweep)
    found, told = read(sweep, mark, keep=60)
    assert found is None and told.done == 0
    factories.reported_trial(sweep, [0.8], state="completed")
    assert mark_named(sweep, str(mark)) == mark
    work()
    found, told = read(sweep, mark, keep=60)
    assert found is not None and told.done == 1


def test_a_page_stays_with_the_mark_that_it_began_with(sweep: Sweep) -> None:
    before = mark_of(sweep)
    asked(sweep, Question.of(sweep, before, [MEDIAN]))
    factories.reported_trial(sweep, [0.8], state="completed")
    assert mark_named(sweep, str(before)) == before
    assert mark_named(sweep, "") != before
    assert mark_named(sweep, "nonsense") != before
    other = factories.sweep(factories.team("Chemistry"))
    assert mark_named(other, str(before)) == mark_of(other)


@pytest.mark.usefixtures("redis", "slow")
def test_a_failed_job_has_a_message(sweep: Sweep) -> None:
    question = question_of(sweep, {"type": "no such"})
    asked_anyway = policy_simulations._run_job(question, wait=0, keep=60)
    assert not asked_anyway.problem
    work()
    told = policy_simulations._run_job(question, wait=0, keep=60)
    assert told.problem == "The simulation failed; the server's log says why."
    assert not told.complete


@pytest.mark.usefixtures("redis", "slow")
def test_too_many_jobs_at_one_time_are_refused(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_jobs, "MAX_WAITING", 0)
    assert "Other jobs wait" in asked(sweep, question_of(sweep, MEDIAN)).busy


@pytest.mark.usefixtures("redis", "slow")
def test_a_job_without_a_waiting_reader_stops(sweep: Sweep) -> None:
    question = question_of(sweep, MEDIAN)
    asked(sweep, question, keep=0.001)
    work()
    told = asked(sweep, question)
    assert not told.complete and not told.problem
    work()
    assert asked(sweep, question).complete


@pytest.mark.usefixtures("slow", "no_queue")
def test_while_the_queue_is_down_the_page_says_so_and_asks_again(sweep: Sweep) -> None:
    told = asked(sweep, question_of(sweep, MEDIAN))
    assert told.busy == "The queue does not answer; this starts when it does."
    assert not told.complete and not told.problem


@pytest.mark.usefixtures("slow")
def test_a_queue_that_is_emptied_only_delays(sweep: Sweep, redis: Redis) -> None:
    question = question_of(sweep, MEDIAN)
    asked(sweep, question)
    redis.delete(site_jobs.site_queue().key)
    asked(sweep, question)
    assert site_jobs.site_queue().count == 1
    redis.flushall()
    asked(sweep, question)
    work()
    assert asked(sweep, question).complete


def started(sweep: Sweep, question: Question, redis: Redis) -> None:
    """Leave the job as a worker does that is killed in the middle of it."""
    queue = site_jobs.site_queue()
    job = queue.fetch_job(question.job_id(*question.missing()))
    assert job is not None
    queue.remove(job)
    job.set_status(JobStatus.STARTED)
    redis.zadd(queue.started_job_registry.key, {f"{job.id}:1": 1})


@pytest.mark.usefixtures("slow")
def test_a_worker_that_is_killed_only_delays_but_not_for_ever(
    sweep: Sweep, redis: Redis
) -> None:
    question = question_of(sweep, MEDIAN)
    for _ in range(site_jobs.MAX_TRIES):
        assert not asked(sweep, question).problem
        assert site_jobs.site_queue().count == 1
        started(sweep, question, redis)
    assert "failed" in asked(sweep, question).problem


def test_a_trade_off_costs_about_the_same_whatever_the_sweep_has() -> None:
    mark = Mark(1, 4, 1_200, "")
    assert trade_off_size(mark, 40) == (20, 1_200)
    orders, reports = trade_off_size(mark._replace(reports=1_000_000), 40)
    assert orders == 1 and reports < 100_000
