"""The search of all pages: what it finds, within what the viewer may see."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import strip_tags

from experiments import lifecycle
from experiments.models import Experiment, Run, Sweep
from experiments.sweeps import finding
from tests import factories
from tests.pages.clients import client_of, page, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def sweep() -> Sweep:
    team = factories.team("Physics", ada="member", vera="viewer")
    sweep = factories.sweep(team, user=factories.user("ada"))
    Sweep.objects.filter(pk=sweep.pk).update(
        name="wide embeddings", tags={"churn": "report"}, notes="Look at layers"
    )
    return Sweep.objects.get(pk=sweep.pk)


def titles(client: Client, query: str, **fields: str) -> list[str]:
    answer = client.get("/search/", {"q": query, "part": "1", **fields})
    assert answer.status_code == 200
    found = re.findall(r"data-marked>(.*?)</span>", text_of(answer))
    return [unescape(strip_tags(each)) for each in found]


@pytest.mark.parametrize(
    "query", ["digits-1", "EMBED", "churn", "#churn", "layers", "wide digits"]
)
def test_a_sweep_is_found_by_label_name_tag_and_note(sweep: Sweep, query: str) -> None:
    assert sweep.label in titles(client_of("vera"), query)
    assert sweep.label not in titles(client_of("vera"), f"{query} zzz")


def test_a_tag_is_no_name(sweep: Sweep) -> None:
    assert titles(client_of("ada"), "#wide") == []


def test_what_others_wrote_takes_no_place_in_the_answer(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "MAX_NOTED", 1)
    trial = factories.trial(sweep, state="completed", value=0.5)
    other = factories.sweep(factories.team("Chemistry", otto="member"))
    for noted in (trial, factories.trial(other)):
        Run.objects.create(trial=noted, note="kernel")
    assert titles(client_of("ada"), "kernel") == [trial.label]


def test_runs_trials_and_experiments_are_found(sweep: Sweep) -> None:
    ada, trial = client_of("ada"), factories.trial(sweep, state="completed", value=0.5)
    lifecycle.start_run(
        sweep.experiment, name="svm-rbf", note="kernel", tags={"old": ""}
    )
    told = {"best": "", "mlflow.user": "hidden"}
    Run.objects.create(trial=trial, tags=told, note="for the paper")
    assert titles(ada, "hidden") == []
    Experiment.objects.update(question="How small a network?")
    assert (
        titles(ada, "svm")
        == titles(ada, "kernel")
        == titles(ada, "#old")
        == ["svm-rbf"]
    )
    assert titles(ada, "paper") == titles(ada, "#best") == [trial.label]
    assert titles(ada, f"1/{trial.number}") == [trial.label]
    assert titles(ada, f"digits-1/{trial.number}") == [trial.label]
    assert titles(ada, "small network") == [sweep.experiment.name]
    lifecycle.trash_run(Run.objects.get(name="svm-rbf").trial, actor=factories.user())
    assert titles(ada, "svm") == []


def test_what_another_team_has_is_not_found(sweep: Sweep) -> None:
    factories.team("Chemistry", otto="admin")
    trial = factories.trial(sweep, state="completed", value=0.5)
    Run.objects.create(trial=trial, tags={"churn": ""})
    otto = client_of("otto")
    for query in ("digits", "churn", "#churn", f"1/{trial.number}", "embeddings"):
        assert titles(otto, query) == []
    assert "digits" not in page(otto, "/search/")
    assert sweep.label not in str(titles(otto, "> clone", at=sweep.get_absolute_url()))
    Experiment.objects.update(open_to_all=True)
    assert sweep.label in titles(otto, "embeddings")


def test_commands_are_those_of_the_page_and_of_the_viewer(sweep: Sweep) -> None:
    at = sweep.get_absolute_url()
    ada, vera = client_of("ada"), client_of("vera")
    found = titles(ada, ">", at=at)
    assert f"Clone {sweep.label} with changes" in found and "New sweep" in found
    assert f"Cancel {sweep.label}, asks first" in found
    assert not any("Clone" in each for each in titles(ada, ">", at="/experiments/"))
    reading = titles(vera, ">", at=at)
    assert f"Report of {sweep.label}" in reading and "New sweep" not in reading
    assert not any("Cancel" in each for each in reading)
    assert "New sweep in digits" in titles(
        ada, "> new", at=sweep.experiment.get_absolute_url()
    )
    assert "Health" not in titles(ada, "health")


def test_every_command_leads_to_a_page(sweep: Sweep) -> None:
    ada = client_of("ada")
    answer = text_of(
        ada.get("/search/", {"q": ">", "part": "1", "at": f"/sweeps/{sweep.pk}/"})
    )
    links = re.findall(r'class="palette-row[^"]*" href="([^"]+)"', answer)
    assert len(links) > 8
    for link in links:
        assert ada.get(unescape(link)).status_code in (200, 302, 409), link


def test_a_search_without_words_offers_what_changed_last(sweep: Sweep) -> None:
    assert sweep.label in titles(client_of("ada"), "")
    # Without scripts the page has the same.
    html = page(client_of("ada"), "/search/?q=embed")
    assert sweep.get_absolute_url() in html and "Sweeps 1" in html


@pytest.mark.parametrize(
    "query",
    [
        *("%", "_", "\\", '"', "'", "#", ">", "/", "1/", "a" * 500, "\0", "é", "["),
        *("(" * 99, "9" * 30 + "/1", "1/" + "9" * 30, " ".join("abcdefgh")),
    ],
)
def test_nonsense_finds_nothing_and_breaks_nothing(sweep: Sweep, query: str) -> None:
    for fields in ({}, {"kind": "nothing"}, {"at": "/sweeps/x/"}, {"at": "//"}):
        titles(client_of("ada"), query, **fields)
    assert sweep.label not in titles(client_of("ada"), "100%")


def test_the_queries_do_not_grow_with_what_there_is(sweep: Sweep) -> None:
    ada = client_of("ada")
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as captured:
            titles(ada, "digits")
        counts.append(len(captured))
        for _ in range(3):
            factories.sweep(sweep.experiment.team)
    assert counts[0] == counts[1] and counts[0] < 20
