"""The likely best of a sweep, and POST /sweeps/{id}/again."""

from __future__ import annotations

import math

import pytest

from experiments.models import Sweep, Team
from experiments.sweeps.requests import waiting_requests
from experiments.tracking import history
from tests import factories
from tests.api.conftest import Api


@pytest.fixture
def sweep(team: Team) -> Sweep:
    """Noise on a hill with its top at 0.4, minimized: trial 7 is there."""
    history.forget_all()
    document = factories.definition_document(
        objective={"primary_metric": "loss", "goal": "minimize"}
    )
    made = factories.sweep(team, document=document, max_total_trials=40)
    for number in range(16):
        x = number / 16
        loss = (x - 0.4) ** 2 - 0.04 * math.sin(37 * number)
        factories.trial(made, state="completed", value=loss, params={"x": x})
    factories.trial(made, state="completed", value=-0.1, params={"x": 0.83})
    return made


def test_a_sweeps_detail_tells_the_likely_best_from_the_best(
    api: Api, sweep: Sweep
) -> None:
    found = api.get(f"/sweeps/{sweep.pk}").json()
    likely = found["likely_best"]
    assert found["best_trial"]["number"] == 16
    assert (likely["number"], likely["numbers"]) == (7, [7])
    assert likely["params"] == {"x": 7 / 16}
    logged = sweep.trials.get(number=7)
    assert likely["value"] == likely["mean"] == logged.value
    assert likely["value"] < likely["expected"] < 0.1
    assert likely["url"].endswith(f"/trials/{logged.pk}/")


def test_there_is_none_while_few_trials_have_completed(api: Api, team: Team) -> None:
    made = factories.sweep(team)
    factories.trial(made, state="completed", value=0.5)
    assert api.get(f"/sweeps/{made.pk}").json()["likely_best"] is None


def test_trials_run_again_beyond_the_budget(api: Api, sweep: Sweep) -> None:
    answer = api.post(f"/sweeps/{sweep.pk}/again", {"trials": [7, 16]})
    assert answer.status_code == 200
    assert answer.json()["limits"]["max_total_trials"] == 42
    answer = api.post(f"/sweeps/{sweep.pk}/again", {"trials": [7]})
    assert answer.status_code == 409
    assert "Trial 7 already waits to run again" in answer.json()["error"]["message"]


def test_what_cannot_run_again_is_refused_in_words(api: Api, sweep: Sweep) -> None:
    path = f"/sweeps/{sweep.pk}/again"
    assert api.post(path, {"trials": [99]}).status_code == 409
    assert api.post(path, {"trials": []}).status_code == 409
    for trials in ([-1], [10**30], [False], "7", None):
        assert api.post(path, {"trials": trials}).status_code == 422
    sweep.refresh_from_db()
    assert sweep.max_total_trials == 40


def test_readers_and_viewers_may_not(sweep: Sweep) -> None:
    factories.team(vic="viewer")
    path, body = f"/sweeps/{sweep.pk}/again", {"trials": [7]}
    for name, scope in (("ada", "read"), ("vic", "write")):
        token = factories.api_token(factories.user(name), scope)
        assert Api(token).post(path, body).status_code == 403
    assert Api(None).post(path, body).status_code == 401


def test_trials_run_again_without_early_end_where_that_is_asked(
    api: Api, sweep: Sweep
) -> None:
    body = {"trials": [3], "to_end": True}
    assert api.post(f"/sweeps/{sweep.pk}/again", body).status_code == 200
    assert [w.origin_text for w in waiting_requests(sweep)] == [
        "re-run of 3, to its end"
    ]
