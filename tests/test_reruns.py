"""Trials run again with the same values, beyond the budget."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from experiments import lifecycle, scheduling, steering
from experiments.models import Event, Sweep, Trial
from experiments.reruns import Wish, next_rerun, open_reruns, open_wishes
from tests import factories

pytestmark = pytest.mark.django_db
GRID = {
    "search_space": {"x": {"type": "choice", "values": [0.1, 0.2, 0.3]}},
    "sampling_algorithm": "grid",
}


def sweep(*, slots: int = 4, total: int = 3, at_once: int = 2, **changes: Any) -> Sweep:
    limits = {"max_total_trials": total, "max_concurrent_trials": at_once}
    document = factories.definition_document(
        limits=limits | changes.pop("limits", {}), **changes
    )
    made = factories.sweep(factories.team(ada="member"), document=document)
    factories.worker(made.pool, slots=slots)
    return made


def end(trial: Trial, value: float = 0.5) -> None:
    claim = factories.claim(trial)
    factories.report(trial, [value])
    outcome = lifecycle.Outcome(cause="exited", exit_code=0)
    lifecycle.finish_attempt(claim.attempt, outcome)


def run_to_the_end(made: Sweep, value: float = 0.5) -> None:
    for _ in range(40):
        scheduling.advance_all()
        live = made.trials.live().order_by("number").first()
        if live is None:
            break
        end(live, value)
    made.refresh_from_db()


def completed(**changes: Any) -> Sweep:
    made = sweep(**changes)
    run_to_the_end(made)
    assert made.state == "completed"
    return made


def again(made: Sweep, *numbers: int) -> None:
    steering.run_again(made, numbers, actor=factories.user("ada"))


def refused(made: Sweep, *numbers: int) -> str:
    with pytest.raises(steering.NotPossible) as refusal:
        again(made, *numbers)
    return str(refusal.value)


def test_a_completed_sweep_goes_on_for_them_and_completes_again() -> None:
    made = completed()
    again(made, 2, 0)
    assert (made.state, made.max_total_trials, made.ended_at) == ("running", 5, None)
    run_to_the_end(made)
    repeats = made.trials.order_by("number")[3:]
    assert [(t.number, t.origin, t.repeats) for t in repeats] == [
        (3, "re-run of 2", 2),
        (4, "re-run of 0", 0),
    ]
    assert [t.params for t in repeats] == [
        made.trials.get(number=number).params for number in (2, 0)
    ]
    assert (made.state, made.message) == ("completed", "All 5 trials were tried.")


def test_in_a_running_sweep_they_come_next_and_beyond_the_budget() -> None:
    made = sweep(total=4, at_once=1)
    scheduling.advance_all()
    end(made.trials.get(number=0))
    again(made, 0)
    run_to_the_end(made)
    origins = [t.origin for t in made.trials.order_by("number")]
    assert origins == ["random", "re-run of 0", "random", "random", "random"]


def test_they_wait_for_slots_as_all_trials_do() -> None:
    made = completed(total=3, at_once=2)
    again(made, 0, 1, 2)
    scheduling.advance_all()
    assert made.trials.live().count() == 2
    assert open_reruns(made) == [2]


def test_the_sampler_goes_on_as_if_they_had_not_been() -> None:
    plain, interrupted = sweep(total=4), sweep(total=4)
    run_to_the_end(plain)
    scheduling.advance_all()
    for trial in interrupted.trials.live():
        end(trial)
    again(interrupted, 1)
    run_to_the_end(interrupted)
    rows = [
        [t.params for t in s.trials.order_by("number") if t.repeats is None]
        for s in (plain, interrupted)
    ]
    assert rows[0] == rows[1]
    assert interrupted.trials.count() == 5


def test_an_exhausted_space_may_be_run_again_in_parts() -> None:
    made = completed(total=10, **GRID)
    assert (made.reason, made.exhausted) == ("exhausted", True)
    again(made, 1)
    run_to_the_end(made)
    assert [t.params["x"] for t in made.trials.order_by("number")] == [
        0.1,
        0.2,
        0.3,
        0.2,
    ]
    assert (made.state, made.reason) == ("completed", "max_total_trials")


def test_a_target_reached_before_does_not_end_them() -> None:
    objective = {"primary_metric": "accuracy", "goal": "maximize", "target": 0.9}
    made = sweep(total=10, at_once=1, objective=objective)
    run_to_the_end(made, value=0.95)
    assert (made.state, made.reason) == ("completed", "target")
    again(made, 0)
    assert made.max_total_trials == 2
    run_to_the_end(made, value=0.95)
    assert [t.origin for t in made.trials.order_by("number")][1:] == ["re-run of 0"]
    assert [t.state for t in made.trials.all()] == ["completed", "completed"]
    assert (made.state, made.reason) == ("completed", "target")


def test_the_time_for_which_a_sweep_lay_still_does_not_count() -> None:
    made = completed(limits={"timeout": 3600})
    day = timedelta(days=1)
    Sweep.objects.filter(pk=made.pk).update(
        started_at=timezone.now() - day, ended_at=timezone.now() - day
    )
    made.refresh_from_db()
    again(made, 0)
    run_to_the_end(made)
    assert (made.state, made.trials.count()) == ("completed", 4)
    assert made.timeout == pytest.approx(3600 + 86400, abs=60)


def test_a_paused_sweep_runs_them_when_it_goes_on() -> None:
    made = sweep(total=2)
    scheduling.advance_all()
    for trial in made.trials.live():
        end(trial)
    lifecycle.pause_sweep(made)
    again(made, 0)
    scheduling.advance_all()
    assert made.state == "paused" and not made.trials.live().exists()
    lifecycle.resume_sweep(made)
    run_to_the_end(made)
    assert (made.state, made.trials.count()) == ("completed", 3)


def test_who_asked_and_for_what_is_on_record() -> None:
    made = completed()
    again(made, 2, 0)
    event = Event.objects.get(sweep=made, verb=lifecycle.RUN_AGAIN)
    assert event.actor == factories.user("ada")
    assert event.message == "Trials 2 and 0 shall run once more, with the same values."


def test_asking_twice_at_once_is_asking_once() -> None:
    made = completed()
    again(made, 2, 0)
    assert "Trials 2 and 0 wait to run again already" in refused(made, 2, 0)
    assert made.max_total_trials == 5


@pytest.mark.parametrize("state", ["draft", "cancelled", "failed"])
def test_other_sweeps_say_why_not(state: str) -> None:
    made = sweep()
    factories.trial(made, state="completed", value=0.5)
    Sweep.objects.filter(pk=made.pk).update(state=state)
    assert f"is {state}; trials of a running, paused or completed" in refused(made, 0)
    made.refresh_from_db()
    assert (made.state, made.max_total_trials) == (state, 3)


def test_only_trials_that_ended_without_failing_are_run_again() -> None:
    made = sweep(total=9)
    factories.trial(made, state="failed", value=0.9)
    factories.trial(made, state="completed", value=0.9)
    factories.trial(made)
    assert "Trials 0, 2 and 7 of digits-1 are not among those" in refused(
        made, 0, 1, 2, 7
    )
    assert "1 to 20 different trials" in refused(made)
    assert "1 to 20 different trials" in refused(made, 1, 1)


def test_a_trial_that_was_ended_early_runs_again_to_its_end() -> None:
    policy = {"type": "bandit", "slack_amount": 0.1}
    made = factories.sweep(
        factories.team(),
        document=factories.definition_document(early_termination=policy),
    )
    factories.reported_trial(made, [0.9, 0.9], state="completed")
    ended = factories.reported_trial(made, [0.2])
    assert ended.stop_reason == "policy"
    attempt = ended.current_attempt
    assert attempt is not None
    lifecycle.finish_attempt(attempt, lifecycle.Outcome(cause="stopped"))
    steering.run_again(made, [ended.number], actor=None, to_end=True)
    assert open_wishes(made) == [Wish(1, to_end=True)]
    suggestion = next_rerun(made)
    assert suggestion is not None and suggestion.origin == "re-run of 1, to its end"
    again = factories.reported_trial(
        made, [0.2, 0.3], params=suggestion.params, origin=suggestion.origin
    )
    assert (again.repeats, again.runs_to_end) == (1, True)
    assert not again.stop_reason and not again.decisions.exists()
    assert open_wishes(made) == []
    assert "and not end early" in made.events.get(verb=lifecycle.RUN_AGAIN).message


def test_a_plain_rerun_does_not_stand_in_for_one_to_the_end() -> None:
    made = completed()
    steering.run_again(made, [0], actor=None, to_end=True)
    factories.trial(made, origin="re-run of 0")
    assert open_wishes(made) == [Wish(0, to_end=True)]
