"""Trials are placed within every limit; sweeps end when they should."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DataError, IntegrityError, OperationalError
from django.db.models.functions import Now

from experiments import lifecycle
from experiments.db.clock import database_now
from experiments.failures import groups
from experiments.models import Sweep, Trial, Worker
from experiments.scheduling import rounds
from experiments.scheduling.dispatch import Dispatch
from experiments.search.document.definition import parse_document
from experiments.search.formats import FinishedTrial
from experiments.sweeps.warm_start import add_finished_trials
from tests import factories

pytestmark = pytest.mark.django_db


def sweep(*, slots: int = 8, **limits: Any) -> Sweep:
    document = factories.definition_document(
        limits={"max_total_trials": 10, "max_concurrent_trials": 4, **limits}
    )
    made = factories.sweep(factories.team(), document=document)
    if slots:
        factories.worker(made.pool, slots=slots)
    return made


def end(trial: Trial, exit_code: int = 0, value: float | None = 0.5) -> None:
    if trial.state == "queued":
        factories.claim(trial)
    if value is not None:
        factories.report(trial, [value])
    outcome = lifecycle.Outcome(
        cause="exited", exit_code=exit_code, message=f"exit code {exit_code}"
    )
    lifecycle.finish_attempt(trial.current_attempt, outcome)


def run_to_the_end(sweep: Sweep, **how: Any) -> None:
    for _ in range(100):
        rounds.advance_all()
        live = list(sweep.trials.live().order_by("number"))
        if not live:
            break
        end(live[0], **how)
    sweep.refresh_from_db()


class TestPlacing:
    def test_no_more_at_a_time_than_the_sweep_wants(self) -> None:
        made = sweep(slots=8)
        rounds.advance_all()
        assert made.trials.count() == 4

    def test_no_more_than_there_are_free_slots(self) -> None:
        made = sweep(slots=3)
        rounds.advance_all()
        assert made.trials.count() == 3

    def test_without_a_worker_one_trial_waits(self) -> None:
        made = sweep(slots=0)
        rounds.advance_all()
        rounds.advance_all()
        assert made.trials.count() == 1

    def test_a_silent_workers_slots_do_not_count(self) -> None:
        made = sweep(slots=3)
        Worker.objects.update(seen_at=Now() - timedelta(minutes=5))
        rounds.advance_all()
        assert made.trials.count() == 1

    def test_a_freed_slot_is_filled_with_the_next_number(self) -> None:
        made = sweep(slots=2)
        rounds.advance_all()
        end(made.trials.get(number=0))
        rounds.advance_all()
        assert list(made.trials.values_list("number", flat=True)) == [0, 1, 2]

    def test_two_sweeps_share_the_slots_in_turn(self) -> None:
        first, second = sweep(slots=4), sweep(slots=4)
        rounds.advance_all()
        assert (first.trials.count(), second.trials.count()) == (2, 2)

    def test_a_paused_sweep_gets_nothing(self) -> None:
        made = sweep()
        lifecycle.pause_sweep(made)
        rounds.advance_all()
        assert not made.trials.exists()

    def test_a_grid_of_six_gets_exactly_six_in_order(self) -> None:
        document = factories.definition_document(
            trial={"command": "python train.py"},
            search_space={
                "num_hidden_layers": {"type": "choice", "values": [1, 2, 3]},
                "batch_size": {"type": "choice", "values": [16, 32]},
            },
            sampling_algorithm="grid",
            limits={"max_total_trials": 100, "max_concurrent_trials": 2},
        )
        made = factories.sweep(factories.team(), document=document)
        factories.worker(made.pool)
        run_to_the_end(made)
        rows = made.trials.order_by("number").values_list("params", flat=True)
        assert [tuple(params.values()) for params in rows] == [
            (layers, size) for layers in (1, 2, 3) for size in (16, 32)
        ]
        assert (made.state, made.reason) == ("completed", "exhausted")
        assert "6 configurations" in made.message

    def test_trials_from_elsewhere_neither_shorten_a_grid_nor_count_as_failures(
        self,
    ) -> None:
        document = factories.definition_document(
            search_space={"x": {"type": "choice", "values": [1, 2, 3]}},
            sampling_algorithm="grid",
            limits={"max_total_trials": 3, "max_failed_trials": 1},
        )
        made = factories.sweep(factories.team(), document=document, state="draft")
        elsewhere = [
            FinishedTrial(params={"x": 3}, value=0.1, state="completed"),
            FinishedTrial(params={"x": 2}, value=None, state="failed"),
        ]
        space = parse_document(document).search_space
        assert add_finished_trials(made, space, elsewhere) == 2
        lifecycle.start_sweep(made)
        factories.worker(made.pool)
        run_to_the_end(made)
        assert made.state == "completed"
        tried = made.trials.own().order_by("number")
        assert [trial.params["x"] for trial in tried] == [1, 2, 3]
        assert [trial.number for trial in tried] == [2, 3, 4]

    def test_the_same_seed_gives_the_same_trials(self) -> None:
        first, second = sweep(), sweep()
        run_to_the_end(first)
        run_to_the_end(second)
        rows = [
            list(s.trials.values_list("params", flat=True)) for s in (first, second)
        ]
        assert rows[0] == rows[1]
        assert len(rows[0]) == 10


class TestEnds:
    def test_all_trials_tried_completes_the_sweep(self) -> None:
        made = sweep()
        run_to_the_end(made)
        assert (made.state, made.reason) == ("completed", "max_total_trials")
        assert made.trials.count() == 10
        assert made.ended_at is not None

    def test_a_bad_start_fails_the_sweep_and_says_why(self) -> None:
        made = sweep(max_concurrent_trials=2)
        run_to_the_end(made, exit_code=1)
        assert (made.state, made.reason) == ("failed", "first_trials_failed")
        assert "exit code 1" in made.message
        assert made.trials.filter(state="failed").count() == 3

    def test_one_good_trial_among_the_first_keeps_the_sweep_going(self) -> None:
        made = sweep(slots=1)
        rounds.advance_all()
        end(made.trials.get())
        run_to_the_end(made, exit_code=1)
        assert made.state == "completed"
        assert made.trials.count() == 10

    def test_a_small_sweep_whose_trials_all_failed_has_failed(self) -> None:
        made = sweep(max_total_trials=2)
        run_to_the_end(made, exit_code=1)
        assert (made.state, made.reason) == ("failed", "all_failed")
        assert made.message.startswith("All 2 trials failed. The last, trial 1: ")

    def test_one_trial_without_its_metric_is_said_once(self) -> None:
        made = sweep(max_total_trials=1)
        rounds.advance_all()
        trial = made.trials.get()
        factories.claim(trial)
        outcome = lifecycle.Outcome("exited", 0)
        groups.store_signature(trial.current_attempt, outcome)
        end(trial, value=None)
        rounds.advance_all()
        made.refresh_from_db()
        assert made.message.startswith("Its only trial failed. The last, trial 0: It")
        assert made.message.count("report") == 2

    def test_the_brake_on_failures_pauses_and_resuming_allows_as_many_again(
        self,
    ) -> None:
        made = sweep(slots=1, max_failed_trials=2)
        rounds.advance_all()
        end(made.trials.get())
        for _ in range(2):
            rounds.advance_all()
            end(made.trials.live().get(), exit_code=1)
        rounds.advance_all()
        made.refresh_from_db()
        assert (made.state, made.reason) == ("paused", "max_failed_trials")
        assert "exit code 1" in made.message
        lifecycle.resume_sweep(made)
        rounds.advance_all()
        made.refresh_from_db()
        assert made.state == "running"
        assert made.trials.live().count() == 1

    def test_when_its_time_is_over_the_sweep_and_its_trials_are_cancelled(
        self,
    ) -> None:
        made = sweep(timeout=60)
        rounds.advance_all()
        running = made.trials.first()
        factories.claim(running)
        Sweep.objects.update(started_at=database_now() - timedelta(seconds=61))
        rounds.advance_all()
        made.refresh_from_db()
        running.refresh_from_db()
        assert (made.state, made.reason) == ("cancelled", "sweep_timeout")
        assert running.stop_reason == "sweep_timeout"
        assert made.trials.filter(state="queued").count() == 0

    def test_a_round_takes_the_same_queries_however_many_trials_there_are(
        self, django_assert_max_num_queries: Any
    ) -> None:
        made = sweep(slots=1, max_total_trials=50)
        for _ in range(30):
            factories.trial(made, state="completed", value=0.5)
        with django_assert_max_num_queries(30):
            rounds.advance_all()
        assert made.trials.count() == 31

    @pytest.mark.parametrize("step", ["settle", "serve"])
    @pytest.mark.parametrize("error", [DataError, IntegrityError])
    def test_rows_that_the_database_refuses_are_their_sweeps_own_trouble(
        self, step: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad, good = sweep(), sweep()
        place: Any = rounds if step == "settle" else Dispatch
        whole = getattr(place, step)

        def refused(*args: Any) -> Any:
            if args[-1] == bad:
                raise error("integer out of range")
            return whole(*args)

        monkeypatch.setattr(place, step, refused)
        rounds.advance_all()
        bad.refresh_from_db()
        assert (bad.state, bad.reason) == ("paused", "internal_error")
        assert "integer out of range" in bad.message
        assert good.trials.exists() and not bad.trials.exists()

    def test_without_a_database_no_sweep_is_paused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = sweep()

        def away(sweep: Sweep) -> bool:
            raise OperationalError("the connection is closed")

        monkeypatch.setattr(rounds, "settle", away)
        with pytest.raises(OperationalError):
            rounds.advance_all()
        made.refresh_from_db()
        assert made.state == "running"

    def test_a_sweep_that_cannot_be_handled_is_paused_and_the_others_go_on(
        self,
    ) -> None:
        bad, good = sweep(), sweep()
        document = {**bad.definition, "sampling_algorithm": {"type": "gone"}}
        Sweep.objects.filter(pk=bad.pk).update(definition=document)
        rounds.advance_all()
        bad.refresh_from_db()
        assert (bad.state, bad.reason) == ("paused", "internal_error")
        assert good.trials.count() == 4

    def test_a_failed_trial_does_not_reach_the_target(self) -> None:
        document = factories.definition_document(
            objective={
                "primary_metric": "accuracy",
                "goal": "maximize",
                "target": 0.4,
            }
        )
        made = factories.sweep(factories.team(), document=document)
        factories.worker(made.pool, slots=1)
        rounds.advance_all()
        end(made.trials.get(), exit_code=1)
        rounds.advance_all()
        made.refresh_from_db()
        assert made.state == "running"
        end(made.trials.live().get())
        rounds.advance_all()
        made.refresh_from_db()
        assert (made.state, made.reason) == ("completed", "target")
