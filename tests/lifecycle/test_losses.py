"""Losses that cost nothing, and a script's own failures that may be tried again."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from experiments import lifecycle
from experiments.lifecycle.attempts import MAX_HOST_FAILURES
from experiments.models import Sweep, Trial
from experiments.tracking import ingest
from tests import factories

pytestmark = pytest.mark.django_db


def sweep_with(**retries: Any) -> Sweep:
    document = factories.definition_document(retries=retries or None)
    return factories.sweep(factories.team(), document=document)


def finish(trial: Trial, **fields: Any) -> Trial:
    trial.refresh_from_db()
    if trial.current_attempt is None:
        raise AssertionError("no attempt")
    if trial.current_attempt.state == "queued":
        factories.claim(trial)
        trial.refresh_from_db()
    attempt = trial.current_attempt
    lifecycle.finish_attempt(attempt, lifecycle.Outcome(**fields))
    trial.refresh_from_db()
    return trial


class TestReleases:
    @pytest.fixture
    def sweep(self) -> Sweep:
        return sweep_with(max_attempts=1)

    def test_a_released_attempt_gives_its_trial_back(self, sweep: Sweep) -> None:
        trial = factories.reported_trial(sweep, [0.5])
        first = trial.current_attempt
        assert lifecycle.ask_release(sweep) == 1
        assert lifecycle.ask_release(sweep) == 0, "asked once"
        trial = finish(trial, cause="stopped", exit_code=0, elapsed=3.0)
        assert (trial.state, trial.reports, trial.value) == ("queued", 0, None)
        assert trial.current_attempt.n == 2
        first.refresh_from_db()
        assert (first.state, first.reason) == ("lost", "paused")
        assert (first.exit_code, first.elapsed) == (0, 3.0)

    def test_releases_never_count(self, sweep: Sweep) -> None:
        trial = factories.trial(sweep)
        for n in range(30):
            factories.claim(trial)
            lifecycle.ask_release(sweep)
            trial = finish(trial, cause="stopped")
            assert (trial.state, trial.current_attempt.n) == ("queued", n + 2)

    def test_the_script_is_told_with_its_next_report(self, sweep: Sweep) -> None:
        trial = factories.reported_trial(sweep, [0.5])
        lifecycle.ask_release(sweep)
        reply = factories.report(trial, [0.6], first_step=1)
        assert reply == ingest.Reply(True, lifecycle.PAUSE_MESSAGE)

    def test_one_that_ends_by_itself_before_it_hears_has_ended(
        self, sweep: Sweep
    ) -> None:
        trial = factories.reported_trial(sweep, [0.5])
        lifecycle.ask_release(sweep)
        assert finish(trial, cause="exited", exit_code=0).state == "completed"

    def test_a_trial_that_is_to_stop_for_good_ends(self, sweep: Sweep) -> None:
        trial = factories.reported_trial(sweep, [0.5])
        lifecycle.ask_release(sweep)
        lifecycle.request_stop(trial, reason="user", message="Enough.")
        trial = finish(trial, cause="stopped")
        assert (trial.state, trial.message) == ("cancelled", "Enough.")

    def test_a_trial_that_is_stopping_is_not_released(self, sweep: Sweep) -> None:
        trial = factories.reported_trial(sweep, [0.5])
        lifecycle.request_stop(trial, reason="policy", message="Worse.")
        assert lifecycle.ask_release(sweep) == 0

    def test_of_an_ended_sweep_nothing_is_queued(self, sweep: Sweep) -> None:
        trial = factories.reported_trial(sweep, [0.5])
        lifecycle.ask_release(sweep)
        lifecycle.cancel_sweep(sweep)
        assert finish(trial, cause="stopped").state == "cancelled"


class TestOwnFailures:
    @pytest.mark.parametrize(
        "failure",
        [
            {"cause": "exited", "exit_code": 1},
            {"cause": "exited", "signal": 11},
            {"cause": "exited", "signal": 9, "code": "out_of_memory"},
        ],
    )
    def test_it_is_tried_as_often_as_asked(self, failure: dict[str, Any]) -> None:
        trial = factories.reported_trial(sweep_with(on_failure=2), [0.5])
        for n in (2, 3):
            trial = finish(trial, message="exit code 1", **failure)
            assert (trial.state, trial.current_attempt.n) == ("queued", n)
            assert (trial.reports, trial.value) == (0, None)
        trial = finish(trial, message="exit code 1", **failure)
        assert (trial.state, trial.message) == ("failed", "exit code 1")
        states = trial.attempts.values_list("state", flat=True)
        assert list(states) == ["finished"] * 3

    def test_unasked_it_is_not_tried_again(self) -> None:
        trial = factories.reported_trial(sweep_with(), [0.5])
        trial = finish(trial, cause="exited", exit_code=1)
        assert (trial.state, trial.reason) == ("failed", "exit_code")

    @pytest.mark.parametrize(
        ("end", "state"),
        [
            ({"cause": "trial_timeout", "signal": 9}, "cancelled"),
            ({"cause": "not_started", "code": "command_not_found"}, "failed"),
            ({"cause": "exited", "exit_code": 0}, "failed"),
        ],
    )
    def test_other_ends_are_final(self, end: dict[str, Any], state: str) -> None:
        trial = factories.trial(sweep_with(on_failure=5))
        assert finish(trial, **end).state == state

    def test_losses_and_failures_are_counted_apart(self) -> None:
        sweep = sweep_with(max_attempts=2, on_failure=1)
        trial = factories.trial(sweep)
        trial = finish(trial, cause="exited", exit_code=1)
        factories.claim(trial)
        factories.lose(trial.current_attempt)
        trial.refresh_from_db()
        assert (trial.state, trial.current_attempt.n) == ("queued", 3)
        assert finish(trial, cause="exited", exit_code=1).state == "failed"

    def test_the_budget_counts_trials(self) -> None:
        sweep = sweep_with(on_failure=1)
        finish(factories.trial(sweep), cause="exited", exit_code=1)
        assert sweep.trials.count() == 1


class TestWorkerTrouble:
    def test_it_does_not_count_as_a_loss(self) -> None:
        trial = factories.trial(sweep_with(max_attempts=1))
        trial = finish(trial, cause="worker_problem", message="no room: disk full")
        assert (trial.state, trial.current_attempt.n) == ("queued", 2)
        first = trial.attempts.first()
        assert (first.state, first.reason) == ("lost", "worker_problem")
        assert first.message == "no room: disk full"

    def test_it_ends_all_the_same(self) -> None:
        trial = factories.trial(sweep_with())
        for _ in range(MAX_HOST_FAILURES):
            assert trial.state != "failed"
            trial = finish(trial, cause="worker_problem", message="no room: disk full")
        assert (trial.state, trial.reason) == ("failed", "worker_problem")
        assert trial.message == "no room: disk full"

    def test_a_cut_off_runner_counts_as_a_loss(self) -> None:
        trial = factories.trial(sweep_with(max_attempts=2))
        assert finish(trial, cause="cut_off", message="cut off").state == "queued"
        assert finish(trial, cause="cut_off", message="cut off").state == "failed"


class TestWords:
    @pytest.mark.parametrize(
        ("end", "words"),
        [
            ({"cause": "exited", "exit_code": 1}, "the previous one failed"),
            ({"cause": "stopped"}, "the previous one was stopped by a pause"),
            ({"cause": "released"}, "the previous one was lost"),
        ],
    )
    def test_a_trial_that_waits_again_says_why(
        self, end: dict[str, Any], words: str, client: Client
    ) -> None:
        sweep = sweep_with(on_failure=1)
        trial = factories.trial(sweep)
        factories.claim(trial)
        if end["cause"] == "stopped":
            lifecycle.ask_release(sweep)
        trial = finish(trial, **end)
        factories.team(ada="viewer")
        client.force_login(factories.user("ada"))
        page = client.get(trial.get_absolute_url()).content.decode()
        assert words in page
