"""The page that makes runs the first trials of a draft."""

from __future__ import annotations

import pytest
from django.test import Client

from experiments import lifecycle
from experiments.models import Trial
from experiments.models.trials import TrialState
from tests import factories
from tests.pages.clients import client_of, page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_data_folder")]


@pytest.fixture
def runs(ada: Client) -> list[Trial]:
    made = [factories.run(factories.team(), f"x={x}", params={"x": x}) for x in "01"]
    made.append(factories.run(factories.team(), "wide", params={"x": "7"}))
    for run in made:
        factories.report(run, [0.5])
        lifecycle.finish_run(run, TrialState.COMPLETED)
    return made


def test_runs_become_first_trials_and_the_others_say_why_not(
    ada: Client, runs: list[Trial]
) -> None:
    url = f"/runs/warm-start/?trials={','.join(str(run.pk) for run in runs)}"
    assert "No draft to add them to" in page(ada, url)
    draft = factories.sweep(factories.team(), state="draft")
    assert str(draft) in page(ada, url)
    answer = ada.post(url, {"sweep": draft.pk}, follow=True)
    html = answer.content.decode()
    assert "2 runs became the first trials. Left out 1 run. wide: x is 7.0;" in html
    assert draft.trials.count() == 2
    events = page(ada, f"/sweeps/{draft.pk}/events/")
    assert "Left out 1 run. wide: x is 7.0;" in events
    trial = draft.trials.get(number=1)
    assert f'href="/runs/{runs[1].pk}/"' in page(ada, trial.get_absolute_url())


def test_the_only_draft_is_preselected(ada: Client, runs: list[Trial]) -> None:
    url = f"/runs/warm-start/?trials={runs[0].pk}"
    draft = factories.sweep(factories.team(), state="draft")
    assert f'<option value="{draft.pk}" selected>' in page(ada, url)
    factories.sweep(factories.team(), state="draft")
    assert f'<option value="{draft.pk}" selected>' not in page(ada, url)


def test_others_cannot(runs: list[Trial]) -> None:
    url = f"/runs/warm-start/?trials={runs[0].pk}"
    assert client_of("vera").get(url).status_code == 403
    factories.team("Chemistry", otto="member")
    assert client_of("otto").get(url).status_code == 404


@pytest.mark.parametrize(
    ("origin", "target"),
    [
        ("http://testserver/experiments/1/", "http://testserver/experiments/1/"),
        ("https://elsewhere.example/", "/experiments/"),
        ("", "/experiments/"),
    ],
)
def test_without_runs_it_leads_back_within_the_site(origin: str, target: str) -> None:
    factories.team(ada="member")
    answer = client_of("ada").get("/runs/warm-start/", headers={"Referer": origin})
    assert answer["Location"] == target
