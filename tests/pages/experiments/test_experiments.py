"""Experiments: the list, one of them, and who may change what."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from experiments.models import Event, Experiment, Pool, Sweep
from tests import factories
from tests.pages.clients import client_of, count_queries, page

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def vera(ada: Client) -> Client:
    return client_of("vera")


def filled() -> Experiment:
    """Two completed sweeps, the second one better by 0.05."""
    for best in (0.9, 0.95):
        sweep = factories.sweep(factories.team(), state="completed")
        for value in (0.7, best, 0.8):
            factories.trial(sweep, state="completed", value=value, elapsed=60.0)
        factories.trial(sweep, state="failed", elapsed=5.0)
    return Experiment.objects.get()


def test_an_empty_list_says_what_to_do(ada: Client, vera: Client) -> None:
    assert "Create one" in page(ada, "/experiments/")
    assert "/experiments/new/" not in page(vera, "/experiments/")


def test_the_list_has_the_teams_experiments_only(ada: Client) -> None:
    factories.experiment(factories.team(), "digits", question="How far?")
    factories.experiment(factories.team("Chemistry"), "acids")
    text = page(ada, "/experiments/")
    assert "digits" in text
    assert "How far?" in text
    assert "acids" not in text


def test_an_experiment_is_opened_with_a_question(ada: Client) -> None:
    response = ada.post(
        "/experiments/new/",
        {"name": "Digits 2", "question": "How far?", "tags": "demo, numpy, demo"},
    )
    made = Experiment.objects.get()
    assert response["Location"] == f"/experiments/{made.pk}/"
    assert (made.slug, made.tags) == ("digits-2", ["demo", "numpy"])
    assert (made.team, made.created_by) == (factories.team(), factories.user("ada"))
    assert Event.objects.get(verb="experiment created").actor == factories.user("ada")


def test_a_name_that_is_taken_is_refused_with_a_way_out(ada: Client) -> None:
    factories.experiment(factories.team(), "digits")
    response = ada.post("/experiments/new/", {"name": "Digits"})
    assert response.status_code == 422
    assert "such as digits-2" in response.content.decode()


def test_another_name_leaves_the_names_of_sweeps_alone(ada: Client) -> None:
    made = factories.experiment(factories.team(), "digits")
    ada.post(f"/experiments/{made.pk}/edit/", {"name": "Numbers", "question": ""})
    made.refresh_from_db()
    assert (made.name, made.slug) == ("Numbers", "digits")


def test_notes_keep_their_lines_and_are_markdown_without_html(ada: Client) -> None:
    made = factories.experiment(factories.team(), "digits")
    form = {"name": "digits", "note": f"**first**\nsecond {HOSTILE}", "tags": ""}
    ada.post(f"/experiments/{made.pk}/notes/", form)
    text = page(ada, made.get_absolute_url())
    assert "<strong>first</strong><br>\nsecond &lt;script&gt;" in text
    assert "<script>alert" not in text


def test_the_answer_so_far_stands_beside_the_question(ada: Client) -> None:
    text = page(ada, filled().get_absolute_url())
    for part in ("0.9500", "digits-2/1", ">0.0500<", "digits-1/1", "6 m 10 s"):
        assert part in text


def test_what_early_ends_saved_is_told_as_an_estimate(ada: Client) -> None:
    experiment = filled()
    sweep = experiment.sweeps.latest("pk")
    sweep.trials.filter(state="completed").update(reports=20)
    factories.trial(sweep, state="terminated", value=0.1, elapsed=20.0, reports=5)
    url = experiment.get_absolute_url()
    assert "about 40 s and 15 reports saved by ending trials early" in page(ada, url)
    Pool.objects.update(price_per_hour="90")
    words = "about 40 s, 15 reports and a cost of 1.00 saved by ending trials early"
    assert words in page(ada, url)


def test_best_so_far_is_drawn_against_the_compute_used(ada: Client) -> None:
    text = page(ada, filled().get_absolute_url())
    source = text.split('id="best-model" type="application/json">')[1]
    model = json.loads(source.split("</script>")[0])
    newest = model["series"][0]
    assert model["xLabel"] == "compute used by the sweep, slot-minutes"
    assert newest["name"] == "digits-2 0.9500"
    assert model["xMin"] == 0
    assert newest["points"][:3] == [[1.0, 0.7], [2.0, 0.7], [2.0, 0.95]]
    assert newest["points"][-1] == [pytest.approx(185 / 60), 0.95]
    assert [line["best"] for line in model["series"]] == [True, False]


def test_sweeps_without_a_value_are_no_obstacle(ada: Client) -> None:
    sweep = factories.sweep(factories.team(), state="failed")
    factories.trial(sweep, state="failed")
    text = page(ada, sweep.experiment.get_absolute_url())
    assert "no best trial" in text
    assert "data-chart=" not in text


def test_sweeps_of_another_metric_are_not_compared(ada: Client) -> None:
    experiment = filled()
    document = factories.definition_document(
        objective={"primary_metric": "loss", "goal": "minimize"}
    )
    sweep = factories.sweep(factories.team(), document=document)
    factories.trial(sweep, state="completed", value=0.01)
    text = page(ada, experiment.get_absolute_url())
    assert "Best loss" in text
    assert "Better by" not in text


def test_archiving_puts_an_experiment_out_of_the_list(ada: Client) -> None:
    made = factories.experiment(factories.team(), "digits")
    ada.post(f"/experiments/{made.pk}/archive/")
    assert made.get_absolute_url() not in page(ada, "/experiments/")
    assert made.get_absolute_url() in page(ada, "/experiments/?archived")
    ada.post(f"/experiments/{made.pk}/archive/", {"restore": "1"})
    assert made.get_absolute_url() in page(ada, "/experiments/")


def test_viewers_read_and_change_nothing(vera: Client) -> None:
    experiment = filled()
    url = experiment.get_absolute_url()
    text = page(vera, url)
    for link in ("edit/", "notes/", "archive/", "New sweep here"):
        assert link not in text
    for form in (f"{url}edit/", f"{url}notes/", f"{url}archive/", "/experiments/new/"):
        assert vera.post(form, {"name": "mine"}).status_code == 403
    experiment.refresh_from_db()
    assert experiment.name == "digits"


def test_experiments_of_other_teams_do_not_exist(ada: Client) -> None:
    other = factories.experiment(factories.team("Chemistry"), "acids")
    for path in ("", "edit/", "notes/"):
        assert ada.get(f"{other.get_absolute_url()}{path}").status_code == 404
    assert ada.post(f"{other.get_absolute_url()}archive/").status_code == 404


def test_a_visitor_is_sent_to_the_login(client: Client) -> None:
    for url in ("/experiments/", "/experiments/new/", "/experiments/1/"):
        assert client.get(url)["Location"] == f"/login/?next={url}"


def test_hostile_names_are_text(ada: Client) -> None:
    experiment = filled()
    Experiment.objects.update(
        name=HOSTILE, question=HOSTILE, tags=[HOSTILE], slug="</script><b>"
    )
    for url in ("/experiments/", experiment.get_absolute_url()):
        text = page(ada, url)
        assert "<script>alert" not in text
        assert "</script><b>" not in text


def test_queries_do_not_grow_with_sweeps(ada: Client) -> None:
    url = filled().get_absolute_url()
    few = count_queries(ada, url)
    for _ in range(5):
        filled()
    assert count_queries(ada, url) == few < 24


def test_queries_do_not_grow_with_experiments(ada: Client) -> None:
    factories.experiment(factories.team(), "first", created_by=factories.user("ada"))
    few = count_queries(ada, "/experiments/")
    for index in range(20):
        person = factories.user(f"person-{index}")
        factories.experiment(factories.team(), f"number {index}", created_by=person)
    assert count_queries(ada, "/experiments/") == few < 12


def feed(client: Client, experiment: Any, **query: str) -> dict[str, Any]:
    answer = client.get(f"/experiments/{experiment.pk}/feed.json", query)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_the_feed_is_silent_while_nothing_changes(ada: Client) -> None:
    experiment = filled()
    since = feed(ada, experiment)["since"]
    again = feed(ada, experiment, since=since)
    assert again == {"since": since, "final": False, "parts": {}}


def test_the_feed_sends_what_a_trial_changed(ada: Client) -> None:
    experiment = filled()
    text = page(ada, experiment.get_absolute_url())
    since = text.split('data-since="')[1].split('"')[0]
    sweep = experiment.sweeps.earliest("number")
    Sweep.objects.filter(pk=sweep.pk).update(state="running")
    factories.trial(sweep, state="completed", value=0.9912)
    news = feed(ada, experiment, since=since)
    assert "0.9912" in news["parts"]["answer"] and "chart" not in news["parts"]
    assert news["charts"]["best"]["series"][-1]["name"].endswith("0.9912")
    assert news["final"] is False


def test_the_page_polls_only_while_a_sweep_runs(ada: Client) -> None:
    experiment = filled()
    assert "data-live-page" not in page(ada, experiment.get_absolute_url())
    experiment.sweeps.update(state="running")
    assert "data-live-page" in page(ada, experiment.get_absolute_url())


def test_the_feed_is_the_teams_own(client: Client) -> None:
    experiment = filled()
    url = f"/experiments/{experiment.pk}/feed.json"
    assert client.get(url).status_code == 302
    client.force_login(factories.user("stranger"))
    assert client.get(url).status_code == 404
