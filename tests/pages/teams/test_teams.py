"""Teams: who is in them, who may change that, and the tokens of the viewer."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from experiments import storage
from experiments.cleanup import purge, trash
from experiments.code import snapshots
from experiments.models import (
    ApiToken,
    Event,
    Membership,
    Pool,
    Sweep,
    Team,
    TrashItem,
    User,
)
from experiments.tokens import token_digest
from tests import factories
from tests.pages.clients import client_of, count_queries, page, text_of

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"
URL = "/teams/physics/"


@pytest.fixture
def team() -> Team:
    return factories.team("Physics", ada="admin", max="member", vera="viewer")


@pytest.fixture
def ada(team: Team) -> Client:
    return client_of("ada")


def role(name: str) -> str:
    return Membership.objects.get(team__slug="physics", user__username=name).role


def member_url(name: str, action: str) -> str:
    return f"{URL}members/{factories.user(name).pk}/{action}/"


def test_everybody_in_the_team_sees_its_people_and_pools(team: Team) -> None:
    factories.worker(factories.pool(team), "host-7", slots=3)
    text = page(client_of("vera"), URL)
    for part in ("ada", "max", "vera", "host-7", "0 of 3"):
        assert part in text
    assert "Add a person" not in text
    assert "/remove/" not in text


def test_what_early_termination_saved_is_shown_by_month(team: Team) -> None:
    assert "No trial of this team has ended early yet." in page(client_of("vera"), URL)
    sweep = factories.sweep(team)
    factories.trial(sweep, state="completed", value=0.5, elapsed=7300.0, reports=1200)
    for day in (datetime(2026, 10, 9, tzinfo=UTC), datetime(2026, 11, 9, tzinfo=UTC)):
        factories.trial(
            sweep, state="terminated", value=0.1, elapsed=100.0, ended_at=day, reports=9
        )
    text = page(client_of("vera"), URL)
    card = text.partition('id="savings-title"')[2].partition("</section>")[0]
    assert card.index("Nov 2026") < card.index("Oct 2026")
    assert card.count("2 h 00 m") == 2 and card.count("1,191") == 2
    assert "In total 4 h 00 m, by ending 2 trials early." in card
    assert "money" not in card
    Pool.objects.update(price_per_hour=1.5)
    text = page(client_of("vera"), URL)
    assert "In total 4 h 00 m and a cost of 6.00, by ending 2 trials early." in text


def test_an_admin_adds_somebody_with_an_account(ada: Client, team: Team) -> None:
    factories.user("new")
    ada.post(f"{URL}members/", {"username": "new", "role": "viewer"})
    assert role("new") == "viewer"
    event = Event.objects.get(verb="member added")
    assert (event.team, event.actor) == (team, factories.user("ada"))
    assert event.message == "new as viewer"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("max", "max is already in the team"),
        ("nwe", "There is no account &#x27;nwe&#x27;"),
    ],
)
def test_a_person_that_cannot_be_added_is_explained(
    ada: Client, name: str, sentence: str
) -> None:
    response = ada.post(f"{URL}members/", {"username": name, "role": "member"})
    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert not User.objects.filter(username="nwe").exists()


def test_an_admin_changes_roles(ada: Client) -> None:
    ada.post(member_url("max", "role"), {"role": "admin"})
    assert role("max") == "admin"
    assert Event.objects.get(verb="role changed").message == "max: member to admin"


def test_a_role_that_does_not_exist_is_refused(ada: Client) -> None:
    response = ada.post(member_url("max", "role"), {"role": "king"}, follow=True)
    assert "Use one of viewer, member, admin" in response.content.decode()
    assert role("max") == "member"


def test_the_last_admin_stays_one(ada: Client) -> None:
    for action, data in (("role", {"role": "viewer"}), ("remove", {})):
        response = ada.post(member_url("ada", action), data, follow=True)
        assert "would have no admin" in response.content.decode()
    assert role("ada") == "admin"
    assert not Event.objects.exists()


def test_removing_somebody_asks_first(ada: Client) -> None:
    text = page(ada, member_url("max", "remove"))
    assert "Remove max from team Physics?" in text
    assert role("max") == "member"
    ada.post(member_url("max", "remove"))
    assert not Membership.objects.filter(user__username="max").exists()
    assert Event.objects.get(verb="member removed").message == "max, member"
    assert User.objects.filter(username="max").exists()


def test_an_admin_may_leave_when_there_is_another(ada: Client) -> None:
    Membership.objects.filter(user__username="max").update(role="admin")
    assert ada.post(member_url("ada", "remove"))["Location"] == "/"
    assert ada.get(URL).status_code == 404


@pytest.mark.parametrize("name", ["max", "vera"])
def test_only_admins_manage_people(team: Team, name: str) -> None:
    client = client_of(name)
    posts = {
        f"{URL}members/": {"username": "ada", "role": "viewer"},
        member_url("ada", "role"): {"role": "viewer"},
        member_url("ada", "remove"): {},
    }
    for url, data in posts.items():
        assert client.post(url, data).status_code == 403
    assert role("ada") == "admin"


def test_other_teams_do_not_exist(ada: Client) -> None:
    factories.team("Chemistry", carl="admin")
    carl = factories.user("carl").pk
    assert ada.get("/teams/chemistry/").status_code == 404
    for url in ("members/", f"members/{carl}/role/", f"members/{carl}/remove/"):
        assert ada.post(f"/teams/chemistry/{url}").status_code == 404
    assert ada.post(f"{URL}members/{carl}/remove/").status_code == 404


def test_the_picked_team_is_the_one_that_home_shows(ada: Client) -> None:
    factories.team("Zoology", ada="viewer")
    ada.post("/teams/zoology/switch/")
    assert "<title>Zoology" in page(ada, "/")
    assert ada.session["team"] == "zoology"
    ada.post("/teams/switch/", {"team": "physics"})
    assert ada.session["team"] == "physics"


def test_a_foreign_team_cannot_be_picked(ada: Client) -> None:
    factories.team("Chemistry")
    assert ada.post("/teams/chemistry/switch/").status_code == 404
    assert ada.get("/teams/physics/switch/").status_code == 405


def test_superusers_make_teams_with_pools(team: Team) -> None:
    factories.user("root", is_superuser=True)
    root, pool = client_of("root"), factories.pool(team, "gpu")
    response = root.post("/teams/new/", {"name": "Sea Life", "pools": [pool.pk]})
    made = Team.objects.get(slug="sea-life")
    assert response["Location"] == "/teams/sea-life/"
    assert list(made.pools.all()) == [pool]
    assert made.memberships.get().role == "admin"


@pytest.mark.parametrize("name", ["new", "Switch", "!!!", "Physics "])
def test_names_that_make_no_address_of_their_own_are_refused(
    team: Team, name: str
) -> None:
    factories.user("root", is_superuser=True)
    assert client_of("root").post("/teams/new/", {"name": name}).status_code == 422
    assert Team.objects.count() == 1


def test_others_make_no_teams(ada: Client) -> None:
    assert ada.get("/teams/new/").status_code == 403
    assert ada.post("/teams/new/", {"name": "Mine"}).status_code == 403


def test_a_token_is_shown_once_and_kept_as_a_hash(ada: Client) -> None:
    data = {"name": "ci-nightly", "scope": "read", "days": "30", "back": URL}
    response = ada.post("/settings/tokens/new/", data)
    found = re.search(r"swp_[\w-]{43}", response.content.decode())
    assert found
    token = ApiToken.objects.get()
    assert token.digest == token_digest(found[0])
    assert (token.user, token.scope) == (factories.user("ada"), "read")
    assert f'href="{URL}"' in response.content.decode()
    text = page(ada, URL)
    assert "ci-nightly" in text
    assert found[0] not in text
    assert Event.objects.get(verb="token created").actor == factories.user("ada")


def test_a_token_needs_a_label(ada: Client) -> None:
    data = {"name": "", "scope": "read", "days": "30"}
    assert ada.post("/settings/tokens/new/", data).status_code == 422
    assert not ApiToken.objects.exists()


def test_a_token_never_leads_to_another_site(ada: Client) -> None:
    data = {"name": "x", "scope": "read", "back": "https://evil.example/"}
    assert b"evil.example" not in ada.post("/settings/tokens/new/", data).content


def test_revoking_a_token_asks_first_and_is_final(ada: Client) -> None:
    factories.api_token(factories.user("ada"))
    url = f"/settings/tokens/{ApiToken.objects.get().pk}/revoke/"
    assert "Revoke token" in page(ada, url)
    ada.post(url)
    assert ApiToken.objects.get().revoked_at is not None
    assert ada.post(url).status_code == 404
    assert Event.objects.filter(verb="token revoked").count() == 1


def test_tokens_of_others_do_not_exist(ada: Client) -> None:
    factories.api_token(factories.user("max"))
    url = f"/settings/tokens/{ApiToken.objects.get().pk}/revoke/"
    assert ada.post(url).status_code == 404
    assert ApiToken.objects.get().revoked_at is None


def test_hostile_names_are_text(ada: Client, team: Team) -> None:
    User.objects.filter(username="max").update(first_name=HOSTILE)
    Team.objects.update(name=HOSTILE)
    ApiToken.objects.create(user=factories.user("ada"), name=HOSTILE, digest="x")
    text = page(ada, URL)
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert") > 3


def test_queries_do_not_grow_with_people_and_workers(ada: Client, team: Team) -> None:
    factories.worker(factories.pool(team), "host")
    few = count_queries(ada, URL)
    for index in range(15):
        Membership.objects.create(team=team, user=factories.user(f"p-{index}"))
        factories.worker(factories.pool(team, f"pool-{index}"), f"host-{index}")
        factories.api_token(factories.user("ada"))
    assert count_queries(ada, URL) == few < 24


def test_an_admin_requires_a_second_factor_of_the_team(ada: Client, team: Team) -> None:
    text = page(ada, URL)
    assert "3 people have no second factor yet" in text and "two-factor" in text
    assert "two-factor" not in page(client_of("max"), URL)
    ada.post(f"{URL}rules/", {"requires_second_factor": "on"})
    team.refresh_from_db()
    assert team.requires_second_factor
    event = Event.objects.get(verb="team's rules changed")
    assert event.before == {"requires_second_factor": False}
    assert event.after == {"requires_second_factor": True}
    assert client_of("max").post(f"{URL}rules/").status_code == 403


def test_the_work_of_people_who_leave_stays_and_continues(
    ada: Client, team: Team
) -> None:
    sweep = factories.sweep(team, user=factories.user("max"))
    trial = factories.claim(factories.trial(sweep)).attempt.trial
    ada.post(member_url("max", "remove"))
    sweep.refresh_from_db()
    trial.refresh_from_db()
    assert (sweep.state, trial.state) == ("running", "running")
    assert sweep.created_by == factories.user("max")
    assert client_of("max").get(f"/sweeps/{sweep.pk}/").status_code == 404


def test_running_sweeps_of_a_person_who_is_removed_get_a_new_owner(
    ada: Client, team: Team
) -> None:
    max_ = factories.user("max")
    running = factories.sweep(team, user=max_)
    done = factories.sweep(team, user=max_, state="completed")
    text = page(ada, member_url("max", "remove"))
    assert str(running) in text and str(done) not in text
    assert "Owner of the running sweeps" in text and "max, as now" in text
    refused = ada.post(member_url("max", "remove"), {"owner": "vera"}, follow=True)
    assert "vera cannot have sweeps of team Physics." in text_of(refused)
    assert role("max") == "member"
    ada.post(member_url("max", "remove"), {"owner": "ada"})
    owners = Sweep.objects.order_by("number").values_list("created_by__username", "pk")
    assert list(owners) == [("ada", running.pk), ("max", done.pk)]
    event = Event.objects.get(verb="sweep handed over")
    assert (event.before, event.after) == ({"owner": "max"}, {"owner": "ada"})


def test_without_a_new_owner_running_sweeps_stay(ada: Client, team: Team) -> None:
    running = factories.sweep(team, user=factories.user("max"))
    ada.post(member_url("max", "remove"), {"owner": ""})
    assert Sweep.objects.get().created_by == running.created_by
    assert not Event.objects.filter(verb="sweep handed over").exists()


def test_a_member_leaves_from_the_profile_page(ada: Client, team: Team) -> None:
    max_ = client_of("max")
    assert f"{URL}leave/" in page(max_, "/settings/")
    assert "Leave team Physics?" in page(max_, f"{URL}leave/")
    assert max_.post(f"{URL}leave/")["Location"] == "/settings/"
    assert not Membership.objects.filter(user__username="max").exists()
    assert max_.get(URL).status_code == 404
    assert f"{URL}leave/" not in page(ada, "/settings/"), "she is the only admin"
    answer = ada.post(f"{URL}leave/", follow=True)
    assert "would have no admin" in text_of(answer)


def test_a_team_is_renamed_and_keeps_its_address(team: Team, ada: Client) -> None:
    assert client_of("max").post(f"{URL}rename/", {"name": "x"}).status_code == 403
    factories.team("Chemistry")
    taken = ada.post(f"{URL}rename/", {"name": "Chemistry"})
    assert "already exists" in text_of(taken)
    assert ada.post(f"{URL}rename/", {"name": "Optics"}).status_code == 302
    assert "Team Optics" in page(ada, URL)
    event = Event.objects.get(verb="team renamed")
    assert (event.before, event.after) == ({"name": "Physics"}, {"name": "Optics"})


def test_a_team_without_experiments_is_deleted_after_its_name_is_typed(
    team: Team, ada: Client, settings: Any, tmp_path: Path
) -> None:
    settings.HOME = tmp_path
    sweep = factories.sweep(team, state="completed")
    code = snapshots.store_files(team, {"train.py": b"1"}, user=None)
    factories.user("robot", service_team=team)
    kept = "It has 1 experiment. Transfer them to another team"
    assert kept in page(ada, f"{URL}delete/")
    assert kept in text_of(ada.post(f"{URL}delete/", {"reason": "Physics"}))
    trash.move_experiment(sweep.experiment, actor=None)
    assert "Its trash is not empty." in page(ada, f"{URL}delete/")
    trash.delete_now(TrashItem.objects.all(), actor=None)
    purge.purge_trash()
    question = page(ada, f"{URL}delete/")
    assert "Type Physics to confirm" in question and "service accounts" in question
    wrong = ada.post(f"{URL}delete/", {"reason": "Chemistry"})
    assert wrong.status_code == 422 and Team.objects.exists()
    assert ada.post(f"{URL}delete/", {"reason": "Physics"}).status_code == 302
    assert not Team.objects.exists()
    assert not User.objects.filter(username="robot").exists()
    assert not storage.code_path(code.digest).exists()
    event = Event.objects.get(verb="team deleted")
    assert event.before["members"]["vera"] == "viewer"
    assert ada.get("/").status_code == 200
