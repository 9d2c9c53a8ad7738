"""POST /sweeps/{id}/simulations: what other policies would have done."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.models import Sweep, Team
from tests import factories
from tests.api.conftest import Api

MEDIAN = {"type": "median_stopping", "delay_evaluation": 2}
BANDIT = {"type": "bandit", "slack_factor": 0.05}


@pytest.fixture
def sweep(team: Team) -> Sweep:
    sweep = factories.sweep(team)
    for level in (0.5, 0.8, 0.9, 0.4, 0.3):
        factories.reported_trial(sweep, [level] * 6, state="completed")
    return sweep


def simulate(api: Api, sweep: Sweep, *policies: Any, **more: Any) -> Any:
    body = {"policies": list(policies), **more}
    return api.post(f"/sweeps/{sweep.pk}/simulations", body)


def test_outcomes_come_in_the_order_of_the_policies(api: Api, sweep: Sweep) -> None:
    answer = simulate(api, sweep, MEDIAN, BANDIT)
    assert answer.status_code == 200
    told = answer.json()
    assert told["done"] and told["progress"] == 1
    median, bandit = told["outcomes"]
    assert [end["trial"] for end in median["ended"]] == [3, 4]
    assert {end["report"] for end in median["ended"]} == {2}
    assert median["policy"]["delay_evaluation"] == 2
    assert (median["best_trial"], median["best_value"], median["best_rank"]) == (
        2,
        0.9,
        1,
    )
    assert median["reports_used"] == 22 and median["reports_saved"] == 8
    assert bandit["policy"]["type"] == "bandit"
    assert told["happened"]["reports_used"] == 30
    assert told["happened"]["policy"] is None
    assert any("order" in sentence for sentence in told["limits"])


def test_money_needs_a_price(api: Api, sweep: Sweep) -> None:
    assert simulate(api, sweep, MEDIAN).json()["outcomes"][0]["money_saved"] is None
    sweep.pool.price_per_hour = 2
    sweep.pool.save()
    outcome = simulate(api, sweep, MEDIAN).json()["outcomes"][0]
    assert outcome["money_saved"] == pytest.approx(outcome["seconds_saved"] / 1_800)


def test_a_policy_that_is_wrong_is_told_by_its_path(api: Api, sweep: Sweep) -> None:
    answer = simulate(api, sweep, MEDIAN, {"type": "bandit"})
    assert answer.status_code == 422
    assert list(answer.json()["error"]["fields"]) == ["policies.1.slack_factor"]


@pytest.mark.parametrize("policies", [[], [MEDIAN] * 9, "bandit", None])
def test_there_are_one_to_eight_policies(
    api: Api, sweep: Sweep, policies: object
) -> None:
    answer = api.post(f"/sweeps/{sweep.pk}/simulations", {"policies": policies})
    assert answer.status_code == 422


def test_a_sweep_without_reports_has_outcomes_of_nothing(api: Api, team: Team) -> None:
    answer = simulate(api, factories.sweep(team), MEDIAN)
    assert answer.status_code == 200
    assert answer.json()["outcomes"][0]["ended"] == []
    assert answer.json()["outcomes"][0]["best_value"] is None


def test_a_token_that_may_only_read_may_simulate(sweep: Sweep) -> None:
    reading = Api(factories.api_token(factories.user("vera"), scope="read"))
    assert simulate(reading, sweep, MEDIAN).status_code == 200


def test_other_teams_and_callers_without_a_token_get_nothing(sweep: Sweep) -> None:
    factories.team("Chemistry", eve="admin")
    stranger = Api(factories.api_token(factories.user("eve")))
    assert simulate(stranger, sweep, MEDIAN).status_code == 404
    assert simulate(Api(None), sweep, MEDIAN).status_code == 401
