"""Experiments that a team shows to everybody."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from experiments import access
from experiments.models import ApiToken, Event, Experiment, Team
from tests import factories
from tests.api.conftest import Api
from tests.pages.clients import client_of, count_queries, page

pytestmark = pytest.mark.django_db


@pytest.fixture
def team() -> Team:
    factories.team("Chemistry", otto="admin")
    return factories.team("Physics", ada="member", root="admin")


def edit(name: str, experiment: Experiment, **fields: Any) -> Any:
    data = {"name": experiment.name, "question": "", "tags": "", **fields}
    return client_of(name).post(f"/experiments/{experiment.pk}/edit/", data)


def test_only_an_admin_of_the_team_opens_an_experiment(team: Team) -> None:
    experiment = factories.experiment(team)
    edit("ada", experiment, open_to_all="on")
    experiment.refresh_from_db()
    assert not experiment.open_to_all
    assert "open_to_all" not in page(
        client_of("ada"), f"/experiments/{experiment.pk}/edit/"
    )
    edit("root", experiment, open_to_all="on")
    experiment.refresh_from_db()
    assert experiment.open_to_all
    event = Event.objects.get(verb="experiment opened to all")
    assert (event.before, event.after) == (
        {"open_to_all": False},
        {"open_to_all": True},
    )
    edit("root", experiment)
    assert Event.objects.filter(verb="experiment closed").count() == 1


def test_others_read_an_open_experiment_and_change_nothing(team: Team) -> None:
    experiment = factories.experiment(team, open_to_all=True)
    sweep = factories.sweep(team)
    trial = factories.reported_trial(sweep, [0.5])
    otto = client_of("otto")
    for url in (f"experiments/{experiment.pk}", f"sweeps/{sweep.pk}"):
        page(otto, f"/{url}/")
    page(otto, f"/trials/{trial.pk}/")
    assert "Of other teams" in page(otto, "/experiments/")
    for url in (f"sweeps/{sweep.pk}/pause", f"trials/{trial.pk}/cancel"):
        assert otto.post(f"/{url}/").status_code == 403
    for url in (f"experiments/{experiment.pk}/edit/", f"sweeps/{sweep.pk}/edit/"):
        assert otto.get(f"/{url}").status_code == 403
    assert otto.get("/teams/physics/").status_code == 404
    api = Api(factories.api_token(factories.user("otto")))
    assert api.get(f"/sweeps/{sweep.pk}").status_code == 200
    assert api.post(f"/sweeps/{sweep.pk}/pause").status_code == 403
    assert api.get(f"/trials/{trial.pk}/metrics?name=accuracy").status_code == 200


@pytest.mark.parametrize("name", ["otto", "nobody"])
def test_others_find_open_experiments(team: Team, name: str) -> None:
    factories.user("nobody")
    opened = factories.experiment(team, "shared", open_to_all=True)
    factories.experiment(team, "closed")
    client = client_of(name)
    for path in ("/", "/experiments/"):
        text = page(client, path)
        assert f'href="/experiments/{opened.pk}/"' in text
        assert "closed" not in text
    few = count_queries(client, "/")
    factories.experiment(team, "second", open_to_all=True)
    assert count_queries(client, "/") == few


def test_pages_of_an_open_experiment_say_who_sees_what(team: Team) -> None:
    experiment = factories.experiment(team, open_to_all=True)
    sweep = factories.sweep(team)
    text = page(client_of("otto"), f"/experiments/{experiment.pk}/")
    assert "everybody may read it" in text
    assert "visible to team" not in text
    events = f"/sweeps/{sweep.pk}/events/"
    assert "Only the team sees its events" in page(client_of("otto"), events)
    assert "Only the team" not in page(client_of("ada"), events)


def test_closed_ones_and_others_stay_hidden(team: Team) -> None:
    other = factories.experiment(team, "secret")
    hidden = factories.sweep(
        team, document=factories.definition_document(experiment_name="secret")
    )
    factories.experiment(team, open_to_all=True)
    otto = client_of("otto")
    assert otto.get(f"/experiments/{other.pk}/").status_code == 404
    assert otto.get(f"/sweeps/{hidden.pk}/").status_code == 404


@pytest.mark.parametrize("kind", ["one team's token", "inactive", "service account"])
def test_who_is_limited_to_a_team_does_not_see_open_experiments(
    team: Team, kind: str
) -> None:
    factories.experiment(team, open_to_all=True)
    otto, chemistry = factories.user("otto"), Team.objects.get(name="Chemistry")
    assert access.experiments_for(otto).count() == 1
    if kind == "inactive":
        otto.is_active = False
    elif kind == "service account":
        otto.service_team = chemistry
    else:
        otto.token_team_id = chemistry.pk
    assert access.experiments_for(otto).count() == 0


def test_the_filter_costs_no_query(team: Team) -> None:
    factories.experiment(team, open_to_all=True)
    otto = factories.user("otto")
    with CaptureQueriesContext(connection) as queries:
        list(access.sweeps_for(otto))
    assert len(queries) == 1
    assert ApiToken.objects.count() == 0
