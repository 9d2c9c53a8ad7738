"""The estimate in the form: duration, compute, savings, and their basis."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from experiments.models import Sweep, Team
from experiments.pages.builder.forecast import slot_time_text
from tests import factories
from tests.pages.builder.builder_forms import X, form, page, preview

pytestmark = pytest.mark.django_db


@pytest.fixture
def earlier(physics: Team) -> Sweep:
    """A sweep with six completed trials of 74 s in a pool with two slots."""
    made = factories.sweep(physics, state="completed")
    for _ in range(6):
        factories.trial(made, state="completed", value=0.9, elapsed=74.0, reports=20)
    factories.worker(made.pool)
    return made


def test_without_history_the_estimate_is_unknown(ada: Client) -> None:
    html = page(ada.get("/sweeps/new/"))
    assert "Unknown; tests one configuration first" in html
    answer = preview(ada, form([X]))
    assert (answer["duration"], answer["compute"]) == ("unknown", "unknown")
    assert answer["basis"] == "No earlier trial has completed."
    assert answer["usual"] == answer["savings"].strip() == ""


def test_earlier_trials_say_how_long_and_how_much(ada: Client, earlier: Sweep) -> None:
    fields = form([X], max_total_trials="40", trial_timeout="10m")
    answer = preview(ada, fields)
    assert answer["duration"] == "about 25 m"
    assert answer["compute"] == "49 slot-minutes"
    assert answer["basis"] == f"From 6 trials of {earlier}."
    assert answer["usual"] == (
        f"The median trial of {earlier} took 1 m 14 s, so 10m leaves room."
    )
    for words in ("40 trials, 2 at a time", "20 rounds", "2 of 2 slots free"):
        assert words in answer["estimate"]


def test_changed_code_and_inputs_make_the_range_wider(
    ada: Client, earlier: Sweep
) -> None:
    fields = form([X], max_total_trials="40")
    assert "changed since" not in preview(ada, fields)["estimate"]
    other = preview(ada, {**fields, "inputs": "epochs=99"})["estimate"]
    assert "the inputs have changed since" in other and "likely 16 m to 37 m" in other
    git = {"code_kind": "git", "git_url": "https://git.example.org/team/project.git"}
    assert "the code has changed since" in preview(ada, fields | git)["estimate"]


def test_a_price_of_the_pool_becomes_a_cost(ada: Client, earlier: Sweep) -> None:
    earlier.pool.price_per_hour = 1.5
    earlier.pool.save()
    answer = preview(ada, form([X], max_total_trials="40"))
    assert "price of pool default, 1.5 an hour" in answer["estimate"]
    assert "about 1.23" in answer["estimate"]


def test_a_copy_is_estimated_by_what_it_copies(ada: Client, earlier: Sweep) -> None:
    other = factories.sweep(earlier.experiment.team, state="completed")
    for _ in range(5):
        factories.trial(other, state="completed", value=0.9, elapsed=10.0)
    fields, address = form([X]), reverse("sweep_preview")
    copied = ada.post(f"{address}?clone={earlier.pk}", fields).json()
    assert copied["basis"] == f"From 6 trials of {earlier}."
    assert ada.post(address, fields).json()["basis"] == "From 11 trials of digits."


def test_a_pool_without_a_worker_still_has_an_estimate(
    ada: Client, physics: Team
) -> None:
    made = factories.sweep(physics, state="completed")
    factories.trial(made, state="completed", value=0.9, elapsed=60.0)
    answer = preview(ada, form([X], timeout="1m"))
    assert "pool default has no worker now" in answer["estimate"]
    assert "few trials to judge from" in answer["estimate"]
    assert "the limit of the whole sweep may end it" in answer["estimate"]
    assert answer["duration"] == "about 60 s"


def test_a_policy_is_simulated_on_the_earlier_sweep_when_it_is_asked_for(
    ada: Client, physics: Team
) -> None:
    made = factories.sweep(physics)
    for level in (0.9, 0.5, 0.4, 0.3, 0.2, 0.1):
        factories.reported_trial(made, [level] * 12, state="completed")
    policy = {"policy": "median_stopping", "delay_evaluation": "3"}
    fields = form([X], max_total_trials="40", **policy)
    first = preview(ada, fields)
    assert first["pending"] and "not counted" in first["estimate"]
    assert f"Simulating it on {made}" in first["savings"]
    found = preview(ada, {**fields, "simulates": "1"})
    assert not found["pending"]
    assert "saved, the best trial kept." in found["savings"]
    assert f"/sweeps/{made.pk}/simulator/?policy=median_stopping" in found["savings"]
    assert "for early termination" in found["basis"]
    # It is kept, so that typing does not wait for it.
    assert preview(ada, fields)["savings"] == found["savings"]
    other = preview(ada, {**fields, "primary_metric": "loss", "simulates": "1"})
    assert other["savings"].strip() == ""


def test_an_estimate_takes_as_many_queries_for_more_trials(
    ada: Client, earlier: Sweep, django_assert_num_queries: Any
) -> None:
    fields = form([X])
    preview(ada, fields)
    with CaptureQueriesContext(connection) as few:
        preview(ada, fields)
    assert len(few) <= 20
    for _ in range(10):
        factories.trial(earlier, state="completed", value=0.9, elapsed=74.0, reports=20)
    with django_assert_num_queries(len(few)):
        preview(ada, fields)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 slot-second"), (36 * 60, "36 slot-minutes"), (36_000, "10 slot-hours")],
)
def test_time_on_slots_is_said_in_one_number(seconds: float, words: str) -> None:
    assert slot_time_text(seconds) == words
