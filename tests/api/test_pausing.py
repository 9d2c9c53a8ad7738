"""POST /sweeps/{id}/pause with what becomes of running trials, and /extend."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from experiments import lifecycle
from experiments.models import Attempt, Event, Sweep, Team
from experiments.scheduling import recovery, rounds
from experiments.scheduling.recovery import Silence
from tests import factories
from tests.api.conftest import Api


def released() -> int:
    return Attempt.objects.filter(release_requested_at__isnull=False).count()


class TestPausing:
    @pytest.mark.parametrize("body", [None, {}, {"running": "finish"}])
    def test_running_trials_finish_unless_it_is_said(
        self, api: Api, team: Team, body: dict[str, Any] | None
    ) -> None:
        sweep = factories.sweep(team)
        factories.claim(factories.trial(sweep))
        answer = api.post(f"/sweeps/{sweep.pk}/pause", body)
        assert (answer.status_code, answer.json()["state"]) == (200, "paused")
        assert released() == 0

    def test_they_are_put_back_where_it_is_said_and_again_changes_nothing(
        self, api: Api, team: Team
    ) -> None:
        sweep = factories.sweep(team)
        running, waiting = factories.trial(sweep), factories.trial(sweep)
        attempt = factories.claim(running).attempt
        for _ in range(2):
            answer = api.post(f"/sweeps/{sweep.pk}/pause", {"running": "requeue"})
            assert answer.json()["state"] == "paused"
        assert released() == 1
        told = Event.objects.filter(sweep=sweep, verb="trials put back")
        assert [event.message for event in told] == [
            "Stopped and queued again: 1 running trial."
        ]
        lifecycle.finish_attempt(attempt, lifecycle.Outcome("stopped", signal=15))
        running.refresh_from_db()
        assert (running.state, running.stop_reason) == ("queued", "")
        assert lifecycle.claim_attempt(
            running.current_attempt_id or 0,
            worker=factories.worker(sweep.pool),
            slot=0,
        ) is None, "what was put back waits"  # fmt: skip
        api.post(f"/sweeps/{sweep.pk}/resume")
        for trial in (running, waiting):
            trial.refresh_from_db()
            factories.claim(trial, slot=trial.number)

    def test_a_paused_sweep_can_still_put_them_back(self, api: Api, team: Team) -> None:
        sweep = factories.sweep(team)
        factories.claim(factories.trial(sweep))
        api.post(f"/sweeps/{sweep.pk}/pause")
        assert released() == 0
        answer = api.post(f"/sweeps/{sweep.pk}/pause", {"running": "requeue"})
        assert (answer.status_code, released()) == (200, 1)

    def test_putting_back_is_no_failure_however_often(
        self, api: Api, team: Team
    ) -> None:
        sweep = factories.sweep(team)
        trial = factories.trial(sweep)
        for _ in range(25):
            attempt = factories.claim(trial).attempt
            api.post(f"/sweeps/{sweep.pk}/pause", {"running": "requeue"})
            lifecycle.finish_attempt(attempt, lifecycle.Outcome("stopped", signal=9))
            api.post(f"/sweeps/{sweep.pk}/resume")
            trial.refresh_from_db()
            assert trial.state == "queued"

    def test_cancelling_after_it_ends_them_as_cancelled(
        self, api: Api, team: Team
    ) -> None:
        sweep = factories.sweep(team)
        trial = factories.trial(sweep)
        attempt = factories.claim(trial).attempt
        api.post(f"/sweeps/{sweep.pk}/pause", {"running": "requeue"})
        api.post(f"/sweeps/{sweep.pk}/cancel")
        lifecycle.finish_attempt(attempt, lifecycle.Outcome("stopped", signal=15))
        trial.refresh_from_db()
        assert (trial.state, trial.reason) == ("cancelled", "user")

    def test_another_word_is_refused(self, api: Api, team: Team) -> None:
        sweep = factories.sweep(team)
        answer = api.post(f"/sweeps/{sweep.pk}/pause", {"running": "kill"})
        assert answer.status_code == 422
        assert "running" in answer.json()["error"]["fields"]
        sweep.refresh_from_db()
        assert sweep.state == "running"

    @pytest.mark.parametrize("state", ["draft", "completed"])
    def test_what_does_not_run_cannot_be_paused(
        self, api: Api, team: Team, state: str
    ) -> None:
        sweep = factories.sweep(team, state=state)
        answer = api.post(f"/sweeps/{sweep.pk}/pause", {"running": "requeue"})
        assert answer.status_code == 409


class TestExtending:
    @pytest.mark.parametrize("state", ["completed", "cancelled", "failed"])
    def test_an_ended_sweep_goes_on_for_so_many_more(
        self, api: Api, team: Team, state: str
    ) -> None:
        sweep = factories.sweep(team, state=state)
        for _ in range(2):
            factories.trial(sweep, state="completed", value=0.5)
        answer = api.post(f"/sweeps/{sweep.pk}/extend", {"trials": 3})
        assert answer.status_code == 200
        found = answer.json()
        assert (found["state"], found["ended_at"]) == ("running", None)
        assert found["limits"]["max_total_trials"] == 5
        event = Event.objects.get(sweep=sweep, verb="sweep extended")
        assert event.message == "Extended by 3 trials."
        assert event.actor == factories.user("ada")
        again = api.post(f"/sweeps/{sweep.pk}/extend", {"trials": 3})
        assert again.status_code == 409
        assert "only one that has ended" in again.json()["error"]["message"]

    @pytest.mark.parametrize("trials", [True, False])
    def test_true_and_false_are_no_numbers(
        self, api: Api, team: Team, trials: bool
    ) -> None:
        sweep = factories.sweep(team, state="completed")
        answer = api.post(f"/sweeps/{sweep.pk}/extend", {"trials": trials})
        assert answer.status_code == 422
        sentence = f"is {str(trials).lower()}; allowed are whole numbers."
        assert answer.json()["error"]["fields"] == {"trials": [sentence]}
        sweep.refresh_from_db()
        assert sweep.state == "completed"

    def test_a_reached_target_no_longer_holds(self, api: Api, team: Team) -> None:
        objective = {"primary_metric": "accuracy", "goal": "maximize", "target": 0.9}
        document = factories.definition_document(objective=objective)
        sweep = factories.sweep(team, state="completed", document=document)
        factories.trial(sweep, state="completed", value=0.95)
        api.post(f"/sweeps/{sweep.pk}/extend", {"trials": 2})
        sweep.refresh_from_db()
        assert sweep.objective.target is None
        assert not rounds.settle(sweep)
        event = Event.objects.get(sweep=sweep, verb="sweep extended")
        assert "The target 0.9 was reached and is removed." in event.message

    def test_a_target_that_was_not_reached_holds(self, api: Api, team: Team) -> None:
        objective = {"primary_metric": "accuracy", "goal": "maximize", "target": 0.9}
        document = factories.definition_document(objective=objective)
        sweep = factories.sweep(team, state="completed", document=document)
        factories.trial(sweep, state="completed", value=0.5)
        api.post(f"/sweeps/{sweep.pk}/extend", {"trials": 2})
        sweep.refresh_from_db()
        assert sweep.objective.target == 0.9

    def test_time_that_is_over_is_gone_and_idle_time_does_not_count(
        self, api: Api, team: Team
    ) -> None:
        day = timezone.now() - timedelta(days=1)
        times = {"started_at": day - timedelta(seconds=60), "ended_at": day}
        over = factories.sweep(team, state="cancelled", timeout=30.0, **times)
        enough = factories.sweep(team, state="completed", timeout=90.0, **times)
        for sweep in (over, enough):
            api.post(f"/sweeps/{sweep.pk}/extend", {"trials": 2})
            sweep.refresh_from_db()
            took = sweep.took(timezone.now())
            assert took is not None and 60 <= took.total_seconds() < 80
            assert not rounds.end_at_timeout(sweep)
        assert (over.timeout, enough.timeout) == (None, 90)

    def test_first_trials_that_all_failed_do_not_end_it_at_once(
        self, api: Api, team: Team
    ) -> None:
        sweep = factories.sweep(team, reason="")
        for _ in range(3):
            factories.trial(sweep, state="failed")
        assert rounds.settle(sweep) and sweep.state == "failed"
        api.post(f"/sweeps/{sweep.pk}/extend", {"trials": 4})
        sweep.refresh_from_db()
        recovery.recover(lambda: Silence.NONE)
        assert not rounds.settle(sweep)

    def test_what_was_tried_to_the_end_cannot_go_on(self, api: Api, team: Team) -> None:
        sweep = factories.sweep(team, state="completed", exhausted=True)
        answer = api.post(f"/sweeps/{sweep.pk}/extend", {"trials": 3})
        assert answer.status_code == 409
        assert "every configuration" in answer.json()["error"]["message"]

    @pytest.mark.parametrize("trials", [0, -1, 100_001, "many", None])
    def test_a_number_that_cannot_be_is_refused(
        self, api: Api, team: Team, trials: object
    ) -> None:
        sweep = factories.sweep(team, state="completed")
        answer = api.post(f"/sweeps/{sweep.pk}/extend", {"trials": trials})
        assert answer.status_code == 422
        assert "trials" in answer.json()["error"]["fields"]
        assert Sweep.objects.get(pk=sweep.pk).state == "completed"
