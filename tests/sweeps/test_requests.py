"""Trials run again with the same values, beyond the budget."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from experiments import lifecycle
from experiments.models import Event, Sweep, Trial
from experiments.scheduling import rounds
from experiments.search.fields import DefinitionError
from experiments.sweeps import requests
from experiments.sweeps.control import NotPossible
from experiments.sweeps.requests import next_request, waiting_requests
from experiments.tracking import history
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
        rounds.advance_all()
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


def waiting(made: Sweep) -> list[str]:
    return [asked.origin_text for asked in waiting_requests(made)]


def again(made: Sweep, *numbers: int) -> None:
    requests.run_again(made, numbers, actor=factories.user("ada"))


def refused(made: Sweep, *numbers: int) -> str:
    with pytest.raises(NotPossible) as refusal:
        again(made, *numbers)
    return str(refusal.value)


def test_a_completed_sweep_goes_on_for_them_and_completes_again() -> None:
    made = completed()
    again(made, 2, 0)
    assert (made.state, made.max_total_trials, made.ended_at) == ("running", 5, None)
    run_to_the_end(made)
    repeats = made.trials.order_by("number")[3:]
    assert [(t.number, t.origin_text, t.repeats) for t in repeats] == [
        (3, "re-run of 2", 2),
        (4, "re-run of 0", 0),
    ]
    assert [t.params for t in repeats] == [
        made.trials.get(number=number).params for number in (2, 0)
    ]
    assert (made.state, made.message) == ("completed", "All 5 trials ended.")


def test_in_a_running_sweep_they_come_next_and_beyond_the_budget() -> None:
    made = sweep(total=4, at_once=1)
    rounds.advance_all()
    end(made.trials.get(number=0))
    again(made, 0)
    run_to_the_end(made)
    origins = [t.origin_text for t in made.trials.order_by("number")]
    assert origins == ["random", "re-run of 0", "random", "random", "random"]


def test_they_wait_for_slots_as_all_trials_do() -> None:
    made = completed(total=3, at_once=2)
    again(made, 0, 1, 2)
    rounds.advance_all()
    assert made.trials.live().count() == 2
    assert waiting(made) == ["re-run of 2"]


def test_the_sampler_goes_on_as_if_they_had_not_been() -> None:
    plain, interrupted = sweep(total=4), sweep(total=4)
    run_to_the_end(plain)
    rounds.advance_all()
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
    assert [t.origin_text for t in made.trials.order_by("number")][1:] == [
        "re-run of 0"
    ]
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
    assert made.timeout == 3600
    assert made.idle == pytest.approx(86400, abs=60)
    took = made.took(timezone.now())
    assert took is not None and took < timedelta(minutes=1)


def test_a_paused_sweep_runs_them_when_it_goes_on() -> None:
    made = sweep(total=2)
    rounds.advance_all()
    for trial in made.trials.live():
        end(trial)
    lifecycle.pause_sweep(made)
    again(made, 0)
    rounds.advance_all()
    assert made.state == "paused" and not made.trials.live().exists()
    lifecycle.resume_sweep(made)
    run_to_the_end(made)
    assert (made.state, made.trials.count()) == ("completed", 3)


def test_who_asked_and_for_what_is_on_record() -> None:
    made = completed()
    again(made, 2, 0)
    event = Event.objects.get(sweep=made, verb=requests.RUN_AGAIN)
    assert event.actor == factories.user("ada")
    assert event.message == "Trials 2 and 0 will run again, with the same values."


def test_asking_twice_at_once_is_asking_once() -> None:
    made = completed()
    again(made, 2, 0)
    assert "Trials 2 and 0 already wait to run again" in refused(made, 2, 0)
    assert made.max_total_trials == 5


def test_a_draft_says_that_it_has_not_begun() -> None:
    made = sweep()
    factories.trial(made, state="completed", value=0.5)
    Sweep.objects.filter(pk=made.pk).update(state="draft")
    assert "has not begun; start it first" in refused(made, 0)
    assert made.max_total_trials == 3 and not made.requests.exists()


@pytest.mark.parametrize("state", ["cancelled", "failed"])
def test_a_sweep_that_ended_otherwise_goes_on_for_them(state: str) -> None:
    made = sweep(total=9)
    factories.trial(made, state="failed")
    factories.trial(made, state="cancelled")
    ended = timezone.now()
    Sweep.objects.filter(pk=made.pk).update(state=state, ended_at=ended)
    made.refresh_from_db()
    again(made, 0, 1)
    assert (made.state, made.max_total_trials, made.ended_at) == ("running", 4, None)
    run_to_the_end(made)
    assert [t.origin_text for t in made.trials.order_by("number")][2:] == [
        "retry of 0",
        "re-run of 1",
    ]
    assert [t.repeats for t in made.trials.order_by("number")] == [None, None, 0, 1]
    assert made.state == "completed"


def test_a_time_that_was_over_is_lifted_and_said_so() -> None:
    made = completed(limits={"timeout": 60})
    Sweep.objects.filter(pk=made.pk).update(
        started_at=timezone.now() - timedelta(seconds=90), ended_at=timezone.now()
    )
    made.refresh_from_db()
    again(made, 0)
    run_to_the_end(made)
    assert (made.state, made.timeout, made.trials.count()) == ("completed", None, 4)
    event = Event.objects.get(sweep=made, verb=requests.RUN_AGAIN)
    assert event.message.endswith("The limit of 1 m was removed.")


def test_only_trials_that_have_ended_are_run_again() -> None:
    made = sweep(total=9)
    factories.trial(made, state="failed", value=0.9)
    factories.trial(made, state="completed", value=0.9)
    factories.trial(made)
    assert "Trial 2 of digits-1 cannot run again" in refused(made, 0, 1, 2)
    assert "digits-1 has no trials 7 and 9." in refused(made, 0, 7, 2, 9)
    assert "1 to 100 different trials" in refused(made)
    assert "1 to 100 different trials" in refused(made, 1, 1)
    assert not made.requests.exists()


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
    requests.run_again(made, [ended.number], actor=None, to_end=True)
    asked = next_request(made)
    assert asked is not None and asked.origin_text == "re-run of 1, to its end"
    assert (asked.repeats, asked.runs_to_end) == (1, True)
    again = factories.reported_trial(
        made,
        [0.2, 0.3],
        params=asked.params,
        origin=asked.origin,
        source_number=asked.source_number,
        runs_to_end=asked.runs_to_end,
    )
    assert (again.repeats, again.runs_to_end) == (1, True)
    assert not again.stop_reason and not again.decisions.exists()
    assert "and not end early" in made.events.get(verb=requests.RUN_AGAIN).message


# --- with values of one's own -------------------------------------------------------

MIXED = {
    "search_space": {
        "x": {"type": "uniform", "min_value": 0.0, "max_value": 1.0},
        "n": {"type": "int", "low": 1, "high": 4},
        "kind": {"type": "choice", "values": ["sgd", "adam"]},
        "m": {
            "type": "uniform",
            "min_value": 0.5,
            "max_value": 0.9,
            "when": {"kind": ["sgd"]},
        },
    },
    "trial": {"command": "python train.py"},
}


def add(made: Sweep, **params: Any) -> requests.Added:
    return requests.add_trial(made, params, actor=factories.user("ada"))


def test_a_configuration_by_hand_comes_before_the_samplers_and_beyond_the_budget() -> (
    None
):
    made = sweep(total=1, at_once=1)
    added = add(made, x=0.25)
    assert (added.outside, made.max_total_trials) == ((), 2)
    run_to_the_end(made)
    first, second = made.trials.order_by("number")
    assert (first.origin_text, first.params) == ("added by hand", {"x": 0.25})
    assert second.origin_text == "random"
    plain = sweep(total=1)
    run_to_the_end(plain)
    assert second.params == plain.trials.get().params


def test_values_outside_the_space_run_and_samplers_leave_them_out() -> None:
    made = sweep(total=8, sampling_algorithm={"type": "bayesian", "seed": 3}, at_once=1)
    added = add(made, x=7)
    assert len(added.outside) == 1 and added.outside[0].startswith(
        "x is 7.0; the search space"
    )
    run_to_the_end(made)
    assert made.state == "completed"
    assert made.trials.get(number=0).params == {"x": 7.0}
    with history.search_of(made) as search:
        assert search.history.outside == 1 and 0 not in search.history
    assert (
        "Outside the search space: x is 7.0"
        in made.events.get(verb=requests.ADDED).message
    )


@pytest.mark.parametrize(
    ("params", "path", "words"),
    [
        ({"x": "fast"}, "params.x", "x must be a number, such as 0.5"),
        ({"x": True}, "params.x", "x must be a number"),
        ({"x": float("nan")}, "params.x", "x must be a number"),
        ({"n": 2.5}, "params.n", "n must be a whole number"),
        ({"n": 10**400}, "params.n", "n must be a whole number"),
        ({"kind": 3}, "params.kind", "kind must be text, not 3"),
        ({"kind": "a" + chr(0)}, "params.kind", "NUL"),
        ({"kind": "adam"}, "params.m", "m has a value only when"),
        ({"m": None}, "params.m", "m must be a number"),
        ({"lr": 1}, "params.lr", "no parameter"),
        ({"x": ...}, "params.x", "x has no value"),
    ],
)
def test_wrong_values_are_refused_by_name(
    params: dict[str, Any], path: str, words: str
) -> None:
    made = sweep(**MIXED)
    given = {"x": 0.5, "n": 2, "kind": "sgd", "m": 0.6} | params
    given = {name: value for name, value in given.items() if value is not ...}
    with pytest.raises(DefinitionError) as refusal:
        add(made, **given)
    assert words in " ".join(refusal.value.by_path()[path])
    assert not made.requests.exists() and made.max_total_trials == 3


def test_values_get_the_types_of_their_parameters() -> None:
    made = sweep(**MIXED)
    added = add(made, kind="rmsprop", n=9.0, x=1, m=0.7)
    assert dict(added.trial_request.params) == {
        "x": 1.0,
        "n": 9,
        "kind": "rmsprop",
        "m": 0.7,
    }
    assert [sentence.partition(";")[0] for sentence in added.outside] == [
        "n is 9",
        'kind is "rmsprop"',
    ]
    assert list(added.trial_request.params) == ["x", "n", "kind", "m"]


def test_a_clone_says_whose_it_is() -> None:
    made = completed()
    requests.add_trial(
        made, {"x": 0.5}, actor=factories.user("ada"), clone_of=1, to_end=True
    )
    run_to_the_end(made)
    clone = made.trials.get(number=3)
    assert (clone.origin_text, clone.source_number) == ("clone of 1, to its end", 1)
    assert clone.runs_to_end and clone.repeats is None


# --- waiting, once, or not any more -------------------------------------------------


def test_what_waits_can_be_taken_back_once() -> None:
    made = completed()
    again(made, 0, 1)
    asked = made.requests.get(origin="rerun", source_number=0)
    requests.withdraw(asked, actor=factories.user("ada"))
    with pytest.raises(NotPossible, match="no longer waits"):
        requests.withdraw(asked, actor=None)
    made.refresh_from_db()
    assert made.max_total_trials == 4
    run_to_the_end(made)
    assert [t.origin_text for t in made.trials.order_by("number")][3:] == [
        "re-run of 1"
    ]
    begun = made.requests.get(origin="rerun", source_number=1)
    with pytest.raises(NotPossible, match="no longer waits"):
        requests.withdraw(begun, actor=None)
    event = made.events.get(verb="trial request removed")
    assert event.actor == factories.user("ada") and "re-run of 0" in event.message


def test_a_sweep_whose_last_request_is_taken_back_completes_again() -> None:
    made = completed()
    again(made, 0)
    requests.withdraw(made.requests.get(), actor=None)
    run_to_the_end(made)
    assert (made.state, made.trials.count()) == ("completed", 3)


def test_a_request_is_carried_out_once_whoever_comes_first() -> None:
    made = completed()
    again(made, 0)
    asked = next_request(made)
    assert asked is not None
    values = {"params": asked.params, "origin": asked.origin, "trial_request": asked}
    assert lifecycle.create_trial(made, number=3, **values) is not None
    assert lifecycle.create_trial(made, number=4, **values) is None
    assert made.trials.count() == 4
    asked.refresh_from_db()
    assert (asked.number, asked.trial) == (3, made.trials.get(number=3))


def test_what_waited_when_a_sweep_was_cancelled_is_not_carried_out_later() -> None:
    made = sweep(total=3, at_once=1)
    rounds.advance_all()
    end(made.trials.get())
    again(made, 0)
    lifecycle.cancel_sweep(made)
    assert waiting(made) == []
    requests.add_trial(made, {"x": 0.5}, actor=None)
    run_to_the_end(made)
    assert [t.origin_text for t in made.trials.order_by("number")] == [
        "random",
        "added by hand",
    ]


def test_a_deleted_trial_shifts_no_later_choice() -> None:
    plain = sweep(total=4, at_once=1)
    run_to_the_end(plain)
    made = sweep(total=4, at_once=1)
    add(made, x=0.3)
    for _ in range(2):
        rounds.advance_all()
        end(made.trials.live().get())
    made.trials.get(number=0).delete()
    run_to_the_end(made)
    chosen = [t.params for t in made.trials.filter(origin="random").order_by("number")]
    assert chosen == [t.params for t in plain.trials.order_by("number")][: len(chosen)]
    assert made.state == "completed"
