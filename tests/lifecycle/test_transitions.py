"""Sweeps, trials and attempts move through their states, once and in order."""

from __future__ import annotations

import pytest
from django.utils import timezone

from experiments import lifecycle
from experiments.models import Attempt, Sweep, Trial
from experiments.models.missing import MissingData
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def sweep() -> Sweep:
    return factories.sweep(factories.team())


def finish(trial: Trial, **fields: object) -> Trial:
    outcome = lifecycle.Outcome(**{"cause": "exited", "exit_code": 0, **fields})
    attempt = trial.current_attempt
    assert attempt is not None
    lifecycle.finish_attempt(attempt, outcome)
    trial.refresh_from_db()
    return trial


class TestSweeps:
    def test_a_draft_starts_once(self) -> None:
        draft = factories.sweep(factories.team(), state="draft")
        assert lifecycle.start_sweep(draft)
        assert not lifecycle.start_sweep(draft)
        assert draft.state == "running"
        assert draft.started_at is not None

    def test_pausing_and_resuming_keep_the_first_start(self, sweep: Sweep) -> None:
        started = sweep.started_at
        assert lifecycle.pause_sweep(sweep)
        assert not lifecycle.pause_sweep(sweep)
        assert lifecycle.resume_sweep(sweep)
        assert (sweep.state, sweep.started_at) == ("running", started)
        assert sweep.resumed_at is not None

    @pytest.mark.parametrize("state", ["completed", "cancelled", "failed"])
    def test_an_ended_sweep_stays_as_it_is(self, state: str) -> None:
        sweep = factories.sweep(factories.team(), state=state)
        moves = (
            lifecycle.start_sweep,
            lifecycle.pause_sweep,
            lifecycle.resume_sweep,
            lifecycle.cancel_sweep,
        )
        assert not any(move(sweep) for move in moves)
        sweep.refresh_from_db()
        assert sweep.state == state

    def test_cancelling_ends_queued_trials_and_asks_running_ones(
        self, sweep: Sweep
    ) -> None:
        queued, running = factories.trial(sweep), factories.trial(sweep)
        claim = factories.claim(running)
        assert lifecycle.cancel_sweep(sweep, message="Enough.")
        queued.refresh_from_db()
        running.refresh_from_db()
        assert (queued.state, queued.reason) == ("cancelled", "user")
        assert (running.state, running.stop_reason) == ("running", "user")
        claim.attempt.refresh_from_db()
        assert claim.attempt.stop_requested_at is not None
        assert queued.current_attempt.state == "finished"

    def test_every_transition_leaves_an_event(self, sweep: Sweep) -> None:
        ada = factories.user("ada")
        lifecycle.pause_sweep(sweep, actor=ada)
        lifecycle.resume_sweep(sweep, actor=ada)
        lifecycle.cancel_sweep(sweep, actor=ada)
        verbs = sweep.events.order_by("id").values_list("verb", "actor__username")
        assert list(verbs)[-3:] == [
            ("sweep paused", "ada"),
            ("sweep running", "ada"),
            ("sweep cancelled", "ada"),
        ]


class TestClaims:
    def test_of_two_claims_one_wins(self, sweep: Sweep) -> None:
        trial = factories.trial(sweep)
        worker = factories.worker(sweep.pool)
        first = lifecycle.claim_attempt(trial.current_attempt_id, worker=worker, slot=0)
        second = lifecycle.claim_attempt(
            trial.current_attempt_id, worker=worker, slot=1
        )
        assert first is not None
        assert second is None
        trial.refresh_from_db()
        assert trial.state == "running"

    def test_a_pool_cannot_claim_what_waits_in_another(self, sweep: Sweep) -> None:
        trial = factories.trial(sweep)
        foreign = factories.worker(factories.pool(factories.team("Other"), "other"))
        assert (
            lifecycle.claim_attempt(trial.current_attempt_id, worker=foreign, slot=0)
            is None
        )

    def test_nothing_of_a_paused_sweep_is_claimed(self, sweep: Sweep) -> None:
        trial = factories.trial(sweep)
        lifecycle.pause_sweep(sweep)
        worker = factories.worker(sweep.pool)
        assert (
            lifecycle.claim_attempt(trial.current_attempt_id, worker=worker, slot=0)
            is None
        )

    def test_a_number_is_given_once(self, sweep: Sweep) -> None:
        assert lifecycle.create_trial(sweep, number=5, params={}, origin="random")
        assert not lifecycle.create_trial(sweep, number=5, params={}, origin="random")
        assert Attempt.objects.filter(trial__sweep=sweep).count() == 1


class TestEnds:
    def test_exit_code_0_with_a_report_is_completed(self, sweep: Sweep) -> None:
        trial = finish(factories.reported_trial(sweep, [0.5]))
        assert (trial.state, trial.reason) == ("completed", "")

    def test_a_trial_whose_results_are_not_complete_says_so(self, sweep: Sweep) -> None:
        lost, unkept = (factories.reported_trial(sweep, [0.5]) for _ in range(2))
        sentence = "12 metric points are lost: the disk was full"
        lost = finish(lost, lost=[sentence])
        unkept = finish(unkept, not_kept="model.pt (2 GB) exceeds the limit of 1 GB")
        assert (lost.state, lost.reason) == ("completed", "")
        assert lost.message == f"It ended normally, but {sentence}."
        assert "but outputs are not kept: model.pt (2 GB) exceeds" in unkept.message
        attempt = Attempt.objects.get(pk=lost.current_attempt_id)
        assert MissingData.of(attempt.missing).lost == [sentence]

    def test_exit_code_0_without_the_metric_fails_and_names_what_was_seen(
        self, sweep: Sweep
    ) -> None:
        trial = factories.trial(sweep)
        factories.claim(trial)
        factories.report(trial, [0.5], name="Accuracy")
        trial = finish(trial)
        assert (trial.state, trial.reason) == ("failed", "no_metric")
        assert '"accuracy"' in trial.message
        assert '"Accuracy"' in trial.message

    def test_reporting_only_nan_is_a_completed_trial_without_a_value(
        self, sweep: Sweep
    ) -> None:
        trial = finish(factories.reported_trial(sweep, [float("nan")]))
        assert (trial.state, trial.value) == ("completed", None)
        assert not sweep.trials.ranked(sweep.goal).exists()

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"exit_code": 1}, "exit_code"),
            ({"exit_code": None, "signal": 9}, "signal"),
            (
                {"cause": "not_started", "code": "command_not_found"},
                "command_not_found",
            ),
        ],
    )
    def test_a_bad_end_fails_with_its_reason(
        self, sweep: Sweep, fields: dict[str, object], reason: str
    ) -> None:
        trial = finish(factories.reported_trial(sweep, [0.5]), **fields)
        assert (trial.state, trial.reason) == ("failed", reason)
        assert trial.value == 0.5

    def test_a_trial_that_ran_out_of_time_is_cancelled(self, sweep: Sweep) -> None:
        trial = finish(factories.reported_trial(sweep, [0.5]), cause="trial_timeout")
        assert (trial.state, trial.reason) == ("cancelled", "trial_timeout")

    @pytest.mark.parametrize(
        ("reason", "state"), [("policy", "terminated"), ("user", "cancelled")]
    )
    def test_the_reason_of_the_stop_decides_however_the_process_ended(
        self, sweep: Sweep, reason: str, state: str
    ) -> None:
        trial = factories.reported_trial(sweep, [0.5])
        lifecycle.request_stop(trial, reason=reason, message="Because.")
        trial = finish(trial, cause="stopped", exit_code=None, signal=15)
        assert (trial.state, trial.reason, trial.message) == (state, reason, "Because.")

    def test_the_first_reason_to_stop_counts(self, sweep: Sweep) -> None:
        trial = factories.reported_trial(sweep, [0.5])
        assert lifecycle.request_stop(trial, reason="policy", message="Behind.")
        assert not lifecycle.request_stop(trial, reason="user", message="Enough.")
        assert finish(trial, cause="stopped").state == "terminated"

    def test_the_second_end_changes_nothing(self, sweep: Sweep) -> None:
        trial = finish(factories.reported_trial(sweep, [0.5]))
        assert not lifecycle.finish_attempt(
            trial.current_attempt, lifecycle.Outcome(cause="exited", exit_code=1)
        )
        trial.refresh_from_db()
        assert trial.state == "completed"


class TestLosses:
    def test_a_lost_attempt_is_tried_again_from_the_start(self, sweep: Sweep) -> None:
        trial = factories.reported_trial(sweep, [0.5, 0.6])
        lost = trial.current_attempt
        assert lifecycle.lose_attempt(lost, reason="silent", message="Gone.")
        trial.refresh_from_db()
        assert trial.state == "queued"
        assert trial.current_attempt.n == 2
        assert (trial.reports, trial.value) == (0, None)
        assert lost.metrics.get(name="accuracy").count == 2

    def test_an_attempt_is_lost_once(self, sweep: Sweep) -> None:
        trial = factories.reported_trial(sweep, [0.5])
        lost = trial.current_attempt
        lifecycle.lose_attempt(lost, reason="silent", message="Gone.")
        assert not lifecycle.lose_attempt(lost, reason="silent", message="Gone.")
        assert trial.attempts.count() == 2

    def test_too_many_losses_fail_the_trial(self, sweep: Sweep) -> None:
        trial = factories.trial(sweep)
        for _ in range(sweep.max_attempts):
            factories.claim(trial)
            lifecycle.lose_attempt(
                trial.current_attempt, reason="worker_died", message="Gone."
            )
            trial.refresh_from_db()
        assert (trial.state, trial.reason) == ("failed", "lost")

    def test_being_released_does_not_count_as_a_loss(self, sweep: Sweep) -> None:
        trial = factories.trial(sweep)
        for _ in range(sweep.max_attempts + 2):
            factories.claim(trial)
            lifecycle.finish_attempt(
                trial.current_attempt, lifecycle.Outcome(cause="released")
            )
            trial.refresh_from_db()
        assert trial.state == "queued"

    def test_a_lost_trial_that_was_to_stop_ends(self, sweep: Sweep) -> None:
        trial = factories.reported_trial(sweep, [0.5])
        lifecycle.request_stop(trial, reason="policy", message="Behind.")
        lifecycle.lose_attempt(trial.current_attempt, reason="silent", message="Gone.")
        trial.refresh_from_db()
        assert trial.state == "terminated"

    def test_a_lost_trial_of_an_ended_sweep_is_cancelled(self, sweep: Sweep) -> None:
        trial = factories.reported_trial(sweep, [0.5])
        Sweep.objects.filter(pk=sweep.pk).update(
            state="cancelled", reason="user", ended_at=timezone.now()
        )
        lifecycle.lose_attempt(trial.current_attempt, reason="silent", message="Gone.")
        trial.refresh_from_db()
        assert (trial.state, trial.reason) == ("cancelled", "user")
