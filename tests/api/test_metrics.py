"""Reading a trial's metric points, and reporting them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments.api.schemas import reported_number
from experiments.models import Team, Trial
from experiments.models.missing import MissingData
from experiments.tracking import ingest
from experiments.tracking.ingest import Point
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
    assert factories.point_count() == 2


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
    assert not factories.point_count()


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


BAD_POINTS: list[tuple[Any, str, str]] = [
    ({"name": "a", "step": 0}, "a", "value is missing; allowed are numbers, and NaN"),
    ({"name": "a", "step": 0, "value": None}, "a", "value is null"),
    ({"name": "a", "step": 0, "value": True}, "a", "value is true"),
    ({"name": "a", "step": 0, "value": "much"}, "a", 'value is "much"; allowed are'),
    ({"name": "a", "step": 0, "value": [1]}, "a", "value is [1]"),
    ({"name": "a", "step": 0.5, "value": 1}, "a", "step is 0.5; allowed are whole"),
    ({"name": "a", "step": True, "value": 1}, "a", "step is true"),
    ({"name": "a", "step": 2**63, "value": 1}, "a", "step is 9223372036854775808"),
    ({"name": "a", "value": 1}, "a", "step is missing"),
    ({"name": "", "step": 0, "value": 1}, "", 'name is ""; allowed are texts of 1'),
    ({"name": 5, "step": 0, "value": 1}, "5", "name is 5"),
    ({"step": 0, "value": 1}, "", "name is missing"),
    ({"name": "a\x00", "step": 0, "value": 1}, "a?", "none of them NUL"),
    ({"name": "a\ud800", "step": 0, "value": 1}, "a?", "name is"),
    (
        {"name": "a" * 400, "step": 0, "value": 1},
        "a" * 100 + "…",
        "has more than 250",
    ),
    (["accuracy", 0, 1], '["accuracy", 0, 1]', "not an object with name, step and"),
    (None, "null", "not an object"),
]


@pytest.mark.parametrize(("point", "name", "reason"), BAD_POINTS)
def test_a_bad_point_is_refused_alone_with_its_name_and_the_reason(
    api: Api, trial: Trial, point: Any, name: str, reason: str
) -> None:
    good = [{"name": "accuracy", "step": step, "value": 1} for step in (8, 9)]
    body = {"points": [good[0], point, good[1]]}
    for _ in range(2):
        answer = api.post(f"/trials/{trial.pk}/metrics", body)
        assert answer.status_code == 200
        (refused,) = answer.json()["refused"]
        assert (refused["name"], refused["points"]) == (name, 1)
        assert reason in refused["reason"]
    trial.refresh_from_db()
    assert trial.reports == 5
    shown = api.get(f"/trials/{trial.pk}").json()
    assert shown["refused"] == [refused]
    summed_up = api.get(f"/sweeps/{trial.sweep_id}").json()["missing"]
    assert summed_up == {"trials": [0], "lost": 0, "refused": [refused]}


@pytest.mark.parametrize("time", ["now", None, True, [], 1e300, -5, "NaN"])
def test_a_time_is_only_for_display_and_costs_no_point(
    api: Api, trial: Trial, time: Any
) -> None:
    body = {"points": [{"name": "accuracy", "step": 9, "value": 1, "time": time}]}
    answer = api.post(f"/trials/{trial.pk}/metrics", body)
    assert answer.json() == {"stop": False, "reason": ""}
    trial.refresh_from_db()
    assert trial.reports == 4
    assert api.get(f"/sweeps/{trial.sweep_id}").json()["missing"] is None


def test_a_stop_comes_also_where_every_point_is_refused(api: Api, trial: Trial) -> None:
    api.post(f"/trials/{trial.pk}/cancel")
    reply = api.post(f"/trials/{trial.pk}/metrics", {"points": [{}]}).json()
    assert reply["stop"] is True and reply["refused"]


good_points = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["accuracy", "loss", "val/loss é", "a\nb"]),
        "step": st.integers(0, 30),
        "value": st.floats(0, 1) | st.sampled_from(["NaN", "Infinity"]),
    }
)
batches = st.lists(
    st.lists(st.one_of(good_points, st.sampled_from([p for p, *_ in BAD_POINTS]))),
    max_size=4,
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(batches=batches)
def test_any_mixture_keeps_every_good_point_and_sent_twice_changes_nothing(
    team: Team, batches: list[list[Any]]
) -> None:
    trial = factories.trial(factories.sweep(team))
    script = own(trial)
    bad_points = [point for point, *_ in BAD_POINTS]
    good: dict[tuple[str, int], list[Any]] = {}
    bad = drops = 0
    for batch in batches:
        fine = [point for point in batch if point not in bad_points]
        before = {place: list(values) for place, values in good.items()}
        dropped = 0
        for point in fine:
            place = (point["name"], point["step"])
            if place not in before:
                good.setdefault(place, []).append(point["value"])
            elif point["value"] not in before[place]:
                dropped += 1
        for _ in range(2):
            answer = script.post(f"/trials/{trial.pk}/metrics", {"points": batch})
            assert answer.status_code == 200
        refused = sum(each["points"] for each in answer.json().get("refused", []))
        assert refused >= len(batch) - len(fine) + dropped
        bad += refused
        drops += dropped
    stored: dict[tuple[str, int], list[Any]] = {}
    for name in ("accuracy", "loss", "val/loss é", "a\nb"):
        for step, value in factories.points(trial.current_attempt, name):
            number = reported_number(None if math.isnan(value) else value)
            stored.setdefault((name, step), []).append(number)
    assert stored == good
    trial.refresh_from_db()
    assert trial.reports == sum(
        len(values) for (name, _), values in good.items() if name == "accuracy"
    )
    missing = MissingData.of(trial.attempts.get().missing)
    counted = sum(refusal.points for refusal in missing.names())
    wrong = [[p for p in batch if p in bad_points] for batch in batches]
    # What is refused twice in the same way counts as sent again.
    if not drops and all(e not in wrong[:n] for n, e in enumerate(wrong) if e):
        assert counted == bad


def test_more_than_1000_points_are_refused(api: Api, trial: Trial) -> None:
    body = points(*range(1001))
    assert api.post(f"/trials/{trial.pk}/metrics", body).status_code == 422


@pytest.mark.parametrize(
    "body",
    ["{", "[" * 100_000, "\xff"],
    ids=["cut off", "too deep", "not UTF-8"],
)
def test_a_body_that_is_no_json_is_refused_in_the_one_shape(
    api: Api, trial: Trial, body: str
) -> None:
    answer = api.post(f"/trials/{trial.pk}/metrics", body)
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "invalid"
    assert answer.json()["error"]["message"]


def paged(api: Api, trial: Trial, query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = api.get(f"/trials/{trial.pk}/metrics?{query}{cursor}").json()
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"


@pytest.mark.parametrize("query", ["limit=2", "limit=2&downsample=9"])
def test_points_of_one_step_and_moment_are_all_on_some_page(
    api: Api, team: Team, query: str
) -> None:
    trial = factories.trial(factories.sweep(team))
    attempt = factories.claim(trial).attempt
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    values = [0.1, 0.5, 0.3, 0.2, 0.4]
    for step in (1, 2):
        ingest.record(attempt.pk, [Point("loss", step, v, moment) for v in values])
    found = paged(api, trial, query)
    assert len(found) == (9 if "downsample" in query else 10)
    assert [p["value"] for p in found if p["step"] == 1][:4] == values[:4]


def test_pages_of_points_are_in_order_and_complete(api: Api, team: Team) -> None:
    trial = factories.trial(factories.sweep(team))
    factories.claim(trial)
    values = [0.1 * n for n in range(300)]
    factories.report(trial, values[150:], first_step=150)
    factories.report(trial, values[:150])
    for n in range(5):
        factories.report(trial, [n, -0.0], name=f"loss-{n}")
    found = paged(api, trial, "limit=77")
    assert [(p["name"], p["step"]) for p in found] == [
        *(("accuracy", step) for step in range(300)),
        *((f"loss-{n}", step) for n in range(5) for step in (0, 1)),
    ]
    assert [p["value"] for p in found[:300]] == values
    assert str(found[-1]["value"]) == "-0.0"
    few = paged(api, trial, "limit=4&downsample=7")
    steps = [p["step"] for p in few if p["name"] == "accuracy"]
    assert (len(steps), steps[0], steps[-1]) == (7, 0, 299)
    assert len(few) == 17
    only = paged(api, trial, "name=loss-3")
    assert [(p["step"], p["value"]) for p in only] == [(0, 3.0), (1, 0.0)]
