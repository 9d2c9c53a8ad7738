"""An experiment or a sweep goes to another team."""

from __future__ import annotations

from typing import Any

import pytest

from experiments import access, storage
from experiments.cleanup import purge, trash
from experiments.code import snapshots
from experiments.models import (
    CodeSnapshot,
    Event,
    Pool,
    Sweep,
    Team,
    TrashItem,
    Trial,
)
from experiments.sweeps.control import NotPossible
from experiments.sweeps.transfer import (
    TransferPlan,
    transfer_experiment,
    transfer_sweep,
)
from tests import factories
from tests.api.conftest import Api
from tests.pages.clients import client_of, page

pytestmark = pytest.mark.django_db


@pytest.fixture
def team(settings: Any, tmp_path: Any) -> Team:
    settings.HOME = tmp_path
    return factories.team("Physics", root="admin", ada="member")


@pytest.fixture
def other() -> Team:
    return factories.team("Chemistry", root="member", otto="member")


def with_code(team: Team, **fields: Any) -> Sweep:
    code = snapshots.store_files(team, {"train.py": b"print(1)"}, user=None)
    return factories.sweep(team, code=code, **fields)


def test_an_experiment_goes_with_its_sweeps_and_their_code(
    team: Team, other: Team
) -> None:
    sweep = with_code(team, user=factories.user("ada"))
    trial = factories.claim(factories.trial(sweep)).attempt.trial
    transfer_experiment(sweep.experiment, other, actor=factories.user("root"))
    ada, otto = factories.user("ada"), factories.user("otto")
    assert not access.sweeps_for(ada).exists()
    moved = access.sweeps_for(otto).get()
    assert (moved.pk, str(moved)) == (sweep.pk, str(sweep))
    assert moved.code is not None and moved.code.team == other
    assert CodeSnapshot.objects.filter(team=team).exists()
    assert access.trials_for(otto).get() == trial
    assert moved.created_by == ada and moved.state == "running"
    told = Event.objects.filter(verb="experiment transferred")
    assert {event.team_name for event in told} == {"Physics", "Chemistry"}
    assert told[0].before == {"team": "Physics"}


def test_a_sweep_goes_to_the_experiment_of_the_same_name(
    team: Team, other: Team
) -> None:
    factories.sweep(other)
    sweep = with_code(team, state="completed")
    trial = factories.trial(sweep, state="completed", value=0.5)
    moved = transfer_sweep(sweep, other, actor=factories.user("root"))
    assert str(moved) == "digits-2" and moved.experiment.team == other
    assert Trial.objects.get(pk=trial.pk).experiment == moved.experiment
    assert not access.trials_for(factories.user("ada")).exists()


def test_what_would_break_is_refused_in_sentences(team: Team, other: Team) -> None:
    running = with_code(team)
    with pytest.raises(NotPossible, match="Cancel it, or wait until it ends"):
        transfer_sweep(running, other, actor=None)
    Pool.objects.get(name="default").teams.remove(other)
    plan = TransferPlan.of(running.experiment, other)
    assert "pool default, which team Chemistry may not use" in plan.problems[0]
    Sweep.objects.update(state="completed")
    factories.experiment(other)
    with pytest.raises(NotPossible, match="already has an experiment whose sweeps"):
        transfer_experiment(running.experiment, other, actor=None)
    assert Sweep.objects.get().experiment.team == team


def test_a_single_runs_token_ends_with_its_authors_access(
    team: Team, other: Team
) -> None:
    api = Api(factories.api_token(factories.user("ada")))
    made = api.post("/runs?team=physics", {"experiment": "notebook"}).json()
    experiment = Trial.objects.get(pk=made["id"]).experiment
    transfer_experiment(experiment, other, actor=factories.user("root"))
    body = {"points": [{"name": "a", "step": 0, "value": 1}]}
    own = Api(made["token"])
    assert own.post(f"/runs/{made['id']}/metrics", body).status_code == 401


def test_the_page_says_what_changes_before_it_does(team: Team, other: Team) -> None:
    sweep = with_code(team, state="completed")
    url, root = f"/experiments/{sweep.experiment_id}/transfer/", client_of("root")
    assert "Show what changes" in page(root, url)
    text = page(root, f"{url}?team=chemistry")
    assert "1 code snapshot: team Chemistry gets a copy." in text
    assert "Transfer to Chemistry" in text
    assert client_of("ada").post(url, {"team": "chemistry"}).status_code == 403
    root.post(url, {"team": "chemistry"})
    assert Sweep.objects.get().experiment.team == other


def test_the_api_plans_and_transfers(team: Team, other: Team) -> None:
    sweep = with_code(team, state="completed")
    api = Api(factories.api_token(factories.user("root"), "admin"))
    path = f"/sweeps/{sweep.pk}/transfer"
    plan = api.post(path, {"team": "chemistry", "dry_run": True}).json()
    assert plan["transferred"] is False and plan["problems"] == []
    assert api.post(path, {"team": "chemistry"}).json()["transferred"] is True
    assert Sweep.objects.get().experiment.team == other
    assert api.post(path, {"team": "nowhere"}).status_code in (403, 404)


def _code_deleted(team: Team) -> None:
    """The team's unused code goes to the trash, and is deleted from it."""
    trash.move_code(
        CodeSnapshot.objects.filter(~purge.is_used(), team=team), team_id=team.pk
    )
    trash.delete_now(TrashItem.objects.all(), actor=None)
    purge.purge_trash()


def test_deleting_one_teams_copy_of_code_keeps_the_file_for_the_other(
    team: Team, other: Team
) -> None:
    sweep = with_code(team, state="completed")
    root = factories.user("root")
    for old, new in ((team, other), (other, team)):
        sweep = transfer_sweep(sweep, new, actor=root)
        _code_deleted(old)
        left = CodeSnapshot.objects.get()
        assert left.team == new and left == sweep.code
        assert storage.code_path(left.digest).exists()


def test_a_copy_that_waits_in_the_trash_is_taken_out(team: Team, other: Team) -> None:
    sweep = with_code(team, state="completed")
    kept = snapshots.store_files(other, {"train.py": b"print(1)"}, user=None)
    trash.move_code(CodeSnapshot.objects.filter(pk=kept.pk), team_id=other.pk)
    assert not CodeSnapshot.objects.filter(pk=kept.pk).exists()
    transfer_sweep(sweep, other, actor=factories.user("root"))
    assert CodeSnapshot.objects.get(team=other) == kept


def test_what_is_in_the_trash_goes_to_the_new_team(team: Team, other: Team) -> None:
    ada, otto = factories.user("ada"), factories.user("otto")
    sweep = with_code(team, state="completed")
    trash.move_sweeps(Sweep.objects.filter(pk=sweep.pk), actor=ada)
    transfer_experiment(sweep.experiment, other, actor=factories.user("root"))
    assert not access.trash_for(ada).exists()
    assert access.trash_for(otto).get().sweep_id == sweep.pk
