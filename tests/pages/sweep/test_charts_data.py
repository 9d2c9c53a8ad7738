"""Feeds of the charts as browsers get them."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from experiments.models import Metric, Sweep, Trial
from experiments.sweeps.synthetic import Filling, fill_sweep
from tests import factories
from tests.pages.clients import client_of

pytestmark = pytest.mark.django_db

TEN_SECONDS = timedelta(seconds=10)


@pytest.fixture
def ada() -> Client:
    return client_of("ada")


def made_sweep(trials: int = 0, **fields: Any) -> Sweep:
    made = factories.sweep(factories.team(ada="viewer"), **fields)
    for number in range(trials):
        params = {"x": number / trials}
        value = 1 - (params["x"] - 0.3) ** 2
        factories.trial(made, state="completed", value=value, params=params)
    return made


def test_columns_are_packed_and_not_sent_twice(ada: Client) -> None:
    url = reverse("sweep_columns", args=(made_sweep(40).pk,))
    first = ada.get(url, headers={"Accept-Encoding": "gzip"})
    assert first["Content-Encoding"] == "gzip"
    answer = json.loads(gzip.decompress(first.content))
    assert answer["rows"] == 40 and answer["planned"] == 40
    assert json.loads(ada.get(url).content)["columns"] == answer["columns"]
    again = ada.get(url, headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304 and not again.content
    poll = ada.get(url, {"since": answer["mark"]})
    assert poll.status_code == 200 and poll.json()["whole"] is False


def answer(client: Client, name: str, made: Sweep, **query: Any) -> dict[str, Any]:
    response = client.get(reverse(f"sweep_{name}", args=(made.pk,)), query)
    assert response.status_code == 200
    found: dict[str, Any] = response.json()
    return found


def test_any_metric_can_be_drawn_in_place_of_the_primary_one(ada: Client) -> None:
    made = fill_sweep(factories.team(ada="viewer"), Filling(trials=60, points=10))
    usual, chosen = (
        answer(ada, "columns", made, metric=metric) for metric in ("x", "loss.min")
    )
    assert (usual["metric"], usual["goal"]) == ("accuracy", "maximize")
    assert (chosen["metric"], chosen["goal"]) == ("loss.min", "minimize")
    values = dict(
        zip(chosen["columns"]["number"], chosen["columns"]["value"], strict=True)
    )
    losses = Metric.objects.filter(name="loss", attempt__trial__sweep=made)
    one = losses.select_related("attempt__trial")[5]
    assert values[one.attempt.trial.number] == pytest.approx(one.low, rel=1e-6)
    best = min((v, n) for n, v in values.items() if v is not None and n in ended(made))
    assert chosen["best"] == best[1]
    assert answer(ada, "importance", made, metric="loss.min")["ready"] is True
    curves = answer(ada, "curves", made, metric="loss.min", numbers=str(best[1]))
    assert min(point[1] for point in curves["points"][0]) == pytest.approx(best[0])
    again = answer(ada, "columns", made, metric="loss.max", since=chosen["mark"])
    assert again["whole"] is True and again["goal"] == "maximize"


def ended(made: Sweep) -> set[int]:
    ranked = made.trials.ranked("minimize")
    return set(ranked.values_list("number", flat=True))


def test_importance_says_what_it_needs_and_what_it_found(ada: Client) -> None:
    few = answer(ada, "importance", made_sweep(4))
    assert few == {
        "ready": False,
        "sentence": "Needs 10 trials with a value; 4 have one.",
        "trials": 4,
        "needs": 10,
    }
    found = answer(ada, "importance", made_sweep(40))
    assert found["ready"] and found["best"] == 10
    (row,) = found["rows"]
    assert row["name"] == "x" and row["share"] == 1 and row["told_apart"]
    assert 0.1 < row["from"] < row["best"] < row["to"] < 0.5
    assert found["limit"] == pytest.approx(1 - 0.125**2, abs=0.001)
    assert "is not told apart from chance" in found["sentence"]
    assert found["pairs"] == [] and "80" in found["pairs_note"]


def test_a_new_trial_without_a_value_breaks_no_analysis(ada: Client) -> None:
    made = made_sweep(40)
    assert answer(ada, "importance", made)["ready"]
    factories.trial(made, params={"x": 0.5})
    assert answer(ada, "importance", made)["best"] == 10


def test_a_surface_needs_two_parameters(ada: Client) -> None:
    made = made_sweep(12)
    few = answer(ada, "surface", made, x="nonsense", y="x")
    assert few["ready"] is False and "2 parameters" in few["sentence"]
    for trial in made.trials.all():
        trial.params = {**trial.params, "c": ["a", "b"][trial.number % 2]}
        trial.save()
    found = answer(ada, "surface", made, y="c")
    assert (found["columns"], found["rows"]) == (40, 2)
    assert len(found["cells"]) == 80 and found["levels"]
    assert found["x"]["name"] == "x" and found["y"]["values"] == ["a", "b"]
    assert found["best"]["number"] in (3, 4)


def test_distributions_of_sweeps_with_the_same_metric(ada: Client) -> None:
    made, other = made_sweep(4), made_sweep(2)
    loss = {"primary_metric": "loss", "goal": "minimize"}
    document = factories.definition_document(objective=loss)
    third = made_sweep(1, document=document)
    secret = factories.sweep(factories.team("Secret"))
    wanted = f"{other.pk},{third.pk},{secret.pk},x"
    found = answer(ada, "edf", made, against=wanted)
    assert [curve["id"] for curve in found["sweeps"]] == [made.pk, other.pk]
    assert found["sweeps"][0]["points"][-1] == [0.9975, 1.0]
    assert found["sentence"].startswith("4 trials against 2. Median 0.9")
    assert [each["id"] for each in found["left_out"]] == [third.pk]
    assert [each["id"] for each in found["choices"]] == [other.pk]
    assert answer(ada, "edf", made_sweep())["ready"] is False


def test_the_front_of_time_and_value(ada: Client) -> None:
    made = made_sweep()
    for value, elapsed in ((0.5, 10.0), (0.4, 20.0), (0.9, 30.0), (0.95, 300.0)):
        factories.trial(made, state="completed", value=value, elapsed=elapsed)
    found = answer(ada, "pareto", made)
    assert found["numbers"] == [0, 2, 3] and found["knee"] == 2
    assert found["sentence"].startswith("Pareto front of 3 trials")


def test_slots_and_ends_over_time(ada: Client) -> None:
    made = made_sweep(3)
    assert answer(ada, "timeline", made)["ready"] in (True, False)
    for number, trial in enumerate(made.trials.all()):
        start = made.created_at + timedelta(seconds=10 * number)
        attempts = trial.attempts.all()
        attempts.update(slot=number % 2, claimed_at=start, ended_at=start + TEN_SECONDS)
        Trial.objects.filter(pk=trial.pk).update(ended_at=start + TEN_SECONDS)
    Trial.objects.filter(number=2).update(state="failed", reason="exit_code")
    found = answer(ada, "timeline", made)
    assert [slot["name"] for slot in found["slots"]] == ["default · 0", "default · 1"]
    assert found["bars"]["slot"][::-1] == [0, 1, 0]
    assert found["busy"] == 0.5
    assert found["sentence"] == "3 trials on 2 slots, busy 50 % of the time."
    over_time = answer(ada, "ends", made)
    assert [kind["text"] for kind in over_time["kinds"]] == [
        "completed",
        "failed: the script failed",
    ]
    assert (
        over_time["sentence"]
        == "3 trials ended: 2 completed, 1 failed: the script failed."
    )
    assert sum(over_time["kinds"][0]["counts"]) == 2


def test_suggestions_are_on_the_overview_until_they_are_dismissed(ada: Client) -> None:
    made = made_sweep()
    Trial.objects.bulk_create(
        Trial(
            experiment_id=made.experiment_id,
            sweep=made,
            number=number,
            state="completed",
            value=number / 60,
            params={"x": 0.3 * number / 60},
        )
        for number in range(60)
    )
    document = {"x": {"type": "uniform", "min_value": 0.0, "max_value": 0.3}}
    Sweep.objects.filter(pk=made.pk).update(
        definition={**made.definition, "search_space": document}
    )
    overview, url = made.get_absolute_url(), reverse("sweep_advice", args=(made.pk,))
    assert "data-advice-waits" in ada.get(overview).content.decode()
    part = ada.get(url, {"part": "1"}).content.decode()
    assert "Widen x:" in part and "Widen to" not in part
    shown = ada.get(overview).content.decode()
    assert "1 suggestion" in shown and "the top of the range" in shown
    factories.team(bob="member")
    bob = client_of("bob")
    link = f"/sweeps/new/?clone={made.pk}&amp;bounds=x%3A..0.45"
    assert link in bob.get(url).content.decode()
    assert bob.get(link.replace("&amp;", "&")).status_code == 200
    assert ada.post(f"{url}?part=1", {"key": "widen:x"}).status_code == 204
    assert "suggestion" not in ada.get(overview).content.decode()
    assert "No suggestions" in ada.get(url).content.decode()
    assert "Widen x:" in bob.get(overview).content.decode()


def test_curves_of_the_best_and_a_fair_sample(ada: Client) -> None:
    made = fill_sweep(factories.team(ada="viewer"), Filling(trials=40, points=20))
    found = answer(ada, "curves", made)
    count = len(found["numbers"])
    assert 30 <= count <= 40 and count == len(found["points"])
    report, value, step, seconds = found["points"][0][-1]
    best = made.trials.ranked(made.goal).first()
    assert best is not None and found["numbers"][0] == best.number
    assert report == best.reports and step >= 0 and seconds > 0
    assert value <= best.value + 1e-6
    spread = found["quantiles"]
    assert spread["reports"][0] == 1 and len(spread["values"][0]) == 5
    assert all(levels == sorted(levels) for levels in spread["values"])
    assert all(len(ends) == 21 and ends == sorted(ends) for ends in spread["bands"])
    two = answer(ada, "curves", made, numbers=f"{best.number},99999,x")
    assert two["numbers"] == [best.number] and "quantiles" not in two
    assert answer(ada, "curves", made_sweep(2))["ready"] is False


NONSENSE = (
    "",
    "x",
    "~~~",
    "nan~a~1~1",
    "1e999~a~1~1",
    "0~a~1~" + "9" * 40,
    "\x00",
    "é",
)


@pytest.mark.parametrize("trials", [0, 1, 12])
def test_nonsense_in_the_address_is_no_error(ada: Client, trials: int) -> None:
    made = made_sweep(trials)
    for text in NONSENSE:
        answer(ada, "columns", made, since=text)
        answer(ada, "surface", made, x=text, y=text)
        answer(ada, "curves", made, numbers=text)
        answer(ada, "edf", made, against=text)
        answer(ada, "importance", made, scope=text)
    assert answer(ada, "pareto", made)["ready"] is False
    assert answer(ada, "timeline", made)["ready"] is (trials > 0)
