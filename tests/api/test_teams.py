"""Teams, members and experiments over HTTP."""

from __future__ import annotations

from experiments.models import Event, Membership, Sweep, Team
from tests import factories
from tests.api.conftest import Api


def test_an_admin_manages_members(team: Team) -> None:
    factories.team("Physics", root="admin")
    factories.user("new")
    api = Api(factories.api_token(factories.user("root"), "admin"))
    made = api.post("/teams/physics/members", {"username": "new", "role": "viewer"})
    assert made.status_code == 201 and made.json()["role"] == "viewer"
    again = api.post("/teams/physics/members", {"username": "new"})
    assert again.status_code == 409
    assert api.post("/teams/physics/members", {"username": "nwe"}).status_code == 422
    path = f"/teams/physics/members/{made.json()['id']}"
    assert api.patch(path, {"role": "member"}).json()["role"] == "member"
    assert api("DELETE", path).status_code == 204
    rows = api.get("/teams/physics/members").json()["items"]
    assert {row["username"] for row in rows} == {"ada", "root", "vera"}
    root = Membership.objects.get(user__username="root")
    last = api("DELETE", f"/teams/physics/members/{root.user_id}")
    assert last.status_code == 409 and "no admin" in last.json()["error"]["message"]
    verbs = ["member added", "role changed", "member removed"]
    assert [
        e.verb for e in Event.objects.filter(verb__in=verbs).order_by("pk")
    ] == verbs


def test_everybody_reads_their_teams_and_experiments(api: Api, team: Team) -> None:
    other = factories.team("Chemistry", otto="admin")
    factories.experiment(team)
    factories.experiment(other, "secret")
    factories.experiment(other, "shared", open_to_all=True)
    assert [row["slug"] for row in api.get("/teams").json()["items"]] == ["physics"]
    assert api.get("/teams/physics").json()["role"] == "member"
    assert api.get("/teams/chemistry").status_code == 404
    rows = api.get("/experiments").json()["items"]
    assert [row["name"] for row in rows] == ["shared", "digits"]
    assert api.get(f"/experiments/{rows[0]['id']}").json()["open_to_all"] is True


def test_people_leave_and_what_they_run_is_handed_over(team: Team) -> None:
    factories.team("Physics", root="admin", max="member")
    root = Api(factories.api_token(factories.user("root"), "admin"))
    sweep = factories.sweep(team, user=factories.user("max"))
    path = f"/teams/physics/members/{factories.user('max').pk}"
    wrong = root("DELETE", f"{path}?owner=vera")
    assert wrong.status_code == 409
    assert "vera cannot have sweeps" in wrong.json()["error"]["message"]
    assert root("DELETE", f"{path}?owner=ada").status_code == 204
    sweep.refresh_from_db()
    assert sweep.created_by == factories.user("ada")
    ada = Api(factories.api_token(factories.user("ada")))
    assert ada.post("/teams/physics/leave").status_code == 204
    assert ada.get("/teams").json()["items"] == []
    assert root.post("/teams/physics/leave").status_code == 409


def test_an_experiment_goes_to_the_trash_once_nothing_runs(
    api: Api, team: Team
) -> None:
    sweep = factories.sweep(team)
    path = f"/experiments/{sweep.experiment_id}"
    assert api("DELETE", path).status_code == 409
    Sweep.objects.update(state="completed")
    assert api("DELETE", path).json()["kind"] == "experiment"
    assert api.get(path).status_code == 404
