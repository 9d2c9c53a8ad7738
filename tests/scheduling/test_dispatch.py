"""Where trials are placed and in whose turn: priorities, fair shares, GPUs, drains."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from experiments import lifecycle
from experiments.models import Attempt, Sweep, Trial, Worker
from experiments.scheduling import dispatch, pools, rounds
from tests import factories

pytestmark = pytest.mark.django_db
LIMITS = {"max_total_trials": 50, "max_concurrent_trials": 20}


@pytest.fixture(autouse=True)
def notified(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """The sent that were notified: the queue itself is not running here."""
    sent: list[tuple[int, str]] = []
    monkeypatch.setattr(
        "experiments.queues.notify", lambda *job, **_: bool(sent.append(job)) or True
    )
    return sent


def sweep(team: str = "Physics", *, gpus: int = 0, **fields: Any) -> Sweep:
    document = factories.definition_document(
        limits=LIMITS, resources={"gpus": gpus} if gpus else None
    )
    return factories.sweep(factories.team(team), document=document, **fields)


def host(name: str, *, slots: int, gpus: int = 0, per_slot: int = 1) -> Worker:
    pool = factories.pool(factories.team())
    devices = [{"index": index, "name": "A"} for index in range(gpus)]
    return Worker.objects.create(
        pool=pool,
        name=name,
        host=name,
        slots=slots,
        gpus=devices,
        gpus_per_slot=per_slot,
    )


def start(trial: Trial, worker: Worker, slot: int = 0) -> Attempt:
    won = lifecycle.claim_attempt(
        trial.current_attempt_id or 0, worker=worker, slot=slot
    )
    assert won is not None
    return won.attempt


def end(attempt: Attempt) -> None:
    factories.report(Trial.objects.get(pk=attempt.trial_id), [0.5])
    outcome = lifecycle.Outcome(cause="exited", exit_code=0)
    assert lifecycle.finish_attempt(attempt, outcome)


def counts(*sweeps: Sweep) -> list[int]:
    return [sweep.trials.count() for sweep in sweeps]


class TestTurns:
    def test_the_higher_priority_gets_every_free_slot(self) -> None:
        low, high = sweep(), sweep(priority=5)
        host("a", slots=3)
        rounds.advance_all()
        assert counts(low, high) == [0, 3]

    def test_what_the_higher_priority_cannot_use_goes_to_the_next(self) -> None:
        low, high = sweep(), sweep(priority=5, max_concurrent_trials=2)
        host("a", slots=3)
        rounds.advance_all()
        assert counts(low, high) == [1, 2]

    def test_teams_share_alike_however_many_sweeps_they_have(self) -> None:
        many = [sweep("Physics") for _ in range(3)]
        one = sweep("Chemistry")
        host("a", slots=6)
        rounds.advance_all()
        assert counts(*many, one) == [1, 1, 1, 3]

    def test_a_team_that_has_slots_waits_for_one_that_has_none(self) -> None:
        first = sweep("Physics")
        worker = host("a", slots=2)
        rounds.advance_all()
        running = [
            start(trial, worker, n) for n, trial in enumerate(first.trials.all())
        ]
        second = sweep("Chemistry")
        end(running[0])
        rounds.advance_all()
        assert counts(first, second) == [2, 1]

    def test_a_lost_attempt_goes_before_new_trials_of_its_sweep(
        self, notified: list[tuple[int, str]]
    ) -> None:
        made = sweep()
        worker = host("a", slots=1)
        rounds.advance_all()
        factories.lose(start(made.trials.get(), worker))
        rounds.advance_all()
        assert made.trials.count() == 1
        again = made.trials.get().current_attempt
        assert again is not None
        assert [attempt for attempt, _ in notified] == [again.pk - 1, again.pk]

    def test_trials_that_others_run_are_neither_placed_nor_in_the_way(self) -> None:
        asked, ours = sweep(launches=False), sweep()
        trial = factories.trial(asked)
        Attempt.objects.filter(pk=trial.current_attempt_id).update(state="running")
        host("a", slots=2)
        rounds.advance_all()
        assert counts(asked, ours) == [1, 2]


class TestDispatches:
    def test_an_attempt_is_dispatched_to_the_host_that_has_room(
        self, notified: list[tuple[int, str]]
    ) -> None:
        made = sweep()
        hosts_ = [host("a", slots=1), host("b", slots=2)]
        rounds.advance_all()
        names = Counter(name for _, name in notified)
        assert names == {f"default@{h.pk}": h.slots for h in hosts_}
        assert made.trials.count() == 3

    def test_without_any_worker_it_hangs_in_the_pool(
        self, notified: list[tuple[int, str]]
    ) -> None:
        made = sweep()
        rounds.advance_all()
        rounds.advance_all()
        assert notified == [(made.trials.get().current_attempt_id, "default")]

    def test_of_a_host_that_fell_silent_another_one_takes_over(
        self, notified: list[tuple[int, str]]
    ) -> None:
        sweep(max_total_trials=1)
        first = host("a", slots=1)
        rounds.advance_all()
        Worker.objects.filter(pk=first.pk).update(seen_at=Now() - timedelta(minutes=1))
        second = host("b", slots=1)
        rounds.advance_all()
        assert [name for _, name in notified] == [
            f"default@{first.pk}",
            f"default@{second.pk}",
        ]

    def test_a_bell_that_cannot_be_rung_is_rung_later(
        self, monkeypatch: pytest.MonkeyPatch, notified: list[tuple[int, str]]
    ) -> None:
        made = sweep(max_total_trials=1)
        host("a", slots=1)
        with monkeypatch.context() as patch:
            patch.setattr("experiments.queues.notify", lambda *job, **_: False)
            rounds.advance_all()
        assert not notified
        rounds.advance_all()
        assert [attempt for attempt, _ in notified] == [
            made.trials.get().current_attempt_id
        ]


class TestGpus:
    def test_a_trial_of_two_gpus_takes_two_slots(self) -> None:
        made = sweep(gpus=2)
        worker = host("a", slots=4, gpus=4)
        rounds.advance_all()
        first, second = made.trials.all()
        assert [start(first, worker, 0).gpus, start(second, worker, 2).gpus] == [
            [0, 1],
            [2, 3],
        ]
        assert set(made.trials.values_list("current_attempt__slots", flat=True)) == {2}

    def test_slots_are_counted_by_the_gpus_of_a_slot(self) -> None:
        made = sweep(gpus=3)
        worker = host("a", slots=2, gpus=4, per_slot=2)
        rounds.advance_all()
        attempt = start(made.trials.get(), worker)
        assert (attempt.slots, attempt.gpus) == (2, [0, 1, 2])

    def test_trials_of_one_slot_leave_whole_hosts_free(self) -> None:
        host("a", slots=2, gpus=2)
        host("b", slots=2, gpus=2)
        ones = sweep(max_concurrent_trials=2)
        rounds.advance_all()
        twos = sweep(gpus=2)
        rounds.advance_all()
        places = ones.trials.values_list(
            "current_attempt__dispatched_to__name", flat=True
        )
        assert len(set(places)) == 1
        assert (
            twos.trials.filter(current_attempt__dispatched_to__isnull=False).count()
            == 1
        )

    def test_a_trial_that_no_host_can_take_waits_and_blocks_no_other(self) -> None:
        host("a", slots=2, gpus=2)
        big, small = sweep(gpus=4, priority=9), sweep()
        for _ in range(3):
            rounds.advance_all()
        assert counts(big, small) == [1, 2]
        assert big.trials.get().current_attempt.dispatched_at is None  # type: ignore[union-attr]

    def test_trials_of_one_slot_do_not_starve_one_of_two(self) -> None:
        worker = host("a", slots=2, gpus=2)
        ones = sweep()
        rounds.advance_all()
        running = [start(t, worker, n) for n, t in enumerate(ones.trials.all())]
        twos = sweep(gpus=2)
        rounds.advance_all()
        waiting = twos.trials.get().current_attempt
        assert waiting is not None
        Attempt.objects.filter(pk=waiting.pk).update(
            created_at=Now() - pools.RESERVE_AFTER - timedelta(seconds=1)
        )
        for attempt in running:
            end(attempt)
            rounds.advance_all()
        waiting.refresh_from_db()
        assert waiting.dispatched_to == worker
        assert ones.trials.count() == 2
        assert start(twos.trials.get(number=0), worker, 1).gpus == [0, 1]

    def test_a_higher_priority_does_not_wait_for_a_host_that_is_kept(self) -> None:
        worker = host("a", slots=2, gpus=2)
        ones = sweep(priority=1)
        rounds.advance_all()
        running = [start(t, worker, n) for n, t in enumerate(ones.trials.all())]
        twos = sweep(gpus=2)
        rounds.advance_all()
        Attempt.objects.filter(trial__sweep=twos).update(
            created_at=Now() - timedelta(minutes=5)
        )
        end(running[0])
        rounds.advance_all()
        assert ones.trials.count() == 3


class TestAhead:
    """Quick trials of a sweep whose choices go by their numbers."""

    def started(
        self, worker: Worker, *, took: float = 1.0, trained: float = 0.9, **fields: Any
    ) -> Sweep:
        """A sweep with running trials in all slots, and some that are over."""
        made = sweep(**fields)
        for _ in range(4):
            factories.trial(made, state="completed", value=0.5, elapsed=trained)
        ended = Attempt.objects.filter(trial__sweep=made)
        ended.update(claimed_at=Now() - timedelta(seconds=took), ended_at=Now())
        self.claim_all(worker)
        return made

    def claim_all(self, worker: Worker) -> None:
        rounds.advance_all()
        waiting = Attempt.objects.filter(state="queued").order_by("pk")
        for slot, attempt in enumerate(waiting.select_related("trial")[: worker.slots]):
            start(attempt.trial, worker, slot)

    def queued(self, *sweeps: Sweep) -> list[int]:
        return [s.trials.filter(state="queued").count() for s in sweeps]

    def test_the_next_trials_hang_at_the_host_before_its_slots_are_free(
        self, notified: list[tuple[int, str]]
    ) -> None:
        worker = host("a", slots=3)
        made = self.started(worker, max_concurrent_trials=3)
        for _ in range(3):
            rounds.advance_all()
        assert self.queued(made) == [3]
        assert notified[-1][1] == f"default@{worker.pk}"

    def test_longer_trials_are_fewer_ahead_and_long_ones_none(self) -> None:
        worker = host("a", slots=4)
        made = self.started(worker, took=10)
        rounds.advance_all()
        assert self.queued(made) == [2]
        ended = Attempt.objects.filter(state="finished")
        ended.update(claimed_at=Now() - timedelta(minutes=1))
        Attempt.objects.filter(state="queued").delete()
        made.trials.filter(state="queued").delete()
        rounds.advance_all()
        assert self.queued(made) == [0]

    def test_a_clock_that_was_set_back_makes_no_trial_a_quick_one(self) -> None:
        worker = host("a", slots=4)
        made = self.started(worker, took=-86_400, trained=60)
        rounds.advance_all()
        assert self.queued(made) == [0]

    def test_a_sweep_that_may_not_have_all_slots_keeps_to_its_limit(self) -> None:
        worker = host("a", slots=3)
        other = sweep(max_concurrent_trials=1)
        made = self.started(worker, max_concurrent_trials=2)
        rounds.advance_all()
        assert self.queued(other, made) == [0, 0]

    def test_no_sweep_goes_ahead_of_one_whose_turn_it_is(self) -> None:
        worker = host("a", slots=2)
        made = self.started(worker)
        made.trials.filter(state="queued").delete()
        slow = sweep("Chemistry")
        rounds.advance_all()
        assert self.queued(made, slow) == [0, 0]

    def test_a_choice_by_results_is_not_made_ahead(self) -> None:
        worker = host("a", slots=2)
        made = self.started(worker)
        made.trials.filter(state="queued").delete()
        document = {**made.definition, "sampling_algorithm": {"type": "tpe", "seed": 1}}
        Sweep.objects.filter(pk=made.pk).update(definition=document)
        rounds.advance_all()
        assert self.queued(made) == [0]

    def test_the_budget_is_kept(self) -> None:
        worker = host("a", slots=4)
        made = self.started(worker, max_total_trials=9)
        rounds.advance_all()
        assert made.trials.count() == 9


class TestDrains:
    def test_a_draining_host_gets_nothing_and_keeps_what_it_runs(
        self, notified: list[tuple[int, str]]
    ) -> None:
        made = sweep()
        worker = host("a", slots=2)
        rounds.advance_all()
        first, second = made.trials.all()
        attempt = start(first, worker)
        assert lifecycle.drain_worker(worker, reason="A fan is loud.")
        with pytest.raises(lifecycle.NoRoom, match="A fan is loud"):
            start(second, worker, 1)
        other = host("b", slots=1)
        rounds.advance_all()
        assert notified[-1] == (second.current_attempt_id, f"default@{other.pk}")
        assert made.trials.count() == 2
        end(attempt)

    def test_it_drains_once_and_gets_trials_again(self) -> None:
        made = sweep()
        worker = host("a", slots=1)
        assert lifecycle.drain_worker(worker, reason="first")
        assert not lifecycle.drain_worker(worker, reason="second")
        assert worker.drain_reason == "first"
        rounds.advance_all()
        assert lifecycle.undrain_worker(worker)
        assert not lifecycle.undrain_worker(worker)
        assert worker.drain_reason == ""
        rounds.advance_all()
        assert start(made.trials.get(), worker)


def test_a_round_costs_no_query_more_for_a_sweep_that_waits() -> None:
    worker = host("a", slots=1)
    first = sweep()
    rounds.advance_all()
    start(first.trials.get(), worker)

    def queries() -> int:
        sweeps = list(Sweep.objects.select_related("experiment", "pool"))
        with CaptureQueriesContext(connection) as found:
            turns = dispatch.Dispatch(sweeps)
            while (turn := turns.next_sweep()) is not None:
                assert turns.serve(turn) is None
                turns.drop(turn)
        return len(found)

    few = queries()
    for n in range(20):
        sweep(("Physics", "Chemistry")[n % 2])
    assert queries() == few


class TestHostsThatBeginAnew:
    def test_it_hears_again_of_what_it_was_promised_and_has_not_begun(
        self, notified: list[tuple[int, str]]
    ) -> None:
        sweep(max_concurrent_trials=4)
        first, other = host("a", slots=2), host("b", slots=2)
        rounds.advance_all()
        mine = [job for job in notified if job[1].endswith(f"@{first.pk}")]
        assert len(mine) == 2
        begun = Attempt.objects.get(pk=mine[0][0])
        start(begun.trial, first)
        notified.clear()
        dispatch.notify_again(first, 0)
        assert notified == mine[1:]
        dispatch.notify_again(other, 0)
        assert len(notified) == 3

    def test_it_does_not_wait_for_a_queue_that_is_away(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sweep(max_concurrent_trials=4)
        worker = host("a", slots=4)
        rounds.advance_all()
        tried: list[int] = []
        monkeypatch.setattr(
            "experiments.queues.notify", lambda pk, *_, **__: bool(tried.append(pk))
        )
        dispatch.notify_again(worker, 0)
        assert len(tried) == 1
