"""What was running in a backup waits for people when it is restored."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from experiments import lifecycle
from experiments.models import (
    Attempt,
    Event,
    NotificationChannel,
    Sweep,
    Trial,
    Worker,
    WorkerToken,
)
from experiments.notifications.recipients import address_new
from tests import factories

pytestmark = pytest.mark.django_db
WHEN = datetime(2026, 1, 31, 2, 30, tzinfo=UTC)


def test_work_of_the_backup_is_lost_and_waits() -> None:
    team = factories.team(ada="admin")
    sweep, done = factories.sweep(team), factories.sweep(team, state="completed")
    running = factories.trial(sweep)
    factories.claim(running)
    ended = factories.trial(sweep, state="completed")
    pool = factories.pool(team)
    factories.worker_token(pool)
    held = lifecycle.hold_restored(WHEN, worker_tokens=False)
    assert held == (1, 1, 1)
    sweep.refresh_from_db()
    assert (sweep.state, sweep.reason) == ("paused", "restored")
    assert "2026-01-31 02:30 UTC" in sweep.message
    states = dict(Trial.objects.values_list("pk", "state"))
    assert (states[running.pk], states[ended.pk]) == ("queued", "completed")
    attempts = Attempt.objects.filter(trial=running).order_by("n")
    assert [each.state for each in attempts] == ["lost", "queued"]
    assert Sweep.objects.get(pk=done.pk).state == "completed"
    assert not Worker.objects.filter(stopped_at=None).exists()
    event = Event.objects.get(verb="restored")
    assert event.message.endswith(
        "1 sweep paused, 1 attempt lost, 1 worker credential revoked."
    )


def test_what_the_old_site_may_have_sent_is_not_sent_again() -> None:
    ada = factories.user("ada")
    sweeps = [factories.sweep(factories.team(), created_by=ada) for _ in range(3)]
    channel = NotificationChannel.objects.create(
        kind="slack", team=factories.team(), name="ours", kinds="failed stuck"
    )
    lifecycle.fail_sweep(sweeps[0], reason="all_failed", message="")
    address_new()
    lifecycle.fail_sweep(sweeps[1], reason="all_failed", message="")
    lifecycle.hold_restored(WHEN, worker_tokens=False)
    address_new()
    rows = channel.deliveries.order_by("id")
    # That the third sweep is paused is new.
    assert [(row.notification.kind, row.state) for row in rows] == [
        ("failed", "failed"),
        ("stuck", "waiting"),
    ]
    assert "the backup of 2026-01-31" in rows[0].answer


def test_a_restore_costs_no_attempt() -> None:
    retries = {"retries": {"max_attempts": 1}}
    document = factories.definition_document(**retries)
    sweep = factories.sweep(factories.team(ada="admin"), document=document)
    trial = factories.trial(sweep)
    factories.claim(trial)
    lifecycle.hold_restored(WHEN, worker_tokens=False)
    trial.refresh_from_db()
    assert trial.state == "queued"


def test_credentials_of_workers_stay_valid_by_consent() -> None:
    factories.worker_token(factories.pool(factories.team(ada="admin")))
    assert lifecycle.hold_restored(WHEN, worker_tokens=True).worker_tokens == 0
    assert WorkerToken.objects.filter(revoked_at=None).exists()
