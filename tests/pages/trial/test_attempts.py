"""The page of a trial that runs in several attempts, and of one that waits again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from experiments import lifecycle, storage
from experiments.models import Attempt, Metric, Trial
from experiments.pages.trial.phases import phases
from tests import factories
from tests.pages.clients import model, page
from tests.pages.trial.trial_pages import MEDIAN

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("own_data_folder"),
]


def put_back(*values: float) -> Trial:
    """A trial whose first attempt reported, printed, and went back to the queue."""
    document = factories.definition_document(early_termination=MEDIAN)
    sweep = factories.sweep(factories.team(), document=document)
    for end in (0.7, 0.8):
        factories.reported_trial(sweep, [0.1, 0.2, 0.3, end], state="completed")
    trial = factories.trial(sweep)
    attempt = factories.claim(trial).attempt
    factories.report(trial, values)
    factories.report(trial, [9.0, 8.0], name="loss")
    storage.append_log(attempt.pk, b"epoch 2 is done\n")
    Attempt.objects.filter(pk=attempt.pk).update(log_bytes=16, log_chunks=1)
    lifecycle.lose_attempt(attempt, reason="paused", message="", facts={"elapsed": 8.0})
    trial.refresh_from_db()
    return trial


def resumed(*values: float) -> Trial:
    """The same, gone on from its files by the next attempt."""
    trial = put_back(*values)
    factories.claim(trial)
    trial.attempts.filter(n=2).update(resumed_from=1)
    return trial


def test_a_training_that_crashed_at_once_has_its_times() -> None:
    """It ended before a heartbeat could say that training had begun."""
    trial = factories.trial(factories.sweep(factories.team()))
    attempt = factories.claim(trial).attempt
    lifecycle.beat(attempt, pid=1, elapsed=0.0, phase="fetches the code")
    outcome = lifecycle.Outcome("exited", exit_code=1, elapsed=0.4)
    lifecycle.finish_attempt(attempt, outcome)
    attempt.refresh_from_db()
    attempt.ended_at = attempt.claimed_at + timedelta(seconds=7.4)
    lines = phases(trial, attempt, attempt.ended_at)
    assert [(line.name, line.detail) for line in lines[1:]] == [
        ("training", "0.4 s"),
        ("before and after training", "7 s"),
        ("exit code 1", ""),
    ]


def test_while_it_waits_the_page_tells_what_the_attempt_before_told(
    ada: Client,
) -> None:
    trial = put_back(0.9, 0.8, 0.7)
    html = page(ada, trial.get_absolute_url())
    assert "the previous one was stopped by a pause" in html
    assert "Attempt 1 had reported accuracy 3 times, last 0.7000." in html
    assert "The log and the files below are from attempt 1." in html
    assert "Attempt 2 has not begun. Attempt 1 printed:" in html
    assert "epoch 2 is done" in html and "log?attempt=1" in html
    assert "Attempt 1 was stopped when the sweep was paused" in html
    assert "trained for 8 s" in html
    assert model(html, "metrics-model")
    factories.claim(trial)
    begun = page(ada, trial.get_absolute_url())
    assert "epoch 2 is done" not in begun and "No output yet." in begun


def test_the_table_of_its_sweep_says_that_it_waits_again(ada: Client) -> None:
    trial = put_back(0.9)
    assert trial.sweep is not None
    url = f"{trial.sweep.get_absolute_url()}trials/"
    assert "Stopped after attempt 1, waiting for a free slot" in page(ada, url)
    lifecycle.pause_sweep(trial.sweep)
    Trial.objects.filter(sweep=trial.sweep, state="completed").delete()
    overview = page(ada, trial.sweep.get_absolute_url())
    assert "1 trial waits until the sweep resumes." in overview
    assert "Stopped after attempt 1, waiting until the sweep resumes" in page(ada, url)


def test_a_failure_stays_to_be_read_while_the_trial_waits_to_be_retried(
    ada: Client,
) -> None:
    document = factories.definition_document(retries={"on_failure": 1})
    trial = factories.trial(factories.sweep(factories.team(), document=document))
    attempt = factories.claim(trial).attempt
    failed = lifecycle.Outcome(cause="exited", exit_code=3, message="exit code 3")
    lifecycle.finish_attempt(attempt, failed)
    html = page(ada, trial.get_absolute_url())
    assert "the previous one failed" in html
    assert "exit code 3" in html and "?attempt=1" in html


def test_the_next_check_is_the_next_of_all_its_reports(ada: Client) -> None:
    trial = resumed(0.9, 0.8, 0.7)
    waiting = page(ada, trial.get_absolute_url())
    assert "It resumed from attempt 1: reports" in waiting
    assert "check comes at report" not in waiting
    factories.report(trial, [0.7], first_step=3)
    html = page(ada, trial.get_absolute_url())
    assert trial.reports == 4
    assert "The next check comes at report 5." in html
    assert "before report 2" in html and "before report 4" not in html


def test_a_verdict_that_came_while_the_page_was_read_counts(ada: Client) -> None:
    trial = resumed(0.9, 0.8, 0.7)
    factories.report(trial, [0.7, 0.8], first_step=3)
    # The trial's row as it was before its last report.
    Trial.objects.filter(pk=trial.pk).update(reports=4)
    assert "The next check comes at report 6." in page(ada, trial.get_absolute_url())


def test_a_script_that_starts_over_is_judged_from_the_first_check_on(
    ada: Client,
) -> None:
    trial = resumed(0.9, 0.8, 0.7)
    factories.report(trial, [0.6])
    html = page(ada, trial.get_absolute_url())
    assert trial.reports == 1
    assert "The first check comes at report 2." in html


def test_reports_that_no_policy_looked_at_are_not_said_to_be_too_early(
    ada: Client,
) -> None:
    trial = factories.reported_trial(factories.sweep(factories.team()), [0.1] * 5)
    assert trial.sweep is not None
    type(trial.sweep).objects.update(early_termination=MEDIAN)
    html = page(ada, trial.get_absolute_url())
    assert "The first check comes at report 6." in html
    assert ">not judged</td>" in html and "before report" not in html


def test_its_other_metrics_are_those_of_the_attempt_that_runs(ada: Client) -> None:
    trial = resumed(0.9)
    assert Metric.objects.filter(attempt=trial.current_attempt).count() == 0
    assert "None yet." in page(ada, trial.get_absolute_url())
