"""Why trials wait, in words, and what every slot does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from experiments import lifecycle
from experiments.models import Attempt, Pool, Sweep, Worker
from experiments.scheduling import rounds
from experiments.scheduling.occupancy import occupancy
from experiments.scheduling.pools import RESERVE_AFTER, pool_states
from experiments.scheduling.waiting import QueuePlace, queue_of, wait_of
from tests import factories
from tests.scheduling.test_dispatch import host, notified, start, sweep

__all__ = ["notified"]
pytestmark = pytest.mark.django_db


def pool() -> Pool:
    return Pool.objects.get(name="default")


def queue(*teams: Sweep) -> list[QueuePlace]:
    return queue_of(pool(), teams=[s.experiment.team_id for s in teams])


def run_all(worker: Worker, *sweeps: Sweep) -> list[Attempt]:
    """Place what there is room for, and have it all claimed."""
    rounds.advance_all()
    queued = Attempt.objects.filter(state="queued", dispatched_to=worker)
    trials = [attempt.trial for attempt in queued.select_related("trial")]
    return [start(trial, worker, n) for n, trial in enumerate(trials)]


def test_taken_slots_are_told_by_team() -> None:
    worker = host("a", slots=3)
    first = sweep("Physics", max_concurrent_trials=2)
    second = sweep("Chemistry", max_concurrent_trials=1)
    run_all(worker)
    third = sweep("Biology")
    (waiting,) = queue(third)
    assert (waiting.place, waiting.sweep, waiting.attempt) == (1, third, None)
    assert waiting.reason.cause == "No slot of pool default is free."
    assert waiting.reason.detail == "Used by Physics (2) and Chemistry (1)."
    assert {first, second} == {s for s in Sweep.objects.all() if s != third}


def test_the_order_is_that_of_the_scheduler_and_names_who_comes_before() -> None:
    worker = host("a", slots=1)
    first = sweep("Physics", max_concurrent_trials=2)
    run_all(worker)
    high, low = sweep("Chemistry", priority=5), sweep("Biology")
    found = queue(low)
    assert [w.sweep for w in found] == [high, low, first]
    assert [w.place for w in found] == [1, 2, 3]
    after = f"It comes after a sweep of team {high.experiment.team} (priority 5)."
    assert found[1].reason.detail.endswith(after)
    named = queue(low, high)[1]
    assert f"It comes after {high.label} (priority 5)." in named.reason.detail


def test_without_a_worker_it_says_how_to_start_one() -> None:
    made = sweep()
    rounds.advance_all()
    (waiting,) = queue(made)
    assert waiting.attempt == made.trials.get().current_attempt
    assert waiting.reason.cause == "No worker of pool default runs."
    assert "python manage.py worker --pool default" in waiting.reason.help_text
    worker = host("a", slots=1)
    Worker.objects.update(seen_at=Now() - timedelta(minutes=18))
    (waiting,) = queue(made)
    assert waiting.reason.cause.startswith(
        "No worker of pool default has sent a heartbeat for 18"
    )
    assert waiting.reason.detail == f"The last was {worker.name}."


def test_a_draining_host_is_named_with_its_reason() -> None:
    worker = host("a", slots=1)
    lifecycle.drain_worker(worker, reason="The disk is full.")
    made = sweep()
    rounds.advance_all()
    attempt = made.trials.get().current_attempt
    assert attempt is not None
    wait = wait_of(attempt)
    assert wait is not None
    assert (wait.cause, wait.detail) == ("Host a is draining.", "The disk is full.")
    assert queue(made)[0].since == attempt.created_at


def test_a_trial_that_needs_more_gpus_than_a_host_has_says_so() -> None:
    host("a", slots=2, gpus=2)
    made = sweep(gpus=4)
    rounds.advance_all()
    (waiting,) = queue(made)
    assert waiting.reason.cause == "It needs 4 GPUs on one host."
    assert waiting.reason.detail == "In pool default, host a has 2."


def test_a_trial_that_waits_for_several_slots_says_how_many_are_free() -> None:
    worker = host("a", slots=2, gpus=2)
    ones = sweep(max_concurrent_trials=1)
    run_all(worker)
    twos = sweep(gpus=2)
    rounds.advance_all()
    (waiting,) = queue(twos)
    assert waiting.reason.cause == "It needs 2 GPUs on one host."
    assert waiting.reason.detail == "Free slots: host a has 1."
    Attempt.objects.filter(state="queued").update(
        created_at=Now() - RESERVE_AFTER - timedelta(seconds=1)
    )
    Sweep.objects.filter(pk=ones.pk).update(max_concurrent_trials=2)
    kept, other = queue(twos, ones)
    assert kept.reason.detail.endswith("Host a is reserved for it.")
    assert other.reason.cause == "Host a is reserved."
    assert twos.label in other.reason.detail


def test_a_paused_sweep_and_a_pause_between_attempts_are_told() -> None:
    made = sweep()
    trial = factories.trial(made)
    lifecycle.pause_sweep(made)
    (waiting,) = queue(made)
    assert waiting.reason.cause == "Its sweep is paused."
    lifecycle.resume_sweep(made)
    Attempt.objects.filter(pk=trial.current_attempt_id).update(n=9, created_at=Now())
    (waiting,) = (w for w in queue(made) if w.attempt)
    assert waiting.reason.cause.startswith("It is tried again in ")


def test_a_host_that_was_told_is_named() -> None:
    host("a", slots=1)
    made = sweep(max_total_trials=1)
    rounds.advance_all()
    (waiting,) = queue(made)
    assert waiting.reason.cause == "Host a is about to start it."


def test_what_runs_does_not_wait() -> None:
    worker = host("a", slots=1)
    sweep(max_total_trials=1)
    (attempt,) = run_all(worker)
    assert wait_of(attempt) is None
    assert queue() == []


def test_a_queue_takes_the_same_queries_however_long_it_is() -> None:
    worker = host("a", slots=2)
    for n in range(8):
        sweep(("Physics", "Chemistry")[n % 2])
    run_all(worker)
    factories.trial(Sweep.objects.order_by("pk")[0])

    def queries() -> int:
        with CaptureQueriesContext(connection) as found:
            here = pool()
            states = pool_states([here.pk])
            assert len(queue_of(here, state=states[here.pk])) >= 8
            rows = occupancy([here], states)
            sweeps = [
                v.attempt and v.attempt.trial.sweep for r in rows for v in r.slots
            ]
            assert all(each and each.experiment.team.name for each in sweeps)
        return len(found)

    few = queries()
    for _ in range(4):
        sweep("Biology")
    assert queries() == few <= 16


def test_full_hosts_with_gpus_are_told_apart_from_free_ones_without() -> None:
    host("cpu", slots=2)
    worker = host("gpu", slots=1, gpus=1)
    sweep("Physics", gpus=1, max_total_trials=1)
    run_all(worker)
    (waiting,) = queue(sweep("Chemistry", gpus=1))
    assert (
        waiting.reason.cause
        == "No slot on hosts with enough GPUs of pool default is free."
    )
    assert waiting.reason.detail == "Used by Physics (1)."


class TestOccupancy:
    def test_a_slot_that_was_promised_is_taken(self) -> None:
        worker = host("a", slots=2)
        first = sweep("Physics", max_total_trials=1)
        second = sweep("Chemistry", max_concurrent_trials=1)
        rounds.advance_all()
        third = sweep("Biology")
        (row,) = occupancy([pool()])
        assert [view.state for view in row.slots] == ["promised", "promised"]
        assert row.slots[0].attempt == first.trials.get().current_attempt
        causes = {waiting.sweep: waiting.reason.cause for waiting in queue(third)}
        assert causes[third] == "No slot of pool default is free."
        assert causes[second] == f"Host {worker.name} is about to start it."

    def test_what_is_promised_beyond_the_free_slots_has_no_place_yet(self) -> None:
        worker = host("a", slots=1)
        ahead = sweep("Physics", max_total_trials=2)
        trials = [factories.trial(ahead) for _ in range(2)]
        ids = [trial.current_attempt_id for trial in trials]
        Attempt.objects.filter(pk__in=ids).update(
            dispatched_to=worker, dispatched_at=Now()
        )
        (row,) = occupancy([pool()])
        assert [(view.state, view.attempt) for view in row.slots] == [
            ("promised", trials[0].current_attempt)
        ]

    def test_a_draining_host_has_no_promises(self) -> None:
        worker = host("a", slots=1)
        sweep(max_total_trials=1)
        rounds.advance_all()
        lifecycle.drain_worker(worker, reason="no more")
        (row,) = occupancy([pool()])
        assert [(view.state, view.attempt) for view in row.slots] == [
            ("draining", None)
        ]

    def test_a_trial_of_two_gpus_spans_two_slots(self) -> None:
        worker = host("a", slots=4, gpus=4)
        sweep(gpus=2, max_total_trials=1)
        (attempt,) = run_all(worker)
        (row,) = occupancy([pool()])
        assert row.worker == worker
        views = [(v.index, v.span, v.state, list(v.devices)) for v in row.slots]
        assert views == [
            (0, 2, "running", [0, 1]),
            (2, 1, "free", [2]),
            (3, 1, "free", [3]),
        ]
        assert row.slots[0].attempt == attempt

    def test_a_draining_host_shows_what_runs_and_closes_the_rest(self) -> None:
        worker = host("a", slots=2)
        sweep(max_total_trials=1)
        run_all(worker)
        lifecycle.drain_worker(worker, reason="no more")
        (row,) = occupancy([pool()])
        assert [view.state for view in row.slots] == ["running", "draining"]

    def test_a_silent_host_keeps_its_trial_and_one_that_signed_off_is_gone(
        self,
    ) -> None:
        worker = host("a", slots=2)
        sweep(max_total_trials=1)
        (attempt,) = run_all(worker)
        Worker.objects.update(seen_at=Now() - timedelta(minutes=5))
        (row,) = occupancy([pool()])
        assert [view.state for view in row.slots] == ["silent", "silent"]
        assert row.slots[0].attempt == attempt
        Worker.objects.update(stopped_at=Now())
        assert occupancy([pool()]) == []
