"""How busy a host of a pool was in the last hour."""

from __future__ import annotations

from datetime import timedelta

import pytest

from experiments.db.clock import database_now
from experiments.models import Attempt, Pool
from experiments.pages.pools import hosts
from tests import factories
from tests.pages.pools.pool_hosts import put

pytestmark = pytest.mark.django_db


def test_busy_time_is_what_lay_in_the_last_hour(pool: Pool) -> None:
    worker = factories.worker(pool, slots=2)
    now = database_now()
    spans = ((90, 45), (30, 0))
    for minutes, ended in spans:
        trial = factories.trial(factories.sweep(factories.team()))
        attempt = put(trial, worker, 0)
        Attempt.objects.filter(pk=attempt.pk).update(
            state="finished",
            claimed_at=now - timedelta(minutes=minutes),
            heartbeat_at=now - timedelta(minutes=ended),
        )
    found = hosts.measure([worker], now)[worker.pk]
    assert found.share == pytest.approx(45 / 120)
    assert found.bars[0] == found.bars[-1] == hosts.BAR_HEIGHT / 2
    assert found.bars[10] == 0


def test_a_trial_of_two_slots_counts_twice_and_none_more_than_all(pool: Pool) -> None:
    worker = factories.worker(pool, slots=2)
    now = database_now()
    for slots in (2, 1):
        trial = factories.trial(factories.sweep(factories.team()))
        put(trial, worker, 0, slots=slots)
    Attempt.objects.update(claimed_at=now - timedelta(hours=2))
    assert hosts.measure([worker], now)[worker.pk].share == pytest.approx(1.0)


def test_a_host_that_did_nothing_was_not_busy(pool: Pool) -> None:
    worker = factories.worker(pool)
    assert hosts.measure([worker], database_now())[worker.pk].share == 0
