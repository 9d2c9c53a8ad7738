"""Reading a trial's metric points, and reporting them."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.models import MetricPoint, Team, Trial
from tests import factories
from tests.api.conftest import Api


@pytest.fixture
def trial(team: Team) -> Trial:
    return factories.reported_trial(factories.sweep(team), [0.1, 0.2, 0.3])


def own(trial: Trial) -> Api:
    """The API as the training process of a queued trial sees it, once it is claimed."""
    return Api(factories.claim(trial).trial_token.secret)


def points(*values: Any, name: str = "accuracy") -> dict[str, Any]:
    return {
        "points": [
            {"name": name, "step": step, "value": value}
            for step, value in enumerate(values)
        ]
    }


def test_points_come_metric_by_metric_by_step(api: Api, trial: Trial) -> None:
    factories.report(trial, [5.0, float("inf")], name="loss")
    factories.report(trial, [0.05], first_step=-1)
    found = api.get(f"/trials/{trial.pk}/metrics").json()["items"]
    told = [(point["name"], point["step"], point["value"]) for point in found]
    assert told == [
        ("accuracy", -1, 0.05),
        ("accuracy", 0, 0.1),
        ("accuracy", 1, 0.2),
        ("accuracy", 2, 0.3),
        ("loss", 0, 5.0),
        ("loss", 1, "Infinity"),
    ]


def test_one_metric_by_its_name(api: Api, trial: Trial) -> None:
    factories.report(trial, [5.0], name="val/loss é")
    path = f"/trials/{trial.pk}/metrics?name=val/loss%20%C3%A9"
    assert [p["value"] for p in api.get(path).json()["items"]] == [5.0]
    assert api.get(f"/trials/{trial.pk}/metrics?name=none").json()["items"] == []


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_points_come_in_pages(api: Api, trial: Trial, limit: int) -> None:
    factories.report(trial, [1.0, 2.0], name="loss")
    found: list[float] = []
    cursor = ""
    while cursor is not None:
        query = f"limit={limit}" + (f"&cursor={cursor}" if cursor else "")
        page = api.get(f"/trials/{trial.pk}/metrics?{query}").json()
        assert len(page["items"]) <= limit
        found += [point["value"] for point in page["items"]]
        cursor = page["next"]
    assert found == [0.1, 0.2, 0.3, 1.0, 2.0]


@pytest.mark.parametrize("most", [2, 3, 10, 99, 100, 200])
def test_downsampling_keeps_both_ends_and_the_limit(
    api: Api, team: Team, most: int
) -> None:
    values = [float(step) for step in range(100)]
    trial = factories.reported_trial(factories.sweep(team), values)
    factories.report(trial, [1.0], name="lonely")
    path = f"/trials/{trial.pk}/metrics?downsample={most}"
    found = api.get(path).json()["items"]
    steps = [point["step"] for point in found if point["name"] == "accuracy"]
    assert len(steps) <= most
    assert len(steps) >= min(100, most) / 2
    assert steps[0] == 0 and steps[-1] == 99
    assert sum(point["name"] == "lonely" for point in found) == 1


def test_a_training_process_reports_and_is_told_to_go_on(team: Team) -> None:
    trial = factories.trial(factories.sweep(team))
    answer = own(trial).post(f"/trials/{trial.pk}/metrics", points(0.1, 0.2))
    assert answer.status_code == 200
    assert answer.json() == {"stop": False, "reason": ""}
    trial.refresh_from_db()
    assert trial.value == 0.2 and trial.reports == 2


def test_the_same_points_again_change_nothing(team: Team) -> None:
    trial = factories.trial(factories.sweep(team))
    script = own(trial)
    for _ in range(2):
        script.post(f"/trials/{trial.pk}/metrics", points(0.1, "NaN"))
    trial.refresh_from_db()
    assert trial.reports == 2
    assert MetricPoint.objects.count() == 2


def test_a_stop_comes_in_the_reply(api: Api, team: Team) -> None:
    trial = factories.trial(factories.sweep(team))
    script = own(trial)
    api.post(f"/trials/{trial.pk}/cancel")
    reply = script.post(f"/trials/{trial.pk}/metrics", points(0.1)).json()
    assert reply["stop"] is True and reply["reason"]


def test_a_stale_process_is_refused_with_409(team: Team) -> None:
    trial = factories.trial(factories.sweep(team))
    claim = factories.claim(trial)
    factories.lose(claim.attempt)
    script = Api(claim.trial_token.secret)
    answer = script.post(f"/trials/{trial.pk}/metrics", points(0.1))
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "stale_attempt"
    assert not MetricPoint.objects.exists()


def test_a_person_may_report_for_a_running_trial(api: Api, trial: Trial) -> None:
    body = {"points": [{"name": "accuracy", "step": 3, "value": 0.9, "time": 1e9}]}
    answer = api.post(f"/trials/{trial.pk}/metrics", body)
    assert answer.status_code == 200
    trial.refresh_from_db()
    assert trial.value == 0.9


@pytest.mark.parametrize(
    ("number", "told"),
    [
        ("1" + "0" * 400, "Infinity"),
        ("-1" + "0" * 400, "-Infinity"),
        ("1e999", "Infinity"),
        ("NaN", "NaN"),
        ("5e-324", 5e-324),
    ],
)
def test_extreme_numbers_are_kept(
    api: Api, trial: Trial, number: str, told: Any
) -> None:
    body = f'{{"points": [{{"name": "extreme", "step": 0, "value": {number}}}]}}'
    assert api.post(f"/trials/{trial.pk}/metrics", body).status_code == 200
    assert api.get(f"/trials/{trial.pk}").json()["metrics"]["extreme"] == told


@pytest.mark.parametrize(
    "point",
    [
        {"name": "accuracy", "step": 0},
        {"name": "accuracy", "step": 0, "value": None},
        {"name": "accuracy", "step": 0, "value": True},
        {"name": "accuracy", "step": 0, "value": "much"},
        {"name": "accuracy", "step": 0.5, "value": 1},
        {"name": "accuracy", "step": True, "value": 1},
        {"name": "accuracy", "step": 2**63, "value": 1},
        {"name": "", "step": 0, "value": 1},
        {"name": "a\x00", "step": 0, "value": 1},
        {"name": "a" * 251, "step": 0, "value": 1},
    ],
)
def test_a_bad_point_is_refused_by_its_field(
    api: Api, trial: Trial, point: dict[str, Any]
) -> None:
    before = MetricPoint.objects.count()
    good = {"name": "accuracy", "step": 9, "value": 1}
    answer = api.post(f"/trials/{trial.pk}/metrics", {"points": [good, point]})
    assert answer.status_code == 422
    assert all(f.startswith("points.1.") for f in answer.json()["error"]["fields"])
    assert MetricPoint.objects.count() == before


def test_more_than_1000_points_are_refused(api: Api, trial: Trial) -> None:
    body = points(*range(1001))
    assert api.post(f"/trials/{trial.pk}/metrics", body).status_code == 422


@pytest.mark.parametrize(
    "body",
    ["{", "[" * 100_000, r'{"points": [{"name": "\ud800", "step": 0, "value": 1}]}'],
    ids=["cut off", "too deep", "half a pair"],
)
def test_a_body_that_is_no_json_is_refused_in_the_one_shape(
    api: Api, trial: Trial, body: str
) -> None:
    answer = api.post(f"/trials/{trial.pk}/metrics", body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
