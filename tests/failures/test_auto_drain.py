"""A host that cannot start trials is drained; one hiccup is none of it."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from experiments import lifecycle
from experiments.failures import auto_drain
from experiments.models import Attempt, Sweep, Worker
from experiments.models.workers import DrainCause
from experiments.scheduling.pools import pool_states
from experiments.workers.host import disk_facts
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def sweep() -> Sweep:
    return factories.sweep(factories.team())


@pytest.fixture
def worker(sweep: Sweep) -> Worker:
    return factories.worker(sweep.pool)


def end(sweep: Sweep, cause: str, **fields: object) -> None:
    attempt = factories.claim(factories.trial(sweep)).attempt
    outcome = lifecycle.Outcome(
        cause=cause,  # type: ignore[arg-type]
        message="no room: disk full",
        **fields,  # type: ignore[arg-type]
    )
    lifecycle.finish_attempt(attempt, outcome)


def test_three_troubles_in_a_row_drain_the_host(sweep: Sweep, worker: Worker) -> None:
    for drained in (False, False, True):
        end(sweep, "worker_problem")
        assert auto_drain.drain_after_problems(worker) is drained
    worker.refresh_from_db()
    assert worker.drain_reason == (
        "3 trials in 10 minutes could not start: no room: disk full"
    )
    assert not auto_drain.drain_after_problems(worker), "drained once"


def test_a_trial_that_ran_in_between_starts_the_count_again(
    sweep: Sweep, worker: Worker
) -> None:
    for cause in ("worker_problem", "worker_problem", "exited", "worker_problem"):
        end(sweep, cause, exit_code=1)
    assert not auto_drain.drain_after_problems(worker)


def test_a_host_that_was_taken_back_has_as_many_tries_again(
    sweep: Sweep, worker: Worker
) -> None:
    for drained in (False, False, True) * 2:
        end(sweep, "worker_problem")
        assert auto_drain.drain_after_problems(worker) is drained
        if drained:
            assert lifecycle.undrain_worker(worker)
    assert not auto_drain.drain_after_problems(worker)


def test_old_troubles_are_forgotten(sweep: Sweep, worker: Worker) -> None:
    for _ in range(3):
        end(sweep, "worker_problem")
    old = timezone.now() - timedelta(minutes=11)
    Attempt.objects.filter(pk=Attempt.objects.first().pk).update(ended_at=old)
    assert not auto_drain.drain_after_problems(worker)


def test_a_shutdown_is_no_trouble(sweep: Sweep, worker: Worker) -> None:
    for _ in range(4):
        end(sweep, "released")
    assert not auto_drain.drain_after_problems(worker)


def test_the_trial_goes_to_another_host_if_there_is_one(sweep: Sweep) -> None:
    bad = factories.worker(sweep.pool, "host", slots=8)
    good = factories.worker(sweep.pool, "other", slots=1)
    Worker.objects.update(seen_at=timezone.now())
    end(sweep, "worker_problem")
    (state,) = pool_states([sweep.pool_id]).values()
    (attempt,) = state.open
    host = state.best_host(0, attempt=attempt, priority=0)
    assert host is not None and host.worker == good
    Worker.objects.filter(pk=good.pk).update(draining_since=timezone.now())
    (state,) = pool_states([sweep.pool_id]).values()
    host = state.best_host(0, attempt=attempt, priority=0)
    assert host is not None and host.worker == bad


# --- a full disk ----------------------------------------------------------------------

FULL = "no folder for the attempt: [Errno 28] No space left on device: '/x'"
MB = 1_000_000


def fill(sweep: Sweep) -> None:
    attempt = factories.claim(factories.trial(sweep)).attempt
    outcome = lifecycle.Outcome(cause="worker_problem", code="disk_full", message=FULL)
    lifecycle.finish_attempt(attempt, outcome)


def test_one_trial_that_finds_no_room_drains_the_host_until_it_has_some(
    sweep: Sweep, worker: Worker
) -> None:
    fill(sweep)
    assert auto_drain.drain_after_problems(worker, disk_full=True)
    assert worker.drain_reason.startswith("The host's disk is full. It takes trials")
    assert "No space left on device" in worker.drain_reason
    auto_drain.drain_by_disk_space(worker, 63 * MB)
    auto_drain.drain_by_disk_space(worker, None)
    assert worker.draining_since is not None
    auto_drain.drain_by_disk_space(worker, 64 * MB)
    assert (worker.draining_since, worker.drain_reason) == (None, "")


def test_trials_that_find_no_room_although_there_is_some_drain_it_for_good(
    sweep: Sweep, worker: Worker
) -> None:
    for _ in range(3):
        fill(sweep)
        assert auto_drain.drain_after_problems(worker, disk_full=True)
        auto_drain.drain_by_disk_space(worker, 100 * MB)
    assert worker.draining_since is not None
    assert worker.drain_reason.startswith("3 trials in 10 minutes could not start")


def test_a_host_that_tells_of_little_room_drains_before_a_trial_fails_there(
    worker: Worker,
) -> None:
    auto_drain.drain_by_disk_space(worker, 32 * MB)
    assert worker.draining_since is None
    auto_drain.drain_by_disk_space(worker, 32 * MB - 1)
    assert worker.drain_reason == (
        "The host's disk is full: 32 MB are free. It takes trials again once it"
        " has room."
    )


def test_a_host_that_somebody_drains_stays_so_however_much_room_it_has(
    worker: Worker,
) -> None:
    auto_drain.drain_by_disk_space(worker, 0)
    assert lifecycle.drain_worker(worker, reason="For a new disk.")
    auto_drain.drain_by_disk_space(worker, 10_000 * MB)
    assert worker.drain_reason == "For a new disk."
    auto_drain.drain_by_disk_space(worker, 0)
    assert worker.drain_reason == "For a new disk."


def test_a_person_may_drain_a_host_with_the_words_of_the_site(
    worker: Worker,
) -> None:
    auto_drain.drain_by_disk_space(worker, 0)
    assert lifecycle.drain_worker(worker, reason="The host's disk is full, I swap it.")
    auto_drain.drain_by_disk_space(worker, 10_000 * MB)
    assert worker.drain_cause == DrainCause.PERSON
    assert worker.drain_reason == "The host's disk is full, I swap it."


def test_a_disk_that_tells_no_size_is_not_a_full_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert disk_facts(tmp_path)["disk_free"] > 0
    nothing = shutil._ntuple_diskusage(0, 0, 0)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: nothing)
    assert disk_facts(tmp_path) == {}
