"""Single runs over HTTP: started by a person, logged to with the run's own token."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from experiments import lifecycle
from experiments.accounts.members import change_role
from experiments.models import Attempt, Event, Experiment, Membership, Run, Team, Trial
from experiments.models.trials import AttemptState
from tests import factories
from tests.api.conftest import Api
from tests.mlflow.conftest import Mlflow


def start(api: Api, **body: Any) -> dict[str, Any]:
    answer = api.post("/runs", {"experiment": "digits", **body})
    assert answer.status_code == 201, answer.json()
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
def run(api: Api) -> dict[str, Any]:
    return start(api, name="svm", params={"C": 10, "kernel": "rbf"}, tags={"by": "ada"})


@pytest.fixture
def own(run: dict[str, Any]) -> Api:
    """With the run's own token."""
    return Api(run["token"])


def path(run: dict[str, Any], rest: str = "") -> str:
    return f"/runs/{run['id']}{rest}"


def points(*values: float) -> dict[str, Any]:
    return {
        "points": [
            {"name": "accuracy", "step": step, "value": value}
            for step, value in enumerate(values)
        ]
    }


def test_a_run_starts_in_an_experiment_that_it_creates(
    api: Api, team: Team, run: dict[str, Any]
) -> None:
    assert Experiment.objects.get(team=team).name == "digits"
    assert run["state"] == "running"
    assert run["url"].endswith(f"/runs/{run['id']}/")
    assert run["params"] == {"C": "10", "kernel": "rbf"}
    assert (run["created_by"], run["team"]) == ("ada", "physics")
    read = api.get(path(run)).json()
    assert read == {k: v for k, v in run.items() if k != "token"}
    stored = Attempt.objects.get(trial=run["id"])
    assert stored.trial_token_digest and run["token"] not in repr(vars(stored))


def test_an_experiment_may_be_given_by_its_id(api: Api, team: Team) -> None:
    there = factories.experiment(team, "moons")
    assert start(api, experiment=there.pk)["experiment"]["name"] == "moons"
    answer = api.post("/runs", {"experiment": there.pk + 1})
    assert answer.status_code == 404


def test_of_several_teams_the_one_with_the_experiment_is_meant(
    api: Api, run: dict[str, Any]
) -> None:
    """Ada is in Physics; then she makes the team Alpha."""
    factories.team("Alpha", ada="admin")
    factories.team("Algebra", ada="viewer")
    factories.experiment(factories.team("Music"), "moons")
    assert start(api, experiment="Digits")["team"] == "physics"
    refused = api.post("/runs", {"experiment": "moons"})
    assert refused.status_code == 422
    words = refused.json()["error"]["message"]
    assert "teams: physics, alpha. Choose one with team=physics" in words
    assert "'physics/moons'" in words
    assert start(api, experiment="alpha/moons")["team"] == "alpha"
    assert start(api, experiment="moons")["team"] == "alpha"
    made = api.post("/runs?team=alpha", {"experiment": "digits"}).json()
    assert (made["team"], made["experiment"]["name"]) == ("alpha", "digits")
    both = api.post("/runs", {"experiment": "digits"}).json()["error"]
    assert both["code"] == "team_not_chosen"
    assert start(api, experiment="physics/digits")["team"] == "physics"
    for name in ("algebra/new", "algebra/digits"):
        assert api.post("/runs", {"experiment": name}).status_code == 403
    assert {e.name for e in Experiment.objects.all()} == {"digits", "moons"}


def test_names_with_a_slash_are_ordinary_without_such_a_team(api: Api) -> None:
    factories.team("Music", otto="member")
    assert start(api, experiment="music/moons")["experiment"]["name"] == "music/moons"


def test_a_viewer_and_a_stranger_start_nothing(team: Team) -> None:
    viewer = Api(factories.api_token(factories.user("vera")))
    assert viewer.post("/runs", {"experiment": "x"}).status_code == 403
    factories.team("Chemistry", otto="member")
    there = factories.experiment(team)
    stranger = Api(factories.api_token(factories.user("otto")))
    assert stranger.post("/runs", {"experiment": there.pk}).status_code == 404
    assert not Trial.objects.exists()


def test_the_same_key_starts_one_run(api: Api) -> None:
    body, headers = {"experiment": "digits"}, {"Idempotency-Key": "abc"}
    first, again = (api.post("/runs", body, headers=headers) for _ in range(2))
    assert first.json() == again.json()
    assert Run.objects.count() == 1
    other = api.post("/runs", body, headers={"Idempotency-Key": "abd"})
    assert other.json()["id"] != first.json()["id"]


def test_a_program_logs_with_the_token_alone(run: dict[str, Any], own: Api) -> None:
    assert own.post(path(run, "/metrics"), points(0.5, 0.75)).json()["stop"] is False
    own.post(path(run, "/params"), {"params": {"gamma": 0.001}})
    own.post(path(run, "/tags"), {"tags": {"gpu": "no", "by": None}})
    own.patch(path(run), {"name": "svm-2", "note": "Better."})
    read = own.get(path(run)).json()
    assert read["metrics"] == {"accuracy": 0.75}
    assert read["params"] == {"C": "10", "kernel": "rbf", "gamma": "0.001"}
    assert (read["tags"], read["name"]) == ({"gpu": "no"}, "svm-2")
    assert read["note"] == "Better."


def test_a_parameter_does_not_change(run: dict[str, Any], own: Api) -> None:
    same = own.post(path(run, "/params"), {"params": {"C": "10"}})
    assert same.status_code == 200
    answer = own.post(path(run, "/params"), {"params": {"C": 11}})
    assert answer.status_code == 409
    error = answer.json()["error"]
    assert error["code"] == "param_changed"
    assert "'10' already" in error["fields"]["C"][0]


def test_a_run_ends_once_and_still_takes_points(run: dict[str, Any], own: Api) -> None:
    ended = own.post(path(run, "/finish"), {"state": "failed", "message": "No data."})
    assert (ended.json()["state"], ended.json()["message"]) == ("failed", "No data.")
    again = own.post(path(run, "/finish"))
    assert again.status_code == 200
    assert again.json()["state"] == "failed"
    assert own.post(path(run, "/metrics"), points(0.5)).status_code == 200
    assert own.get(path(run)).json()["metrics"] == {"accuracy": 0.5}


def test_files_are_kept_up_to_the_limit(
    run: dict[str, Any], own: Api, api: Api, settings: Any
) -> None:
    settings.OUTPUTS_LIMIT_BYTES = 10
    where = path(run, "/artifacts?path=model/a.bin")
    kind = "application/octet-stream"
    kept = own("PUT", where, b"12345678", content_type=kind)
    assert (kept.status_code, kept.json()["size"]) == (201, 8)
    replaced = own("PUT", where, b"123", content_type=kind)
    assert replaced.status_code == 201
    (only,) = api.get(f"/trials/{run['id']}/artifacts").json()["items"]
    assert (only["path"], only["size"]) == ("model/a.bin", 3)
    other = path(run, "/artifacts?path=b.bin")
    refused = own("PUT", other, b"12345678", content_type=kind)
    assert refused.status_code == 413
    assert refused.json()["error"]["code"] == "outputs_too_large"


def test_a_deleted_run_is_hidden_until_it_is_restored(
    run: dict[str, Any], api: Api
) -> None:
    gone = api("DELETE", path(run))
    assert (gone.status_code, gone.json()["state"]) == (200, "cancelled")
    assert api.get(path(run)).status_code == 404
    assert api.get("/runs").json()["items"] == []
    assert api.get(f"/trials/{run['id']}").status_code == 404
    assert api.post(path(run, "/restore")).status_code == 200
    assert api.get(path(run)).json()["name"] == "svm"
    verbs = Event.objects.order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == [
        "run started",
        "run ended",
        "run moved to trash",
        "run restored",
    ]


def test_the_token_of_a_trial_opens_no_run_of_the_same_number(
    run: dict[str, Any], team: Team
) -> None:
    trial = factories.trial(factories.sweep(team))
    token = factories.claim(trial).trial_token.secret
    for route in (path(run), f"/runs/{trial.pk}"):
        assert Api(token).get(route).status_code in (401, 404)
    finish = Api(token).post(f"/runs/{trial.pk}/finish")
    assert finish.status_code == 404


def test_the_listing_filters_and_takes_a_fixed_number_of_queries(
    api: Api, team: Team, run: dict[str, Any]
) -> None:
    child = start(api, name="fold-1", parent=run["id"])
    start(api, experiment="moons")

    def listed(query: str = "") -> list[str]:
        return [row["name"] for row in api.get(f"/runs{query}").json()["items"]]

    assert listed(f"?parent={run['id']}") == ["fold-1"]
    assert listed("?experiment=digits") == ["fold-1", "svm"]
    Api(child["token"]).post(path(child, "/finish"))
    assert listed("?state=completed") == ["fold-1"]
    with CaptureQueriesContext(
        connection,
    ) as few:
        assert len(listed()) == 3
    for _ in range(3):
        start(api)
    with CaptureQueriesContext(connection) as many:
        assert len(listed()) == 6
    assert len(many) == len(few)


def test_what_is_needed_to_run_it_again_has_no_secrets(api: Api) -> None:
    command = ["python", "train.py", "--api-key", "s3cret", "--lr", "0.1"]
    packages = ["numpy==2.2.1"]
    sent = {"command": command, "packages": packages, "host": 7}
    known = start(api, environment=sent)["environment"]
    assert known["command"] == [*command[:3], "***", *command[4:]]
    assert known["packages"] == packages
    assert known["left_out"] == ["host is left out: allowed are texts"]
    assert "s3cret" not in repr(Run.objects.get().environment)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "experiment"),
        ({"experiment": " "}, "experiment"),
        ({"experiment": "x", "name": "n" * 251}, "name"),
        ({"experiment": "x", "params": {"": 1}}, ""),
        ({"experiment": "x", "tags": {"a": "x" * 8_001}}, "a"),
        ({"experiment": "x", "colour": "red"}, "colour"),
    ],
)
def test_what_is_wrong_is_named(api: Api, body: Any, field: str) -> None:
    answer = api.post("/runs", body)
    assert answer.status_code == 422
    assert field in answer.json()["error"]["fields"]
    assert not Run.objects.exists()


@pytest.mark.parametrize("number", [10**40, -(10**40), 2**63, True])
def test_no_number_is_a_server_error(
    api: Api, run: dict[str, Any], team: Team, number: int
) -> None:
    assert api.post("/runs", {"experiment": number}).status_code in (404, 422)
    body = {"experiment": "digits", "parent": number}
    assert api.post("/runs", body).status_code in (404, 422)
    assert api.get(f"/runs?parent={int(number)}").status_code in (200, 422)
    draft = factories.sweep(team, state="draft")
    answer = api.post(f"/sweeps/{draft.pk}/warm-start", {"trials": [number]})
    assert answer.status_code in (200, 422)


@pytest.mark.parametrize(
    "name", ["../x", "/etc/x", "a//b", "a\\b", "a\nb", "C:/x", "."]
)
def test_paths_of_artifacts_stay_below_a_folder(
    run: dict[str, Any], own: Api, name: str
) -> None:
    answer = own("PUT", path(run, f"/artifacts?path={quote(name)}"), b"x")
    assert answer.status_code == 422


def test_a_trials_token_logs_nothing_once_its_attempt_is_over(team: Team) -> None:
    claim = factories.claim(factories.trial(factories.sweep(team)))
    own, where = Api(claim.trial_token.secret), f"/runs/{claim.attempt.trial_id}"
    assert own.post(f"{where}/tags", {"tags": {"a": "b"}}).status_code == 200
    Attempt.objects.filter(pk=claim.attempt.pk).update(state=AttemptState.FINISHED)
    for body in ({"tags": {"a": "c"}}, {"params": {"a": "c"}}):
        answer = own.post(f"{where}/{next(iter(body))}", body)
        assert answer.status_code == 409, answer.json()
    assert Run.objects.get().tags == {"a": "b"}


@pytest.mark.parametrize("is_lost", [False, True])
def test_the_end_of_a_trial_ends_its_token_for_the_runs_below_it(
    team: Team, is_lost: bool
) -> None:
    claim = factories.claim(factories.trial(factories.sweep(team)))
    training = Mlflow(claim.trial_token.secret)
    _, child = training.run(), int(training.run(), 16)
    own = Api(claim.trial_token.secret)
    assert own.post(f"/runs/{child}/metrics", points(0.5)).status_code == 200
    if is_lost:
        factories.lose(claim.attempt)
    else:
        outcome = lifecycle.Outcome(cause="exited", exit_code=0)
        lifecycle.finish_attempt(claim.attempt, outcome)
    for where, body in (("metrics", points(0.5, 0.6)), ("tags", {"tags": {"a": "b"}})):
        assert own.post(f"/runs/{child}/{where}", body).status_code == 401
    assert own.get(f"/runs/{child}").status_code == 401


@pytest.mark.parametrize("role", [None, Membership.Role.VIEWER])
def test_tokens_of_runs_end_with_the_right_of_their_person(
    team: Team, run: dict[str, Any], own: Api, role: Any
) -> None:
    sweep = factories.sweep(team, user=factories.user("ada"))
    training = Mlflow(factories.claim(factories.trial(sweep)).trial_token.secret)
    _, child = training.run(), training.run()
    assert own.post(path(run, "/metrics"), points(0.5)).status_code == 200
    factories.team(team.name, zoe="admin")
    change_role(team, factories.user("ada"), role, actor=None)
    for where, body in (("metrics", points(0.5, 0.6)), ("tags", {"tags": {"a": "b"}})):
        assert own.post(path(run, f"/{where}"), body).status_code == 401
    assert Mlflow(run["token"]).post("runs/create", {}).status_code == 401
    tag = {"run_id": child, "key": "a", "value": "c"}
    training.ok("POST", "runs/set-tag", tag)
