"""Sweeps and runs of an experiment in one table."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone

from experiments import lifecycle
from experiments.models import Event, Experiment, Run, Sweep, Trial
from experiments.models.trials import TrialState
from tests import factories
from tests.pages.clients import client_of, count_queries, page

pytestmark = pytest.mark.django_db


def url() -> str:
    return Experiment.objects.get().get_absolute_url()


def names(client: Client, query: str = "") -> list[str]:
    html = page(client, f"{url()}{query}")
    return re.findall(r'class="value" href="/(?:runs|sweeps)/\d+/">([\w-]+)<', html)


@pytest.fixture
def mixed(ada: Client) -> Client:
    """digits-1 with 0.5 and an older run, digits-2 with 0.75 and a newer run."""
    team = factories.team()
    for name, best, value in (("svm", 0.5, 0.625), ("knn", 0.75, 0.875)):
        factories.report(factories.run(team, name, tags={"base": name}), [value, 0.25])
        sweep = factories.sweep(team, state="completed")
        factories.trial(sweep, state="completed", value=best, elapsed=60.0)
    return ada


def test_both_kinds_are_sorted_by_time_or_by_the_best_value(mixed: Client) -> None:
    by_time = ["digits-2", "knn", "digits-1", "svm"]
    assert names(mixed) == by_time
    assert names(mixed, "?sort=-accuracy") == ["knn", "digits-2", "svm", "digits-1"]
    assert names(mixed, "?sort=accuracy") == ["digits-1", "svm", "digits-2", "knn"]
    html = page(mixed, url())
    for text in ("0.8750", ">base: knn<", "Compare digits-2, its best trial", "step 1"):
        assert text in html


def test_a_sweep_has_its_best_trial_s_value_of_other_metrics(mixed: Client) -> None:
    team = factories.team()
    factories.report(factories.run(team, "mlp"), [0.5, 0.25], name="loss")
    sweep = factories.sweep(team)
    for accuracy, loss in ((0.9, 0.125), (0.6, 0.0625)):
        trial = factories.reported_trial(sweep, [accuracy])
        factories.report(trial, [2.0, loss], name="loss")
        lifecycle.finish_attempt(
            trial.current_attempt, lifecycle.Outcome(cause="exited", exit_code=0)
        )
    for query in ("?sort=loss", "?sort=loss&kind=sweep"):
        assert names(mixed, query)[0] == "digits-3"
        assert "0.1250" in page(mixed, f"{url()}{query}")
    assert names(mixed, "?sort=-loss")[:2] == ["mlp", "digits-3"]


def test_they_are_filtered_by_kind_state_and_name(mixed: Client) -> None:
    assert names(mixed, "?kind=run") == ["knn", "svm"]
    assert names(mixed, "?kind=sweep&sort=accuracy") == ["digits-1", "digits-2"]
    assert names(mixed, "?state=running") == ["knn", "svm"]
    assert names(mixed, "?state=completed") == ["digits-2", "digits-1"]
    assert names(mixed, "?q=TS-1") == ["digits-1"]
    assert names(mixed, "?q=SV") == ["svm"]
    assert names(mixed, "?kind=nonsense&state=x") == names(mixed)
    assert "No sweep or run is like this" in page(mixed, f"{url()}?state=failed")
    html = page(mixed, f"{url()}?kind=run")
    assert ">sweeps 2</a>" in html and '?kind=run&amp;state=running#entries"' in html
    assert "state=completed" not in html


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("accuracy > 0.6", ["digits-2", "knn", "svm"]),
        ("value > 0.6", ["digits-2"]),
        ("kind = run and accuracy > 0.7", ["knn"]),
        ("metric = accuracy and trials = 1 and took < 1d", ["digits-2", "digits-1"]),
        ('tag = base and not tag = "base=svm"', ["knn"]),
        ("text contains TS-1 or name = svm", ["digits-1", "svm"]),
        ("lr <= 0.01", ["digits-2", "digits-1"]),
        ("depth = 3 and by = ada", ["svm"]),
        ("running", ["knn", "svm"]),
        ("completed and compute = 1m", ["digits-2", "digits-1"]),
        ("archived", ["knn"]),
        ("not archived and not sampler = random", ["svm"]),
    ],
)
def test_they_are_filtered_by_an_expression(
    mixed: Client, q: str, found: list[str]
) -> None:
    ada = factories.user("ada")
    Run.objects.filter(name="svm").update(params={"depth": "3"}, created_by=ada)
    Trial.objects.filter(sweep__isnull=False).update(params={"lr": 0.01})
    Sweep.objects.update(started_at=timezone.now(), ended_at=timezone.now())
    if "archived" in q:
        Run.objects.filter(name="knn").update(archived_at=timezone.now())
    assert names(mixed, f"?{urlencode({'q': q})}") == found


def test_a_filter_that_cannot_be_read_leaves_out_nothing(mixed: Client) -> None:
    html = page(mixed, f"{url()}?q=acuracy+%3E+0.5")
    assert "There is no name &quot;acuracy&quot; here. Did you mean accuracy?" in html
    assert len(names(mixed, "?q=acuracy+%3E+0.5")) == 4
    assert 'aria-label="Remove the condition' not in html
    html = page(mixed, f"{url()}?q=running+and+kind+%3D+run&sort=accuracy")
    assert "?q=running&amp;sort=accuracy#entries" in html


def test_what_may_be_typed_next_says_how_many_rows_have_it(mixed: Client) -> None:
    def offers(text: str) -> dict[str, dict[str, Any]]:
        found = mixed.get(f"{url()}complete.json", {"q": text}).json()
        return {item["label"]: item for item in found["items"]}

    assert offers("accu")["accuracy"]["detail"] == "metric, as listed"
    assert offers("runn")["running"]["count"] == 2
    assert offers("tag = ")["base=svm"]["count"] == 1
    for number in range(20):
        factories.report(factories.run(factories.team(), f"r{number}"), [number / 20])
    bins = offers("accu")["accuracy"]["bins"]
    assert len(bins) == 12 and sum(bins) == 24
    answer = mixed.get(f"{url()}complete.json", {"q": "kind = sweep"}).json()
    assert (answer["count"], answer["error"]) == (2, None)
    wrong = mixed.get(f"{url()}complete.json", {"q": "kind = horse"}).json()
    assert wrong["error"]["message"] == 'kind is one of sweep, run, not "horse".'
    assert mixed.get(f"{url()}complete.json", {"q": "sv"}).json()["count"] == 1


def test_the_number_of_rows_does_not_change_the_number_of_queries(
    mixed: Client,
) -> None:
    query = "?q=accuracy+%3E+0.1+and+lr+%3C+1+and+tag+%3D+base+or+trials+%3E+0"
    few = count_queries(mixed, f"{url()}{query}")
    for number in range(5):
        factories.run(factories.team(), f"run-{number}")
        factories.sweep(factories.team())
    assert count_queries(mixed, f"{url()}{query}") == few


def test_pages_read_only_their_own_rows(mixed: Client) -> None:
    few = count_queries(mixed, url())
    team = factories.team()
    for number in range(30):
        factories.run(team, f"run-{number}")
        factories.sweep(team)
    assert len(names(mixed)) == 50
    assert count_queries(mixed, url()) == few
    assert names(mixed, "?page=2")[-4:] == ["digits-2", "knn", "digits-1", "svm"]


def archive(client: Client, trial: Trial) -> str:
    answer = client.post(f"/runs/{trial.pk}/archive/", follow=True)
    return str(answer.content.decode())


def test_an_ended_run_is_archived_and_restored(mixed: Client) -> None:
    run = Trial.objects.get(run__name="svm")
    assert "svm is running. Only ended runs can be archived." in archive(mixed, run)
    lifecycle.finish_run(run, TrialState.COMPLETED)
    assert "svm is archived and hidden from lists." in archive(mixed, run)
    assert names(mixed) == ["digits-2", "knn", "digits-1"]
    assert "Archived 1</a>" in page(mixed, url())
    assert names(mixed, "?archived") == ["svm"]
    assert ">svm<" not in page(mixed, "/")
    assert '<td class="num">1</td>' in page(mixed, "/experiments/")
    for query, count in (("", 2), ("?archived", 2)):
        lines = mixed.get(f"{url()}runs.csv{query}").content.decode().splitlines()
        assert len(lines) == count
    assert "svm is in the lists again." in archive(mixed, run)
    assert names(mixed) == ["digits-2", "knn", "digits-1", "svm"]
    verbs = list(Event.objects.filter(trial=run).values_list("verb", flat=True))
    assert {"run archived", "run restored"} <= set(verbs)


def test_archived_sweeps_are_apart(mixed: Client) -> None:
    Sweep.objects.filter(number=2).update(archived_at=timezone.now())
    assert names(mixed) == ["knn", "digits-1", "svm"]
    assert names(mixed, "?archived") == ["digits-2"]


def test_viewers_and_strangers_archive_nothing(mixed: Client) -> None:
    run = Trial.objects.get(run__name="svm")
    lifecycle.finish_run(run, TrialState.COMPLETED)
    for person, code in (("vera", 403), ("stranger", 404)):
        answer = client_of(person).post(f"/runs/{run.pk}/archive/")
        assert answer.status_code == code
    assert Run.objects.get(trial=run).archived_at is None
