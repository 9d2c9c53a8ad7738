"""Experiments, teams, pools and more, as their pages manage them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from experiments.models import Event, Experiment, Pool, Team, Worker
from tests import factories
from tests.api.conftest import Api


@pytest.fixture
def root(team: Team) -> Api:
    """An administrator of the site, in no team."""
    person = factories.user("sue", is_superuser=True, is_staff=True)
    return Api(factories.api_token(person, "admin"))


def error_of(answer: Any, status: int) -> Any:
    assert answer.status_code == status, answer.content
    return answer.json()["error"]


# --- experiments --------------------------------------------------------------------


def test_an_experiment_is_created_with_its_words(api: Api) -> None:
    words = {"question": "How deep?", "tags": ["vision"], "notes": "**bold**"}
    made = api.post("/experiments", {"name": "Digits", **words})
    assert made.status_code == 201
    found = api.get(f"/experiments/{made.json()['id']}").json()
    assert found == made.json() and found["slug"] == "digits"
    assert {name: found[name] for name in words} == words
    assert Event.objects.filter(verb="experiment created").count() == 1


def test_a_name_of_an_experiment_is_given_once(api: Api) -> None:
    assert api.post("/experiments", {"name": "Digits"}).status_code == 201
    error = error_of(api.post("/experiments", {"name": "digits!"}), 409)
    assert error["code"] == "name_taken" and "digits-1" in error["message"]


def test_only_admins_of_the_team_open_an_experiment(api: Api, team: Team) -> None:
    experiment = factories.experiment(team, "digits")
    path = f"/experiments/{experiment.pk}"
    error_of(api.patch(path, {"open_to_all": True}), 403)
    assert api.patch(path, {"open_to_all": False}).status_code == 200
    factories.team("Physics", root="admin")
    admin = Api(factories.api_token(factories.user("root")))
    assert admin.patch(path, {"open_to_all": True}).json()["open_to_all"]
    assert Experiment.objects.get().open_to_all


def test_sweeps_and_runs_are_archived_and_shown_again(api: Api, team: Team) -> None:
    sweep = factories.sweep(team, state="draft")
    for archived in (True, True, False):
        found = api.patch(f"/sweeps/{sweep.pk}", {"archived": archived})
        assert found.json()["archived"] is archived
    assert Event.objects.filter(verb__contains="archived").count() == 1
    other = factories.sweep(team, state="running")
    running = api.patch(f"/sweeps/{other.pk}", {"archived": True})
    assert error_of(running, 409)["code"] == "wrong_state"


# --- teams --------------------------------------------------------------------------


def test_a_team_is_created_renamed_and_deleted(root: Api) -> None:
    Pool.objects.create(name="gpu")
    made = root.post("/teams", {"name": "Biology", "pools": ["gpu"]})
    expected = {"slug": "biology", "role": "admin", "pools": ["gpu"]}
    assert made.status_code == 201 and made.json().items() >= expected.items()
    renamed = root.patch("/teams/biology", {"name": "Life"}).json()
    assert renamed["name"] == "Life" and renamed["slug"] == "biology"
    assert error_of(root.post("/teams", {"name": "Life"}), 409)["code"] == "name_taken"
    assert root("DELETE", "/teams/biology").status_code == 204
    error_of(root.get("/teams/biology"), 404)


def test_a_team_with_work_stays(root: Api, team: Team) -> None:
    factories.experiment(team, "digits")
    assert "1 experiment" in error_of(root("DELETE", "/teams/physics"), 409)["message"]


@pytest.mark.parametrize("name", ["new", "…", " "])
def test_a_name_that_cannot_be_an_address_is_refused(root: Api, name: str) -> None:
    assert "name" in error_of(root.post("/teams", {"name": name}), 422)["fields"]


def test_a_token_cannot_stop_a_second_factor(root: Api, team: Team) -> None:
    path = "/teams/physics"
    wanted = {"requires_second_factor": True}
    assert root.patch(path, wanted).json()["requires_second_factor"]
    error = error_of(root.patch(path, {"requires_second_factor": False}), 403)
    assert error["code"] == "password_needed"


def test_an_invitation_is_a_link_that_can_be_revoked(root: Api) -> None:
    path = "/teams/physics/invitations"
    made = root.post(path, {"role": "viewer", "meant_for": "nina", "days": 1}).json()
    assert "/join/" in made.pop("link")
    assert root.get(path).json()["items"] == [made]
    assert root("DELETE", f"{path}/{made['id']}").status_code == 204
    assert root.get(path).json()["items"] == []
    error_of(root.post(path, {"days": 365}), 422)


def test_a_service_account_gets_tokens_until_it_is_closed(root: Api) -> None:
    path = "/teams/physics/service-accounts"
    made = root.post(path, {"username": "physics-ci"}).json()
    assert made["service_account"] and made["role"] == "member"
    error = error_of(root.post(path, {"username": "Physics-CI"}), 409)
    assert error["code"] == "name_taken"
    token = root.post("/tokens", {"name": "ci", "account": "physics-ci"}).json()
    assert Api(token["secret"]).get("/me").json()["username"] == "physics-ci"
    assert root("DELETE", f"{path}/{made['id']}").status_code == 204
    assert Api(token["secret"]).get("/me").status_code == 401


def test_me_says_who_calls_and_what_the_token_allows(api: Api) -> None:
    found = api.get("/me").json()
    assert found["teams"] == [{"team": "physics", "role": "member"}]
    assert (found["username"], found["scope"]) == ("ada", "write")
    assert not found["administrator"]


# --- pools --------------------------------------------------------------------------


def test_a_pool_is_created_and_changed(root: Api, team: Team) -> None:
    wanted = {"name": "gpu", "teams": ["physics"], "runners": ["ada"]}
    wanted |= {"folders": ["/srv/code/"], "python": "/opt/bin/python"}
    made = root.post("/pools", wanted)
    assert made.status_code == 201
    assert (
        made.json().items() >= {"teams": ["physics"], "folders": ["/srv/code"]}.items()
    )
    changed = root.patch("/pools/gpu", {"price_per_hour": 1.25, "runners": []})
    assert changed.json() == {**made.json(), "price_per_hour": 1.25}
    assert not Pool.objects.get(name="gpu").runners.exists()
    assert error_of(root.post("/pools", {"name": "gpu"}), 409)["code"] == "name_taken"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("teams", ["nobody"]),
        ("runners", ["nobody"]),
        ("folders", ["/etc"]),
        ("price_per_hour", -1),
        ("name", "new"),
        ("name", "a b"),
    ],
)
def test_a_wrong_setting_of_a_pool_is_named(root: Api, field: str, value: Any) -> None:
    answer = root.post("/pools", {"name": "gpu", field: value})
    assert field in error_of(answer, 422)["fields"]
    assert not Pool.objects.filter(name="gpu").exists()


def test_credentials_of_workers_are_shown_once_and_revoked(root: Api) -> None:
    Pool.objects.create(name="gpu")
    made = root.post("/pools/gpu/credentials").json()
    secret = made.pop("secret")
    assert secret.startswith("wrk_") and secret.startswith(made["prefix"])
    listed = root.get("/pools/gpu/credentials")
    assert listed.json()["items"] == [made] and secret not in listed.content.decode()
    assert root("DELETE", f"/pools/gpu/credentials/{made['id']}").status_code == 204
    assert root.get("/pools/gpu/credentials").json()["items"] == []


def test_hosts_are_drained_taken_back_and_forgotten(root: Api, team: Team) -> None:
    worker = factories.worker(factories.pool(team, "gpu"))
    path = f"/pools/gpu/hosts/{worker.pk}"
    drained = root.post(f"{path}/drain", {"reason": "new disk"}).json()
    assert drained["drain_reason"] == "new disk (sue)" and drained["draining_since"]
    assert root.post(f"{path}/undrain").json()["draining_since"] is None
    assert "responds" in error_of(root("DELETE", path), 409)["message"]
    old = timezone.now() - timedelta(hours=1)
    Worker.objects.filter(pk=worker.pk).update(seen_at=old)
    assert root.get("/pools/gpu/hosts").json()["items"][0]["silent"]
    assert root("DELETE", path).status_code == 204
    assert root.get("/pools/gpu/hosts").json()["items"] == []


# --- of a sweep ---------------------------------------------------------------------


def test_a_document_is_exported_for_another_system(api: Api, team: Team) -> None:
    sweep = factories.sweep(team)
    path = f"/sweeps/{sweep.pk}/document"
    assert "search_space:" in api.get(path).json()["text"]
    found = api.get(f"{path}?format=katib").json()
    assert "kind: Experiment" in found["text"]
    error_of(api.get(f"{path}?format=nni"), 422)


def test_the_history_of_a_sweep_is_for_its_team(api: Api, team: Team) -> None:
    sweep = factories.sweep(team, state="draft")
    api.post(f"/sweeps/{sweep.pk}/start")
    items = api.get(f"/sweeps/{sweep.pk}/events").json()["items"]
    assert items[0]["who"] == "ada" and items[0]["what"] == "sweep running"


def test_a_template_is_renamed(api: Api) -> None:
    body = {"name": "digits", "document": factories.definition_document()}
    made = api.post("/templates", body).json()
    renamed = api.patch(f"/templates/{made['id']}", {"name": "letters"}).json()
    assert renamed["name"] == "letters"
    error_of(api.patch(f"/templates/{made['id']}", {"name": ""}), 409)


def test_a_draft_gets_another_document(api: Api, team: Team) -> None:
    made = api.post("/sweeps", factories.definition_document()).json()
    path = f"/sweeps/{made['id']}/document"
    etag = api.get(path)["ETag"]
    other = factories.definition_document(display_name="better")
    changed = api("PUT", path, other, headers={"If-Match": etag})
    assert changed.json()["display_name"] == "better"
    late = api("PUT", path, other, headers={"If-Match": etag})
    assert error_of(late, 412)["code"] == "changed"
    wrong = api("PUT", path, {**other, "objective": {}})
    assert any("objective" in name for name in error_of(wrong, 422)["fields"])
    api.post(f"/sweeps/{made['id']}/start")
    assert error_of(api("PUT", path, other), 409)["code"] == "wrong_state"


def test_the_search_finds_what_the_caller_may_see(api: Api, team: Team) -> None:
    sweep = factories.sweep(team)
    factories.experiment(factories.team("Chemistry"), "digits of others")
    found = {each["kind"]: each for each in api.get("/search?q=digits").json()}
    assert found["sweeps"]["items"][0]["name"] == sweep.label
    assert found["experiments"]["count"] == "1"
    assert api.get("/search?q=nothing-like-it").json() == []


def test_deleting_what_a_team_has_in_the_trash_is_stopped(team: Team) -> None:
    factories.team("Physics", root="admin")
    admin = Api(factories.api_token(factories.user("root")))
    sweep = factories.sweep(team, state="completed")
    assert admin("DELETE", f"/sweeps/{sweep.pk}").status_code == 200
    assert admin("DELETE", "/trash?team=physics").json()["items"] == 1
    assert admin.post("/cleanup/stop?team=physics").json() == {"items": 1}
    assert admin.get("/trash").json()["items"][0]["state"] == "stopped"
    assert admin.post("/cleanup/stop?team=physics").json() == {"items": 0}


def test_a_trial_s_command_can_be_run_as_it_is_answered(api: Api, team: Team) -> None:
    command = {"command": "python train.py --x ${{search_space.x}}"}
    document = factories.definition_document(trial=command)
    trial = factories.trial(factories.sweep(team, document=document), params={"x": 0.5})
    found = api.get(f"/trials/{trial.pk}/environment").json()
    assert found["command"].endswith("python train.py --x 0.5")
    assert "export AZUREML_SWEEP_x=0.5" in found["exports"]


def test_a_team_that_was_made_at_the_same_time_is_a_409(
    root: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.team("Chemistry")
    free = "experiments.api.team_accounts.free_slug"
    monkeypatch.setattr(free, lambda name: "chemistry")
    assert error_of(root.post("/teams", {"name": "Alchemy"}), 409)["code"] == (
        "name_taken"
    )
    assert Team.objects.count() == 2


def test_teams_and_pools_come_in_pages(root: Api, team: Team) -> None:
    factories.pool(factories.team("Chemistry"), "gpu")
    factories.pool(team, "cpu")
    for path in ("/teams", "/pools"):
        first = root.get(f"{path}?limit=1").json()
        rest = root.get(f"{path}?cursor={first['next']}").json()
        found = [*first["items"], *rest["items"]]
        assert [row["name"] for row in found] == sorted({row["name"] for row in found})
        assert len(first["items"]) == 1 and rest["items"] and rest["next"] is None
