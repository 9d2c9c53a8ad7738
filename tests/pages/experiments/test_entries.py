"""Sweeps and runs of an experiment in one table."""

from __future__ import annotations

import re

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
