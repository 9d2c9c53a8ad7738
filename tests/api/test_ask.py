"""POST /sweeps/{id}/ask, and a trial's life over HTTP without a worker."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Now

from experiments.models import Attempt, Sweep, Team
from tests import factories
from tests.api.conftest import Api

POLICY = {"type": "bandit", "slack_amount": 0.1}


@pytest.fixture
def sweep(api: Api) -> Sweep:
    """Made over HTTP from a document without a command, and started."""
    document = factories.definition_document(
        trial=None, launches=False, early_termination=POLICY
    )
    answer = api.post("/sweeps?start=true", document)
    assert answer.status_code == 201, answer.json()
    return Sweep.objects.get(pk=answer.json()["id"])


def ask(api: Api, sweep: Sweep, **body: Any) -> dict[str, Any]:
    answer = api.post(f"/sweeps/{sweep.pk}/ask", body or None)
    assert answer.status_code == 200, answer.json()
    found: dict[str, Any] = answer.json()
    return found


def report(trial: dict[str, Any], *values: float) -> dict[str, Any]:
    points = [
        {"name": "accuracy", "step": step, "value": value}
        for step, value in enumerate(values)
    ]
    answer = Api(trial["token"]).post(
        f"/trials/{trial['id']}/metrics", {"points": points}
    )
    assert answer.status_code == 200, answer.json()
    found: dict[str, Any] = answer.json()
    return found


def finish(trial: dict[str, Any], state: str = "completed", **more: Any) -> Any:
    body = {"state": state, **more}
    return Api(trial["token"]).post(f"/trials/{trial['id']}/finish", body)


def test_without_a_command_and_without_saying_so_a_document_is_refused(
    api: Api,
) -> None:
    answer = api.post("/sweeps", factories.definition_document(trial=None))
    assert answer.status_code == 422
    (sentence,) = answer.json()["error"]["fields"]["trial"]
    assert "launches: false" in sentence


def test_the_loop_of_an_outside_process(api: Api, sweep: Sweep) -> None:
    states = []
    for k in range(4):
        trial = ask(api, sweep)
        assert trial["params"].keys() == {"x"} and trial["number"] == k
        assert trial["primary_metric"] == "accuracy"
        reply = report(trial, 0.9 if k == 0 else 0.1)
        assert reply["stop"] == (k > 0)
        states.append(finish(trial).json()["state"])
        assert finish(trial).json()["state"] == states[-1]
    assert states == ["completed", "terminated", "terminated", "terminated"]
    answer = api.post(f"/sweeps/{sweep.pk}/ask")
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "budget_spent"
    assert "limits.max_total_trials" in answer.json()["error"]["message"]


def test_a_failure_has_its_message(api: Api, sweep: Sweep) -> None:
    trial = ask(api, sweep)
    assert finish(trial, "failed", message="Out of paper.").json()["state"] == "failed"
    found = api.get(f"/trials/{trial['id']}").json()
    assert (found["state"], found["message"]) == ("failed", "Out of paper.")


def test_a_trial_that_reported_nothing_does_not_complete(
    api: Api, sweep: Sweep
) -> None:
    trial = ask(api, sweep)
    assert finish(trial).json()["state"] == "failed"
    assert api.get(f"/trials/{trial['id']}").json()["reason"] == "no_metric"


def test_asking_again_under_a_name_is_asking_once(api: Api, sweep: Sweep) -> None:
    first = ask(api, sweep, client_id="host-1")
    assert ask(api, sweep, client_id="host-1") == first
    assert ask(api, sweep, client_id="host-2")["id"] != first["id"]
    answer = api.post(f"/sweeps/{sweep.pk}/ask", {"client_id": "host-3"})
    assert answer.json()["error"]["code"] == "too_many_running"
    history = api.get(f"/trials/{first['id']}").json()["attempt_history"]
    assert [attempt["client"] for attempt in history] == ["host-1"]


def test_heartbeats_of_processes_that_report_seldom(api: Api, sweep: Sweep) -> None:
    trial = ask(api, sweep)
    path = f"/trials/{trial['id']}/heartbeat"
    own = Api(trial["token"])
    assert own.post(path).json() == {"stop": False, "reason": ""}
    api.post(f"/trials/{trial['id']}/cancel")
    told = own.post(path).json()
    assert told["stop"] and told["reason"].startswith("Cancelled by")
    assert finish(trial).json()["state"] == "cancelled"
    answer = own.post(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (
        409,
        "stale_attempt",
    )


def test_its_time_is_that_between_its_signs_of_life(api: Api, sweep: Sweep) -> None:
    """However long ago it was handed out, by a clock that was set since."""
    trial = ask(api, sweep)
    attempt = Attempt.objects.get(trial=trial["id"])
    rows = Attempt.objects.filter(pk=attempt.pk)
    rows.update(claimed_at=Now() - timedelta(hours=1), elapsed=100.0)
    ends = [
        lambda: report(trial, 0.9),
        lambda: Api(trial["token"]).post(f"/trials/{trial['id']}/heartbeat"),
        lambda: finish(trial),
    ]
    for k, step in enumerate(ends, start=1):
        rows.update(heartbeat_at=F("heartbeat_at") - timedelta(seconds=200))
        step()
        attempt.refresh_from_db()
        assert 99 + 200 * k < (attempt.elapsed or 0) < 200 + 200 * k
    assert attempt.state == "finished"


def test_a_workers_trial_has_no_such_heartbeats(api: Api, team: Team) -> None:
    trial = factories.trial(factories.sweep(team))
    claim = factories.claim(trial)
    for verb in ("heartbeat", "finish"):
        answer = Api(claim.trial_token.secret).post(
            f"/trials/{trial.pk}/{verb}", {"state": "completed"}
        )
        assert answer.json()["error"]["code"] == "launched"


@pytest.mark.parametrize(
    "body", [{"client_id": 3}, {"client_id": "a" * 201}, {"client": "a"}, [1]]
)
def test_wrong_bodies_give_out_nothing(api: Api, sweep: Sweep, body: Any) -> None:
    assert api.post(f"/sweeps/{sweep.pk}/ask", body).status_code == 422
    assert not sweep.trials.exists()


def test_who_may_not_steer_gets_no_trial(api: Api, sweep: Sweep) -> None:
    factories.team("Others", eve="member")
    for name, scope, status in (
        ("ada", "read", 403),
        ("vera", "write", 403),
        ("eve", "write", 404),
    ):
        token = factories.api_token(factories.user(name), scope)
        assert Api(token).post(f"/sweeps/{sweep.pk}/ask").status_code == status
    assert Api(None).post(f"/sweeps/{sweep.pk}/ask").status_code == 401
    trial = ask(api, sweep)
    other = ask(api, sweep)
    stolen = Api(trial["token"]).post(f"/trials/{other['id']}/metrics", {"points": []})
    assert stolen.status_code == 401
