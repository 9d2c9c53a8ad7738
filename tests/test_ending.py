"""A sweep's end while somebody else begins a trial of it, wishes for one or changes a
limit: whatever comes between the scheduler's first look and the end counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from experiments import breakers, lifecycle, outside, scheduling
from experiments.models import Sweep
from tests import factories

pytestmark = pytest.mark.django_db


def sweep(*states: str, total: int = 3, **changes: Any) -> Sweep:
    """A sweep whose first trials have ended so."""
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

    def trip(sweep: Sweep, counts: dict[str, int]) -> bool:
        step()
        return False

    monkeypatch.setattr(breakers, "trip", trip)


@pytest.mark.parametrize("state", ["completed", "failed"])
def test_the_last_trial_that_is_given_out_meanwhile_runs(
    monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    made = sweep(state, state)
    meanwhile(monkeypatch, lambda: outside.ask(again(made)))
    assert not scheduling.settle(made)
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
    assert lifecycle.claim_external(made, **values) is None
    assert made.trials.count() == 1


def test_who_asks_when_the_sweep_has_just_completed_is_told_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = sweep("completed", "completed")
    suggest = outside.suggest

    def late(sweep: Sweep, number: int) -> Any:
        lifecycle.complete_sweep(again(made), reason="exhausted", message="All tried.")
        return suggest(sweep, number)

    monkeypatch.setattr(outside, "suggest", late)
    with pytest.raises(outside.NothingToRun) as refusal:
        outside.ask(made)
    assert refusal.value.code == "exhausted"
