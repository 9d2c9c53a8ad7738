"""POST /trials/{id}/finish: the end of a trial that somebody else's process runs."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.models import Attempt, Team, Trial
from tests import factories
from tests.api.conftest import Api


@pytest.fixture
def external(team: Team) -> tuple[Trial, Api]:
    """A running trial without a runner, and the API as its process sees it."""
    trial = factories.trial(factories.sweep(team))
    claim = factories.claim(trial)
    Attempt.objects.filter(pk=claim.attempt.pk).update(runner_token_digest="")
    return trial, Api(claim.trial_token.secret)


def finish(script: Api, trial: Trial, **body: Any) -> Any:
    return script.post(f"/trials/{trial.pk}/finish", body)


def test_a_trial_with_a_value_completes(external: tuple[Trial, Api]) -> None:
    trial, script = external
    factories.report(trial, [0.5])
    for _ in range(2):
        answer = finish(script, trial, state="completed")
        assert answer.status_code == 200
        assert answer.json() == {"state": "completed"}
    attempt = Attempt.objects.get(trial=trial)
    assert attempt.elapsed is not None and attempt.elapsed >= 0


def test_a_failed_one_fails_with_its_message(external: tuple[Trial, Api]) -> None:
    trial, script = external
    factories.report(trial, [0.5])
    answer = finish(script, trial, state="failed", message="Out of memory.")
    assert answer.json() == {"state": "failed"}
    trial.refresh_from_db()
    assert trial.message == "Out of memory."


def test_one_that_was_asked_to_stop_is_cancelled(
    api: Api, external: tuple[Trial, Api]
) -> None:
    trial, script = external
    factories.report(trial, [0.5])
    api.post(f"/trials/{trial.pk}/cancel")
    assert finish(script, trial, state="completed").json() == {"state": "cancelled"}


def test_without_the_primary_metric_it_fails(external: tuple[Trial, Api]) -> None:
    trial, script = external
    factories.report(trial, [0.5], name="acc")
    assert finish(script, trial, state="completed").json() == {"state": "failed"}
    trial.refresh_from_db()
    assert trial.reason == "no_metric" and '"acc"' in trial.message


def test_a_launched_trial_is_ended_by_its_runner_only(api: Api, team: Team) -> None:
    trial = factories.trial(factories.sweep(team))
    script = Api(factories.claim(trial).trial_token.secret)
    for caller in (script, api):
        answer = finish(caller, trial, state="completed")
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "launched"
        assert "runner" in answer.json()["error"]["message"]
    trial.refresh_from_db()
    assert trial.state == "running"


def test_a_waiting_trial_cannot_be_finished(api: Api, team: Team) -> None:
    trial = factories.trial(factories.sweep(team))
    assert finish(api, trial, state="completed").status_code == 409


@pytest.mark.parametrize("state", ["running", "terminated", ""])
def test_other_states_are_refused(external: tuple[Trial, Api], state: str) -> None:
    trial, script = external
    answer = finish(script, trial, state=state)
    assert answer.status_code == 422
    assert "completed" in answer.json()["error"]["fields"]["state"][0]
