"""Single runs on the page of their experiment."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from experiments import lifecycle
from experiments.models import Attempt, Experiment
from experiments.models.trials import TrialState
from tests import factories
from tests.pages.clients import client_of, count_queries, model, page

pytestmark = pytest.mark.django_db


def url() -> str:
    return Experiment.objects.get().get_absolute_url()


def test_an_experiment_without_runs_shows_how_to_log_one(ada: Client) -> None:
    factories.experiment(factories.team(), "digits")
    assert "mlflow.set_experiment(&quot;digits&quot;)" in page(ada, url())


def test_runs_are_listed_with_the_metric_of_the_sweeps_first(ada: Client) -> None:
    team = factories.team()
    factories.sweep(team)
    run = factories.run(team, "svm", created_by=factories.user(), params={"C": "10"})
    factories.report(run, [0.25], name="aaa")
    factories.report(run, [0.5, 0.75])
    child = factories.run(team, "fold-1", parent=run)
    html = page(ada, url())
    assert "svm" in html and "C 10" in html and "0.7500" in html
    assert html.index(">accuracy</a>") < html.index(">aaa</a>")
    assert child.run.name not in html
    assert "1 run, 1 running" in html.replace("2 running", "1 running")


def test_a_silent_run_is_marked(ada: Client) -> None:
    run = factories.run(factories.team(), "svm")
    assert ">silent<" not in page(ada, url())
    seen = timezone.now() - timedelta(hours=1)
    Attempt.objects.filter(trial=run).update(heartbeat_at=seen)
    assert ">silent<" in page(ada, url())


def test_the_number_of_queries_does_not_grow_and_pages_follow(ada: Client) -> None:
    team = factories.team()
    factories.report(factories.run(team, "first"), [0.5])
    few = count_queries(ada, url())
    for number in range(54):
        factories.run(team, f"run {number}")
    assert count_queries(ada, url()) == few
    assert ">first<" not in page(ada, url())
    assert ">first<" in page(ada, f"{url()}?page=2")
    assert ">first<" in page(ada, f"{url()}?q=IRS")


def test_deleted_runs_are_in_the_trash(ada: Client) -> None:
    run = factories.run(factories.team(), "svm")
    lifecycle.trash_run(run, actor=factories.user())
    html = page(ada, url())
    assert "svm" not in html and "Deleted 1" in html
    trash = page(ada, f"{url()}?trash")
    assert f"/runs/{run.pk}/restore/" in trash
    assert "Restore" not in page(client_of("vera"), f"{url()}?trash")


def test_the_feed_follows_runs(ada: Client) -> None:
    run = factories.run(factories.team(), "svm")
    feed = f"{url()}feed.json"
    first = ada.get(feed).json()
    assert first["final"] is False
    factories.report(run, [0.5])
    lifecycle.ask_heartbeat(run.attempts.get())
    second = ada.get(f"{feed}?since={first['since']}").json()
    assert "0.5000" in second["parts"]["table"]
    lifecycle.finish_run(run, TrialState.COMPLETED)
    assert ada.get(feed).json()["final"] is True


def test_runs_are_exported_as_a_table(ada: Client) -> None:
    run = factories.run(factories.team(), "=svm", params={"C": "10"}, tags={"t": "x"})
    factories.report(run, [0.5, 0.75])
    factories.run(factories.team(), "other", params={"k": "3"})
    rows = ada.get(f"{url()}runs.csv").content.decode().splitlines()
    assert rows[0] == (
        "id,name,state,message,started_at,ended_at,"
        "params.C,params.k,metrics.accuracy,tags.t"
    )
    assert rows[1].startswith(f"{run.pk},'=svm,running,,")
    assert rows[1].endswith(",,10,,0.75,x")
    assert rows[2].endswith(",,,3,,")


def test_home_and_the_list_of_experiments_know_runs(ada: Client) -> None:
    assert "Recent runs" not in page(ada, "/")
    factories.run(factories.team(), "svm", params={"C": "10"})
    first, few = page(ada, "/"), count_queries(ada, "/")
    assert "svm" in first and "C 10" in first
    listed = page(ada, "/experiments/")
    assert '<td class="num">0</td>' in listed and '<td class="num">1</td>' in listed
    factories.run(factories.team(), "svm-2")
    assert count_queries(ada, "/") == few


def test_runs_are_sorted_by_a_metric(ada: Client) -> None:
    for name, value in (("low", 0.25), ("high", 0.75), ("middle", 0.5)):
        factories.report(factories.run(factories.team(), name), [value])
    factories.run(factories.team(), "none")

    def names(query: str) -> list[str]:
        html = page(ada, f"{url()}{query}")
        return re.findall(r'class="value" href="/runs/\d+/">(\w+)<', html)

    assert names("") == ["none", "middle", "high", "low"]
    assert "?sort=-accuracy#entries" in page(ada, url())
    assert names("?sort=-accuracy") == ["high", "middle", "low", "none"]
    assert names("?sort=accuracy") == ["low", "middle", "high", "none"]


def test_finished_runs_are_level_lines_beside_the_sweeps(ada: Client) -> None:
    team = factories.team()
    sweep = factories.sweep(team, state="completed")
    factories.trial(sweep, state="completed", value=0.5, elapsed=60.0)
    for name, values in (("svm", [0.75, 0.625]), ("running", [0.875])):
        run = factories.run(team, name)
        factories.report(run, values)
        if name == "svm":
            lifecycle.finish_run(run, TrialState.COMPLETED)
    lines = model(page(ada, url()), "best-model")["series"]
    assert [line["name"] for line in lines] == ["digits-1 0.5000", "svm 0.7500"]
    assert lines[1]["points"] == [[0, 0.75], [60, 0.75]]


def test_the_list_counts_the_runs_that_the_page_lists(ada: Client) -> None:
    run = factories.run(factories.team(), "outer")
    factories.run(factories.team(), "fold-1", parent=run)
    facts = page(ada, run.experiment.get_absolute_url())
    assert "<li>1 run, 1 running</li>" in facts
    assert '<td class="num">1</td>' in page(ada, "/experiments/")
