"""The database's clock is changed while trials run: live attempts stay, dead ones are
lost.

A test cannot change the database's clock, so it moves the stored times instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models import F
from django.db.models.functions import Now

from experiments import lifecycle
from experiments.db import clock
from experiments.db.clock import Steps, database_now
from experiments.failures.recent_attempts import last_resumed, recent_attempts
from experiments.management.commands.scheduler import Rounds
from experiments.models import Attempt, Sweep, Trial, Worker
from experiments.scheduling import ask, recovery
from experiments.scheduling.recovery import Silence
from experiments.scheduling.rounds import failures_since_resumed
from tests import factories

HOUR = 3_600.0
BEGUN = datetime(2030, 1, 1, tzinfo=UTC)


class Clocks:
    """A monotonic clock and the database's, which agree until one is set."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.set_by = 0.0
        # What it takes to read the database's.
        self.delay = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def of_the_database(self) -> datetime:
        self.now += self.delay
        return BEGUN + timedelta(seconds=self.now + self.set_by)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Clocks:
    both = Clocks()
    # Few rounds make a lease.
    settings.LEASE_SECONDS = 20
    scheduler = "experiments.management.commands.scheduler"
    monkeypatch.setattr(clock, "time", both)
    monkeypatch.setattr(clock, "database_now", both.of_the_database)
    monkeypatch.setattr(f"{scheduler}.time", both)
    monkeypatch.setattr(f"{scheduler}.close_old_connections", lambda: None)
    monkeypatch.setattr("experiments.queues.notify", lambda attempt, pool: True)
    return both


@pytest.mark.parametrize("by", [HOUR, -HOUR, 30.0, -30.0])
def test_a_changed_clock_is_noticed_once(clocks: Clocks, by: float) -> None:
    steps = Steps()
    assert not steps.seen()
    clocks.now += 3
    assert not steps.seen()
    clocks.set_by += by
    clocks.now += 3
    assert steps.seen()
    clocks.now += 3
    assert not steps.seen()


def test_a_late_answer_is_not_a_change(clocks: Clocks) -> None:
    steps = Steps()
    for delay in (0.0, 20.0, 0.0, 20.0, 20.0, 0.0):
        clocks.delay = delay
        clocks.now += 3
        assert not steps.seen()


@pytest.mark.parametrize(
    ("lease", "by", "is_one"),
    [
        *[(60, 14.0, False), (60, -14.0, False), (60, 16.0, True), (60, -16.0, True)],
        *[(4, 1.5, False), (4, 2.5, True)],
    ],
)
def test_only_changes_that_matter_to_a_lease_count(
    clocks: Clocks, settings: Any, lease: int, by: float, is_one: bool
) -> None:
    """Frequent small corrections do not disturb leases."""
    settings.LEASE_SECONDS = lease
    steps = Steps()
    steps.seen()
    for _ in range(3):
        clocks.set_by += by
        clocks.now += 3
        assert steps.seen() is is_one


# --- while trials run -------------------------------------------------------------


@pytest.fixture
def running(clocks: Clocks) -> list[Attempt]:
    """Attempts on three hosts."""
    made = factories.sweep(factories.team())
    attempts = []
    for name in ("a", "b", "c"):
        worker = factories.worker(made.pool, name)
        attempt = factories.trial(made).current_attempt_id or 0
        claim = lifecycle.claim_attempt(attempt, worker=worker, slot=0)
        assert claim is not None
        attempts.append(claim.attempt)
    return attempts


@pytest.fixture
def rounds(running: list[Attempt], clocks: Clocks, settings: Any) -> Rounds:
    """A scheduler that has run undisturbed for longer than a lease."""
    made = Rounds()
    go_on(made, clocks, settings.LEASE_SECONDS + 10, running)
    return made


def go_on(
    rounds: Rounds, clocks: Clocks, seconds: float, alive: Sequence[Attempt] = ()
) -> None:
    """Rounds for these seconds; live attempts send a heartbeat before each."""
    for _ in range(int(seconds / 5)):
        clocks.now += 5
        for attempt in alive:
            beat(attempt)
        rounds.round()


def set_clock(clocks: Clocks, by: float) -> None:
    """Stored times become older, or lie in the future."""
    clocks.set_by += by
    moved = timedelta(seconds=by)
    Attempt.objects.update(heartbeat_at=F("heartbeat_at") - moved)
    Worker.objects.update(seen_at=F("seen_at") - moved)
    Trial.objects.update(updated_at=F("updated_at") - moved)


def states() -> list[str]:
    return list(Attempt.objects.order_by("pk").values_list("state", flat=True))


def beat(attempt: Attempt) -> None:
    assert lifecycle.beat(attempt, pid=1, elapsed=10.0)


@pytest.mark.django_db
@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_an_early_heartbeat_of_one_does_not_lose_the_others(
    rounds: Rounds, running: list[Attempt], clocks: Clocks, settings: Any, by: float
) -> None:
    set_clock(clocks, by)
    beat(running[0])
    go_on(rounds, clocks, settings.LEASE_SECONDS - 5, running[:1])
    assert states() == ["running"] * 3
    go_on(rounds, clocks, 2 * settings.LEASE_SECONDS, running)
    assert states() == ["running"] * 3


@pytest.mark.django_db
def test_a_change_during_a_round_loses_none(
    rounds: Rounds,
    running: list[Attempt],
    clocks: Clocks,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Attempts are dispatched after the look at the clock, before silence counts."""

    def notify_late() -> None:
        if not clocks.set_by:
            set_clock(clocks, HOUR)
            beat(running[0])

    monkeypatch.setattr("experiments.scheduling.recovery.notify_waiting", notify_late)
    go_on(rounds, clocks, 5, running)
    assert clocks.set_by == HOUR
    assert states() == ["running"] * 3
    go_on(rounds, clocks, 2 * settings.LEASE_SECONDS, running)
    assert states() == ["running"] * 3


@pytest.mark.django_db
@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_a_dead_attempt_is_still_lost(
    rounds: Rounds, running: list[Attempt], clocks: Clocks, settings: Any, by: float
) -> None:
    set_clock(clocks, by)
    go_on(rounds, clocks, 5, running[:2])
    died = Attempt.objects.filter(pk=running[2].pk)
    lease = timedelta(seconds=settings.LEASE_SECONDS + 10)
    died.update(heartbeat_at=F("heartbeat_at") - lease)
    go_on(rounds, clocks, 2 * settings.LEASE_SECONDS, running[:2])
    assert states()[:3] == ["running", "running", "lost"]


@pytest.mark.django_db
def test_a_dead_host_does_not_seem_alive_for_an_hour(
    rounds: Rounds, running: list[Attempt], clocks: Clocks
) -> None:
    set_clock(clocks, -HOUR)
    go_on(rounds, clocks, 5)
    assert Worker.objects.filter(seen_at__gt=Now() + timedelta(seconds=6)).count() == 0
    assert recovery.last_heartbeat() is not None
    assert (recovery.last_heartbeat() or BEGUN) <= database_now()


@pytest.mark.django_db
def test_the_log_counts_renewed_rows_once(
    rounds: Rounds, clocks: Clocks, caplog: pytest.LogCaptureFixture
) -> None:
    """Three attempts, and the three workers that run them."""
    set_clock(clocks, -HOUR)
    go_on(rounds, clocks, 15)
    assert caplog.text.count("set 6 heartbeats and dispatches to now") == 1


@pytest.mark.django_db
def test_a_change_counts_until_heartbeats_are_renewed(
    rounds: Rounds, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database was down when the change was seen."""
    tries: list[str] = []

    def renew() -> None:
        tries.append("failed" if len(tries) < 2 else "renewed")
        if tries[-1] == "failed":
            raise OperationalError("away")

    monkeypatch.setattr(lifecycle, "renew_ask_heartbeats", renew)
    set_clock(clocks, HOUR)
    go_on(rounds, clocks, 25)
    assert tries == ["failed", "failed", "renewed"]


@pytest.mark.django_db
def test_a_dispatch_of_the_future_is_repeated(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    notified: list[int] = []
    monkeypatch.setattr(
        "experiments.queues.notify", lambda attempt, pool: not notified.append(attempt)
    )
    factories.trial(sweep)
    Attempt.objects.update(dispatched_at=Now() + timedelta(seconds=HOUR))
    recovery.recover(lambda: Silence.NONE)
    assert notified == []
    Attempt.objects.update(dispatched_at=F("dispatched_at") - timedelta(seconds=11))
    recovery.recover(lambda: Silence.NONE)
    assert len(notified) == 1


@pytest.fixture
def sweep() -> Sweep:
    return factories.sweep(factories.team())


@pytest.mark.django_db
def test_asked_trials_may_be_silent_as_long_as_before(
    sweep: Sweep, clocks: Clocks, settings: Any
) -> None:
    Sweep.objects.update(launches=False)
    sweep.refresh_from_db()
    claim = ask.ask(sweep)
    rounds = Rounds()
    settings.ASK_TIMEOUT_SECONDS = 600
    go_on(rounds, clocks, 2 * settings.LEASE_SECONDS)
    set_clock(clocks, HOUR)
    go_on(rounds, clocks, 3 * settings.LEASE_SECONDS)
    assert Trial.objects.get(pk=claim.attempt.trial_id).state == "running"
    Attempt.objects.update(heartbeat_at=Now() - timedelta(seconds=601))
    Trial.objects.update(updated_at=Now() - timedelta(seconds=601))
    go_on(rounds, clocks, 10)
    assert Trial.objects.get(pk=claim.attempt.trial_id).state == "queued"


@pytest.mark.django_db
def test_a_trial_s_time_is_what_its_runner_says(sweep: Sweep, settings: Any) -> None:
    Sweep.objects.update(trial_timeout=600)
    trial = factories.reported_trial(sweep, [0.5])
    attempt = Attempt.objects.get(trial=trial)
    beat(attempt)
    Attempt.objects.update(claimed_at=F("claimed_at") - timedelta(seconds=HOUR))
    recovery.end_overdue(lambda: Silence.ALL)
    trial.refresh_from_db()
    assert not trial.stop_reason
    late = 601.0 + settings.LEASE_SECONDS
    assert lifecycle.beat(attempt, pid=1, elapsed=late)
    recovery.end_overdue(lambda: Silence.ALL)
    trial.refresh_from_db()
    assert trial.stop_reason == "trial_timeout"


@pytest.mark.django_db
def test_the_time_of_an_asked_trial_does_not_jump(
    sweep: Sweep, clocks: Clocks, settings: Any
) -> None:
    """A change, forward or back, is not training time."""
    Sweep.objects.update(launches=False, trial_timeout=600)
    sweep.refresh_from_db()
    claim = ask.ask(sweep)
    Attempt.objects.update(elapsed=500.0)
    rounds = Rounds()
    go_on(rounds, clocks, 5)
    for by in (HOUR, -HOUR):
        set_clock(clocks, by)
        moved = timedelta(seconds=by)
        Attempt.objects.update(claimed_at=F("claimed_at") - moved)
        go_on(rounds, clocks, 5)
        assert lifecycle.ask_heartbeat(claim.attempt)
        go_on(rounds, clocks, 5)
        claim.attempt.refresh_from_db()
        assert 500 <= (claim.attempt.elapsed or 0) < 560
    claim.attempt.trial.refresh_from_db()
    assert not claim.attempt.trial.stop_reason


@pytest.mark.django_db
def test_a_sweep_never_takes_negative_time(sweep: Sweep) -> None:
    ended = datetime.now(UTC)
    sweep.started_at, sweep.ended_at = ended + timedelta(hours=1), ended
    assert sweep.took(ended) == timedelta()


@pytest.mark.django_db
def test_a_sweep_resumed_in_the_future_keeps_its_breakers(sweep: Sweep) -> None:
    """The clock was set back since."""
    trial = factories.reported_trial(sweep, [0.5])
    failure = lifecycle.Outcome(cause="exited", exit_code=1, message="Broken.")
    assert trial.current_attempt is not None
    lifecycle.finish_attempt(trial.current_attempt, failure)
    Attempt.objects.update(signature="a")

    def seen(resumed: float | None) -> tuple[int, int]:
        at = None if resumed is None else Now() + timedelta(seconds=resumed)
        Sweep.objects.update(resumed_at=at)
        sweep.refresh_from_db()
        assert (last_resumed(sweep) is None) == (resumed in (None, HOUR))
        return len(recent_attempts(sweep)), failures_since_resumed(sweep)

    assert seen(None) == (1, 1)
    assert seen(1.0) == (0, 0)
    assert seen(-HOUR) == (1, 1)
    assert seen(HOUR) == (1, 1)
