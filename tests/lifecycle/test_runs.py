"""Single runs: trials without a sweep, which a person's program runs."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from experiments import access, lifecycle
from experiments.models import Event, Metric, Trial
from experiments.models.trials import AttemptState, TrialState
from experiments.scheduling import recovery
from experiments.tracking import ingest
from tests import factories

pytestmark = pytest.mark.django_db


def test_a_run_runs_at_once_and_needs_no_worker() -> None:
    team = factories.team(ada="member")
    experiment = factories.experiment(team)
    claim = lifecycle.start_run(
        experiment, name="svm", created_by=factories.user(), params={"C": "10"}
    )
    attempt, trial = claim.attempt, claim.attempt.trial
    assert trial.state == TrialState.RUNNING
    assert (attempt.state, attempt.pool, attempt.worker) == ("running", None, None)
    assert trial.run.params == {"C": "10"}
    assert str(trial) == "svm"
    assert claim.token.digest == attempt.trial_token_digest


def test_runs_are_numbered_beside_sweeps_of_their_experiment() -> None:
    team = factories.team()
    sweep = factories.sweep(team)
    factories.trial(sweep)
    first, second = factories.run(team), factories.run(team)
    assert first.experiment_id == sweep.experiment_id
    assert [first.number, second.number] == [1, 2]
    assert [first.label, second.label] == [f"run-{run.pk}" for run in (first, second)]


@pytest.mark.parametrize("state", sorted(lifecycle.RUN_ENDS))
def test_a_run_ends_once(state: TrialState) -> None:
    run = factories.run(factories.team())
    assert lifecycle.finish_run(run, state, message="Done.")
    assert not lifecycle.finish_run(run, TrialState.FAILED)
    assert (run.state, run.message) == (state, "Done.")
    assert run.attempts.get().state == AttemptState.FINISHED


def test_a_run_is_never_terminated_and_a_trial_of_a_sweep_never_finished_as_one() -> (
    None
):
    team = factories.team()
    with pytest.raises(ValueError, match="cannot end"):
        lifecycle.finish_run(factories.run(team), TrialState.TERMINATED)
    trial = factories.trial(factories.sweep(team))
    with pytest.raises(ValueError, match="cannot end"):
        lifecycle.finish_run(trial, TrialState.FAILED)


def test_the_times_that_a_program_gives_are_kept() -> None:
    start, end = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)
    run = factories.run(factories.team(), started_at=start)
    lifecycle.finish_run(run, TrialState.COMPLETED, ended_at=end)
    assert (run.started_at, run.ended_at) == (start, end)
    attempt = run.attempts.get()
    assert (attempt.claimed_at, attempt.ended_at) == (start, end)


def test_a_finished_run_takes_points_and_a_finished_trial_does_not() -> None:
    team = factories.team()
    run = factories.run(team)
    lifecycle.finish_run(run, TrialState.COMPLETED)
    factories.report(run, [0.5, 0.25])
    assert Metric.objects.get(attempt__trial=run).count == 2
    trial = factories.reported_trial(factories.sweep(team), [0.5], state="completed")
    with pytest.raises(ingest.AttemptNotRunning):
        factories.report(trial, [0.75], first_step=1)


def test_a_program_may_continue_its_run_but_not_a_trial_of_a_sweep() -> None:
    team = factories.team()
    run = factories.run(team)
    assert not lifecycle.reopen_run(run)
    lifecycle.finish_run(run, TrialState.FAILED, message="Out of memory.")
    assert lifecycle.reopen_run(run)
    assert (run.state, run.message, run.ended_at) == (TrialState.RUNNING, "", None)
    assert lifecycle.finish_run(run, TrialState.COMPLETED)
    trial = factories.reported_trial(factories.sweep(team), [0.5], state="completed")
    assert not lifecycle.reopen_run(trial)


def test_a_run_is_reopened_in_the_order_in_which_reports_lock_rows() -> None:
    run = factories.run(factories.team())
    lifecycle.finish_run(run, TrialState.COMPLETED)
    with CaptureQueriesContext(connection) as queries:
        assert lifecycle.reopen_run(run)
    updates = [
        text for query in queries if (text := query["sql"] or "").startswith("UPDATE")
    ]
    tables = [re.findall(r'"experiments_(\w+)"', sql)[0] for sql in updates]
    assert tables == ["attempt", "trial"]


def test_a_run_that_a_person_ends_ended_at_its_last_sign_and_is_asked_to_stop() -> None:
    team = factories.team(ada="member")
    run = factories.run(team)
    seen = datetime(2026, 1, 2, tzinfo=UTC)
    run.attempts.update(heartbeat_at=seen)
    run = Trial.objects.get(pk=run.pk)
    ada = factories.user()
    assert lifecycle.end_run_by_hand(run, TrialState.FAILED, actor=ada)
    assert (run.state, run.reason, run.ended_at) == (TrialState.FAILED, "user", seen)
    assert run.message == "Marked as failed by ada."
    assert Event.objects.get(verb="run ended").trial == run
    reply = factories.report(run, [0.5])
    assert (reply.stop, reply.reason) == (True, "Marked as failed by ada.")


def test_a_silent_run_is_never_lost() -> None:
    run = factories.run(factories.team())
    run.attempts.update(heartbeat_at=datetime(2026, 1, 2, tzinfo=UTC))
    recovery.lose_silent_asks(lambda: recovery.Silence.ALL)
    assert run.attempts.get().state == AttemptState.RUNNING


def test_a_run_in_the_trash_is_hidden() -> None:
    ada = factories.user()
    run = factories.run(factories.team(ada="member"))
    assert access.trials_for(ada).get() == run
    run.run.deleted_at = datetime(2026, 1, 2, tzinfo=UTC)
    run.run.save()
    assert not access.trials_for(ada).exists()
