"""What hosts tell of themselves, and how they are drained."""

from __future__ import annotations

from typing import Any

import pytest

from experiments import lifecycle
from experiments.models import Attempt, Event, Sweep, Worker
from tests import factories
from tests.api.test_worker import Caller, hello

pytestmark = pytest.mark.django_db
GPUS = [{"index": 0, "name": "A4000", "memory": 2**34}, {"index": 3, "name": "A4000"}]


@pytest.fixture
def sweep(settings: Any, tmp_path: Any) -> Sweep:
    settings.HOME = tmp_path
    return factories.sweep(factories.team())


@pytest.fixture
def pool(sweep: Sweep) -> Caller:
    return Caller(factories.worker_token(sweep.pool))


def test_a_host_tells_its_gpus_and_facts(pool: Caller) -> None:
    facts = {"cpus": 8, "memory": 2**35, "disk_free": 10**12}
    answer = hello(pool, gpus=GPUS, gpus_per_slot=1, facts=facts)
    assert answer.status_code == 200, answer.content
    assert answer.json()["drain"] is False
    worker = Worker.objects.get()
    assert [gpu["index"] for gpu in worker.gpus] == [0, 3]
    assert worker.facts == facts
    beat = {"worker": worker.pk, "disk_free": 10**11}
    assert pool.post("/beat", beat).json()["drain"] is False
    worker.refresh_from_db()
    assert worker.facts == {**facts, "disk_free": 10**11}
    assert pool.post("/beat", {**beat, "disk_free": 5}).json()["drain"] is True


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"gpus": GPUS, "slots": 3}, "3 slots of 1 GPUs need 3, but the host has 2"),
        ({"gpus": [GPUS[0], GPUS[0]], "slots": 1}, "listed more than once"),
    ],
)
def test_devices_that_do_not_fit_are_refused(
    pool: Caller, told: dict[str, Any], words: str
) -> None:
    answer = hello(pool, **told)
    assert answer.status_code == 422
    assert words in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("protocol", "words"),
    [("1", "the worker is too old"), ("99", "the site is too old"), ("x", "too old")],
)
def test_another_version_is_told_which_side_is_too_old(
    sweep: Sweep, protocol: str, words: str
) -> None:
    caller = Caller(factories.worker_token(sweep.pool), protocol=protocol)
    answer = hello(caller)
    assert answer.status_code == 426
    assert words in answer.json()["error"]["message"]


def test_a_claim_tells_the_devices(pool: Caller, sweep: Sweep) -> None:
    worker = hello(pool, gpus=GPUS).json()["worker"]
    trial = factories.trial(sweep)
    path = f"/attempts/{trial.current_attempt_id}/claim"
    answer = pool.post(path, {"worker": worker, "slot": 1})
    assert answer.json()["gpus"] == [3]


def test_a_draining_host_is_told_at_its_beat_and_refused_at_claims(
    pool: Caller, sweep: Sweep
) -> None:
    worker = hello(pool).json()["worker"]
    lifecycle.drain_worker(Worker.objects.get(), reason="A fan is loud.")
    told = {"drain": True, "drain_reason": "A fan is loud."}
    assert pool.post("/beat", {"worker": worker}).json() == {**told, "busy": 0}
    assert told.items() <= hello(pool).json().items()
    trial = factories.trial(sweep)
    path = f"/attempts/{trial.current_attempt_id}/claim"
    answer = pool.post(path, {"worker": worker, "slot": 0})
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "no_room"


def test_a_worker_that_left_gets_trials_when_it_comes_back(pool: Caller) -> None:
    worker = hello(pool).json()["worker"]
    body = {"worker": worker, "reason": "No trial for 30 seconds.", "leaves": True}
    assert pool.post("/drain", body).json()["drain"]
    assert pool.post("/beat", {"worker": worker}).json()["drain"]
    assert not hello(pool).json()["drain"]


def test_a_host_that_cannot_end_a_trial_stays_drained_after_it_left(
    pool: Caller,
) -> None:
    worker = hello(pool).json()["worker"]
    body = {"worker": worker, "reason": "No trial for 30 seconds.", "leaves": True}
    pool.post("/drain", body)
    pool.post("/slots/stuck", {"worker": worker, "slot": 0, "message": "frozen"})
    assert "frozen" in hello(pool).json()["drain_reason"]


def test_a_beat_tells_how_many_trials_the_worker_has(
    pool: Caller, sweep: Sweep
) -> None:
    """Those that it runs and those that it was promised, and no other's."""
    worker = hello(pool).json()["worker"]
    other = hello(pool, name="other").json()["worker"]
    running, promised = factories.trial(sweep), factories.trial(sweep)
    path = f"/attempts/{running.current_attempt_id}/claim"
    assert pool.post(path, {"worker": worker, "slot": 0}).status_code == 200
    Attempt.objects.filter(trial=promised).update(dispatched_to=worker)
    beats = [pool.post("/beat", {"worker": each}).json() for each in (worker, other)]
    assert [beat["busy"] for beat in beats] == [2, 0]


def test_a_host_may_ask_to_be_drained(pool: Caller) -> None:
    worker = hello(pool).json()["worker"]
    answer = pool.post("/drain", {"worker": worker, "reason": "It got SIGUSR1."})
    told = {"drain": True, "drain_reason": "It got SIGUSR1.", "busy": 0}
    assert answer.json() == told
    assert Event.objects.get(verb="host drained").message == "It got SIGUSR1."


def test_a_slot_that_cannot_end_a_trial_drains_its_host(pool: Caller) -> None:
    worker = hello(pool).json()["worker"]
    stuck = {"worker": worker, "slot": 1, "message": "processes [7] cannot be killed"}
    assert pool.post("/slots/stuck", stuck).json()["drain"]
    reason = Worker.objects.get().drain_reason
    assert reason == "Slot 1 could not end a trial: processes [7] cannot be killed"


def test_a_runner_that_could_not_kill_drains_its_host(
    pool: Caller, sweep: Sweep
) -> None:
    worker = hello(pool).json()["worker"]
    trial = factories.trial(sweep)
    path = f"/attempts/{trial.current_attempt_id}"
    spec = pool.post(f"{path}/claim", {"worker": worker, "slot": 1}).json()
    runner = Caller(spec["runner_token"])
    end = {"cause": "exited", "exit_code": 0, "unkilled": [4711]}
    assert runner.post(f"{path}/finish", end).status_code == 200
    reason = Worker.objects.get().drain_reason
    assert reason == f"Processes of trial {trial.label} cannot be killed: 4711."
