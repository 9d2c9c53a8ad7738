"""The feed that keeps a sweep's page fresh."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from experiments import lifecycle
from experiments.models import Sweep, Trial
from experiments.pages.sweep import feed as feeds
from experiments.pages.sweep.feed import FeedToken
from experiments.pages.sweep.sparklines import MAX_SAMPLED
from experiments.sweeps import news
from tests import factories
from tests.pages.clients import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes of a moment ago would otherwise still count as new."""
    monkeypatch.setattr(news, "OVERLAP", 0.0)
    monkeypatch.setattr(news, "LONG_OVERLAP", 0.0)


@pytest.fixture
def sweep() -> Sweep:
    return factories.sweep(factories.team(ada="member"))


@pytest.fixture
def client() -> Client:
    return client_of("ada")


def feed(client: Client, sweep: Sweep, since: str = "", **query: str) -> dict[str, Any]:
    url = f"/sweeps/{sweep.pk}/feed.json"
    answer: dict[str, Any] = client.get(url, {"since": since, **query}).json()
    return answer


def test_the_first_answer_has_everything(client: Client, sweep: Sweep) -> None:
    trial = factories.reported_trial(sweep, [0.5, 0.6], state="completed")
    answer = feed(client, sweep)
    assert answer["changed"]
    assert answer["order"] == [trial.pk]
    assert "0.6000" in answer["rows"][str(trial.pk)]
    assert "tiles-sweep" in answer["parts"]["answers"]
    assert "Pause" in answer["parts"]["head"]
    assert answer["best"] == trial.pk
    assert answer["counts"]["completed"] == 1
    assert not answer["final"]


def test_nothing_new_is_answered_by_one_query_of_its_own(
    client: Client, sweep: Sweep, django_assert_num_queries: Any
) -> None:
    factories.reported_trial(sweep, [0.5])
    since = feed(client, sweep)["since"]
    # Session, user and sweep, the clock where it is not this host's; then whether any
    # trial has changed.
    with django_assert_num_queries(4 + (connection.vendor != "sqlite")):
        answer = feed(client, sweep, since)
    assert not answer["changed"]
    assert "rows" not in answer
    assert answer["since"] >= since


def test_a_report_brings_its_trial_and_no_other_row(
    client: Client, sweep: Sweep
) -> None:
    factories.reported_trial(sweep, [0.1, 0.9], state="completed")
    idle = factories.reported_trial(sweep, [0.5, 0.6, 0.5, 0.5])
    busy = factories.reported_trial(sweep, [0.5, 0.6])
    since = feed(client, sweep)["since"]
    factories.report(busy, [0.55], first_step=2)
    answer = feed(client, sweep, since)
    assert [row["id"] for row in answer["trials"]] == [busy.pk]
    assert str(busy.pk) in answer["rows"]
    assert str(idle.pk) not in answer["rows"]
    assert idle.pk in answer["order"]
    assert "head" not in answer["parts"]


def test_people_who_ask_at_the_same_time_share_an_answer(
    client: Client,
    sweep: Sweep,
    django_assert_max_num_queries: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feeds, "SHARED_FOR", timedelta(minutes=10))
    busy = factories.reported_trial(sweep, [0.5, 0.6])
    since = feed(client, sweep)["since"]
    factories.report(busy, [0.55], first_step=2)
    first = feed(client, sweep, since)
    # Session, user, whether they may see and change it, and the clock.
    with django_assert_max_num_queries(5):
        second = feed(client, sweep, since)
    assert second == first and str(busy.pk) in first["rows"]
    # Who has seen it gets what came since.
    factories.report(busy, [0.45], first_step=3)
    third = feed(client, sweep, first["since"])
    assert third["since"] > first["since"]
    assert third["trials"][0]["reports"] == 4


def test_a_shared_answer_is_of_what_each_may_see_and_do(
    client: Client, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "SHARED_FOR", timedelta(minutes=10))
    factories.team("Others", bob="member")
    factories.team(vera="viewer")
    since = feed(client, sweep)["since"]
    factories.reported_trial(sweep, [0.5])
    made = counted(monkeypatch)
    feed(client, sweep, since)
    url = f"/sweeps/{sweep.pk}/feed.json"
    assert client_of("bob").get(url, {"since": since}).status_code == 404
    assert len(made) == 1
    feed(client_of("vera"), sweep, since)
    assert len(made) == 2
    # Their frames differ in what they may do.
    assert "Pause" not in feed(client_of("vera"), sweep, since)["parts"]["head"]


def test_an_answer_of_before_a_pause_is_not_shared(
    client: Client, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "SHARED_FOR", timedelta(minutes=10))
    since = feed(client, sweep)["since"]
    factories.reported_trial(sweep, [0.5])
    feed(client, sweep, since)
    lifecycle.pause_sweep(sweep)
    assert feed(client, sweep, since)["state"] == "paused"


def test_all_rows_suit_every_look(
    client: Client, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "SHARED_FOR", timedelta(minutes=10))
    since = FeedToken.read(feed(client, sweep)["since"], timezone.now())
    busy = factories.reported_trial(sweep, [0.5])
    made = counted(monkeypatch)
    for look in ("one", "another"):
        token = FeedToken(since.time, since.frame, look)
        assert set(feed(client, sweep, str(token))["rows"]) == {str(busy.pk)}
    assert len(made) == 1


def test_reports_of_the_longest_trial_seldom_change_the_look(
    client: Client, sweep: Sweep
) -> None:
    for _ in range(MAX_SAMPLED + 1):
        busy = factories.reported_trial(sweep, [0.5] * 20)
    looks = []
    for step in range(5):
        looks.append(feed(client, sweep)["since"].split("~")[2])
        factories.report(busy, [0.5], first_step=20 + step)
    assert len(set(looks)) <= 2


def counted(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Grows with each answer that is made and not shared."""
    made: list[object] = []
    real = feeds._overview_news

    def counts(*args: Any, **kwargs: Any) -> dict[str, Any]:
        made.append(args)
        return real(*args, **kwargs)

    monkeypatch.setattr(feeds, "_overview_news", counts)
    return made


def test_a_new_trial_changes_the_look_and_so_brings_all_rows(
    client: Client, sweep: Sweep
) -> None:
    first = factories.reported_trial(sweep, [0.5])
    since = feed(client, sweep)["since"]
    second = factories.trial(sweep)
    answer = feed(client, sweep, since)
    assert answer["order"] == [second.pk, first.pk]
    assert set(answer["rows"]) == {str(first.pk), str(second.pk)}


def test_an_end_brings_the_row_of_the_best_which_says_of_how_many(
    client: Client, sweep: Sweep
) -> None:
    best = factories.reported_trial(sweep, [0.9] * 3, state="completed")
    busy = factories.reported_trial(sweep, [0.5])
    since = feed(client, sweep)["since"]
    Trial.objects.filter(pk=busy.pk).update(
        state="completed", value=0.55, updated_at=timezone.now()
    )
    answer = feed(client, sweep, since)
    assert "best of 2" in answer["rows"][str(best.pk)]


def test_the_curves_of_the_charts_are_drawn_in_the_rows_too(
    client: Client, sweep: Sweep
) -> None:
    busy = factories.reported_trial(sweep, [0.5, 0.6])
    since = feed(client, sweep)["since"]
    factories.report(busy, [0.55], first_step=2)
    with CaptureQueriesContext(connection) as queries:
        answer = feed(client, sweep, since)
    assert 'class="spark-floor"' in answer["rows"][str(busy.pk)]
    read = [each for each in queries if '"experiments_metric"."tail"' in each["sql"]]
    assert len(answer["trials"][0]["curve"]) == 3
    # And once for the scale of so few trials.
    assert len(read) == 2


def test_a_changed_state_brings_the_head(client: Client, sweep: Sweep) -> None:
    since = feed(client, sweep)["since"]
    lifecycle.pause_sweep(sweep)
    answer = feed(client, sweep, since)
    assert answer["state"] == "paused"
    assert "Resume" in answer["parts"]["head"]


def test_it_is_final_when_the_sweep_has_ended_and_nothing_lives(
    client: Client, sweep: Sweep
) -> None:
    trial = factories.trial(sweep)
    attempt = factories.claim(trial).attempt
    lifecycle.cancel_sweep(sweep)
    assert not feed(client, sweep)["final"]
    trial.refresh_from_db()
    lifecycle.finish_attempt(attempt, lifecycle.Outcome(cause="stopped"))
    answer = feed(client, sweep)
    assert answer["final"]
    assert feed(client, sweep, answer["since"])["final"]


def test_an_end_that_was_committed_late_is_seen(
    client: Client, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page has asked between the time on the rows and their commit."""
    monkeypatch.undo()
    trial = factories.trial(sweep)
    since = feed(client, sweep)["since"]
    late = timezone.now() - timedelta(seconds=20)
    sweep.trials.update(state="completed", value=0.5, updated_at=late)
    Sweep.objects.filter(pk=sweep.pk).update(state="completed", updated_at=late)
    answer = feed(client, sweep, since)
    assert answer["final"]
    assert "completed" in answer["parts"]["head"]
    assert "Ran to the end" in answer["rows"][str(trial.pk)]


def test_it_sends_the_rows_that_the_page_was_asked_for(
    client: Client, sweep: Sweep
) -> None:
    factories.trial(sweep, state="failed")
    done = factories.trial(sweep, state="completed", value=0.5)
    answer = feed(client, sweep, q="state = completed")
    assert answer["order"] == [done.pk]
    assert "since=" not in answer["parts"]["chips"]


def test_the_trials_tab_gets_its_head_and_counts_alone(
    client: Client, sweep: Sweep
) -> None:
    factories.trial(sweep, state="failed")
    answer = feed(client, sweep, part="trials")
    assert answer["counts"]["failed"] == 1
    assert list(answer["parts"]) == ["head"]
    assert "rows" not in answer


def test_a_row_is_the_same_in_the_page_and_in_the_feed(
    client: Client, sweep: Sweep
) -> None:
    trial = factories.trial(sweep, state="completed", value=0.5, elapsed=3.0)
    text = client.get(f"/sweeps/{sweep.pk}/").content.decode()
    row = feed(client, sweep)["rows"][str(trial.pk)]
    assert row.strip() in text


def test_the_page_hands_the_feed_a_token_from_which_nothing_is_new(
    client: Client, sweep: Sweep
) -> None:
    factories.reported_trial(sweep, [0.5])
    text = client.get(f"/sweeps/{sweep.pk}/").content.decode()
    found = re.search(r'data-since="([^"]+)"', text)
    assert found is not None
    assert not feed(client, sweep, found[1].replace("&#x27;", "'"))["changed"]


@pytest.mark.parametrize("text", ["", "yesterday", "2026-01-01T00:00:00", "~~~"])
def test_a_token_that_is_none_asks_for_everything(text: str) -> None:
    assert FeedToken.read(text, timezone.now()).time is None


def test_a_token_of_the_future_asks_for_everything(
    client: Client, sweep: Sweep
) -> None:
    """The clock was set back since: what has changed is then older than the token."""
    trial = factories.reported_trial(sweep, [0.5])
    future = timezone.now() + timedelta(hours=1)
    answer = feed(client, sweep, f"{future.isoformat()}~~")
    assert answer["changed"]
    assert str(trial.pk) in answer["rows"]


def test_a_feed_costs_the_same_however_many_trials_there_are(
    client: Client, sweep: Sweep, django_assert_max_num_queries: Any
) -> None:
    costs = []
    feed(client, sweep)
    for _ in range(2):
        for _ in range(10):
            factories.reported_trial(sweep, [0.5, 0.6], state="completed")
        with django_assert_max_num_queries(45) as queries:
            feed(client, sweep)
        costs.append(len(queries))
    assert costs[0] == costs[1]
    assert Trial.objects.count() == 20
