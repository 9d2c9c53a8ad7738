"""The audit log's page: who sees which events, and how it stays quick."""

from __future__ import annotations

import json
from contextvars import copy_context
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from experiments import origin
from experiments.models import Event, Membership, Team
from experiments.pages import audit
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def team() -> Team:
    return factories.team("Physics", root="admin", ada="member")


@pytest.fixture
def root(team: Team) -> Client:
    client = Client()
    client.force_login(factories.user("root"))
    return client


def test_an_admin_sees_their_team_alone(root: Client, team: Team) -> None:
    other = factories.team("Chemistry", otto="admin")
    Event.log("role changed", "ours", team=team)
    Event.log("role changed", "theirs", team=other)
    page = root.get("/audit/").content.decode()
    assert ("ours" in page, "theirs" in page) == (True, False)
    lines = list(root.get("/audit/export.json").streaming_content)  # type: ignore[attr-defined]
    assert [json.loads(line)["message"] for line in lines] == ["ours"]
    exported = Event.objects.get(verb="audit log exported")
    assert (exported.actor_name, exported.via) == ("root", "browser")


def test_a_row_says_what_changed_and_hides_no_character(
    root: Client, team: Team
) -> None:
    ada = factories.user("ada")
    with origin.of_request("/", "10.0.2.31"):
        Event.log(
            "role changed",
            "a\u202eb <script>",
            actor=ada,
            team=team,
            before={"role": "member"},
            after={"role": "viewer"},
        )
    page = root.get("/audit/").content.decode()
    assert "a\\u202eb &lt;script&gt;" in page
    assert "<del>member</del>" in page
    assert "browser, 10.0.2.31" in page


def test_pages_by_id_have_every_event_once(
    root: Client, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "A_PAGE", 2)
    made = [Event.log(f"act {n}", team=team).pk for n in range(5)]
    seen: list[list[int]] = []
    query: str | None = ""
    while query is not None:
        context = root.get(f"/audit/?{query}").context
        seen.append(shown(context))
        query = f"before={context['older']}" if context["older"] else None
    assert seen == [made[:2:-1], made[2:0:-1], made[:1]]
    back = root.get(f"/audit/?after={made[0]}").context
    assert (shown(back), back["newer"]) == (made[2:0:-1], made[2])


def shown(context: Any) -> list[int]:
    return [line.event.pk for _, _, lines in context["days"] for line in lines]


def test_a_wrong_day_is_explained_on_the_page(root: Client) -> None:
    answer = root.get("/audit/?from=soon")
    assert answer.status_code == 422
    assert "which is not a day" in answer.content.decode()
    answer = root.get("/audit/?from=2026-12-02&to=2026-12-01")
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "Swap the two days" in text
    assert "Remove from" not in text


def test_more_events_take_no_more_queries(
    root: Client, team: Team, django_assert_max_num_queries: Any
) -> None:
    for n in range(30):
        sweep = factories.sweep(team)
        Event.log("sweep changed", f"{n}", actor=factories.user("ada"), sweep=sweep)
    root.get("/audit/")
    with django_assert_max_num_queries(14):
        root.get("/audit/")


def test_a_change_in_the_administration_is_logged_with_its_values() -> None:
    client, sue = Client(), factories.user("sue", is_staff=True, is_superuser=True)
    client.force_login(sue)
    team = factories.team("Vision", eve="member")
    member = Membership.objects.get(team=team)
    url = f"/admin/experiments/membership/{member.pk}/change/"
    form = {"user": member.user_id, "team": team.pk, "role": "viewer"}
    assert client.post(url, form).status_code == 302
    (event,) = Event.objects.filter(via=origin.ADMIN)
    assert (event.verb, event.actor_name, event.team) == (
        *("membership changed", "sue"),
        team,
    )
    assert (event.before, event.after) == ({"role": "member"}, {"role": "viewer"})
    client.post(f"/admin/experiments/membership/{member.pk}/delete/", {"post": "yes"})
    deleted = Event.objects.get(verb="membership deleted")
    assert deleted.object_name == "eve in Vision: viewer"


def test_a_password_is_not_recorded() -> None:
    client, sue = Client(), factories.user("sue", is_staff=True, is_superuser=True)
    client.force_login(sue)
    secret = "correct horse battery"
    names = ("usable_password", "password1", "password2")
    form = dict(zip(names, ("true", secret, secret), strict=True))
    inline = {"memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}
    answer = client.post("/admin/experiments/user/add/", {"username": "n", **form})
    if answer.status_code != 302:
        form |= {name: str(value) for name, value in inline.items()}
        client.post("/admin/experiments/user/add/", {"username": "n", **form})
    event = Event.objects.get(verb="user added")
    assert secret not in json.dumps([event.after, event.message, event.data])


def test_a_command_is_logged_with_the_systems_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOGNAME", "operator")
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "correct horse battery")
    context = copy_context()
    context.run(origin.note_command, "createsuperuser")
    words = {"interactive": False, "username": "boss", "email": "b@example.org"}
    context.run(call_command, "createsuperuser", **words)
    event = Event.objects.get(verb="administrator created")
    assert (event.who, event.via, event.object_name) == (
        *("operator", "command line"),
        "boss",
    )


def test_a_terminal_gets_no_unseen_character(
    team: Team, capsys: pytest.CaptureFixture[str]
) -> None:
    factories.api_token(factories.user("a\u202e\x1b[2J"))
    call_command("token", "list")
    assert "a\\u202e\\x1b[2J" in capsys.readouterr().out
