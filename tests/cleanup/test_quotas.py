"""Quotas of teams: new trials of a team over its quota wait, and nothing is lost."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from experiments import origin
from experiments.cleanup import quotas
from experiments.models import Event, Pool, SpaceUsage, Sweep, Team, Trial
from experiments.scheduling import ask, rounds
from experiments.scheduling.waiting import queue_of, wait_of
from tests import factories
from tests.pages.clients import client_of, page, sweep_page
from tests.scheduling.test_dispatch import notified

__all__ = ["notified"]

pytestmark = pytest.mark.django_db
GB = 1_000_000_000


def use(team: Team, size: int) -> None:
    """A measurement that finds this many bytes."""
    SpaceUsage.objects.filter(team=team).delete()
    SpaceUsage.objects.create(day=date.today(), team=team, kind="artifacts", bytes=size)
    quotas.judge()


@pytest.fixture
def physics() -> Team:
    return factories.team(ada="member")


def fresh(sweep: Sweep) -> Sweep:
    return Sweep.objects.select_related("experiment__team", "pool").get(pk=sweep.pk)


def test_new_trials_wait_with_a_reason_until_there_is_space(
    physics: Team, notified: Any
) -> None:
    quotas.set_quota(physics, 10 * GB, actor=None)
    sweep = factories.sweep(physics)
    host = factories.worker(sweep.pool, slots=4)
    first = factories.trial(sweep)
    use(physics, 11 * GB)
    rounds.advance_all()
    assert Trial.objects.count() == 1
    (place,) = queue_of(Pool.objects.get(), teams=[physics.pk])
    assert place.reason.cause == (
        "Team Physics uses more than its 10 GB of space, so new trials wait."
    )
    assert "larger quota" in place.reason.help_text
    assert first.current_attempt is not None
    assert wait_of(first.current_attempt) == place.reason
    assert quotas.waiting_text(fresh(sweep)) == place.reason.cause
    assert place.reason.cause in sweep_page(sweep)
    use(physics, 9 * GB)
    assert quotas.waiting_text(fresh(sweep)) is None
    rounds.advance_all()
    assert (
        Trial.objects.filter(current_attempt__dispatched_to=host).count()
        == sweep.max_concurrent_trials
    )


def test_a_sweep_without_a_waiting_trial_is_in_the_queue_with_the_reason(
    physics: Team, notified: Any
) -> None:
    sweep = factories.sweep(physics)
    factories.worker(sweep.pool)
    other = factories.sweep(factories.team("Biology"))
    use(physics, 1)
    quotas.set_quota(physics, 0, actor=factories.user("ada"))
    rounds.advance_all()
    assert not sweep.trials.exists() and other.trials.count() == 2
    reasons = {each.sweep: each.reason.cause for each in queue_of(Pool.objects.get())}
    assert "uses more than its 0 B" in reasons[sweep]


def test_a_trial_that_has_begun_is_tried_again_over_the_quota(
    physics: Team, notified: Any
) -> None:
    sweep = factories.sweep(physics)
    trial = factories.trial(sweep)
    factories.lose(factories.claim(trial).attempt)
    use(physics, 2)
    quotas.set_quota(physics, 1, actor=None)
    rounds.advance_all()
    trial.refresh_from_db()
    assert trial.current_attempt is not None
    assert trial.current_attempt.n == 2 and trial.current_attempt.dispatched_at
    assert sweep.trials.count() == 1


def test_a_process_that_asks_is_refused_in_words(physics: Team) -> None:
    sweep = fresh(factories.sweep(physics, launches=False))
    use(physics, 2)
    quotas.set_quota(physics, 1, actor=None)
    with pytest.raises(ask.NothingToRun, match="more than its 1 B") as refused:
        ask.ask(fresh(sweep))
    assert refused.value.code == "over_quota"


def test_what_follows_from_a_new_quota_is_not_the_persons_act(physics: Team) -> None:
    use(physics, 6)
    with origin.of_request("/cleanup/", "127.0.0.1"):
        quotas.set_quota(physics, 5, actor=factories.user("ada"))
    events = Event.objects.filter(team=physics).order_by("pk")
    assert [(event.via, event.address) for event in events] == [
        ("browser", "127.0.0.1"),
        ("sweepsite", ""),
    ]


def test_each_change_is_an_event(physics: Team) -> None:
    quotas.set_quota(physics, 5, actor=factories.user("ada"))
    quotas.set_quota(physics, 5, actor=factories.user("ada"))
    use(physics, 6)
    use(physics, 7)
    quotas.set_quota(physics, None, actor=factories.user("ada"))
    events = Event.objects.filter(team=physics).order_by("pk")
    assert [(event.verb, event.message) for event in events] == [
        ("quota changed", "5 B"),
        ("quota used up", "6 B of 5 B"),
        ("quota changed", "no quota"),
        ("quota free again", "7 B, without a quota"),
    ]
    assert events[0].after == {"quota_bytes": 5}


@pytest.mark.parametrize(
    ("used", "quota", "is_near", "is_over"),
    [
        (79, 100, False, False),
        (80, 100, True, False),
        (101, 100, True, True),
        (0, 0, True, False),
        (5, None, False, False),
    ],
)
def test_a_quota_warns_at_80_percent(
    used: int, quota: int | None, is_near: bool, is_over: bool
) -> None:
    use = quotas.QuotaUse(Team(quota_bytes=quota), used)
    assert (use.is_near, use.is_over) == (is_near, is_over)


def test_80_percent_and_more_than_all_are_one_event_each_and_on_pages(
    physics: Team,
) -> None:
    factories.team(ada="admin", vera="viewer")
    factories.sweep(physics)
    quotas.set_quota(physics, 10 * GB, actor=None)
    ada, vera = client_of("ada"), client_of("vera")
    for size in (7, 8, 9, 11, 12, 9, 7):
        use(physics, size * GB)
        near, over = 8 <= size <= 10, size > 10
        for path in ("/", f"/teams/{physics.slug}/"):
            text = page(ada, path)
            assert ("uses at least 80 % of its 10 GB" in text) == near
            assert ("uses more than its 10 GB" in text) == over
    use(physics, 11 * GB)
    assert "its 10 GB" not in page(vera, "/"), "she can do nothing about it"
    verbs = Event.objects.filter(verb__startswith="quota").order_by("pk")
    assert [event.verb for event in verbs] == [
        "quota changed",
        "quota nearly used up",
        "quota used up",
        "quota free again",
        "quota used up",
    ]
