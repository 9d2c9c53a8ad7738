"""Names, tags, notes and archive for programs."""

from __future__ import annotations

from experiments.models import Experiment, Sweep, Team, Trial
from tests import factories
from tests.api.conftest import Api


def test_a_trial_gets_tags_a_note_and_is_archived(api: Api, team: Team) -> None:
    sweep = factories.sweep(team)
    trial = factories.trial(sweep, state="completed", value=0.5)
    body = {"tags": {"best": "", "gpu": "no"}, "note": "*good*", "archived": True}
    answer = api.patch(f"/trials/{trial.pk}", body).json()
    assert (answer["tags"], answer["note"]) == ({"best": "", "gpu": "no"}, "*good*")
    assert answer["archived"] is True
    answer = api.patch(f"/trials/{trial.pk}", {"tags": {"gpu": None}}).json()
    assert answer["tags"] == {"best": ""} and answer["archived"] is True
    assert not api.patch(f"/trials/{trial.pk}", {"archived": False}).json()["archived"]
    running = factories.trial(sweep)
    refused = api.patch(f"/trials/{running.pk}", {"archived": True})
    assert refused.status_code == 409
    wrong = api.patch(f"/trials/{trial.pk}", {"tags": {"mlflow.user": "x"}})
    assert (
        wrong.status_code == 409
        and "Choose another" in wrong.json()["error"]["message"]
    )


def test_many_trials_change_in_one_step(api: Api, team: Team) -> None:
    sweep = factories.sweep(team)
    ids = [factories.trial(sweep).pk for _ in range(3)]
    body = {"trials": ids, "tags": {"seed": "3"}, "note": "again"}
    assert api.post("/annotations", body).json() == {"changed": 3}
    assert api.post("/annotations", {**body, "append": True}).json() == {"changed": 3}
    assert api.get(f"/trials/{ids[0]}").json()["note"] == "again\n\nagain"
    assert api.post("/annotations", {"trials": [10**6]}).status_code == 422


def test_what_is_only_open_to_read_is_not_changed(api: Api) -> None:
    other = factories.sweep(factories.team("Chemistry", otto="member"))
    trial = factories.trial(other, state="completed", value=0.5)
    Experiment.objects.update(open_to_all=True)
    body = {"trials": [trial.pk], "note": "mine"}
    assert api.post("/annotations", body).status_code == 403
    assert api.patch(f"/trials/{trial.pk}", {"note": "mine"}).status_code == 403
    url = f"/experiments/{other.experiment_id}"
    assert api.patch(url, {"notes": "mine"}).status_code == 403
    assert Trial.objects.filter(run__note="mine").count() == 0


def test_an_experiment_is_renamed_tagged_noted_and_archived(
    api: Api, team: Team
) -> None:
    sweep: Sweep = factories.sweep(team)
    url = f"/experiments/{sweep.experiment_id}"
    body = {"name": "numbers", "question": "Why?", "tags": ["a"], "notes": "**b**"}
    answer = api.patch(url, {**body, "archived": True}).json()
    assert {name: answer[name] for name in body} == body
    assert answer["archived"] and answer["slug"] == sweep.experiment.slug
    assert not api.patch(url, {"archived": False}).json()["archived"]
    assert api.patch(url, {"name": "a\u202eb"}).status_code == 422
