"""The space that teams use, by the API."""

from __future__ import annotations

from datetime import date

import pytest
from redis import Redis

from experiments.models import ApiToken, Event, Orphan, SpaceUsage, Sweep, Team
from experiments.queues import site_jobs
from tests import factories
from tests.api.conftest import Api


@pytest.fixture
def used(team: Team) -> Sweep:
    """40 bytes of logs of one sweep, and 2 of the installation."""
    sweep = factories.sweep(team, user=factories.user("ada"))
    SpaceUsage.objects.create(
        day=date.today(),
        team=team,
        experiment=sweep.experiment,
        sweep=sweep,
        owner=sweep.created_by,
        kind="logs",
        bytes=40,
        files=1,
    )
    SpaceUsage.objects.create(day=date.today(), kind="database", bytes=2)
    return sweep


@pytest.fixture
def sue() -> Api:
    user = factories.user("sue", is_superuser=True)
    return Api(factories.api_token(user, "admin"))


def test_a_person_sees_what_their_teams_use(used: Sweep, sue: Api) -> None:
    answer = Api(factories.api_token(factories.user("ada"))).get("/space").json()
    assert answer["bytes"] == 40 and answer["measured_at"]
    (row,) = answer["items"]
    assert row["name"] == used.label and row["person"] == "ada"
    assert (row["kind"], row["bytes"], row["files"]) == ("logs", 40, 1)
    assert sue.get("/space").json()["bytes"] == 42
    assert sue.get("/space?team=physics").json()["bytes"] == 40
    Sweep.all_objects.all().delete()
    assert sue.get("/space?team=physics").json()["items"][0]["sweep"] is None


def test_a_quota_that_is_used_up_holds_new_trials(used: Sweep, sue: Api) -> None:
    answer = sue("PUT", "/space/quotas/physics", {"quota_bytes": 39}).json()
    assert (answer["quota_bytes"], answer["used_bytes"]) == (39, 40)
    assert answer["over_since"]
    reason = sue.get(f"/sweeps/{used.pk}").json()["waiting"]
    assert reason.startswith("Team Physics uses more than its 39 B")
    sue("PUT", "/space/quotas/physics", {"quota_bytes": None})
    assert sue.get(f"/sweeps/{used.pk}").json()["waiting"] is None
    changes = Event.objects.filter(verb="quota changed")
    assert [event.actor_name for event in changes] == ["sue", "sue"]
    assert sue("PUT", "/space/quotas/physics", {"quota_bytes": -1}).status_code == 422


def test_a_token_of_one_team_sees_only_that_team(used: Sweep, team: Team) -> None:
    user = factories.user("sue", is_superuser=True)
    secret = factories.api_token(user, "admin")
    ApiToken.objects.filter(user=user).update(team=team)
    api = Api(secret)
    assert api.get("/space").json()["bytes"] == 40
    assert api.get("/space/orphans").status_code == 403
    refused = api("PUT", "/space/quotas/physics", {"quota_bytes": 1})
    assert refused.status_code == 403


def test_orphans_are_listed_and_removed_by_a_job(sue: Api, redis: Redis) -> None:
    Orphan.objects.create(kind="code", name="0" * 64, bytes=7)
    (orphan,) = sue.get("/space/orphans").json()["items"]
    assert (orphan["kind"], orphan["bytes"]) == ("code", 7)
    assert sue("DELETE", "/space/orphans").status_code == 202
    assert sue.post("/space/measure").status_code == 202
    assert site_jobs.site_queue().job_ids == ["orphans", "measure"]
