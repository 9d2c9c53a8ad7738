"""Running commands on a pool is a permission of its own."""

from __future__ import annotations

import pytest

from experiments.models import Pool, Sweep, Team
from experiments.search.document.definition import parse_document
from experiments.search.fields import DefinitionError
from experiments.sweeps import control
from experiments.sweeps.creation import create_sweep
from tests import factories
from tests.api.conftest import Api

pytestmark = pytest.mark.django_db


@pytest.fixture
def team() -> Team:
    return factories.team("Physics", ada="member", max="member")


def limit(*names: str) -> None:
    Pool.objects.get(name="default").runners.set(map(factories.user, names))


def test_without_a_list_every_member_runs_commands(team: Team) -> None:
    definition = parse_document(factories.definition_document())
    assert create_sweep(team, definition, user=factories.user("max")).pk


def test_only_people_of_the_list_create_and_start_sweeps(team: Team) -> None:
    draft = factories.sweep(team, state="draft")
    limit("ada")
    definition = parse_document(factories.definition_document())
    with pytest.raises(DefinitionError, match="may not run commands on pool"):
        create_sweep(team, definition, user=factories.user("max"))
    with pytest.raises(control.NotPossible, match="may not run commands on pool"):
        control.steer(draft, "start", actor=factories.user("max"))
    assert Sweep.objects.get().state == "draft"
    assert control.steer(draft, "start", actor=factories.user("ada")).pk
    assert control.steer(draft, "pause", actor=factories.user("max")).pk
    with pytest.raises(control.NotPossible):
        control.steer(draft, "resume", actor=factories.user("max"))


def test_the_api_names_the_field(team: Team) -> None:
    limit("ada")
    answer = Api(factories.api_token(factories.user("max"))).post(
        "/sweeps", factories.definition_document()
    )
    assert answer.status_code == 422
    assert "compute" in answer.json()["error"]["fields"]
    root = factories.user("root", is_superuser=True)
    factories.team("Physics", root="admin")
    again = Api(factories.api_token(root)).post(
        "/sweeps", factories.definition_document()
    )
    assert again.status_code == 201
