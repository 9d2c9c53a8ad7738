"""A sweep whose trials all fail of one thing is stopped; one that fails here and there
goes on."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction
from django.db.models.functions import Now

from experiments import lifecycle, storage
from experiments.failures import circuit_breaker, groups
from experiments.models import Sweep, Trial, Worker
from experiments.scheduling import rounds
from tests import factories
from tests.sweeps.test_request_rows import at_once, one_writer

pytestmark = pytest.mark.django_db

MISSING = lifecycle.Outcome(
    cause="not_started",
    code="command_not_found",
    message='the command "nosuch" was not found on the worker\'s PATH',
    elapsed=0.0,
)
SPACE = {
    "x": {"type": "uniform", "min_value": 0, "max_value": 1},
    "batch": {"type": "choice", "values": [8, 16, 32, 128]},
}


def sweep(*, slots: int = 64, wide: int = 64, total: int = 500, **more: Any) -> Sweep:
    document = factories.definition_document(
        limits={"max_total_trials": total, "max_concurrent_trials": wide}, **more
    )
    made = factories.sweep(factories.team(), document=document)
    factories.worker(made.pool, slots=slots)
    return made


def crash(line: str, *, elapsed: float = 1.0) -> lifecycle.Outcome:
    return lifecycle.Outcome(
        cause="exited", exit_code=1, message=f"exit code 1\n{line}", elapsed=elapsed
    )


def take(trial: Trial, worker: Worker | None = None) -> None:
    worker = worker or Worker.objects.filter(pool=trial.sweep.pool).first()
    won = lifecycle.claim_attempt(trial.current_attempt_id, worker=worker, slot=0)
    assert won is not None


def end(trial: Trial, outcome: lifecycle.Outcome, log: str = "") -> None:
    """As the request does that brings the end."""
    attempt = trial.current_attempt
    if log:
        storage.append_log(attempt.pk, log.encode())
    groups.store_signature(attempt, outcome)
    lifecycle.finish_attempt(attempt, outcome)


def fail(trial: Trial, line: str = "ValueError: boom", elapsed: float = 1.0) -> None:
    end(trial, crash(line, elapsed=elapsed), log=f"{line}\n")


def work(trial: Trial, value: float = 0.5) -> None:
    factories.report(trial, [value])
    outcome = lifecycle.Outcome(cause="exited", exit_code=0, elapsed=60.0)
    lifecycle.finish_attempt(trial.current_attempt, outcome)


def schedule(made: Sweep, *, fate: Any, most: int = 100) -> None:
    """Schedule, and let the oldest live trial meet its fate, again and again."""
    for _ in range(most):
        rounds.advance_all()
        made.refresh_from_db()
        live = made.trials.live().order_by("number").first()
        if made.state != "running" or live is None:
            return
        for trial in made.trials.filter(state="queued"):
            take(trial)
        fate(made.trials.get(pk=live.pk))


class TestStart:
    def test_a_command_that_does_not_exist_costs_a_handful_at_any_width(self) -> None:
        made = sweep()
        schedule(made, fate=lambda trial: end(trial, MISSING))
        assert (made.state, made.reason) == ("failed", "first_trials_failed")
        assert made.trials.count() <= 10
        assert '"nosuch" was not found' in made.message
        assert "Likely cause: the command does not exist" in made.message

    def test_an_error_that_may_depend_on_the_values_gets_a_few_more_trials(
        self,
    ) -> None:
        made = sweep()
        schedule(made, fate=fail)
        assert made.state == "failed"
        assert made.trials.filter(state="failed").count() == circuit_breaker.MIN_ALIKE
        assert made.trials.count() <= 10

    def test_different_errors_and_slow_ones_are_no_breaker(self) -> None:
        made = sweep()
        names = iter("abcdefghijklmnop")
        schedule(made, fate=lambda t: fail(t, f"KeyError: '{next(names)}x'"), most=8)
        assert made.state == "running"
        slow = sweep()
        schedule(slow, fate=lambda t: fail(t, elapsed=60.0), most=8)
        assert slow.state == "running"

    def test_scripts_that_may_try_again_do_not_hide_it(self) -> None:
        made = sweep(retries={"on_failure": 3})
        schedule(
            made, fate=lambda t: fail(t, "ModuleNotFoundError: No module named 'q'")
        )
        assert made.state == "failed"
        assert sum(t.attempts.count() for t in made.trials.all()) <= 10


class TestRamp:
    def placed(self, made: Sweep) -> int:
        rounds.advance_all()
        return made.trials.live().count()

    def test_few_run_until_one_has_reported_and_then_all(self) -> None:
        made = sweep()
        assert self.placed(made) == circuit_breaker.MAX_UNPROVEN
        first = made.trials.get(number=0)
        take(first)
        factories.report(first, [0.1])
        assert self.placed(made) == 64

    def test_to_have_trained_for_some_seconds_is_enough(self) -> None:
        made = sweep(wide=6)
        assert self.placed(made) == 4
        first = made.trials.get(number=0)
        take(first)
        lifecycle.beat(first.current_attempt, pid=1, elapsed=25.0)
        assert self.placed(made) == 6

    def test_a_narrow_sweep_is_not_asked(self, django_assert_num_queries: Any) -> None:
        made = sweep(wide=4)
        with django_assert_num_queries(0):
            assert circuit_breaker.max_live_trials([made]) == {made.pk: 4}
        others = [sweep() for _ in range(3)]
        with django_assert_num_queries(1):
            assert set(circuit_breaker.max_live_trials([made, *others]).values()) == {4}


class TestTurn:
    def test_when_all_fail_alike_that_worked_before_the_sweep_is_paused(self) -> None:
        made = sweep(wide=2)
        schedule(made, fate=work, most=12)
        schedule(
            made, fate=lambda t: fail(t, "OSError: [Errno 28] No space left on device")
        )
        assert (made.state, made.reason) == ("paused", "same_failure")
        assert made.trials.filter(state="failed").count() == circuit_breaker.MIN_STREAK
        assert "the disk is full" in made.message
        lifecycle.resume_sweep(made)
        schedule(made, fate=work, most=6)
        assert made.state == "running"

    def test_failures_of_what_ran_before_do_not_pause_a_resumed_sweep(self) -> None:
        made = sweep(wide=16)
        schedule(made, fate=work, most=12)
        rounds.advance_all()
        for trial in made.trials.filter(state="queued"):
            take(trial)
        before = list(made.trials.filter(state="running").order_by("number"))
        assert len(before) >= 2 * circuit_breaker.MIN_STREAK
        for trial in before[: circuit_breaker.MIN_STREAK]:
            fail(trial)
        rounds.advance_all()
        made.refresh_from_db()
        assert (made.state, made.reason) == ("paused", "same_failure")
        lifecycle.resume_sweep(made)
        for trial in before[circuit_breaker.MIN_STREAK :]:
            fail(trial)
        rounds.advance_all()
        made.refresh_from_db()
        assert made.state == "running"
        schedule(made, fate=fail)
        assert (made.state, made.reason) == ("paused", "same_failure")
        failed = made.trials.filter(state="failed").count()
        assert failed >= len(before) + circuit_breaker.MIN_STREAK

    def test_one_failure_in_three_is_none(self) -> None:
        made = sweep(wide=2)
        fates = [work, work, fail]
        schedule(made, fate=lambda t: fates[t.number % 3](t), most=40)
        assert made.state == "running"

    def test_a_region_that_fails_is_learnt_and_no_reason_to_pause(self) -> None:
        made = sweep(wide=1, search_space=SPACE)

        def fate(trial: Trial) -> None:
            batch = 128 if 12 < trial.number < 22 else 16
            Trial.objects.filter(pk=trial.pk).update(
                params={**trial.params, "batch": batch}
            )
            (fail if batch == 128 else work)(trial)

        schedule(made, fate=fate, most=24)
        assert made.state == "running"
        assert made.trials.filter(state="failed").count() == 9


class TestAtOneMoment:
    """Others change the sweep while a scheduler decides."""

    def about_to_pause(self) -> Sweep:
        made = sweep(wide=2)
        schedule(made, fate=work, most=12)
        for _ in range(circuit_breaker.MIN_STREAK):
            rounds.advance_all()
            trial = made.trials.live().order_by("number").first()
            if trial.state == "queued":
                take(trial)
            fail(trial)
        return as_read_by_another(made)

    def test_a_person_who_resumes_while_it_is_decided_is_heeded(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = self.about_to_pause()

        def begun() -> AbstractContextManager[Any]:
            monkeypatch.undo()
            mine = as_read_by_another(made)
            assert lifecycle.pause_sweep(mine)
            assert lifecycle.resume_sweep(mine)
            return transaction.atomic()

        monkeypatch.setattr(rounds, "transaction", SimpleNamespace(atomic=begun))
        assert not rounds.settle(made)
        made.refresh_from_db()
        assert (made.state, made.reason) == ("running", "")

    def test_a_sweep_that_a_person_pauses_meanwhile_does_not_fail(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = sweep(wide=3)
        for trial in [factories.trial(made) for _ in range(3)]:
            take(trial)
            end(trial, MISSING)
        made = as_read_by_another(made)

        def begun() -> AbstractContextManager[Any]:
            monkeypatch.undo()
            assert lifecycle.pause_sweep(as_read_by_another(made))
            return transaction.atomic()

        monkeypatch.setattr(rounds, "transaction", SimpleNamespace(atomic=begun))
        assert rounds.settle(made)
        made.refresh_from_db()
        assert (made.state, made.reason) == ("paused", "user")

    @pytest.mark.django_db(transaction=True)
    @one_writer
    def test_several_schedulers_pause_it_once(self) -> None:
        made = self.about_to_pause()
        read = [as_read_by_another(made) for _ in range(4)]
        at_once(4, lambda place: rounds.settle(read[place]) and None)
        made.refresh_from_db()
        assert (made.state, made.reason) == ("paused", "same_failure")
        assert made.events.filter(verb="sweep paused").count() == 1


def as_read_by_another(made: Sweep) -> Sweep:
    return Sweep.objects.select_related("experiment", "pool").get(pk=made.pk)


class TestHost:
    def test_a_host_on_which_all_fail_is_drained_while_others_work(self) -> None:
        made = sweep(wide=4, slots=2)
        good = Worker.objects.get(name="host")
        bad = factories.worker(made.pool, "bad", slots=2)

        def fate(trial: Trial) -> None:
            if trial.current_attempt.worker_id == bad.pk:
                fail(trial, "RuntimeError: No CUDA-capable device")
            else:
                work(trial)

        for _ in range(24):
            rounds.advance_all()
            for trial in made.trials.filter(state="queued"):
                take(trial, bad if trial.number % 2 and not draining(bad) else good)
            fate(made.trials.live().order_by("number").first())
        made.refresh_from_db()
        assert made.state == "running"
        assert draining(bad) and not draining(good)
        bad.refresh_from_db()
        assert "No CUDA-capable device" in bad.drain_reason
        assert made.trials.filter(state="failed").count() <= 6

    def test_a_host_that_fails_at_once_waits_for_the_word_of_another(self) -> None:
        made = sweep(wide=4, slots=2)
        bad = factories.worker(made.pool, "bad", slots=2)
        rounds.advance_all()
        slow = made.trials.get(number=0)
        take(slow)

        def all_fail_on_the_bad_one() -> None:
            for _ in range(12):
                rounds.advance_all()
                for trial in made.trials.filter(state="queued"):
                    if not draining(bad):
                        take(trial, bad)
                running = made.trials.filter(state="running").exclude(pk=slow.pk)
                if failing := running.order_by("number").first():
                    fail(failing)
            made.refresh_from_db()

        all_fail_on_the_bad_one()
        assert made.state == "running"
        assert made.trials.count() <= 10
        assert not draining(bad)
        lifecycle.beat(slow.current_attempt, pid=1, elapsed=25.0)
        all_fail_on_the_bad_one()
        assert made.state == "running"
        assert draining(bad)

    def test_a_host_that_was_taken_back_is_judged_by_what_it_does_from_then_on(
        self,
    ) -> None:
        made = sweep(wide=4, slots=2)
        good = Worker.objects.get(name="host")
        bad = factories.worker(made.pool, "bad", slots=2)

        def run_until_drained() -> None:
            for _ in range(24):
                if draining(bad):
                    return
                rounds.advance_all()
                for trial in made.trials.filter(state="queued"):
                    take(trial, bad if trial.number % 2 and not draining(bad) else good)
                trial = made.trials.live().order_by("number").first()
                on_bad = trial.current_attempt.worker_id == bad.pk
                (fail if on_bad else work)(trial)

        run_until_drained()
        assert draining(bad)
        assert lifecycle.undrain_worker(bad)
        before = made.trials.filter(state="failed").count()
        rounds.advance_all()
        assert not draining(bad), "nothing has failed there since"
        run_until_drained()
        assert draining(bad)
        assert made.trials.filter(state="failed").count() >= before + 3
        made.refresh_from_db()
        assert made.state == "running"

    def test_a_sweep_does_not_fail_for_a_host_that_was_mended(self) -> None:
        made = sweep(wide=4, slots=2)
        for trial in [factories.trial(made) for _ in range(5)]:
            take(trial)
            end(trial, MISSING)
        host = Worker.objects.get()
        assert lifecycle.drain_worker(host, reason="No such program yet.")
        assert lifecycle.undrain_worker(host)
        rounds.advance_all()
        made.refresh_from_db()
        assert made.state == "running"


def draining(worker: Worker) -> bool:
    return Worker.objects.filter(pk=worker.pk, draining_since__lte=Now()).exists()


def test_a_narrow_sweep_that_fails_says_its_error_as_well() -> None:
    made = sweep(wide=2)
    schedule(made, fate=lambda trial: fail(trial, "MemoryError: no room"))
    assert (made.state, made.reason) == ("failed", "first_trials_failed")
    assert "MemoryError: no room. Likely cause: memory ran out" in made.message
