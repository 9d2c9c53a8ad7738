"""The state of the installation, over HTTP."""

from __future__ import annotations

from tests import factories
from tests.api.conftest import Api


def test_administrators_read_what_is_wrong_and_what_to_do() -> None:
    sue = factories.user("sue", is_superuser=True)
    trial = factories.trial(factories.sweep(factories.team()))
    factories.claim(trial)
    found = Api(factories.api_token(sue, "admin")).get("/health").json()
    issues = {each["title"]: each for each in found["issues"]}
    assert issues["No scheduler runs"]["critical"]
    assert issues["No scheduler runs"]["todo"].endswith("manage.py scheduler")
    assert found["sweeps"]["running"] == 1
    assert [pool["running"] for pool in found["pools"]] == [1]
    assert found["disk"]["total"] > found["disk"]["free"] > 0
    assert found["versions"]["sweepsite"]
    assert found["scheduler_seen_at"] is None
