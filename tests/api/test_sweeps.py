"""Reading sweeps: the listing, one sweep, and its best trial."""

from __future__ import annotations

import base64
import json
from functools import partial
from typing import Any
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from experiments.models import Attempt, Run, Team
from tests import factories
from tests.api.conftest import Api


def test_a_sweep_has_counts_progress_and_its_document(api: Api, team: Team) -> None:
    sweep = factories.sweep(team)
    factories.trial(sweep, state="completed", value=0.5, elapsed=10.0)
    factories.trial(sweep, state="failed")
    factories.trial(sweep)
    shown = api.get(f"/sweeps/{sweep.pk}").json()
    assert shown["counts"] == {
        "queued": 1,
        "running": 0,
        "completed": 1,
        "terminated": 0,
        "cancelled": 0,
        "failed": 1,
    }
    assert shown["progress"] == 0.5
    assert shown["definition"]["objective"]["primary_metric"] == "accuracy"
    assert shown["limits"]["max_total_trials"] == 4
    assert shown["experiment"]["slug"] == "digits"


def test_the_importance_of_parameters(api: Api, team: Team) -> None:
    sweep = factories.sweep(team)
    few = api.get(f"/sweeps/{sweep.pk}/importance").json()
    assert few["ready"] is False and few["parameters"] == []
    assert few["sentence"] == "Needs 10 trials with a value; none have one."
    for number in range(40):
        value = number / 40
        params = {"lr": 0.001 + 0.1 * value}
        factories.trial(sweep, state="completed", value=value, params=params)
    found = api.get(f"/sweeps/{sweep.pk}/importance?over_range=true").json()
    assert found["parameters"][0]["name"] == "lr"
    assert found["parameters"][0]["told_apart"] is True
    assert found["question"] == "Where in its range is the best quarter?"


def test_a_completed_sweep_has_come_to_its_end(api: Api, team: Team) -> None:
    sweep = factories.sweep(team, state="completed")
    factories.trial(sweep, state="completed", value=0.5)
    assert api.get(f"/sweeps/{sweep.pk}").json()["progress"] == 1.0


def listed(api: Api, path: str, text: str) -> list[str]:
    """The names of what a filter finds, the newest first."""
    answer = api.get(f"{path}?{urlencode({'filter': text})}")
    assert answer.status_code == 200, answer.content
    items = answer.json()["items"]
    return [item.get("label") or item["name"] for item in items]


def test_parameters_of_runs_are_read_as_what_they_say(api: Api, team: Team) -> None:
    """Text that JSON has no number for stays text."""
    for name, clip, norm in (("a", "inf", "true"), ("b", "2.5", "False")):
        run = factories.run(team, name)
        params = {"clip": clip, "bn": norm}
        Run.objects.filter(trial=run).update(params=params)
    assert listed(api, "/runs", "clip > 1") == ["b"]
    assert listed(api, "/runs", 'clip = "inf"') == ["a"]
    assert listed(api, "/runs", "not bn") == ["b"]


def test_a_sweep_is_filtered_by_its_own_goal(api: Api, team: Team) -> None:
    for goal in ("minimize", "maximize"):
        sweep = factories.sweep(team, goal=goal)
        for value in (0.1, 0.9):
            factories.trial(sweep, state="completed", value=value)
    assert listed(api, "/sweeps", "accuracy > 0.5") == ["digits-2"]
    assert listed(api, "/sweeps", "accuracy < 0.5") == ["digits-1"]


def test_lists_of_sweeps_and_runs_are_filtered_by_expressions(
    api: Api, team: Team
) -> None:
    for value in (0.25, 0.75):
        sweep = factories.sweep(team, tags={"base": str(value)})
        factories.trial(sweep, state="completed", value=value)
        factories.report(factories.run(team, f"run-{value}"), [value])

    found = partial(listed, api)
    assert found("/sweeps", "value > 0.5") == ["digits-2"]
    assert found("/sweeps", 'tag = "base=0.25" or experiment = x') == ["digits-1"]
    assert found("/sweeps", "digits-2") == ["digits-2"]
    assert found("/runs", "accuracy > 0.5 and running") == ["run-0.75"]
    assert found("/runs", "") == ["run-0.75", "run-0.25"]
    refused = api.get("/sweeps?filter=value+>")
    assert refused.status_code == 422
    assert "missing" in refused.json()["error"]["fields"]["filter"][0]
    Run.objects.filter(name="run-0.75").update(archived_at=timezone.now())
    assert found("/runs", "accuracy > 0.1") == ["run-0.25"]
    assert found("/runs", "archived") == ["run-0.75"]


@pytest.mark.parametrize(("goal", "best"), [("maximize", 0.9), ("minimize", 0.2)])
def test_the_best_trial_follows_the_goal(
    api: Api, team: Team, goal: str, best: float
) -> None:
    sweep = factories.sweep(team, goal=goal)
    for value in (0.5, 0.9, 0.2, 0.9, 0.2):
        factories.trial(sweep, state="completed", value=value)
    shown = api.get(f"/sweeps/{sweep.pk}").json()["best_trial"]
    assert shown["value"] == best
    listed = api.get("/sweeps").json()["items"][0]["best_trial"]
    single = api.get(f"/sweeps/{sweep.pk}/best").json()
    assert shown["number"] == listed["number"] == single["number"]
    assert shown["number"] == {0.9: 1, 0.2: 2}[best], "the lower number at a tie"


def test_a_failed_or_a_running_trial_is_not_the_best(api: Api, team: Team) -> None:
    sweep = factories.sweep(team)
    factories.trial(sweep, state="failed", value=0.9)
    factories.trial(sweep, state="running", value=0.8)
    factories.trial(sweep, state="cancelled", value=0.1)
    factories.trial(sweep, state="terminated", value=0.3)
    assert api.get(f"/sweeps/{sweep.pk}/best").json()["value"] == 0.3


def test_without_a_value_there_is_no_best(api: Api, team: Team) -> None:
    sweep = factories.sweep(team)
    factories.trial(sweep, state="failed")
    assert api.get(f"/sweeps/{sweep.pk}").json()["best_trial"] is None
    answer = api.get(f"/sweeps/{sweep.pk}/best")
    assert answer.status_code == 404
    assert "accuracy" in answer.json()["error"]["message"]


def test_compute_spent_counts_every_attempt(api: Api, team: Team) -> None:
    sweep = factories.sweep(team)
    trial = factories.trial(sweep, state="completed", value=0.5, elapsed=10.0)
    Attempt.objects.create(trial=trial, n=2, pool=sweep.pool, state="lost", elapsed=2.5)
    assert api.get(f"/sweeps/{sweep.pk}").json()["compute"]["spent"] == 12.5


@pytest.mark.parametrize(
    ("completed", "ended", "saved"),
    [
        ([10.0, 20.0, 60.0], [5.0], 15.0),
        ([10.0, 20.0], [5.0], 10.0),
        ([10.0, 20.0], [5.0, 1.0], 24.0),
        ([10.0], [50.0], 0.0),
        ([], [5.0], 0.0),
    ],
)
def test_compute_saved_is_the_rest_of_the_median_time(
    api: Api, team: Team, completed: list[float], ended: list[float], saved: float
) -> None:
    sweep, other = factories.sweep(team), factories.sweep(team)
    factories.trial(other, state="completed", value=0.5, elapsed=1000.0)
    for elapsed in completed:
        factories.trial(sweep, state="completed", value=0.5, elapsed=elapsed)
    for elapsed in ended:
        factories.trial(sweep, state="terminated", value=0.1, elapsed=elapsed)
    shown = api.get(f"/sweeps/{sweep.pk}").json()["compute"]
    assert shown["saved"] == pytest.approx(saved)


def test_the_listing_is_the_newest_first_in_pages(api: Api, team: Team) -> None:
    made = [factories.sweep(team).pk for _ in range(5)]
    found: list[int] = []
    path = "/sweeps?limit=2"
    while path:
        page = api.get(path).json()
        found += [item["id"] for item in page["items"]]
        path = f"/sweeps?limit=2&cursor={page['next']}" if page["next"] else ""
    assert found == made[::-1]


def test_the_listing_filters_by_state_and_experiment(api: Api, team: Team) -> None:
    running = factories.sweep(team)
    draft = factories.sweep(
        team,
        state="draft",
        document=factories.definition_document(experiment_name="letters"),
    )
    ended = factories.sweep(team, state="completed")

    def ids(query: str) -> list[int]:
        return [item["id"] for item in api.get(f"/sweeps?{query}").json()["items"]]

    assert ids("state=running") == [running.pk]
    assert ids("state=running&state=completed") == [ended.pk, running.pk]
    assert ids("experiment=letters") == [draft.pk]
    assert ids(f"experiment={draft.experiment_id}") == [draft.pk]
    assert ids("experiment=nothing") == []
    assert ids(f"experiment={'9' * 5_000}") == []


@pytest.mark.parametrize(
    "query", ["state=lost", "limit=0", "cursor=abc", "experiment=%00"]
)
def test_a_bad_query_names_its_field(api: Api, query: str) -> None:
    answer = api.get(f"/sweeps?{query}")
    assert answer.status_code == 422
    assert any(query.split("=")[0] in path for path in answer.json()["error"]["fields"])


@pytest.mark.parametrize("place", ["1\0", "\0", ["\0"], {"a": "\0"}])
def test_a_cursor_with_nul_is_no_cursor(api: Api, team: Team, place: object) -> None:
    made = base64.urlsafe_b64encode(json.dumps(["-id", place]).encode()).decode()
    answer = api.get(f"/sweeps?cursor={made}")
    assert answer.status_code == 422
    assert list(answer.json()["error"]["fields"]) == ["cursor"]


def test_more_sweeps_need_no_more_queries(
    api: Api, team: Team, django_assert_max_num_queries: Any
) -> None:
    for _ in range(6):
        sweep = factories.sweep(team, user=factories.user("ada"))
        for elapsed in (3.0, 4.0):
            factories.trial(sweep, state="completed", value=0.5, elapsed=elapsed)
        factories.trial(sweep, state="terminated", value=0.1, elapsed=1.0)
    with django_assert_max_num_queries(9):
        assert len(api.get("/sweeps").json()["items"]) == 6


def test_an_unknown_sweep_is_a_404_in_the_one_shape(api: Api) -> None:
    for path in ("/sweeps/999", "/sweeps/99999999999999999999", "/sweeps/999/best"):
        answer = api.get(path)
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "not_found"
