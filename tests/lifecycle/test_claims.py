"""Claims on hosts with GPUs: attempts never share a GPU."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection, transaction

from experiments import lifecycle
from experiments.lifecycle import claims
from experiments.lifecycle.claims import choose_slots
from experiments.models import Attempt, Worker
from tests import factories
from tests.scheduling.test_dispatch import end, host, start, sweep


def chosen_devices(
    slot: int, gpus: int, taken: set[int], *, slots: int = 4, per_slot: int = 1
) -> list[int]:
    worker = Worker(
        name="a",
        slots=slots,
        gpus=[{"index": 10 + n} for n in range(slots * per_slot)],
        gpus_per_slot=per_slot,
    )
    return choose_slots(worker, slot, gpus=gpus, taken=taken).devices


@pytest.mark.parametrize(
    ("slot", "gpus", "taken", "devices"),
    [
        (2, 0, set(), [12]),
        (2, 0, {2}, [10]),
        (0, 2, set(), [10, 11]),
        (3, 2, set(), [12, 13]),
        (3, 2, {2}, [10, 11]),
        (1, 2, {1}, [12, 13]),
        (0, 2, {1, 2}, [10, 13]),
        (3, 4, set(), [10, 11, 12, 13]),
    ],
)
def test_devices_lie_close_together_with_the_slot_s_own(
    slot: int, gpus: int, taken: set[int], devices: list[int]
) -> None:
    assert chosen_devices(slot, gpus, taken) == devices


def test_a_slot_of_two_devices_gives_both_unless_one_is_asked_for() -> None:
    assert chosen_devices(1, 0, set(), slots=2, per_slot=2) == [12, 13]
    assert chosen_devices(1, 1, set(), slots=2, per_slot=2) == [12]
    assert chosen_devices(0, 3, set(), slots=2, per_slot=2) == [10, 11, 12]


@pytest.mark.parametrize(
    ("gpus", "taken", "words"),
    [
        (2, {0, 1, 2}, "needs 2 slots at once; host a has 1 free"),
        (0, {0, 1, 2, 3}, "needs 1 slot at once; host a has 0 free"),
        (5, set(), "needs 5 GPUs on one host; host a has 4 in 4 slots"),
    ],
)
def test_too_little_room_is_told(gpus: int, taken: set[int], words: str) -> None:
    with pytest.raises(lifecycle.NoRoom, match=words):
        chosen_devices(0, gpus, taken)


@pytest.mark.django_db
def test_a_neighbor_s_devices_are_not_given_away() -> None:
    worker = host("a", slots=2, gpus=2)
    two, one = sweep(gpus=2), sweep()
    first, second = factories.trial(two), factories.trial(one)
    attempt = start(first, worker)
    with pytest.raises(lifecycle.NoRoom):
        start(second, worker, 1)
    assert second.current_attempt is not None
    second.current_attempt.refresh_from_db()
    assert second.current_attempt.state == "queued"
    end(attempt)
    assert start(second, worker, 1).gpus == [1]


@pytest.mark.django_db
def test_a_host_without_gpus_refuses_a_trial_that_needs_one() -> None:
    worker = host("a", slots=2)
    with pytest.raises(lifecycle.NoRoom, match="needs 1 GPU on one host"):
        start(factories.trial(sweep(gpus=1)), worker)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite lets one writer in at a time"
)
def test_claims_at_one_moment_never_get_one_device() -> None:
    worker = host("a", slots=4, gpus=4)
    made = [sweep(gpus=2) for _ in range(6)]
    attempts = [factories.trial(each).current_attempt_id or 0 for each in made]
    barrier = threading.Barrier(len(attempts))
    refused: list[str] = []

    def claim(slot: int, attempt: int) -> None:
        try:
            barrier.wait(10)
            lifecycle.claim_attempt(attempt, worker=worker, slot=slot % 4)
        except lifecycle.NoRoom as problem:
            refused.append(str(problem))
        finally:
            connection.close()

    threads = [
        threading.Thread(target=claim, args=pair) for pair in enumerate(attempts)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    running = Attempt.objects.filter(state="running").values_list("gpus", flat=True)
    assert sorted(device for gpus in running for device in gpus) == [0, 1, 2, 3]
    assert len(refused) == 4


# --- a pause at the same moment -----------------------------------------------------


@pytest.mark.django_db
def test_a_sweep_that_is_paused_as_a_claim_begins_gives_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker, made = host("a", slots=1), sweep()
    trial = factories.trial(made)

    def begun() -> AbstractContextManager[Any]:
        lifecycle.pause_sweep(made, requeue=True)
        return transaction.atomic()

    monkeypatch.setattr(claims, "transaction", SimpleNamespace(atomic=begun))
    attempt = trial.current_attempt_id or 0
    assert lifecycle.claim_attempt(attempt, worker=worker, slot=0) is None
    assert Attempt.objects.get(pk=attempt).state == "queued"


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite lets one writer in at a time"
)
def test_a_pause_that_comes_while_a_claim_is_under_way_puts_it_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker, made = host("a", slots=1), sweep()
    trial = factories.trial(made)

    def pause() -> None:
        try:
            lifecycle.pause_sweep(made, requeue=True)
        finally:
            connection.close()

    pausing = threading.Thread(target=pause)
    allocate_slots = claims.allocate_slots

    def slowly(*args: Any, **options: Any) -> Any:
        pausing.start()
        pausing.join(0.5)
        return allocate_slots(*args, **options)

    monkeypatch.setattr(claims, "allocate_slots", slowly)
    attempt = trial.current_attempt_id or 0
    assert lifecycle.claim_attempt(attempt, worker=worker, slot=0) is not None
    pausing.join(10)
    made.refresh_from_db()
    assert made.state == "paused"
    assert Attempt.objects.get(pk=attempt).release_requested_at is not None
