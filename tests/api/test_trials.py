"""Trials: the listing with its orders and pages, and one trial."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from experiments.models import Sweep, Team, Trial
from tests import factories
from tests.api.conftest import Api


def all_pages(api: Api, path: str, query: str) -> list[dict[str, Any]]:
    """The items of every page, one call after the other."""
    found: list[dict[str, Any]] = []
    cursor = ""
    for _ in range(50):
        page = api.get(f"{path}?{query}{cursor}").json()
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"
    raise AssertionError("the listing has no end")


def test_a_row_has_what_a_table_shows(api: Api, team: Team) -> None:
    sweep = factories.sweep(team)
    trial = factories.reported_trial(sweep, [0.1, 0.7, 0.3], state="completed")
    (row,) = api.get(f"/sweeps/{sweep.pk}/trials").json()["items"]
    expected = {
        "id": trial.pk,
        "number": 0,
        "name": f"{sweep.label}/0",
        "state": "completed",
        "reason": "",
        "params": {"x": 0.0},
        "value": 0.7,
        "last_value": 0.3,
        "metrics": {"accuracy": 0.3},
        "reports": 3,
        "attempts": 1,
        "elapsed": 10.0,
        "stopping": False,
    }
    assert expected.items() <= row.items()
    assert row["url"].endswith(f"/trials/{trial.pk}/")
    assert row["started_at"] < row["ended_at"]


def test_numbers_that_json_has_not_are_texts(api: Api, team: Team) -> None:
    sweep = factories.sweep(team)
    trial = factories.reported_trial(sweep, [0.5, float("nan")])
    factories.report(trial, [float("-inf")], name="loss")
    factories.report(trial, [float("inf")], name="grad")
    (row,) = api.get(f"/sweeps/{sweep.pk}/trials").json()["items"]
    assert row["value"] == 0.5
    assert row["last_value"] == "NaN"
    others = {"grad": "Infinity", "loss": "-Infinity"}
    assert row["metrics"] == {"accuracy": "NaN", **others}


def test_a_trial_that_reported_nothing_has_no_value(api: Api, team: Team) -> None:
    sweep = factories.sweep(team)
    factories.trial(sweep)
    (row,) = api.get(f"/sweeps/{sweep.pk}/trials").json()["items"]
    assert row["value"] is None and row["last_value"] is None and row["metrics"] == {}
    assert row["elapsed"] is None


@pytest.fixture
def mixed(team: Team) -> Sweep:
    """Seven trials: two values twice, and two trials without any."""
    sweep = factories.sweep(team, max_total_trials=20)
    for value in (0.5, None, 0.2, 0.9, 0.2, None, 0.9):
        state = "completed" if value else "queued"
        factories.trial(sweep, state=state, value=value)
    return sweep


@pytest.mark.parametrize(
    ("sort", "numbers"),
    [
        ("number", [0, 1, 2, 3, 4, 5, 6]),
        ("-number", [6, 5, 4, 3, 2, 1, 0]),
        ("value", [2, 4, 0, 3, 6, 1, 5]),
        ("-value", [3, 6, 0, 2, 4, 1, 5]),
        ("started", [0, 2, 3, 4, 6, 1, 5]),
        ("-started", [6, 4, 3, 2, 0, 1, 5]),
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_every_order_is_the_same_in_pages_of_any_size(
    api: Api, mixed: Sweep, sort: str, numbers: list[int], limit: int
) -> None:
    path = f"/sweeps/{mixed.pk}/trials"
    rows = all_pages(api, path, f"sort={sort}&limit={limit}")
    assert [row["number"] for row in rows] == numbers


def test_rows_that_come_meanwhile_repeat_and_hide_nothing(
    api: Api, mixed: Sweep
) -> None:
    path = f"/sweeps/{mixed.pk}/trials"
    first = api.get(f"{path}?sort=-number&limit=3").json()
    factories.trial(mixed)
    then = api.get(f"{path}?sort=-number&limit=4&cursor={first['next']}").json()
    numbers = [row["number"] for row in first["items"] + then["items"]]
    assert numbers == [6, 5, 4, 3, 2, 1, 0]


def test_states_filter(api: Api, mixed: Sweep) -> None:
    path = f"/sweeps/{mixed.pk}/trials"
    queued = all_pages(api, path, "state=queued&limit=1")
    assert [row["number"] for row in queued] == [1, 5]
    both = all_pages(api, path, "state=queued&state=completed&limit=4")
    assert len(both) == 7


@pytest.mark.parametrize("sort", ["losss", "--number", "failed"])
def test_an_unknown_order_is_refused_with_an_example(
    api: Api, mixed: Sweep, sort: str
) -> None:
    answer = api.get(f"/sweeps/{mixed.pk}/trials?sort={sort}")
    assert answer.status_code == 422
    assert "-value" in answer.json()["error"]["fields"]["sort"][0]


@pytest.mark.parametrize("limit", [1, 3, 7])
def test_a_filter_and_several_columns_to_sort_by(
    api: Api, mixed: Sweep, limit: int
) -> None:
    path = f"/sweeps/{mixed.pk}/trials"
    rows = all_pages(api, path, f"limit={limit}&sort=state,-value")
    assert [row["number"] for row in rows] == [3, 6, 0, 2, 4, 1, 5]
    query = f"limit={limit}&filter=value+>+0.1+and+not+queued&sort=-number"
    rows = all_pages(api, path, query)
    assert [row["number"] for row in rows] == [6, 4, 3, 2, 0]


def test_a_wrong_filter_is_refused_at_its_place(api: Api, mixed: Sweep) -> None:
    answer = api.get(f"/sweeps/{mixed.pk}/trials?filter=x+<+1+and+valu+<+2")
    assert answer.status_code == 422
    [sentence] = answer.json()["error"]["fields"]["filter"]
    assert sentence == (
        'Character 11: There is no name "valu" here. Did you mean value?'
    )


@pytest.mark.parametrize("cursor", ["x", "W10", "bnVsbA", "e30", "%00", "é"])
def test_a_cursor_of_something_else_is_refused(
    api: Api, mixed: Sweep, cursor: str
) -> None:
    answer = api.get(f"/sweeps/{mixed.pk}/trials?cursor={cursor}")
    assert answer.status_code == 422
    assert "cursor" in answer.json()["error"]["fields"]


def test_a_cursor_of_another_order_is_refused(api: Api, mixed: Sweep) -> None:
    path = f"/sweeps/{mixed.pk}/trials"
    cursor = api.get(f"{path}?sort=value&limit=1").json()["next"]
    assert api.get(f"{path}?sort=-value&cursor={cursor}").status_code == 422


def test_more_trials_need_no_more_queries(
    api: Api, team: Team, django_assert_max_num_queries: Any
) -> None:
    sweep = factories.sweep(team, max_total_trials=20)
    for number in range(8):
        trial = factories.reported_trial(sweep, [0.1 * number], state="completed")
        factories.trial(sweep)
        assert trial.number == 2 * number
    with django_assert_max_num_queries(7):
        rows = api.get(f"/sweeps/{sweep.pk}/trials").json()["items"]
    assert len(rows) == 16


def test_one_trial_tells_all_its_attempts(api: Api, team: Team) -> None:
    sweep = factories.sweep(team)
    trial = factories.trial(sweep)
    lost = factories.claim(trial).attempt
    factories.lose(lost)
    trial.refresh_from_db()
    factories.claim(trial)
    factories.report(trial, [0.4])
    shown = api.get(f"/trials/{trial.pk}").json()
    assert shown["sweep"] == sweep.pk and shown["experiment"] == sweep.experiment_id
    assert shown["attempts"] == 2
    states = [attempt["state"] for attempt in shown["attempt_history"]]
    assert states == ["lost", "running"]
    assert shown["attempt_history"][0]["worker"] == "host"


def test_a_trial_shows_the_metrics_of_its_last_attempt_only(
    api: Api, team: Team
) -> None:
    trial = factories.reported_trial(factories.sweep(team), [0.9])
    factories.report(trial, [3.0], name="loss")
    factories.lose(trial.current_attempt)
    trial.refresh_from_db()
    factories.claim(trial)
    factories.report(trial, [0.2])
    shown = api.get(f"/trials/{trial.pk}").json()
    assert shown["metrics"] == {"accuracy": 0.2}
    points = api.get(f"/trials/{trial.pk}/metrics").json()["items"]
    assert [point["value"] for point in points] == [0.2]


def test_decisions_tell_every_verdict_with_its_inputs(api: Api, team: Team) -> None:
    policy = {"type": "median_stopping", "delay_evaluation": 2}
    document = factories.definition_document(early_termination=policy)
    sweep = factories.sweep(team, document=document)
    factories.reported_trial(sweep, [0.8, 0.9, 0.9])
    trial = factories.trial(sweep)
    factories.claim(trial, slot=1)
    reply = factories.report(trial, [0.1, 0.1])
    assert reply.stop
    (verdict,) = api.get(f"/trials/{trial.pk}/decisions").json()["items"]
    assert verdict["interval"] == 2
    assert verdict["value"] == pytest.approx(0.1)
    assert verdict["threshold"] == pytest.approx(0.85)
    assert verdict["rivals"] == 1 and verdict["setters"] == [0]
    assert verdict["stop"] is True and verdict["reason"]
    assert verdict["policy"] == "median_stopping"
    assert verdict["settings"]["delay_evaluation"] == 2
    assert verdict["attempt"] == 1
    assert verdict["margin"] == pytest.approx(-0.75)
    leader = Sweep.objects.get(pk=sweep.pk).trials.get(number=0)
    (setter,) = verdict["setter_trials"]
    assert (setter["id"], setter["number"]) == (leader.pk, 0)
    assert setter["url"].endswith(leader.get_absolute_url())
    told = api.get(f"/trials/{leader.pk}/decisions").json()["items"]
    assert [(d["interval"], d["stop"]) for d in told] == [(2, False), (3, False)]


def test_a_policy_s_own_numbers_are_told(api: Api, team: Team) -> None:
    document = factories.definition_document(early_termination="median_stopping")
    trial = factories.reported_trial(factories.sweep(team, document=document), [0.5])
    trial.decisions.update(facts={"chance": 0.25})
    (verdict,) = api.get(f"/trials/{trial.pk}/decisions").json()["items"]
    assert verdict["facts"] == {"chance": 0.25}


class TestWhyRunning:
    def median(self, team: Team, **settings: int) -> Sweep:
        policy = {"type": "median_stopping", **settings}
        document = factories.definition_document(early_termination=policy)
        return factories.sweep(team, document=document)

    def shown(self, api: Api, trial: Trial) -> Any:
        return api.get(f"/trials/{trial.pk}").json()

    def test_it_tells_the_last_verdict_and_the_next_check(
        self, api: Api, team: Team
    ) -> None:
        sweep = self.median(team, evaluation_interval=2)
        factories.reported_trial(sweep, [0.5, 0.6, 0.7], state="completed")
        trial = factories.reported_trial(sweep, [0.7, 0.8, 0.8])
        told = self.shown(api, trial)["why_running"]
        assert told["reason"] == trial.decisions.get().reason
        assert (told["last_check"], told["next_check"]) == (2, 4)

    def test_before_the_first_check(self, api: Api, team: Team) -> None:
        trial = factories.reported_trial(self.median(team, delay_evaluation=5), [0.7])
        assert self.shown(api, trial)["why_running"] == {
            "reason": "It has not been checked yet.",
            "last_check": None,
            "next_check": 5,
        }

    def test_without_a_policy(self, api: Api, team: Team) -> None:
        trial = factories.reported_trial(factories.sweep(team), [0.7])
        told = self.shown(api, trial)["why_running"]
        assert told["reason"] == "No policy ends trials of this sweep early."
        assert told["next_check"] is None

    @pytest.mark.parametrize("state", ["completed", "terminated", "cancelled"])
    def test_a_trial_that_has_ended_does_not_run(
        self, api: Api, team: Team, state: str
    ) -> None:
        trial = factories.reported_trial(self.median(team), [0.7], state=state)
        assert self.shown(api, trial)["why_running"] is None

    def test_how_close_a_trial_came(self, api: Api, team: Team) -> None:
        sweep = self.median(team)
        first = factories.reported_trial(sweep, [0.5, 0.6, 0.7], state="completed")
        trial = factories.reported_trial(sweep, [0.7, 0.7, 0.7], state="completed")
        closest = self.shown(api, trial)["closest"]
        assert closest == {
            "interval": 3,
            "value": 0.7,
            "threshold": pytest.approx(0.6),
            "margin": pytest.approx(0.1),
            "chance": None,
        }
        assert self.shown(api, first)["closest"] is None

    def test_how_close_a_trial_came_where_chances_decide(
        self, api: Api, team: Team
    ) -> None:
        policy = {"type": "predictive", "chance": 0.0001}
        document = factories.definition_document(early_termination=policy)
        sweep = factories.sweep(team, document=document, max_total_trials=9)
        for k in range(6):
            curve = [0.1, 0.5, 0.7, 0.75, 0.8 + k / 100]
            factories.reported_trial(sweep, curve, state="completed")
        trial = factories.reported_trial(sweep, [0.05, 0.1, 0.11, 0.111])
        closest = self.shown(api, trial)["closest"]
        chances = {d.n: d.facts["chance"] for d in trial.decisions.all()}
        assert closest["chance"] == min(chances.values())
        assert chances[closest["interval"]] == closest["chance"]
        assert closest["margin"] is None and closest["threshold"] is not None


@pytest.mark.parametrize(
    ("path", "order", "place"),
    [
        ("/sweeps/{sweep}/trials?sort=started", "started_at,number", place)
        for place in (
            ["2026-01-01\0", 1],
            ["0001-01-01T00:00:00+23:00", 1],
            ["9999-12-31T23:59:59-23:00", 1],
            [None, "1\0"],
        )
    ]
    + [
        ("/trials/{trial}/metrics?", "metric,step,time", place)
        for place in ([10**30, 1, 1], ["1\0", 1, 1], [1, -(10**30), 1], [1, 1, "\0"])
    ],
)
def test_a_crafted_cursor_is_refused(
    api: Api, team: Team, path: str, order: str, place: list[Any]
) -> None:
    trial = factories.trial(factories.sweep(team))
    text = json.dumps([order, *place])
    cursor = base64.urlsafe_b64encode(text.encode()).decode()
    path = path.format(sweep=trial.sweep_id, trial=trial.pk)
    answer = api.get(f"{path}&cursor={cursor}")
    assert answer.status_code == 422
    assert list(answer.json()["error"]["fields"]) == ["cursor"]
