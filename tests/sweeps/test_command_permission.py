"""Running commands on a pool is a separate permission."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.models import Pool, Sweep, Team
from experiments.search.document.definition import parse_document
from experiments.search.fields import DefinitionError
from experiments.sweeps import control
from experiments.sweeps.creation import create_sweep
from tests import factories
from tests.api.conftest import Api
from tests.pages.clients import client_of, text_of

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


def test_the_builder_offers_only_pools_on_which_you_may_run_commands(
    team: Team,
) -> None:
    Pool.objects.create(name="open").teams.add(team)
    limit("ada")
    max_, new = client_of("max"), "/sweeps/new/"
    assert offered(max_.get(new)) == ["open"]
    assert sorted(offered(client_of("ada").get(new))) == ["default", "open"]
    sweep = factories.sweep(team, state="draft")
    copied = max_.get(f"{new}?clone={sweep.pk}")
    assert "default, you may not run commands on it" in text_of(copied)


def offered(page: Any) -> list[str]:
    choices = page.context["form"].fields["compute"].widget.choices
    return [name for name, _ in choices]
