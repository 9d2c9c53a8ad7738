"""A sweep's end while another process starts a trial, requests one or changes a limit:
everything that happens before the end counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from experiments import lifecycle
from experiments.failures import circuit_breaker
from experiments.models import Sweep
from experiments.scheduling import ask, rounds
from experiments.sweeps import editing, requests
from tests import factories

pytestmark = pytest.mark.django_db


def sweep(*states: str, total: int = 3, **changes: Any) -> Sweep:
    """A sweep whose first trials are in these states."""
    limits = {"max_total_trials": total, "max_concurrent_trials": 2}
    document = factories.definition_document(limits=limits, **changes)
    made = factories.sweep(factories.team(ada="member"), document=document)
    for state in states:
        factories.trial(made, state=state, value=None if state == "failed" else 0.5)
    return made


def again(made: Sweep) -> Sweep:
    """The row as another process reads it."""
    return Sweep.objects.select_related("experiment", "pool").get(pk=made.pk)


def meanwhile(monkeypatch: pytest.MonkeyPatch, step: Callable[[], object]) -> None:
    """Do it once the scheduler has counted the trials."""

    def tripped(sweep: Sweep, counts: dict[str, int]) -> None:
        step()

    monkeypatch.setattr(circuit_breaker, "tripped", tripped)


@pytest.mark.parametrize("state", ["completed", "failed"])
def test_the_last_trial_that_is_given_out_meanwhile_runs(
    monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    made = sweep(state, state)
    meanwhile(monkeypatch, lambda: ask.ask(again(made)))
    assert not rounds.settle(made)
    made.refresh_from_db()
    last = made.trials.get(number=2)
    assert (made.state, last.state, last.stop_reason) == ("running", "running", "")


@pytest.mark.parametrize("end", ["complete", "cancel", "pause"])
def test_a_sweep_that_runs_no_more_gets_no_trial(end: str) -> None:
    made = sweep("completed")
    other = again(made)
    if end == "complete":
        lifecycle.complete_sweep(other, reason="max_total_trials", message="Done.")
    else:
        ends = {"cancel": lifecycle.cancel_sweep, "pause": lifecycle.pause_sweep}
        ends[end](other)
    values = {"number": 1, "params": {"x": 0.5}, "origin": "random"}
    assert lifecycle.create_trial(made, **values) is None
    assert lifecycle.claim_new_trial(made, **values) is None
    assert made.trials.count() == 1


def test_asking_a_sweep_that_has_just_completed_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = sweep("completed", "completed")
    suggest = ask.next_suggestion

    def late(sweep: Sweep, number: int) -> Any:
        lifecycle.complete_sweep(again(made), reason="exhausted", message="All tried.")
        return suggest(sweep, number)

    monkeypatch.setattr(ask, "next_suggestion", late)
    with pytest.raises(ask.NothingToRun) as refusal:
        ask.ask(made)
    assert refusal.value.code == "exhausted"


# --- requests and limits ------------------------------------------------------------


def request_trial(made: Sweep) -> None:
    requests.add_trial(again(made), {"x": 0.25}, actor=None)


def test_a_request_that_comes_meanwhile_is_carried_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = sweep("completed", "completed", total=2)
    factories.worker(made.pool)
    meanwhile(monkeypatch, lambda: request_trial(made))
    assert not rounds.settle(made)
    monkeypatch.undo()
    rounds.advance_all()
    made.refresh_from_db()
    assert (made.state, made.trials.get(number=2).params) == ("running", {"x": 0.25})


def test_a_request_that_comes_as_the_target_is_seen_keeps_the_sweep_going(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    objective = {"primary_metric": "accuracy", "goal": "maximize", "target": 0.4}
    made = sweep("completed", objective=objective)
    under_way = rounds.has_open_requests
    # That the target was reached before the sweep went on does not end it.
    Sweep.objects.filter(pk=made.pk).update(resumed_at=timezone.now())
    made.refresh_from_db()

    def late(sweep: Sweep) -> bool:
        found = under_way(sweep)
        if not made.requests.exists():
            request_trial(made)
        return found

    monkeypatch.setattr(rounds, "has_open_requests", late)
    assert not rounds.settle(made)
    made.refresh_from_db()
    assert made.state == "running"


def test_a_lowered_budget_is_raised_for_waiting_requests() -> None:
    made = sweep("completed", "completed", total=2)
    factories.worker(made.pool)
    request_trial(made)
    editing.change_sweep(made, {"limits": {"max_total_trials": 1}}, actor=None)
    rounds.advance_all()
    made.refresh_from_db()
    assert (made.state, made.max_total_trials) == ("running", 3)
    claim = factories.claim(made.trials.get(number=2))
    lifecycle.finish_attempt(claim.attempt, lifecycle.Outcome("exited", exit_code=1))
    rounds.advance_all()
    made.refresh_from_db()
    assert (made.state, made.trials.count()) == ("completed", 3)
    told = made.events.get(verb="budget raised")
    assert told.message == "max_total_trials: 1 → 3, for trials that still wait."


@pytest.mark.parametrize(
    ("state", "limits"),
    [
        ("completed", {"max_total_trials": 3}),
        ("failed", {"max_failed_trials": 9, "max_total_trials": 9}),
    ],
)
def test_a_limit_that_was_raised_meanwhile_holds(
    monkeypatch: pytest.MonkeyPatch, state: str, limits: dict[str, int]
) -> None:
    made = sweep(state, state, total=2)
    Sweep.objects.filter(pk=made.pk).update(max_failed_trials=2)
    made.refresh_from_db()
    change = {"limits": limits}
    meanwhile(
        monkeypatch, lambda: editing.change_sweep(again(made), change, actor=None)
    )
    assert not rounds.settle(made)
    made.refresh_from_db()
    assert made.state == "running"


def test_a_timeout_that_was_lifted_meanwhile_ends_nothing() -> None:
    made = sweep()
    start = timezone.now() - timedelta(seconds=60)
    Sweep.objects.filter(pk=made.pk).update(timeout=30, started_at=start)
    made.refresh_from_db()
    editing.change_sweep(again(made), {"limits": {"timeout": None}}, actor=None)
    assert not rounds.end_at_timeout(made)
    made.refresh_from_db()
    assert made.state == "running"
