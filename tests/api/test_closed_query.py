"""Parameters that a route does not have."""

from __future__ import annotations

import pytest

from experiments.models import Sweep, Team
from tests import factories
from tests.api.conftest import Api


def test_a_mistake_in_a_name_is_refused_with_the_names_that_are_allowed(
    api: Api, team: Team
) -> None:
    factories.sweep(team)
    answer = api.get("/sweeps?filtr=accuracy > 0.9&limit=2")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "unknown_parameter")
    assert list(error["fields"]) == ["filtr"]
    assert "cursor, experiment, filter, format, limit, state" in error["message"]


@pytest.mark.parametrize("path", ["/me?x=1", "/teams/physics?team=physics"])
def test_a_route_without_parameters_takes_none(api: Api, path: str) -> None:
    assert "It has none." in api.get(path).json()["error"]["message"]


def test_nothing_is_done_then(api: Api, team: Team) -> None:
    sweep = factories.sweep(team)
    assert api.post(f"/sweeps/{sweep.pk}/cancel?dry_run=true").status_code == 422
    assert Sweep.objects.get().state == "running"


def test_what_is_no_route_stays_one(api: Api) -> None:
    assert api.get("/nowhere?x=1").status_code == 404


def test_who_has_no_token_learns_that_first(api: Api) -> None:
    for stranger in (Api(None), Api("swp_wrong")):
        assert stranger.get("/sweeps?filtr=x").status_code == 401
