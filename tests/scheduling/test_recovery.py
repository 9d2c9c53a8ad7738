"""Recovery of what was lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models.functions import Now

from experiments import lifecycle
from experiments.db.clock import database_now
from experiments.management.commands.scheduler import Rounds
from experiments.models import Attempt, Sweep, Trial, Worker
from experiments.scheduling import pools, recovery
from experiments.scheduling.recovery import Silence
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def sweep() -> Sweep:
    return factories.sweep(factories.team())


@pytest.fixture
def notified(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Attempts whose doorbell was notified: the queue itself is not running here."""
    ids: list[int] = []
    monkeypatch.setattr(
        "experiments.queues.notify",
        lambda attempt, pool: bool(ids.append(attempt)) or True,
    )
    return ids


@pytest.fixture(autouse=True)
def one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round begins with a fresh connection; here that would end the test's own
    transaction."""
    module = "experiments.management.commands.scheduler"
    monkeypatch.setattr(f"{module}.close_old_connections", lambda: None)


def set_attempts(**fields: Any) -> None:
    Attempt.objects.update(**fields)


def test_an_attempt_that_no_worker_claimed_is_dispatched_again(
    sweep: Sweep, notified: list[int]
) -> None:
    trial = factories.trial(sweep)
    recovery.notify_waiting()
    recovery.notify_waiting()
    assert notified == [trial.current_attempt_id]
    set_attempts(dispatched_at=database_now() - timedelta(seconds=11))
    recovery.notify_waiting()
    assert notified == [trial.current_attempt_id] * 2


def test_nothing_of_a_paused_sweep_is_dispatched(
    sweep: Sweep, notified: list[int]
) -> None:
    factories.trial(sweep)
    lifecycle.pause_sweep(sweep)
    recovery.notify_waiting()
    assert notified == []


def test_a_silent_attempt_is_lost_only_when_silence_counts(
    sweep: Sweep, settings: Any
) -> None:
    trial = factories.reported_trial(sweep, [0.5])
    late = timedelta(seconds=settings.LEASE_SECONDS + 1)
    set_attempts(heartbeat_at=Now() - late)
    recovery.recover(lambda: Silence.NONE)
    trial.refresh_from_db()
    assert trial.state == "running"
    recovery.recover(lambda: Silence.ALL)
    trial.refresh_from_db()
    assert trial.state == "queued"
    assert trial.attempts.get(n=1).reason == "silent"


def test_an_attempt_within_its_lease_is_left_alone(sweep: Sweep, settings: Any) -> None:
    trial = factories.reported_trial(sweep, [0.5])
    set_attempts(heartbeat_at=Now() - timedelta(seconds=settings.LEASE_SECONDS / 2))
    recovery.recover(lambda: Silence.ALL)
    trial.refresh_from_db()
    assert trial.state == "running"


def test_a_trial_created_while_its_sweep_ended_is_cancelled(sweep: Sweep) -> None:
    Sweep.objects.update(state="cancelled", reason="user", message="Enough.")
    trial = factories.trial(sweep)
    recovery.stop_trials_of_ended_sweeps()
    trial.refresh_from_db()
    assert (trial.state, trial.reason) == ("cancelled", "user")


def test_a_deadline_that_no_runner_kept_is_kept_here(
    sweep: Sweep, settings: Any
) -> None:
    Sweep.objects.update(trial_timeout=10)
    trial = factories.reported_trial(sweep, [0.5])
    recovery.end_overdue(lambda: Silence.ALL)
    trial.refresh_from_db()
    assert not trial.stop_reason
    set_attempts(elapsed=settings.LEASE_SECONDS + 11)
    recovery.end_overdue(lambda: Silence.ALL)
    trial.refresh_from_db()
    assert trial.stop_reason == "trial_timeout"


def test_before_a_runner_has_told_its_time_the_lease_alone_watches(
    sweep: Sweep,
) -> None:
    """By the time since the claim a clock set forward would cancel what just began."""
    Sweep.objects.update(trial_timeout=10)
    trial = factories.reported_trial(sweep, [0.5])
    set_attempts(claimed_at=Now() - timedelta(hours=1), heartbeat_at=Now())
    recovery.recover(lambda: Silence.ALL)
    trial.refresh_from_db()
    assert (trial.state, trial.stop_reason) == ("running", "")


@pytest.mark.parametrize(
    ("told", "silence", "by_worker", "stopped"),
    [
        (590.0, 75, False, True),
        (590.0, 20, False, False),
        (590.0, 75, True, False),
        (665.0, -30, False, True),
        (None, 665, False, True),
        (None, 610, False, False),
    ],
)
def test_where_no_worker_runs_a_trial_its_silence_counts_for_its_time(
    sweep: Sweep,
    settings: Any,
    told: float | None,
    silence: float,
    by_worker: bool,
    stopped: bool,
) -> None:
    settings.LEASE_SECONDS = 60
    Sweep.objects.update(trial_timeout=600)
    trial = factories.reported_trial(sweep, [0.5])
    set_attempts(elapsed=told, heartbeat_at=Now() - timedelta(seconds=silence))
    if not by_worker:
        set_attempts(runner_token_digest="", worker=None)
    recovery.end_overdue(lambda: Silence.ALL)
    trial.refresh_from_db()
    assert trial.stop_reason == ("trial_timeout" if stopped else "")


@pytest.mark.parametrize(
    ("silence", "reason"),
    [(Silence.NONE, ""), (Silence.STOPPING, ""), (Silence.ALL, "trial_timeout")],
)
def test_silence_counts_for_a_trial_s_time_when_it_counts_at_all(
    sweep: Sweep, silence: Silence, reason: str
) -> None:
    """While the site was away a process may have ended in time, and has to say so."""
    Sweep.objects.update(trial_timeout=600)
    trial = factories.reported_trial(sweep, [0.5])
    hour = timedelta(hours=1)
    set_attempts(runner_token_digest="", worker=None, heartbeat_at=Now() - hour)
    recovery.recover(lambda: silence)
    trial.refresh_from_db()
    assert trial.stop_reason == reason


def test_a_trial_that_was_deleted_meanwhile_is_no_trouble(
    sweep: Sweep, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Sweep.objects.update(trial_timeout=10, max_concurrent_trials=3)
    trials = [factories.reported_trial(sweep, [0.5]) for _ in range(3)]
    set_attempts(elapsed=settings.LEASE_SECONDS + 11)
    stopped: list[int] = []

    def stop(trial: Trial, **words: str) -> None:
        """Somebody deletes the next one just then."""
        stopped.append(trial.number)
        sweep.trials.filter(number=1).delete()

    monkeypatch.setattr(lifecycle, "request_stop", stop)
    recovery.end_overdue(lambda: Silence.ALL)
    assert stopped == [trials[0].number, trials[2].number]


def test_a_step_that_fails_does_not_keep_the_others_from_their_work(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []
    for name in ("stop_trials_of_ended_sweeps", "end_paused"):
        monkeypatch.setattr(recovery, name, lambda name=name: done.append(name))
    for name in ("notify_waiting", "end_overdue", "lose_silent"):
        monkeypatch.setattr(recovery, name, broken(ValueError("a broken row")))
    monkeypatch.setattr(
        recovery, "lose_silent_asks", lambda counts: done.append("asks")
    )
    recovery.recover(lambda: Silence.ALL)
    assert done == ["stop_trials_of_ended_sweeps", "end_paused", "asks"]
    assert caplog.text.count("ValueError: a broken row") == 3
    monkeypatch.setattr(
        recovery, "stop_trials_of_ended_sweeps", broken(OperationalError("away"))
    )
    with pytest.raises(OperationalError):
        recovery.recover(lambda: Silence.ALL)


@pytest.mark.parametrize("step", ["all_workers_are_silent", "recover", "advance_all"])
def test_no_error_ends_the_scheduler(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "experiments.management.commands.scheduler"
    monkeypatch.setattr(f"{module}.time", Clock())
    rounds = Rounds()
    with monkeypatch.context() as patched:
        patched.setattr(f"{module}.{step}", broken(ValueError("a broken row")))
        rounds.round()
    rounds.round()


def broken(error: Exception) -> Any:
    def step(*args: object, **options: Any) -> None:
        raise error

    return step


def test_a_trial_queued_again_while_its_sweep_was_cancelled_ends(sweep: Sweep) -> None:
    """The loss and the cancelling met: the stop is stored, and so is a new attempt."""
    trial = factories.trial(sweep)
    Sweep.objects.update(state="cancelled", reason="user", message="Enough.")
    trial.__class__.objects.update(stop_reason="user", stop_message="Enough.")
    recovery.stop_trials_of_ended_sweeps()
    trial.refresh_from_db()
    assert (trial.state, trial.reason) == ("cancelled", "user")


def test_an_attempt_with_a_late_heartbeat_is_not_lost(sweep: Sweep) -> None:
    trial = factories.reported_trial(sweep, [0.5])
    limit = database_now() - timedelta(seconds=60)
    assert not lifecycle.lose_attempt(
        trial.current_attempt, reason="silent", message="Gone.", silent_since=limit
    )


def test_the_time_of_a_paused_sweep_runs_on(sweep: Sweep) -> None:
    Sweep.objects.update(timeout=60, started_at=Now() - timedelta(seconds=61))
    sweep.refresh_from_db()
    lifecycle.pause_sweep(sweep)
    recovery.end_paused()
    sweep.refresh_from_db()
    assert (sweep.state, sweep.reason) == ("cancelled", "sweep_timeout")


def test_a_host_in_trouble_gets_attempts_more_and_more_slowly() -> None:
    waits = [pools.retry_delay(n).total_seconds() for n in (1, 2, 3, 5, 20)]
    assert waits == [0, 0, 2, 8, 8]


@pytest.mark.parametrize(
    ("n", "age", "is_open"),
    [
        (1, 0.0, True),
        # Another process made it after this one had read the clock.
        (1, -0.1, True),
        (9, -0.1, False),
        (9, 7.5, False),
        (9, 8.5, True),
        # The clock was set back meanwhile.
        (1, -3600.0, True),
        (9, -3600.0, True),
    ],
)
def test_a_pause_that_began_in_the_future_is_over(
    sweep: Sweep, n: int, age: float, is_open: bool
) -> None:
    attempt = factories.trial(sweep).current_attempt
    assert attempt is not None
    now = database_now()
    attempt.n, attempt.created_at = n, now - timedelta(seconds=age)
    assert pools.is_open(attempt, now) is is_open


def quiet_since(seconds: float) -> None:
    """No heartbeat came for so long."""
    Attempt.objects.update(heartbeat_at=Now() - timedelta(seconds=seconds))
    Worker.objects.update(seen_at=Now() - timedelta(seconds=seconds))


def test_without_any_heartbeat_the_site_was_away(sweep: Sweep, settings: Any) -> None:
    factories.reported_trial(sweep, [0.5])
    assert not recovery.all_workers_are_silent()
    quiet_since(settings.LEASE_SECONDS)
    assert recovery.all_workers_are_silent()
    factories.worker(sweep.pool, "another")
    assert not recovery.all_workers_are_silent()


def test_no_worker_is_missed_where_nothing_runs(sweep: Sweep) -> None:
    factories.worker(sweep.pool)
    quiet_since(3_600)
    assert not recovery.all_workers_are_silent()


def test_after_everybody_was_silent_all_have_a_lease_to_come_back(
    sweep: Sweep, settings: Any, monkeypatch: pytest.MonkeyPatch, notified: list[int]
) -> None:
    now = 1_000.0
    monkeypatch.setattr(
        "experiments.management.commands.scheduler.time", clock := Clock()
    )
    clock.now = now
    trial = factories.reported_trial(sweep, [0.5])
    rounds = Rounds()
    lease = settings.LEASE_SECONDS

    def state_after(seconds: float) -> str:
        for _ in range(int(seconds / 5)):
            clock.now += 5
            rounds.round()
        trial.refresh_from_db()
        return str(trial.state)

    quiet_since(lease + 1)
    assert state_after(3 * lease) == "running"
    # Another host sends heartbeats again: now this one's silence begins to count.
    factories.worker(sweep.pool, "another")
    assert state_after(lease - 10) == "running"
    assert state_after(20) == "queued"


def test_no_attempt_is_lost_for_a_silence_that_all_share(
    sweep: Sweep, settings: Any
) -> None:
    """Also where a lease is shorter than the beats by which an absence is noticed."""
    trial = factories.reported_trial(sweep, [0.5])
    quiet_since(settings.LEASE_SECONDS + 1)
    recovery.lose_silent(lambda: Silence.ALL)
    trial.refresh_from_db()
    assert trial.state == "running"
    factories.worker(sweep.pool, "another")
    recovery.lose_silent(lambda: Silence.ALL)
    trial.refresh_from_db()
    assert trial.state == "queued"


def test_an_attempt_that_is_to_stop_is_not_waited_for(
    sweep: Sweep, settings: Any
) -> None:
    trial = factories.reported_trial(sweep, [0.5])
    quiet_since(settings.LEASE_SECONDS + 1)
    recovery.lose_silent(lambda: Silence.STOPPING)
    trial.refresh_from_db()
    assert trial.state == "running"
    lifecycle.request_stop(trial, reason="user", message="Enough.")
    recovery.lose_silent(lambda: Silence.STOPPING)
    trial.refresh_from_db()
    assert trial.state == "cancelled"


class Clock:
    """A monotonic clock that goes as it is told."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
