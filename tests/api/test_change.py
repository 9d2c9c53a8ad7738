"""PATCH /sweeps/{id}: limits, policy and words, also while the sweep runs."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.models import Event, Team
from tests import factories
from tests.api.conftest import Api


def test_limits_change_while_the_sweep_runs(api: Api, team: Team) -> None:
    sweep = factories.sweep(team)
    answer = api.patch(
        f"/sweeps/{sweep.pk}",
        {"limits": {"max_total_trials": 9, "trial_timeout": 60}},
    )
    assert answer.status_code == 200
    limits = answer.json()["limits"]
    assert limits["max_total_trials"] == 9 and limits["trial_timeout"] == 60
    assert limits["max_concurrent_trials"] == 2, "what is left out stays"
    assert answer.json()["definition"]["limits"]["max_total_trials"] == 9


def test_a_limit_may_stand_beside_the_rest(api: Api, team: Team) -> None:
    sweep = factories.sweep(team)
    answer = api.patch(f"/sweeps/{sweep.pk}", {"max_concurrent_trials": 1})
    assert answer.json()["limits"]["max_concurrent_trials"] == 1


def test_null_lifts_a_limit(api: Api, team: Team) -> None:
    sweep = factories.sweep(team, timeout=60.0)
    answer = api.patch(f"/sweeps/{sweep.pk}", {"limits": {"timeout": None}})
    assert answer.json()["limits"]["timeout"] is None


def test_the_policy_is_kept_in_canonical_form(api: Api, team: Team) -> None:
    sweep = factories.sweep(team)
    policy = {"type": "median_stopping", "delay_evaluation": 3}
    answer = api.patch(f"/sweeps/{sweep.pk}", {"early_termination": policy})
    assert answer.json()["early_termination"]["evaluation_interval"] == 1
    answer = api.patch(f"/sweeps/{sweep.pk}", {"early_termination": None})
    assert answer.json()["early_termination"] is None


def test_name_tags_and_notes_change(api: Api, team: Team) -> None:
    sweep = factories.sweep(team, state="completed")
    words = {"display_name": "first look", "tags": {"gpu": "no"}, "notes": "Fine."}
    answer = api.patch(f"/sweeps/{sweep.pk}", words)
    assert answer.status_code == 200
    assert words.items() <= answer.json().items()


def test_an_ended_sweep_keeps_its_limits(api: Api, team: Team) -> None:
    sweep = factories.sweep(team, state="completed")
    answer = api.patch(
        f"/sweeps/{sweep.pk}", {"limits": {"timeout": 5}, "notes": "changed?"}
    )
    assert answer.status_code == 422
    assert "limits.timeout" in answer.json()["error"]["fields"]
    assert api.get(f"/sweeps/{sweep.pk}").json()["notes"] == ""


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"limits": {"max_total_trials": 0}}, "limits.max_total_trials"),
        ({"early_termination": {"type": "luck"}}, "early_termination.type"),
        ({"search_space": {"x": {"type": "luck"}}}, "search_space.x.type"),
        ({"limits": {"max_trials": 3}}, "limits.max_trials"),
        ({"notes": "x" * 100_001}, "notes"),
        ({"notes": "\x00"}, "notes"),
        ({"tags": {"a": [1]}}, "tags.a"),
        ({"limits": {"max_total_trials": True}}, "limits.max_total_trials"),
        ({"max_concurrent_trials": False}, "max_concurrent_trials"),
        ({"limits": {"timeout": True}}, "limits.timeout"),
        ({"limits": {"trial_timeout": [60]}}, "limits.trial_timeout"),
        ({"priority": True}, "priority"),
        ({"early_termination": [1]}, "early_termination"),
        ({"search_space": 3}, "search_space"),
    ],
)
def test_a_bad_change_names_its_field_and_changes_nothing(
    api: Api, team: Team, body: dict[str, Any], field: str
) -> None:
    sweep = factories.sweep(team)
    before = api.get(f"/sweeps/{sweep.pk}").json()
    answer = api.patch(f"/sweeps/{sweep.pk}", body)
    assert answer.status_code == 422
    assert list(answer.json()["error"]["fields"]) == [field]
    assert api.get(f"/sweeps/{sweep.pk}").json() == before


def test_a_change_is_logged_with_before_and_after(api: Api, team: Team) -> None:
    sweep = factories.sweep(team)
    api.patch(f"/sweeps/{sweep.pk}", {"limits": {"max_total_trials": 9}})
    event = Event.objects.get(verb="sweep changed")
    assert event.actor == factories.user("ada")
    assert (event.before, event.after) == (
        {"max_total_trials": 4},
        {"max_total_trials": 9},
    )
    assert event.via.startswith("token swp_")
    assert (event.object_kind, event.object_name) == ("sweep", sweep.label)
    assert event.request_id


def test_a_change_to_what_is_there_already_is_no_event(api: Api, team: Team) -> None:
    sweep = factories.sweep(team)
    answer = api.patch(f"/sweeps/{sweep.pk}", {"limits": {"max_total_trials": 4}})
    assert answer.status_code == 200
    assert not Event.objects.filter(verb="sweep changed").exists()


def test_a_change_of_policy_tells_old_and_new_in_the_history(
    api: Api, team: Team
) -> None:
    sweep = factories.sweep(team)
    bandit = {"type": "bandit", "slack_amount": 0.1}
    for policy, message in (
        (
            {"type": "median_stopping", "delay_evaluation": 3},
            "Early termination from now on: median stopping from report 3 on;"
            " until now: none.",
        ),
        (
            {"type": "median_stopping", "delay_evaluation": 3, "min_rivals": 4},
            "Early termination from now on: median stopping from report 3 on with"
            " min_rivals 4 instead of 1.",
        ),
        (
            bandit,
            "Early termination from now on: bandit with slack amount 0.1;"
            " until now: median stopping from report 3 on.",
        ),
        (
            None,
            "Early termination from now on: none;"
            " until now: bandit with slack amount 0.1.",
        ),
    ):
        api.patch(f"/sweeps/{sweep.pk}", {"early_termination": policy})
        event = Event.objects.filter(sweep=sweep, verb="sweep changed").first()
        assert event is not None and event.message == message
    assert bandit.items() <= event.before["early_termination"].items()
    assert event.after["early_termination"] is None


def test_a_policy_may_be_named_alone(api: Api, team: Team) -> None:
    sweep = factories.sweep(team)
    answer = api.patch(f"/sweeps/{sweep.pk}", {"early_termination": "median_stopping"})
    assert answer.json()["early_termination"]["type"] == "median_stopping"
    answer = api.patch(f"/sweeps/{sweep.pk}", {"early_termination": "none"})
    assert answer.json()["early_termination"] is None


def test_a_new_policy_judges_from_now_on_and_old_verdicts_are_kept(
    api: Api, team: Team
) -> None:
    document = factories.definition_document(early_termination="median_stopping")
    sweep = factories.sweep(team, document=document)
    factories.reported_trial(sweep, [0.5, 0.6], state="completed")
    trial = factories.reported_trial(sweep, [0.7])
    bandit = {"type": "bandit", "slack_amount": 0.1}
    api.patch(f"/sweeps/{sweep.pk}", {"early_termination": bandit})
    factories.report(trial, [0.8], first_step=1)
    kinds = trial.decisions.order_by("n").values_list("n", "policy")
    assert list(kinds) == [(1, "median_stopping"), (2, "bandit")]
    api.patch(f"/sweeps/{sweep.pk}", {"early_termination": None})
    factories.report(trial, [0.1], first_step=2)
    assert trial.decisions.count() == 2


def test_the_space_changes_for_new_trials(api: Api, team: Team) -> None:
    sweep = factories.sweep(team)
    factories.trial(sweep, params={"x": 0.1})
    assert api.get(f"/sweeps/{sweep.pk}").json()["space_version"] == 1
    space = {"x": {"type": "uniform", "min_value": 0.5, "max_value": 1}}
    body = {"search_space": space, "constraints": ["x < 0.9"]}
    found = api.patch(f"/sweeps/{sweep.pk}", body).json()
    assert found["space_version"] == 2
    assert found["definition"]["constraints"] == ["x < 0.9"]
    assert found["definition"]["search_space"]["x"]["min_value"] == 0.5
    assert sweep.trials.get().params == {"x": 0.1}


def test_a_sweep_that_has_ended_keeps_space_and_priority(api: Api, team: Team) -> None:
    sweep = factories.sweep(team, state="completed")
    answer = api.patch(f"/sweeps/{sweep.pk}", {"constraints": [], "priority": 3})
    assert answer.status_code == 422
    assert set(answer.json()["error"]["fields"]) == {"constraints", "priority"}


def test_the_priority_changes(api: Api, team: Team) -> None:
    sweep = factories.sweep(team)
    assert api.patch(f"/sweeps/{sweep.pk}", {"priority": 5}).json()["priority"] == 5
    event = Event.objects.get(sweep=sweep, verb="sweep changed")
    assert event.message == "priority: 0 → 5."
    answer = api.patch(f"/sweeps/{sweep.pk}", {"priority": 10**6})
    assert list(answer.json()["error"]["fields"]) == ["priority"]


def test_every_change_is_told_with_old_and_new(api: Api, team: Team) -> None:
    sweep = factories.sweep(team)
    body = {"max_total_trials": 9, "timeout": 60, "notes": "x", "display_name": "look"}
    api.patch(f"/sweeps/{sweep.pk}", body)
    event = Event.objects.get(sweep=sweep, verb="sweep changed")
    assert event.message == (
        "max_total_trials: 4 → 9; timeout: no limit → 1 m;"
        ' display_name: "" → "look"; notes changed.'
    )


class TestTwoPeople:
    def test_the_second_gets_a_conflict_and_hears_of_the_first(
        self, api: Api, team: Team
    ) -> None:
        sweep = factories.sweep(team)
        seen = api.get(f"/sweeps/{sweep.pk}").json()["version"]
        first = {"max_total_trials": 9, "if_version": seen}
        assert api.patch(f"/sweeps/{sweep.pk}", first).status_code == 200
        second = {"max_total_trials": 7, "if_version": seen}
        answer = api.patch(f"/sweeps/{sweep.pk}", second)
        assert answer.status_code == 409
        message = answer.json()["error"]["message"]
        assert "ada: max_total_trials: 4 → 9." in message
        sweep.refresh_from_db()
        assert sweep.max_total_trials == 9
        now = api.get(f"/sweeps/{sweep.pk}").json()["version"]
        third = {"max_total_trials": 7, "if_version": now}
        assert api.patch(f"/sweeps/{sweep.pk}", third).status_code == 200

    def test_trials_and_states_are_no_changes(self, api: Api, team: Team) -> None:
        sweep = factories.sweep(team)
        seen = api.get(f"/sweeps/{sweep.pk}").json()["version"]
        factories.reported_trial(sweep, [0.5], state="completed")
        api.post(f"/sweeps/{sweep.pk}/pause")
        answer = api.patch(f"/sweeps/{sweep.pk}", {"notes": "x", "if_version": seen})
        assert answer.status_code == 200

    @pytest.mark.parametrize(
        "change",
        [
            {"priority": 2},
            {"notes": "x"},
            {"tags": {"a": "b"}},
            {"early_termination": "median_stopping"},
            {"constraints": ["x < 0.5"]},
            {"trial_timeout": 5},
        ],
    )
    def test_every_change_makes_another_version(
        self, api: Api, team: Team, change: dict[str, Any]
    ) -> None:
        sweep = factories.sweep(team)
        seen = api.get(f"/sweeps/{sweep.pk}").json()["version"]
        assert api.patch(f"/sweeps/{sweep.pk}", change).json()["version"] != seen
