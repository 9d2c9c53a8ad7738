"""What is made once, although it is asked for twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from experiments.api.documents import read_body
from experiments.api.native import api as native_api
from experiments.models import (
    ApiToken,
    Event,
    Experiment,
    IdempotencyKey,
    Sweep,
    Team,
)
from tests import factories
from tests.api.conftest import Api

# Asking them again changes nothing, or they make nothing that stays.
SAFE = {
    *("POST /uploads", "POST /sweeps/{sweep_id}/ask", "POST /sweeps/check"),
    *("POST /sweeps/{sweep_id}/backfill", "POST /sweeps/{sweep_id}/simulations"),
    *("POST /sweeps/{sweep_id}/preflight", "POST /sweeps/{sweep_id}/warm-start"),
    *("POST /cleanup/plan", "POST /cleanup/move", "POST /space/measure"),
    *("POST /trials/{trial_id}/metrics", "POST /runs/{run_id}/metrics"),
    *("POST /runs/{run_id}/params", "POST /runs/{run_id}/tags", "POST /annotations"),
    *("POST /people/{person_id}/password-link", "POST /tokens/{token_id}/renew"),
    *("POST /experiments/{experiment_id}/transfer", "POST /sweeps/{sweep_id}/transfer"),
    *("POST /notifications/read", "POST /notifications/channels/{channel_id}/test"),
    *("POST /teams/{slug}/leave", "POST /cleanup/stop"),
    "POST /sweeps/{sweep_id}/advice/dismiss",
}
STEPS = tuple(
    f"/{name}"
    for name in (
        *("start", "pause", "resume", "cancel", "finish", "heartbeat", "restore"),
        *("drain", "undrain"),
    )
)


def send(api: Api, key: str, path: str, body: Any = None) -> Any:
    return api.post(path, body, headers={"Idempotency-Key": key})


def test_every_route_that_makes_something_takes_a_key() -> None:
    paths = native_api.get_openapi_schema(path_prefix="")["paths"]
    without = {
        f"POST {path}"
        for path, methods in paths.items()
        if "post" in methods
        and not path.endswith(STEPS)
        and "Idempotency-Key"
        not in {each["name"] for each in methods["post"]["parameters"]}
    }
    assert without == SAFE


def test_the_second_answer_is_the_first_one(api: Api) -> None:
    first, again = (send(api, "k", "/experiments", {"name": "a"}) for _ in range(2))
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert Experiment.objects.count() == 1 and Event.objects.count() == 1


def test_a_secret_is_answered_again_and_not_stored(team: Team) -> None:
    admin = Api(factories.api_token(factories.user("ada"), "admin"))
    first, again = (send(admin, "k", "/tokens", {"name": "ci"}) for _ in range(2))
    assert first.json() == again.json()
    assert ApiToken.objects.filter(name="ci").count() == 1
    stored = IdempotencyKey.objects.get()
    assert first.json()["secret"] not in stored.answer
    assert "k" not in (stored.digest, stored.content)


def test_a_key_for_another_request_is_refused(api: Api) -> None:
    send(api, "k", "/experiments", {"name": "a"})
    other = send(api, "k", "/experiments", {"name": "b"})
    assert other.status_code == 422
    assert other.json()["error"]["code"] == "key_reused"
    assert Experiment.objects.count() == 1


def test_another_token_has_keys_of_its_own(api: Api, team: Team) -> None:
    send(api, "k", "/experiments", {"name": "a"})
    reading = Api(factories.api_token(factories.user("ada"), "read"))
    assert send(reading, "k", "/experiments", {"name": "a"}).status_code == 403


def test_what_was_refused_is_tried_again(api: Api) -> None:
    experiment = Experiment.objects.create(team=Team.objects.get(), name="a", slug="a")
    assert send(api, "k", "/experiments", {"name": "a"}).status_code == 409
    experiment.delete()
    assert send(api, "k", "/experiments", {"name": "a"}).status_code == 201


def test_a_key_is_kept_for_a_day(api: Api) -> None:
    send(api, "k", "/experiments", {"name": "a"})
    old = timezone.now() - timedelta(days=1, minutes=1)
    IdempotencyKey.objects.update(created_at=old)
    assert send(api, "k", "/experiments", {"name": "a"}).status_code == 409


def test_another_secret_key_cannot_read_the_answer(api: Api, settings: Any) -> None:
    send(api, "k", "/experiments", {"name": "a"})
    settings.SECRET_KEY = "another"
    answer = send(api, "k", "/experiments", {"name": "a"})
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "answer_unreadable"


@pytest.mark.parametrize("key", ["x" * 201, "a\0b"])
def test_a_key_that_cannot_be_kept_is_refused(api: Api, key: str) -> None:
    assert send(api, key, "/experiments", {"name": "a"}).status_code == 422
    assert not Experiment.objects.exists()


def test_a_document_is_checked_before_other_writers_wait(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test is in one transaction already, so it counts those that are open."""
    depths: list[int] = []
    outside = len(connection.savepoint_ids)

    def read(request: Any, **given: Any) -> Any:
        depths.append(len(connection.savepoint_ids) - outside)
        return read_body(request, **given)

    monkeypatch.setattr("experiments.api.sweeps.read_body", read)
    first, again = (
        send(api, "k", "/sweeps", factories.definition_document()) for _ in range(2)
    )
    assert first.json() == again.json() and Sweep.objects.count() == 1
    assert depths == [0]
