"""Trials that programs ask for: retried, cloned, by hand, backfilled, withdrawn."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.models import Sweep, Team
from experiments.models.trials import TrialState
from tests import factories
from tests.api.conftest import Api


@pytest.fixture
def sweep(team: Team) -> Sweep:
    made = factories.sweep(team, max_total_trials=9)
    factories.trial(made, state="failed", reason="exit_code", message="Exit code 1.")
    factories.trial(made, state="completed", value=0.5)
    factories.trial(made)
    return made


def origins(sweep: Sweep) -> list[str]:
    return [asked.origin_text for asked in sweep.requests.waiting()]


def test_a_failed_trial_is_retried(api: Api, sweep: Sweep) -> None:
    trial = sweep.trials.get(number=0)
    answer = api.post(f"/trials/{trial.pk}/retry")
    assert answer.status_code == 202
    asked = answer.json()
    assert (asked["origin"], asked["params"]) == ("retry of 0", trial.params)
    assert (asked["sweep"], asked["requested_by"]) == (sweep.pk, "ada")
    again = api.post(f"/trials/{trial.pk}/retry", {"to_end": True})
    assert again.status_code == 409
    assert "already waits to run again" in again.json()["error"]["message"]
    assert origins(sweep) == ["retry of 0"]


def test_one_that_lives_is_not_retried(api: Api, sweep: Sweep) -> None:
    trial = sweep.trials.get(number=2)
    answer = api.post(f"/trials/{trial.pk}/retry")
    assert answer.status_code == 409
    assert "only trials that have ended can" in answer.json()["error"]["message"]


def test_a_configuration_by_hand(api: Api, sweep: Sweep) -> None:
    path = f"/sweeps/{sweep.pk}/trials"
    answer = api.post(path, {"params": {"x": 3}, "to_end": True})
    assert answer.status_code == 202
    added = answer.json()
    assert added["params"] == {"x": 3.0}
    assert added["origin"] == "added by hand, to its end"
    assert len(added["outside"]) == 1 and "x is 3.0" in added["outside"][0]
    assert api.post(path, {"params": {"x": 0.5}}).json()["outside"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"params": {"x": "a"}}, "params.x"),
        ({"params": {"x": None}}, "params.x"),
        ({"params": {"x": [1]}}, "params.x"),
        ({"params": {}}, "params.x"),
        ({"params": {"x": 1, "y": 2}}, "params.y"),
        ({"params": {"x": "Infinity"}}, "params.x"),
        ({}, "params"),
        ({"params": {"x": 1}, "number": 3}, "number"),
    ],
)
def test_wrong_values_are_named(
    api: Api, sweep: Sweep, body: dict[str, Any], field: str
) -> None:
    answer = api.post(f"/sweeps/{sweep.pk}/trials", body)
    assert answer.status_code == 422
    assert field in answer.json()["error"]["fields"]
    assert origins(sweep) == []


def test_a_clone_has_the_values_that_are_not_changed(api: Api, team: Team) -> None:
    space = {name: {"type": "float", "low": 0, "high": 1} for name in ("x", "y")}
    document = factories.definition_document(search_space=space)
    made = factories.sweep(team, document=document)
    trial = factories.trial(made, state="completed", params={"x": 0.1, "y": 0.2})
    answer = api.post(f"/trials/{trial.pk}/clone", {"params": {"y": 0.7}})
    assert answer.status_code == 202
    assert answer.json()["params"] == {"x": 0.1, "y": 0.7}
    assert answer.json()["origin"] == "clone of 0"


def test_what_waits_is_listed_and_taken_back(api: Api, sweep: Sweep) -> None:
    for value in (0.1, 0.2, 0.3):
        api.post(f"/sweeps/{sweep.pk}/trials", {"params": {"x": value}})
    path = f"/sweeps/{sweep.pk}/requests"
    first = api.get(f"{path}?limit=2").json()
    assert [asked["params"]["x"] for asked in first["items"]] == [0.1, 0.2]
    rest = api.get(f"{path}?limit=2&cursor={first['next']}").json()
    assert [asked["params"]["x"] for asked in rest["items"]] == [0.3]
    asked = first["items"][0]["id"]
    assert api("DELETE", f"{path}/{asked}").status_code == 204
    assert api("DELETE", f"{path}/{asked}").status_code == 409
    assert api("DELETE", f"{path}/{10**12}").status_code == 404
    assert len(api.get(path).json()["items"]) == 2


def test_backfill_lists_trials_and_queues_them_once(api: Api, sweep: Sweep) -> None:
    path = f"/sweeps/{sweep.pk}/backfill"
    shown = api.post(path, {"dry_run": True}).json()
    assert shown["counts"] == {"failed": 1, "lost": 0, "cancelled": 0, "deleted": 0}
    (trial,) = shown["trials"]
    assert (trial["number"], trial["kind"], trial["why"]) == (
        0,
        "failed",
        "Exit code 1.",
    )
    assert trial["trial"] == sweep.trials.get(number=0).pk
    assert (shown["dry_run"], shown["requested"], origins(sweep)) == (True, 0, [])
    assert api.post(path).json()["requested"] == 1
    assert api.post(path, {}).json()["requested"] == 0
    assert origins(sweep) == ["retry of 0"]


def test_readers_viewers_and_strangers_may_not(sweep: Sweep) -> None:
    trial = sweep.trials.get(number=0)
    paths = {
        f"/trials/{trial.pk}/retry": None,
        f"/trials/{trial.pk}/clone": {"params": {}},
        f"/sweeps/{sweep.pk}/trials": {"params": {"x": 0.5}},
        f"/sweeps/{sweep.pk}/backfill": None,
    }
    factories.team("Others", eve="member")
    for name, scope, status in (
        ("ada", "read", 403),
        ("vera", "write", 403),
        ("eve", "write", 404),
    ):
        token = factories.api_token(factories.user(name), scope)
        for path, body in paths.items():
            assert Api(token).post(path, body).status_code == status
    assert origins(sweep) == []


def test_a_trial_that_is_cancelled_alone_is_no_gap(api: Api, sweep: Sweep) -> None:
    trial = sweep.trials.get(number=2)
    assert api.post(f"/trials/{trial.pk}/cancel").json()["state"] == "cancelled"
    api.post(f"/sweeps/{sweep.pk}/cancel")
    shown = api.post(f"/sweeps/{sweep.pk}/backfill", {"dry_run": True}).json()
    assert [trial["number"] for trial in shown["trials"]] == [0]
    trial.refresh_from_db()
    assert trial.state == TrialState.CANCELLED
    event = sweep.events.get(trial=trial, verb="trial cancelled")
    assert event.actor == factories.user("ada")
