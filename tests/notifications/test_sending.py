"""Deliveries: sent once, tried again with growing delays, and never lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from experiments import lifecycle
from experiments.models import (
    Event,
    Notification,
    NotificationChannel,
    NotificationDelivery,
    Sweep,
    Team,
    User,
)
from experiments.notifications import outbox, sending
from experiments.notifications.channels import (
    change_channel,
    own_channels,
    send_test,
)
from tests import factories
from tests.notifications.conftest import Receiver, webhook
from tests.pages.accounts.mail_server import MailServer, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def physics() -> Team:
    return factories.team(ada="admin")


@pytest.fixture
def ada(physics: Team) -> User:
    User.objects.update(email="ada@physics.example")
    return User.objects.get()


@pytest.fixture
def sweep(physics: Team, ada: User) -> Sweep:
    return factories.sweep(physics, created_by=ada)


def end(sweep: Sweep) -> None:
    lifecycle.fail_sweep(sweep, reason="all_failed", message="All failed.")


def hurry() -> None:
    """As if the time of all that waits had come."""
    NotificationDelivery.objects.filter(state="waiting").update(due_at=timezone.now())


def delivery(kind: str = "webhook") -> NotificationDelivery:
    return NotificationDelivery.objects.get(channel__kind=kind)


def test_a_webhook_gets_it_once(
    sweep: Sweep, physics: Team, ada: User, receiver: Receiver
) -> None:
    _, secret = webhook(physics, receiver.url, actor=ada)
    end(sweep)
    for _ in range(3):
        sending.send_waiting()
        hurry()
    (found,) = receiver.bodies()
    assert found["type"] == "sweep.failed"
    assert (delivery().state, delivery().tries) == ("sent", 1)
    assert delivery().answer == "127.0.0.1 answered 200: ok"
    ((headers, body),) = receiver.got
    expected = sending.messages.signed_headers(
        body, name=sending.messages.webhook_id(delivery()), secret=secret
    )
    if headers["webhook-timestamp"] == expected["webhook-timestamp"]:
        assert headers["webhook-signature"] == expected["webhook-signature"]


def test_secrets_are_encrypted(physics: Team, ada: User, receiver: Receiver) -> None:
    _, secret = webhook(physics, receiver.url, actor=ada)
    stored = NotificationChannel.objects.values().get()
    assert secret.startswith("whsec_")
    assert receiver.url not in str(stored)
    assert secret not in str(stored)
    assert "key=1" not in str(list(Event.objects.values()))


def test_failures_are_tried_again_with_growing_delays(
    sweep: Sweep, physics: Team, ada: User, receiver: Receiver
) -> None:
    webhook(physics, receiver.url, actor=ada)
    receiver.status = 503
    end(sweep)
    delays = []
    for _ in range(8):
        sending.send_waiting()
        row = delivery()
        if row.due_at is not None:
            delays.append((row.due_at - timezone.now()).total_seconds())
        hurry()
    expected = [pytest.approx(delay, abs=5) for delay in sending.DELAYS]
    assert delays == expected
    assert len(receiver.got) == len(sending.DELAYS) + 1
    assert row.state == "failed"
    assert row.answer == "127.0.0.1 answered 503: no_service"
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1


def test_others_of_that_channel_wait_as_well(
    sweep: Sweep, physics: Team, ada: User, receiver: Receiver
) -> None:
    webhook(physics, receiver.url, actor=ada)
    receiver.status = 503
    end(sweep)
    end(factories.sweep(physics))
    sending.send_waiting()
    assert len(receiver.got) == 1
    sending.send_waiting()
    assert len(receiver.got) == 1
    receiver.status = 200
    hurry()
    sending.send_waiting()
    assert len(receiver.got) == 3


def test_others_of_that_channel_wait_for_the_first_delay_only(
    sweep: Sweep, physics: Team, ada: User, receiver: Receiver
) -> None:
    webhook(physics, receiver.url, actor=ada)
    receiver.status = 503
    end(sweep)
    end(factories.sweep(physics))
    sending.address_new()
    rows = NotificationDelivery.objects.filter(channel__kind="webhook").order_by("pk")
    rows.filter(pk=rows[0].pk).update(tries=4)
    sending.send_waiting()
    now = timezone.now()
    delays = [(row.due_at - now).total_seconds() for row in rows if row.due_at]
    assert delays == [pytest.approx(delay, abs=5) for delay in (21_600, 30)]


def test_a_final_refusal_is_not_tried_again(
    sweep: Sweep, physics: Team, ada: User, receiver: Receiver
) -> None:
    webhook(physics, receiver.url, actor=ada)
    receiver.status = 404
    end(sweep)
    sending.send_waiting()
    assert (delivery().state, delivery().tries) == ("failed", 1)


@pytest.mark.parametrize("status", [200, 404])
def test_an_answer_that_no_database_keeps_is_kept_without_nul(
    sweep: Sweep, physics: Team, ada: User, receiver: Receiver, status: int
) -> None:
    webhook(physics, receiver.url, actor=ada)
    receiver.status, receiver.says = status, b"a\0b"
    end(sweep)
    sending.send_waiting()
    assert delivery().answer == f"127.0.0.1 answered {status}: ab"
    assert delivery().state == ("sent" if status == 200 else "failed")


def test_one_that_ends_each_process_is_given_up(
    sweep: Sweep, physics: Team, ada: User, receiver: Receiver
) -> None:
    webhook(physics, receiver.url, actor=ada)
    end(sweep)
    sending.address_new()
    NotificationDelivery.objects.update(tries=len(sending.DELAYS) + 1)
    sending.send_waiting()
    assert (delivery().state, receiver.got) == ("failed", [])


def test_two_processes_send_it_once(
    sweep: Sweep, physics: Team, ada: User, receiver: Receiver
) -> None:
    webhook(physics, receiver.url, actor=ada)
    end(sweep)
    sending.address_new()
    both = [delivery(), delivery()]
    assert [sending.attempt(row) for row in both] == [True, True]
    assert len(receiver.got) == 1


def test_one_that_a_dead_process_had_is_sent_after_a_while(
    sweep: Sweep, physics: Team, ada: User, receiver: Receiver
) -> None:
    webhook(physics, receiver.url, actor=ada)
    end(sweep)
    sending.address_new()
    claimed = NotificationDelivery.objects.filter(pk=delivery().pk)
    later = timezone.now() + timedelta(seconds=sending.CLAIM_SECONDS)
    claimed.update(tries=F("tries") + 1, due_at=later)
    sending.send_waiting()
    assert receiver.got == []
    hurry()
    sending.send_waiting()
    assert len(receiver.got) == 1


def test_an_email_says_what_where_and_why(
    sweep: Sweep, ada: User, server: MailServer, settings: Any
) -> None:
    settings.SITE_URL = "https://sweeps.example"
    change_channel(own_channels(ada)["email"], actor=ada, kinds=["failed"])
    end(sweep)
    sending.send_waiting()
    message = server.last()
    assert message["To"] == "ada@physics.example"
    assert message["Subject"] == f"sweepsite: Sweep {sweep.label} has failed"
    assert message["Message-ID"].startswith("<notification-")
    text = text_of(message)
    assert "All failed." in text
    assert f"https://sweeps.example{sweep.get_absolute_url()}" in text
    assert "https://sweeps.example/settings/notifications/" in text
    assert delivery("email").state == "sent"


def test_a_mailbox_that_does_not_exist_is_final(
    sweep: Sweep, ada: User, server: MailServer
) -> None:
    server.accepts = False
    change_channel(own_channels(ada)["email"], actor=ada, kinds=["failed"])
    end(sweep)
    sending.send_waiting()
    row = delivery("email")
    assert row.state == "failed"
    assert "no such mailbox" in row.answer
    assert "ada@" not in row.answer


def test_a_test_says_what_came_of_it(
    physics: Team, ada: User, receiver: Receiver
) -> None:
    channel, _ = webhook(physics, receiver.url, actor=ada)
    found = send_test(channel, actor=ada)
    assert (found.state, found.answer) == ("sent", "127.0.0.1 answered 200: ok")
    receiver.status = 503
    found = send_test(channel, actor=ada)
    assert (found.state, found.answer) == (
        "failed",
        "127.0.0.1 answered 503: no_service",
    )
    assert [body["type"] for body in receiver.bodies()] == ["test", "test"]
    assert Event.objects.filter(verb="notification tested").count() == 2


def test_what_was_encrypted_with_another_key_says_so(
    physics: Team, ada: User, receiver: Receiver, settings: Any
) -> None:
    channel, _ = webhook(physics, receiver.url, actor=ada)
    settings.SECRET_KEY = "another"
    found = send_test(channel, actor=ada)
    assert "unknown secret key" in found.answer


def test_the_scheduler_enqueues_the_job_only_if_something_waits(
    sweep: Sweep, redis: Any
) -> None:
    queue = sending.site_jobs.site_queue()
    outbox.start_sending()
    assert queue.count == 0
    end(sweep)
    outbox.start_sending()
    outbox.start_sending()
    assert queue.job_ids == ["notifications"]


def test_old_ones_are_deleted_unless_they_wait(
    sweep: Sweep, physics: Team, ada: User, receiver: Receiver
) -> None:
    webhook(physics, receiver.url, actor=ada)
    end(sweep)
    sending.address_new()
    Notification.objects.update(created_at=timezone.now() - timedelta(days=91))
    assert outbox.delete_old() == 0
    sending.send_waiting()
    assert outbox.delete_old() > 0
    assert not NotificationDelivery.objects.exists()
