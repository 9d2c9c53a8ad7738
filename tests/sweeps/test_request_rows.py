"""Requests for single trials, whatever happens in whatever order, and at one moment."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction

from experiments import lifecycle
from experiments.models import Sweep, Trial, TrialRequest
from experiments.scheduling import ask, rounds
from experiments.search.document.definition import parse_document
from experiments.search.samplers import make_sampler
from experiments.sweeps import backfill, requests
from experiments.sweeps.backfill import Recomputer
from experiments.sweeps.control import NotPossible
from experiments.sweeps.requests import waiting_requests
from tests import factories

STEPS = 30


def sweep(*, total: int, at_once: int, **changes: Any) -> Sweep:
    limits = {"max_total_trials": total, "max_concurrent_trials": at_once}
    document = factories.definition_document(limits=limits, **changes)
    made = factories.sweep(factories.team(ada="member"), document=document)
    factories.worker(made.pool, slots=at_once)
    return made


class Walk:
    """A sweep to which things happen at random, and what must hold after each."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.sweep = sweep(total=8, at_once=3)
        self.done: list[str] = []
        definition = parse_document(self.sweep.definition)
        self.sampler = make_sampler(
            definition.sampling_algorithm, definition.search_space
        )

    # --- what happens -------------------------------------------------------------

    def place(self) -> None:
        rounds.advance_all()

    def end_one(self) -> None:
        trial = self._any(self.sweep.trials.live())
        if trial is None or self.sweep.state != "running":
            return
        claim = factories.claim(trial)
        if self.rng.random() < 0.3:
            factories.lose(claim.attempt)
            return
        failed = self.rng.random() < 0.3
        if not failed:
            factories.report(trial, [self.rng.random()])
        outcome = lifecycle.Outcome(cause="exited", exit_code=int(failed))
        lifecycle.finish_attempt(claim.attempt, outcome)

    def run_again(self) -> None:
        numbers = list(self.sweep.trials.values_list("number", flat=True))
        some = self.rng.sample(numbers, min(len(numbers), self.rng.randint(1, 3)))
        requests.run_again(self.sweep, some, actor=None, to_end=self.rng.random() < 0.3)

    def add(self) -> None:
        x = self.rng.uniform(-1, 2)
        requests.add_trial(self.sweep, {"x": x}, actor=None)

    def take_back(self) -> None:
        asked = self._any(self.sweep.requests.all())
        if asked is not None:
            requests.withdraw(asked, actor=None)

    def fill(self) -> None:
        backfill.run_backfill(self.sweep, actor=None)
        assert backfill.run_backfill(self.sweep, actor=None).trials == ()

    def delete(self) -> None:
        trial = self._any(self.sweep.trials.exclude(state__in=("queued", "running")))
        if trial is not None:
            trial.delete()

    def pause(self) -> None:
        lifecycle.pause_sweep(self.sweep)

    def resume(self) -> None:
        lifecycle.resume_sweep(self.sweep)

    def cancel(self) -> None:
        lifecycle.cancel_sweep(self.sweep)

    def ask(self) -> None:
        try:
            claim = ask.ask(self.sweep)
        except ask.NothingToRun:
            return
        factories.report(claim.attempt.trial, [self.rng.random()])
        outcome = lifecycle.Outcome(cause="exited", exit_code=0)
        lifecycle.finish_attempt(claim.attempt, outcome)

    def _any(self, rows: Any) -> Any:
        found = list(rows.order_by("pk"))
        return self.rng.choice(found) if found else None

    # --- what holds -----------------------------------------------------------------

    def step(self) -> None:
        steps: list[Callable[[], None]] = [
            *([self.place] * 5 + [self.end_one] * 6 + [self.add] * 2),
            *(self.run_again, self.take_back, self.fill, self.delete, self.ask),
            *(self.pause, self.resume, self.resume, self.cancel),
        ]
        chosen = self.rng.choice(steps)
        self.done.append(chosen.__name__)
        self.sweep.refresh_from_db()
        try:
            chosen()
        except NotPossible as refusal:
            assert str(refusal).endswith((".", "values."))
        self.check()

    def check(self) -> None:
        self.sweep.refresh_from_db()
        trials = {trial.number: trial for trial in self.sweep.trials.all()}
        begun = self.sweep.requests.filter(begun_at__isnull=False)
        numbers = [asked.number for asked in begun]
        assert len(set(numbers)) == len(numbers), self.done
        for asked in begun:
            assert asked.withdrawn_at is None
            self._carried_out(asked, trials)
        requested = {number for number, t in trials.items() if t.is_requested}
        assert requested <= set(numbers), self.done
        assert self.sweep.trials.live().count() <= 3, self.done
        self._chosen_as_if_alone(trials, set(numbers))

    def _carried_out(self, asked: TrialRequest, trials: dict[int, Trial]) -> None:
        trial = trials.get(asked.number or 0)
        assert (asked.trial_id is None) == (trial is None), self.done
        if trial is not None:
            assert (trial.pk, trial.params, trial.origin_text) == (
                asked.trial_id,
                asked.params,
                asked.origin_text,
            )

    def _chosen_as_if_alone(
        self, trials: dict[int, Trial], requested: set[Any]
    ) -> None:
        """The sampler's own trials are its sequence, without a gap or a repetition;
        and each could be computed again if it were deleted."""
        index = 0
        recomputer = Recomputer(self.sweep)
        for number in range(max(trials, default=-1) + 1):
            again = recomputer.configuration(number).params
            if number not in requested:
                expected = self.sampler.suggest(index)
                assert expected is not None and again == expected.params, self.done
                index += 1
            if number in trials:
                assert trials[number].params == again, self.done

    def run_to_the_end(self) -> None:
        lifecycle.resume_sweep(self.sweep)
        for _ in range(120):
            rounds.advance_all()
            trial = self.sweep.trials.live().first()
            if trial is None:
                break
            claim = factories.claim(trial)
            factories.report(trial, [0.5])
            outcome = lifecycle.Outcome(cause="exited", exit_code=0)
            lifecycle.finish_attempt(claim.attempt, outcome)
        self.check()
        assert self.sweep.has_ended, self.done
        left = self.sweep.requests.filter(begun_at=None, withdrawn_at=None)
        assert self.sweep.state == "cancelled" or not left.exists(), self.done
        assert not waiting_requests(self.sweep).exists()


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_each_request_is_carried_out_once_or_taken_back(
    seed: int,
) -> None:
    walk = Walk(seed)
    for _ in range(STEPS):
        walk.step()
    walk.run_to_the_end()


# --- at one moment ----------------------------------------------------------------

one_writer = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite lets one writer in at a time"
)


def at_once(count: int, work: Callable[[int], None]) -> None:
    """Do it in so many threads that begin together; none may fail."""
    barrier = threading.Barrier(count)
    errors: list[Exception] = []

    def run(place: int) -> None:
        try:
            barrier.wait(10)
            work(place)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(k,)) for k in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []


@pytest.mark.django_db(transaction=True)
@one_writer
def test_several_schedulers_carry_out_each_request_once() -> None:
    made = sweep(total=2, at_once=40)
    # A sweep in which nothing has ever worked is given few slots.
    factories.trial(made, state="completed", value=0.5)
    for k in range(12):
        requests.add_trial(made, {"x": k / 12}, actor=None)
    at_once(4, lambda _: [rounds.advance_all() for _ in range(8)] and None)
    trials = list(made.trials.order_by("number"))
    assert [trial.number for trial in trials] == list(range(14))
    assert sorted(t.params["x"] for t in trials if t.is_requested) == [
        k / 12 for k in range(12)
    ]
    numbers = [asked.number for asked in made.requests.all()]
    assert None not in numbers and len(set(numbers)) == 12


@pytest.mark.django_db(transaction=True)
@one_writer
def test_those_that_ask_at_one_moment_get_different_trials_and_keep_the_limit() -> None:
    made = sweep(total=30, at_once=4, trial=None, launches=False)
    given: list[int] = []
    most: list[int] = []

    def ask_at_once(place: int) -> None:
        for _ in range(200):
            try:
                claim = ask.ask(made_again(made), client=f"host-{place}")
            except ask.NothingToRun as nothing:
                if nothing.code in {"budget_spent", "exhausted"}:
                    return
                continue
            given.append(claim.attempt.trial.number)
            most.append(made.trials.live().count())
            outcome = lifecycle.Outcome(cause="exited", exit_code=1)
            lifecycle.finish_attempt(claim.attempt, outcome)

    at_once(6, ask_at_once)
    assert sorted(given) == list(range(30))
    assert max(most) <= 4


def made_again(sweep: Sweep) -> Sweep:
    """A row of its own for each thread."""
    return Sweep.objects.select_related("experiment", "pool").get(pk=sweep.pk)


@pytest.mark.django_db(transaction=True)
@one_writer
def test_one_client_that_asks_twice_at_one_moment_has_one_trial() -> None:
    made = sweep(total=30, at_once=8, trial=None, launches=False)
    given: list[str] = []

    def ask_at_once(_: int) -> None:
        claim = ask.ask(made_again(made), client="host-1")
        given.append(claim.token.secret)

    at_once(6, ask_at_once)
    assert len(given) == 6 and len(set(given)) == 1
    assert made.trials.count() == 1


@pytest.mark.django_db(transaction=True)
@one_writer
def test_two_backfills_at_one_moment_queue_each_trial_once() -> None:
    made = sweep(total=9, at_once=2)
    for _ in range(5):
        factories.trial(made, state="failed")
    at_once(4, lambda _: backfill.run_backfill(made_again(made), actor=None) and None)
    assert made.requests.count() == 5
    made.refresh_from_db()
    assert made.max_total_trials == 14


def waits_for_a_lock() -> bool:
    """Whether another connection of this test's database waits for a row of ours."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN ("
            " SELECT pid FROM pg_locks JOIN pg_database ON oid = database"
            " WHERE datname = current_database())"
        )
        return bool(cursor.fetchone()[0])


def beside(work: Callable[[], object], meanwhile: Callable[[], object]) -> None:
    """Do `meanwhile` where `work`, in a thread, has to wait for us; none may fail."""
    errors: list[Exception] = []

    def run() -> None:
        try:
            work()
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    deadline = time.monotonic() + 30
    while not waits_for_a_lock():
        assert time.monotonic() < deadline and errors == []
        time.sleep(0.01)
    meanwhile()
    transaction.on_commit(lambda: thread.join(30))
    transaction.on_commit(lambda: errors and pytest.fail(repr(errors)))


@pytest.mark.django_db(transaction=True)
@one_writer
def test_a_request_is_carried_out_while_somebody_takes_it_back() -> None:
    made = sweep(total=2, at_once=2)
    asked = requests.add_trial(made, {"x": 0.25}, actor=None).trial_request
    with transaction.atomic():
        # As store_trial does first.
        Sweep.objects.filter(pk=made.pk).update(space_version=made.space_version)
        carry_out = partial(
            lifecycle.create_trial,
            made,
            number=0,
            params=asked.params,
            origin=asked.origin,
            trial_request=asked,
        )
        beside(lambda: lifecycle.withdraw_request(asked), carry_out)
    asked = TrialRequest.objects.get(pk=asked.pk)
    assert (asked.number, asked.withdrawn_at) == (0, None)


@pytest.mark.django_db(transaction=True)
@one_writer
def test_a_request_is_taken_back_while_its_ended_sweep_goes_on() -> None:
    made = sweep(total=2, at_once=2)
    asked = requests.add_trial(made, {"x": 0.25}, actor=None).trial_request
    lifecycle.cancel_sweep(made)
    with transaction.atomic():
        Sweep.objects.filter(pk=made.pk).update(space_version=made.space_version)
        taken = []
        beside(
            lambda: lifecycle.extend_sweep(made_again(made), 2),
            lambda: taken.append(lifecycle.withdraw_request(asked)),
        )
    assert taken == [True]
    made.refresh_from_db()
    assert (made.state, made.max_total_trials) == ("running", 2)
