"""A sweep's metric is changed to a name that its trials reported."""

from __future__ import annotations

import pytest
from django.test import Client

from experiments import lifecycle
from experiments.failures import groups
from experiments.models import Event, Sweep, Trial
from experiments.scheduling import rounds
from experiments.sweeps import primary_metric
from tests import factories

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("own_data_folder"),
]


def ended_without_the_metric(
    exit_code: int = 0, *, metric: str = "acc"
) -> tuple[Sweep, Trial]:
    """A draft whose probe reported acc alone, and has ended."""
    made = factories.sweep(factories.team("Physics", ada="member"), state="draft")
    lifecycle.start_preflight(made, hold=True)
    factories.worker(made.pool)
    rounds.advance_all()
    trial = made.trials.get()
    attempt = factories.claim(trial).attempt
    factories.report(trial, [0.3, 0.4], name=metric)
    outcome = lifecycle.Outcome(cause="exited", exit_code=exit_code, elapsed=1.0)
    groups.store_signature(attempt, outcome)
    lifecycle.finish_attempt(attempt, outcome)
    rounds.advance_all()
    made.refresh_from_db()
    trial.refresh_from_db()
    assert (made.state, trial.state) == ("paused", "failed")
    return made, trial


def test_what_failed_for_want_of_a_metric_is_whole_by_the_one_it_reported(
    ada: Client,
) -> None:
    made, trial = ended_without_the_metric()
    assert trial.reason == "no_metric" and len(groups.failure_groups(made)) == 1
    ada.post(f"/sweeps/{made.pk}/preflight/", {"remedy": "use:acc"})
    trial.refresh_from_db()
    assert (trial.state, trial.reason) == ("completed", "")
    assert (trial.reports, trial.value, trial.message) == (2, 0.4, "Ran to the end.")
    assert groups.failure_groups(made) == []
    page = ada.get(trial.get_absolute_url()).content.decode()
    assert "Trial 0 ran to the end" in page and '"reports": [[1, 0.3]' in page
    assert "without reporting" not in ada.get(made.get_absolute_url()).content.decode()


def test_another_failure_stays_one_and_has_its_chart(ada: Client) -> None:
    made, trial = ended_without_the_metric(exit_code=1)
    ada.post(f"/sweeps/{made.pk}/preflight/", {"remedy": "use:acc"})
    trial.refresh_from_db()
    assert (trial.state, trial.reason) == ("failed", "exit_code")
    assert (trial.reports, trial.value) == (2, 0.4)
    assert len(groups.failure_groups(made)) == 1


def test_a_metric_of_which_less_is_better_turns_the_goal_round() -> None:
    made, trial = ended_without_the_metric(metric="val_loss")
    primary_metric.use_metric(made, "val_loss", actor=None)
    trial.refresh_from_db()
    assert (made.goal, made.definition["objective"]["goal"]) == ("minimize",) * 2
    assert trial.value == 0.3
    event = Event.objects.get(sweep=made, verb="sweep changed")
    assert event.message == "The sweep minimizes val_loss instead of accuracy."
