"""The card of the pre-flight: one configuration is tried before all others."""

from __future__ import annotations

import pytest
from django.test import Client

from experiments import lifecycle
from experiments.models import Sweep, Trial
from experiments.scheduling import rounds
from tests import factories
from tests.pages.builder import builder_forms
from tests.pages.clients import client_of
from tests.pages.sweep.failed_sweeps import sweep, text_of

pytestmark = pytest.mark.django_db


def tried(made: Sweep, name: str) -> Trial:
    """The probe reports under a name and ends."""
    factories.worker(made.pool)
    rounds.advance_all()
    trial = made.trials.get()
    attempt = factories.claim(trial).attempt
    factories.report(trial, [0.3, 0.4], name=name)
    lifecycle.beat(attempt, pid=1, elapsed=70.0)
    rounds.advance_all()
    made.refresh_from_db()
    return trial


def test_one_configuration_of_a_draft_is_tried_and_the_sweep_waits() -> None:
    made = sweep(state="draft")
    assert "Test one configuration" in text_of(made, "")
    client_of("ada").post(f"/sweeps/{made.pk}/preflight/")
    made.refresh_from_db()
    assert (made.state, made.preflight["hold"]) == ("running", True)
    assert "Testing one configuration first" in text_of(made, "")
    tried(made, "accuracy")
    text = text_of(made, "")
    assert "The tested configuration works" in text
    assert "Start all trials" in text
    client_of("ada").post(f"/sweeps/{made.pk}/preflight/", {"remedy": "resume"})
    made.refresh_from_db()
    assert made.state == "running"


def test_a_near_miss_becomes_the_metric_with_one_click_and_keeps_its_reports() -> None:
    made = sweep(state="draft")
    client_of("ada").post(f"/sweeps/{made.pk}/preflight/")
    trial = tried(made, "acc")
    text = text_of(made, "")
    assert "Did you mean acc?" in text
    assert "Use acc as the primary metric" in text
    client_of("ada").post(f"/sweeps/{made.pk}/preflight/", {"remedy": "use:acc"})
    made.refresh_from_db()
    trial.refresh_from_db()
    assert (made.state, made.primary_metric) == ("running", "acc")
    assert made.definition["objective"]["primary_metric"] == "acc"
    assert (trial.reports, trial.value) == (2, 0.4)
    rounds.advance_all()
    made.refresh_from_db()
    assert made.preflight["state"] == "passed"
    assert made.trials.count() == 1


def test_only_names_that_were_found_can_be_used() -> None:
    made = sweep(state="draft")
    client_of("ada").post(f"/sweeps/{made.pk}/preflight/")
    tried(made, "acc")
    for value in ("use:loss", "use:", "nosuch"):
        client_of("ada").post(f"/sweeps/{made.pk}/preflight/", {"remedy": value})
    made.refresh_from_db()
    assert (made.state, made.primary_metric) == ("paused", "accuracy")


def test_a_running_sweep_cannot_be_tried_first() -> None:
    made = sweep()
    answer = client_of("ada").post(f"/sweeps/{made.pk}/preflight/", follow=True)
    assert "Only a draft can be tested first" in answer.content.decode()


def test_the_form_tries_one_configuration_first_unless_it_is_unticked() -> None:
    ada = builder_forms.member(Client())
    box = '<input type="checkbox" name="try_first" value="1" checked>'
    assert box in builder_forms.page(ada.get("/sweeps/new/"))
    builder_forms.send(ada, builder_forms.form(do="start", try_first="1"))
    made = Sweep.objects.get()
    assert (made.state, made.preflight["state"]) == ("running", "running")
    wrong = builder_forms.form(do="start", command="")
    again = builder_forms.page(builder_forms.send(ada, wrong))
    assert box not in again
    assert 'name="try_first"' in again
    builder_forms.send(ada, builder_forms.form(do="start", form_token="another-token"))
    assert Sweep.objects.latest("pk").preflight is None


def test_a_failed_test_is_one_card_with_its_choices() -> None:
    made = sweep(state="draft")
    client_of("ada").post(f"/sweeps/{made.pk}/preflight/")
    factories.worker(made.pool)
    rounds.advance_all()
    attempt = factories.claim(made.trials.get()).attempt
    lifecycle.finish_attempt(attempt, lifecycle.Outcome(cause="exited", exit_code=1))
    rounds.advance_all()
    made.refresh_from_db()
    assert (made.state, made.reason) == ("paused", lifecycle.PREFLIGHT_FAILED)
    text = text_of(made, "")
    assert "The configuration that was tested first failed." in text
    assert "The tested configuration does not work" not in text
    assert "Test one configuration again" in text
