"""What becomes a notification, once, and whom it concerns."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from experiments import lifecycle
from experiments.cleanup import quotas
from experiments.models import (
    ApiToken,
    Attempt,
    Event,
    ExperimentWatch,
    Notification,
    NotificationChannel,
    NotificationDelivery,
    Sweep,
    Team,
    User,
)
from experiments.notifications import facts
from experiments.notifications.channels import change_channel, own_channels
from experiments.notifications.recipients import address_new
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def physics() -> Team:
    return factories.team(ada="member", root="admin", vera="viewer")


@pytest.fixture
def sweep(physics: Team) -> Sweep:
    return factories.sweep(physics, created_by=factories.user("ada"))


def titles() -> list[str]:
    return list(Notification.objects.order_by("id").values_list("title", flat=True))


def notified(kind: str = "browser") -> set[str]:
    """Who gets something by this kind of channel."""
    address_new()
    rows = NotificationDelivery.objects.filter(channel__kind=kind)
    return set(rows.values_list("channel__user__username", flat=True))


def want(name: str, *kinds: str, channel: str = "browser") -> None:
    user = factories.user(name)
    change_channel(own_channels(user)[channel], actor=user, kinds=kinds)


class TestTransitions:
    def test_an_end_is_noted_with_its_transaction(self, sweep: Sweep) -> None:
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            lifecycle.complete_sweep(sweep, reason="target", message="Reached.")
            raise ZeroDivisionError
        assert titles() == []
        sweep.refresh_from_db()
        lifecycle.complete_sweep(sweep, reason="target", message="Reached.")
        assert titles() == [f"Sweep {sweep.label} has completed"]

    def test_an_end_names_the_best_trial(self, sweep: Sweep) -> None:
        factories.trial(sweep, state="completed", value=0.25)
        lifecycle.complete_sweep(sweep, reason="target", message="Reached.")
        notified()
        found = Notification.objects.get()
        assert found.message == "Reached. The best is trial 0, with accuracy 0.2500."
        assert found.path == sweep.get_absolute_url()

    def test_failures_and_pauses_of_its_own_are_noted(self, sweep: Sweep) -> None:
        lifecycle.pause_sweep(sweep, reason="max_failed_trials", message="5 failed.")
        lifecycle.fail_sweep(sweep, reason="all_failed", message="All failed.")
        kinds = Notification.objects.order_by("id").values_list("kind", flat=True)
        assert list(kinds) == ["stuck", "failed"]

    def test_what_a_person_does_is_not(self, sweep: Sweep) -> None:
        lifecycle.pause_sweep(sweep, actor=factories.user("ada"))
        lifecycle.cancel_sweep(sweep, actor=factories.user("ada"))
        assert titles() == []


class TestPeople:
    def end(self, sweep: Sweep) -> None:
        lifecycle.fail_sweep(sweep, reason="all_failed", message="All failed.")

    def test_the_owner_gets_one_in_the_browser(self, sweep: Sweep) -> None:
        self.end(sweep)
        assert notified() == {"ada"}
        assert notified("email") == set()

    def test_a_person_chooses_kinds(self, sweep: Sweep) -> None:
        want("ada", "finished")
        self.end(sweep)
        assert notified() == set()

    @pytest.mark.parametrize(("level", "names"), [("all", {"vera"}), ("none", set())])
    def test_a_person_watches_an_experiment(
        self, sweep: Sweep, level: str, names: set[str]
    ) -> None:
        Sweep.objects.update(created_by=factories.user("root"))
        for name in ("vera", "root"):
            ExperimentWatch.objects.create(
                user=factories.user(name),
                experiment=sweep.experiment,
                level=level if name == "vera" else "none",
            )
        self.end(sweep)
        assert notified() == names

    def test_who_has_left_the_team_gets_none(self, sweep: Sweep, physics: Team) -> None:
        physics.memberships.filter(user__username="ada").delete()
        self.end(sweep)
        assert notified() == set()

    def test_a_team_s_channel_gets_one_of_its_experiment_only(
        self, sweep: Sweep, physics: Team
    ) -> None:
        other = factories.experiment(physics, "letters")
        for experiment in (None, sweep.experiment, other):
            NotificationChannel.objects.create(
                kind="slack",
                team=physics,
                name=str(experiment),
                experiment=experiment,
                kinds="failed",
            )
        stranger = factories.team("Chemistry")
        NotificationChannel.objects.create(
            kind="slack", team=stranger, name="stranger", kinds="failed"
        )
        self.end(sweep)
        address_new()
        rows = NotificationDelivery.objects.filter(channel__kind="slack")
        assert sorted(rows.values_list("channel__name", flat=True)) == [
            "None",
            sweep.experiment.name,
        ]

    def test_nothing_is_made_twice(self, sweep: Sweep) -> None:
        self.end(sweep)
        notified()
        Notification.objects.update(addressed_at=None)
        notified()
        assert NotificationDelivery.objects.count() == 1

    def test_a_quota_is_for_admins_of_the_team(self, physics: Team) -> None:
        quotas.set_quota(physics, 1000, actor=None)
        Team.objects.update(near_quota_since=None)
        quotas._judge(quotas.QuotaUse(Team.objects.get(), 900))
        assert titles() == ["Team Physics: quota nearly used up"]
        assert notified() == {"root"}


class TestNewBest:
    def complete(self, sweep: Sweep, value: float) -> None:
        factories.trial(sweep, state="completed", value=value)
        facts.note_new_bests()

    def test_it_is_noted_after_the_first(self, sweep: Sweep) -> None:
        want("ada", "best")
        for value in (0.5, 0.4, 0.6, 0.6):
            self.complete(sweep, value)
        assert titles() == [f"Sweep {sweep.label} has a new best: 0.6000"]
        message = "Trial 2 has accuracy 0.6000, before 0.5000."
        assert Notification.objects.get().message == message

    def test_less_is_better_for_a_loss(self, physics: Team) -> None:
        want("ada", "best")
        loss = factories.sweep(physics, primary_metric="loss", goal="minimize")
        for value in (0.5, 0.6, 0.4):
            self.complete(loss, value)
        assert titles() == [f"Sweep {loss.label} has a new best: 0.4000"]

    def test_nothing_is_read_if_nobody_wants_it(self, sweep: Sweep) -> None:
        factories.trial(sweep, state="completed", value=0.5)
        with CaptureQueriesContext(connection) as queries:
            facts.note_new_bests()
        assert len(queries) == 1

    def test_the_number_of_queries_does_not_grow(self, physics: Team) -> None:
        want("ada", "best")
        for _ in range(3):
            self.complete(factories.sweep(physics), 0.5)
        with CaptureQueriesContext(connection) as queries:
            facts.note_new_bests()
        assert len(queries) == 2


class TestWaiting:
    def started(self, sweep: Sweep, minutes: int) -> None:
        moment = timezone.now() - timedelta(minutes=minutes)
        Sweep.objects.filter(pk=sweep.pk).update(started_at=moment)

    def test_a_sweep_without_a_worker_is_noted_once(self, sweep: Sweep) -> None:
        self.started(sweep, 5)
        facts.note_waiting_sweeps()
        assert titles() == []
        self.started(sweep, 20)
        facts.note_waiting_sweeps()
        facts.note_waiting_sweeps()
        assert titles() == [f"Sweep {sweep.label} waits for a worker"]

    def test_one_that_trains_is_not(self, sweep: Sweep) -> None:
        factories.claim(factories.trial(sweep))
        self.started(sweep, 20)
        facts.note_waiting_sweeps()
        assert titles() == []

    def test_the_next_wait_is_noted_too(self, sweep: Sweep) -> None:
        self.started(sweep, 60)
        facts.note_waiting_sweeps()
        attempt = factories.claim(factories.trial(sweep)).attempt
        lifecycle.finish_attempt(attempt, lifecycle.Outcome(cause="stopped"))
        facts.note_waiting_sweeps()
        assert len(titles()) == 1
        ago = timezone.now() - timedelta(minutes=20)
        Notification.objects.update(created_at=ago - timedelta(minutes=5))
        Attempt.objects.update(ended_at=ago)
        for _ in range(2):
            facts.note_waiting_sweeps()
        assert len(titles()) == 2

    def test_no_attempt_of_long_ago_is_read(self) -> None:
        assert "updated_at" in facts._without_running_trials().explain()


class TestTokens:
    def token(self, *, days: float, age: float) -> None:
        factories.api_token(factories.user("ada"))
        now = timezone.now()
        ApiToken.objects.update(
            expires_at=now + timedelta(days=days), created_at=now - timedelta(days=age)
        )

    @pytest.mark.parametrize(
        ("days", "age", "count"), [(8, 80, 0), (6, 80, 1), (6, 2, 0), (0.5, 80, 1)]
    )
    def test_its_owner_gets_one_before_it_ends(
        self, days: float, age: float, count: int
    ) -> None:
        self.token(days=days, age=age)
        for _ in range(2):
            facts.note_ending_tokens()
        assert Notification.objects.count() == count
        assert notified() == ({"ada"} if count else set())

    def test_again_on_the_last_day(self) -> None:
        self.token(days=6, age=80)
        facts.note_ending_tokens()
        ApiToken.objects.update(expires_at=timezone.now() + timedelta(hours=5))
        for _ in range(2):
            facts.note_ending_tokens()
        assert Notification.objects.count() == 2


class TestBackups:
    def test_administrators_get_one_of_an_old_one(self, settings: Any) -> None:
        factories.user("sue", is_superuser=True)
        Event.log("backup made", "sweepsite-1")
        facts.note_old_backup()
        Event.objects.update(created_at=timezone.now() - timedelta(days=3))
        facts.note_old_backup()
        assert titles() == []
        settings.BACKUP_DAYS = 2
        facts.note_old_backup()
        facts.note_old_backup()
        assert titles() == ["No backup for more than 2 d"]
        assert notified() == {"sue"}


def test_a_service_account_gets_none(physics: Team) -> None:
    robot = User.objects.create(username="robot", service_team=physics)
    sweep = factories.sweep(physics, created_by=robot)
    lifecycle.fail_sweep(sweep, reason="all_failed", message="All failed.")
    assert notified() == set()
