"""Notifications on pages, and how a person chooses them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from experiments import lifecycle
from experiments.models import (
    Event,
    ExperimentWatch,
    NotificationChannel,
    NotificationDelivery,
    Sweep,
    Team,
)
from experiments.notifications import sending
from tests import factories
from tests.notifications.conftest import Receiver, receiver, webhook
from tests.pages.clients import client_of, page

__all__ = ["receiver"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def physics() -> Team:
    return factories.team(ada="member", root="admin")


@pytest.fixture
def sweep(physics: Team) -> Sweep:
    return factories.sweep(physics, created_by=factories.user("ada"))


def fail(sweep: Sweep) -> None:
    lifecycle.fail_sweep(sweep, reason="all_failed", message="All <b>failed</b>.")
    sending.send_waiting()


class TestList:
    def test_it_shows_what_is_new_until_it_is_read(self, sweep: Sweep) -> None:
        fail(sweep)
        client = client_of("ada")
        assert client.get("/notifications/feed.json").json()["unread"] == 1
        html = page(client, "/notifications/")
        assert f"Sweep {sweep.label} has failed" in html
        assert "All &lt;b&gt;failed&lt;/b&gt;." in html
        link = re.search(r"/notifications/\d+/", html)
        assert link is not None
        answer = client.get(link[0])
        assert answer["Location"] == sweep.get_absolute_url()
        assert client.get("/notifications/feed.json").json()["unread"] == 0

    def test_all_are_read_at_once(self, physics: Team) -> None:
        for _ in range(3):
            fail(factories.sweep(physics, created_by=factories.user("ada")))
        client = client_of("ada")
        client.post("/notifications/read/")
        assert client.get("/notifications/feed.json").json()["unread"] == 0
        assert "Marked 3 notifications as read." in page(client, "/notifications/")

    def test_nobody_else_sees_them(self, sweep: Sweep) -> None:
        fail(sweep)
        pk = NotificationDelivery.objects.get().pk
        client = client_of("root")
        assert client.get(f"/notifications/{pk}/").status_code == 404
        assert "has failed" not in page(client, "/notifications/")

    def test_the_feed_names_those_that_a_browser_has_not_shown(
        self, physics: Team
    ) -> None:
        client = client_of("ada")
        first = factories.sweep(physics, created_by=factories.user("ada"))
        fail(first)
        feed = client.get("/notifications/feed.json").json()
        assert feed["new"] == []
        second = factories.sweep(physics, created_by=factories.user("ada"))
        fail(second)
        newer = client.get(f"/notifications/feed.json?after={feed['newest']}").json()
        titles = [row["title"] for row in newer["new"]]
        assert titles == [f"Sweep {second.label} has failed"]


class TestSettings:
    def test_a_person_chooses_kinds(self, physics: Team) -> None:
        client = client_of("ada")
        client.post(
            "/settings/notifications/",
            {"browser": ["failed", "best"], "email": ["token"]},
        )
        rows = NotificationChannel.objects.order_by("kind")
        assert [(row.kind, row.kinds) for row in rows] == [
            ("browser", "failed best"),
            ("email", "token"),
        ]
        html = page(client, "/settings/notifications/")
        assert len(re.findall(r"<input[^>]* checked", html)) == 3
        assert Event.objects.filter(verb="notifications chosen").count() == 2

    def test_a_kind_that_does_not_exist_is_refused(self, physics: Team) -> None:
        client = client_of("ada")
        client.post("/settings/notifications/", {"browser": ["x"]})
        html = page(client, "/settings/notifications/")
        assert "&quot;x&quot; is not allowed. Use finished, failed" in html

    def test_an_experiment_is_watched(self, sweep: Sweep) -> None:
        client = client_of("root")
        url = f"/experiments/{sweep.experiment_id}/"
        client.post(f"{url}watch/", {"level": "all"})
        assert ExperimentWatch.objects.get().level == "all"
        assert '<option value="all" selected>' in page(client, url)
        fail(sweep)
        assert client.get("/notifications/feed.json").json()["unread"] == 1
        client.post(f"{url}watch/", {"level": "own"})
        assert not ExperimentWatch.objects.exists()


class TestWebhooks:
    def form(self, receiver: Receiver, **more: Any) -> dict[str, Any]:
        return {
            "kind": "webhook",
            "name": "ours",
            "address": receiver.url,
            "kinds": ["failed"],
            **more,
        }

    def test_one_of_a_team_is_made_tried_changed_and_deleted(
        self, sweep: Sweep, receiver: Receiver
    ) -> None:
        client = client_of("root")
        answer = client.post("/teams/physics/notifications/new/", self.form(receiver))
        assert "whsec_" in answer.content.decode()
        row = NotificationChannel.objects.get(kind="webhook")
        url = f"/notifications/channels/{row.pk}/"
        html = page(client, "/teams/physics/notifications/")
        assert url in html
        assert receiver.url not in html
        client.post(f"{url}test/")
        html = page(client, url)
        assert "Sent the test. 127.0.0.1 answered 200: ok" in html
        receiver.status = 503
        client.post(f"{url}test/")
        html = page(client, url)
        assert "The test did not arrive. 127.0.0.1 answered 503: no_service" in html
        client.post(url, {"name": "theirs", "kinds": [], "address": ""})
        row.refresh_from_db()
        assert (row.name, row.kinds) == ("theirs", "")
        client.post(f"{url}delete/")
        assert not NotificationChannel.objects.filter(pk=row.pk).exists()
        verbs = set(Event.objects.values_list("verb", flat=True))
        assert {"webhook added", "webhook changed", "webhook deleted"} <= verbs

    def test_an_address_inside_is_refused_at_its_field(self, physics: Team) -> None:
        form = {"kind": "slack", "name": "x", "address": "https://10.0.0.1/"}
        answer = client_of("ada").post("/notifications/channels/new/", form)
        assert answer.status_code == 422
        assert "10.0.0.1 is not a public address." in answer.content.decode()

    def test_only_admins_of_the_team_see_them(
        self, physics: Team, receiver: Receiver
    ) -> None:
        row, _ = webhook(physics, receiver.url, actor=factories.user("root"))
        client = client_of("ada")
        url = f"/notifications/channels/{row.pk}/"
        assert client.get(url).status_code == 404
        assert client.post(f"{url}test/").status_code == 404
        assert client.get("/teams/physics/notifications/").status_code == 403
        assert receiver.got == []
