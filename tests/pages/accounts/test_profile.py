"""The viewer's time zone, theme and the export of their data."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from experiments.models import Event, User
from tests import factories
from tests.pages.clients import client_of, page

pytestmark = pytest.mark.django_db
PROFILE = {"first_name": "", "last_name": "", "email": "", "theme": "", "time_zone": ""}


def test_pages_show_times_in_the_persons_zone(ada: Client) -> None:
    ada.post("/settings/", {**PROFILE, "time_zone": "Asia/Kathmandu"})
    factories.api_token(factories.user("ada"))
    noon = datetime(2026, 6, 1, 12, tzinfo=UTC)
    factories.user("ada").api_tokens.update(last_used_at=noon)
    text = page(ada, "/settings/")
    assert 'title="1 Jun 2026, 17:45:00"' in text
    assert 'data-time-zone="Asia/Kathmandu"' in text
    # The next request of this thread is somebody else's.
    assert timezone.get_current_timezone_name() == "UTC"
    factories.api_token(factories.user("max"), last_used_at=noon)
    assert 'title="1 Jun 2026, 12:00:00"' in page(client_of("max"), "/settings/")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "posixrules"])
def test_an_unknown_zone_is_refused_and_a_forgotten_one_is_no_error(
    ada: Client, zone: str
) -> None:
    assert ada.post("/settings/", {**PROFILE, "time_zone": zone}).status_code == 422
    User.objects.update(time_zone="Europe/Atlantis")
    assert ada.get("/settings/").status_code == 200


def test_the_theme_is_the_accounts_and_in_the_page_before_scripts(ada: Client) -> None:
    assert 'data-theme="light"' in page(ada, "/")
    answer = ada.post("/settings/theme/", {"theme": "dark"}, HTTP_REFERER="//evil/")
    assert answer["Location"] == "/settings/"
    text = page(ada, "/")
    assert 'data-theme="dark" data-account-theme="dark"' in text
    assert ada.post("/settings/theme/", {"theme": "pink"}).status_code == 400


def test_a_person_exports_their_data_and_no_secret(ada: Client) -> None:
    person = factories.user("ada")
    factories.sweep(factories.team(), user=person)
    factories.api_token(person, name="notebook")
    answer: Any = ada.post("/settings/export/")
    text = "".join(part.decode() for part in answer.streaming_content)
    found = json.loads(text)
    assert found["profile"]["username"] == "ada"
    assert found["teams"][0]["team__name"] == "Physics"
    assert [row["name"] for row in found["tokens"]] == ["notebook"]
    assert len(found["sweeps"]) == 1
    assert found["events"][-1]["verb"] == "own data exported"
    for hidden in (person.password, person.api_tokens.get().digest):
        assert hidden not in text
    assert Event.objects.filter(verb="own data exported").count() == 1
