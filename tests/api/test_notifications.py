"""Notifications and their channels for programs."""

from __future__ import annotations

from typing import Any

import pytest

from experiments import lifecycle
from experiments.models import NotificationDelivery, Team
from experiments.notifications import sending
from tests import factories
from tests.api.conftest import Api
from tests.notifications.conftest import Receiver, receiver, webhook
from tests.pages.clients import client_of

__all__ = ["receiver"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def physics() -> Team:
    return factories.team(root="admin")


@pytest.fixture
def root(physics: Team) -> Api:
    return Api(factories.api_token(factories.user("root"), "admin"))


def test_a_program_reads_what_its_owner_is_told(root: Api, physics: Team) -> None:
    sweep = factories.sweep(physics, created_by=factories.user("root"))
    lifecycle.fail_sweep(sweep, reason="all_failed", message="All failed.")
    sending.send_waiting()
    (row,) = root.get("/notifications?unread=true").json()["items"]
    assert (row["kind"], row["sweep"]) == ("failed", sweep.pk)
    assert row["url"].endswith(sweep.get_absolute_url())
    assert root.post("/notifications/read", {}).json() == {"read": 1}
    assert root.get("/notifications?unread=true").json()["items"] == []


def test_a_webhook_is_made_tried_changed_and_deleted(
    root: Api, receiver: Receiver
) -> None:
    body = {
        "kind": "webhook",
        "name": "ours",
        "address": receiver.url,
        "kinds": ["failed"],
        "team": "physics",
    }
    made = root.post("/notifications/channels", body)
    assert made.status_code == 201
    assert made.json()["secret"].startswith("whsec_")
    url = f"/notifications/channels/{made.json()['id']}"
    tried = root.post(f"{url}/test", {}).json()
    assert (tried["state"], tried["answer"]) == ("sent", "127.0.0.1 answered 200: ok")
    assert root.patch(url, {"kinds": ["best"]}).json()["kinds"] == ["best"]
    assert len(root.get(f"{url}/deliveries").json()["items"]) == 1
    kinds = [row["kind"] for row in root.get("/notifications/channels").json()["items"]]
    assert sorted(kinds) == ["browser", "email", "webhook"]
    assert root("DELETE", url).status_code == 204
    assert not NotificationDelivery.objects.exists()


def test_each_person_sends_one_test_at_a_time(
    root: Api, physics: Team, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, _ = webhook(physics, receiver.url, actor=factories.user("root"))
    path, pages = f"/notifications/channels/{row.pk}/test", client_of("root")
    refused: list[Any] = []

    def press_again(*args: Any) -> str:
        refused.extend((root.post(path, {}), pages.post(f"{path}/")))
        return "ok"

    monkeypatch.setattr(sending, "post", press_again)
    for _ in range(2):
        assert root.post(path, {}).json()["state"] == "sent"
    assert {answer.status_code for answer in refused} == {429}
    assert refused[0]["Retry-After"] == "10"
    words = "Your last test is still being sent. Wait for its result."
    assert refused[0].json()["error"]["message"] == words
    assert words in refused[1].content.decode()
    assert NotificationDelivery.objects.count() == 2


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"address": "https://10.0.0.1/"}, "address", "not a public address"),
        ({"kinds": ["token"]}, "kinds", '"token" is not allowed'),
        ({"name": " "}, "name", "Enter a name"),
    ],
)
def test_what_is_wrong_is_named_by_its_field(
    root: Api, change: dict[str, object], field: str, words: str
) -> None:
    body = {
        "kind": "slack",
        "name": "ours",
        "address": "https://8.8.8.8/",
        "kinds": [],
        "team": "physics",
        **change,
    }
    answer = root.post("/notifications/channels", body)
    assert answer.status_code == 422
    assert words in answer.json()["error"]["fields"][field][0]


@pytest.mark.parametrize("change", [{"name": "x"}, {"address": "https://8.8.8.8/"}])
def test_only_webhooks_get_another_name_or_address(
    root: Api, change: dict[str, str]
) -> None:
    rows = root.get("/notifications/channels").json()["items"]
    answer = root.patch(f"/notifications/channels/{rows[0]['id']}", change)
    assert answer.status_code == 422
    (name,) = change
    words = [f"Only webhooks can get another {name}."]
    assert answer.json()["error"]["fields"] == {name: words}


def test_the_browser_channel_cannot_be_deleted(root: Api) -> None:
    rows = root.get("/notifications/channels").json()["items"]
    answer = root("DELETE", f"/notifications/channels/{rows[0]['id']}")
    assert answer.status_code == 409
    assert "cannot be deleted" in answer.json()["error"]["message"]
