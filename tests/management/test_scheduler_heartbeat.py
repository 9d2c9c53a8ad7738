"""Schedulers write heartbeats into the database, not too often."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from experiments.management.commands import scheduler
from experiments.management.commands.scheduler import SchedulerHeartbeat
from experiments.models import IdempotencyKey, SchedulerProcess
from tests import factories

pytestmark = pytest.mark.django_db


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's transaction lives in the connection."""
    monkeypatch.setattr(scheduler, "close_old_connections", lambda: None)


@pytest.mark.usefixtures("one_connection")
def test_a_round_of_the_scheduler_leaves_its_heartbeat() -> None:
    scheduler.Rounds().round()
    row = SchedulerProcess.objects.get()
    assert row.pid > 0
    assert row.round_seconds > 0
    assert timezone.now() - row.heartbeat_at < timedelta(seconds=30)


@pytest.mark.usefixtures("one_connection")
def test_answers_for_idempotency_keys_are_deleted_after_a_day() -> None:
    user = factories.user("ada")
    now = timezone.now()
    for hours in (23, 25):
        IdempotencyKey.objects.create(
            user=user, digest=hours, status=201, created_at=now - timedelta(hours=hours)
        )
    scheduler.Rounds().round()
    assert IdempotencyKey.objects.get().digest == "23"


def test_heartbeats_are_written_every_few_seconds_with_the_longest_round() -> None:
    clock = Hand()
    heartbeat = SchedulerHeartbeat(now=clock)
    heartbeat.note(0.1)
    with CaptureQueriesContext(connection) as asked:
        heartbeat.note(3.0)
        heartbeat.note(0.2)
    assert len(asked) == 0
    clock.seconds += 6
    heartbeat.note(0.3)
    row = SchedulerProcess.objects.get()
    assert (row.round_seconds, row.longest_seconds) == (0.3, 3.0)


def test_a_row_that_was_removed_is_made_again_and_old_ones_go() -> None:
    clock = Hand()
    heartbeat = SchedulerHeartbeat(now=clock)
    heartbeat.note(0.1)
    SchedulerProcess.objects.all().delete()
    old = timezone.now() - timedelta(days=2)
    SchedulerProcess.objects.create(host="gone", pid=1, heartbeat_at=old)
    clock.seconds += 6
    heartbeat.note(0.1)
    assert SchedulerProcess.objects.count() == 1
    assert SchedulerProcess.objects.get().host != "gone"


def test_two_schedulers_have_a_row_each_and_say_goodbye() -> None:
    one, other = SchedulerHeartbeat(), SchedulerHeartbeat()
    one.note(0.1)
    other.note(0.1)
    one.stop()
    assert SchedulerProcess.objects.count() == 2
    assert SchedulerProcess.objects.filter(stopped_at=None).count() == 1
