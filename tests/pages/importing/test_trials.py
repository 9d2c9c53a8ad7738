"""Trials that ended elsewhere are trials of the sweep, on every page."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from experiments import lifecycle
from experiments.models import Sweep, Trial
from experiments.search.document.definition import parse_document
from experiments.search.fields import DefinitionError
from experiments.search.formats import FinishedTrial
from experiments.sweeps.warm_start import add_finished_trials, usable_trials
from experiments.tracking.history import search_of
from tests import factories
from tests.pages.builder.builder_forms import member, page

pytestmark = pytest.mark.django_db
TRIALS = (
    FinishedTrial({"x": 0.25}, 0.5, "completed"),
    FinishedTrial({"x": 0.5}, 0.9, "terminated"),
    FinishedTrial({"x": 0.75}, None, "failed"),
)


def add(sweep: Sweep, *trials: FinishedTrial) -> int:
    space = parse_document(sweep.definition).search_space
    return add_finished_trials(sweep, space, trials)


@pytest.fixture
def sweep() -> Sweep:
    made = factories.sweep(factories.team("Physics"), state="draft")
    assert add(made, *TRIALS) == 3
    return made


def test_they_come_first_and_the_budget_grows(sweep: Sweep) -> None:
    rows = sweep.trials.order_by("number")
    found = [(t.number, t.params, t.value, t.state, t.origin) for t in rows]
    assert found == [
        (0, {"x": 0.25}, 0.5, "completed", "imported"),
        (1, {"x": 0.5}, 0.9, "terminated", "imported"),
        (2, {"x": 0.75}, None, "failed", "imported"),
    ]
    assert Sweep.objects.get().max_total_trials == 4 + 3


def test_the_scheduler_goes_on_after_them(sweep: Sweep) -> None:
    assert lifecycle.start_sweep(sweep, actor=None)
    sweep.refresh_from_db()
    trial = factories.place_trial(sweep)
    assert trial is not None and trial.number == 3
    with search_of(sweep) as search:
        assert search.history.losses.tolist()[:2] == [-0.5, -0.9]


def test_asking_twice_is_asking_once(sweep: Sweep) -> None:
    assert add(sweep, *TRIALS) == 0
    assert Trial.objects.count() == 3
    assert Sweep.objects.get().max_total_trials == 7


def test_a_started_sweep_takes_none() -> None:
    sweep = factories.sweep(factories.team("Physics"), state="running")
    assert add(sweep, *TRIALS) == 0 and not Trial.objects.exists()


def test_what_is_outside_the_space_is_of_no_use() -> None:
    space = parse_document(factories.definition_document()).search_space
    trials = [
        FinishedTrial({"x": 7.0}, 0.5, "completed"),
        FinishedTrial({"x": float("nan")}, 0.5, "completed"),
        FinishedTrial({"x": "0.5"}, 0.5, "completed"),
        FinishedTrial({"x": 0.5, "y": 1}, 0.5, "completed"),
        FinishedTrial({}, 0.5, "completed"),
    ]
    assert usable_trials(space, [*trials, TRIALS[0]]) == [TRIALS[0]]


def test_there_may_be_no_more_than_a_sweep_can_have() -> None:
    document = factories.definition_document(limits={"max_total_trials": 99_999})
    sweep = factories.sweep(factories.team("Physics"), state="draft", document=document)
    with pytest.raises(DefinitionError, match="100,000 are allowed"):
        add(sweep, *TRIALS)
    assert not Trial.objects.exists()


def test_every_page_shows_them(client: Client, sweep: Sweep) -> None:
    browser = member(client)
    lifecycle.start_sweep(sweep, actor=None)
    for name in ("sweep_detail", "sweep_trials", "sweep_settings", "sweep_events"):
        assert browser.get(reverse(name, args=(sweep.pk,))).status_code == 200
    assert browser.get(reverse("sweep_feed", args=(sweep.pk,))).status_code == 200
    trials = list(sweep.trials.all())
    for trial in trials:
        response = browser.get(trial.get_absolute_url())
        assert response.status_code == 200 and "imported" in page(response)
        assert browser.get(reverse("trial_feed", args=(trial.pk,))).status_code == 200
    ids = ",".join(str(trial.pk) for trial in trials)
    assert browser.get(f"{reverse('compare')}?trials={ids}").status_code == 200
    for url in (reverse("home"), sweep.experiment.get_absolute_url()):
        assert browser.get(url).status_code == 200
