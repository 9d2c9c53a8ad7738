"""One configuration proves itself before the others start."""

from __future__ import annotations

from typing import Any

import pytest

from experiments import lifecycle
from experiments.failures import preflight
from experiments.failures.preflight import Preflight
from experiments.models import Metric, Sweep, Trial
from experiments.scheduling import rounds
from experiments.tracking import codec, ingest
from tests import factories

pytestmark = pytest.mark.django_db


def started(*, hold: bool = False, **changes: Any) -> Sweep:
    limits = {"max_total_trials": 20, "max_concurrent_trials": 4}
    document = factories.definition_document(limits=limits, **changes)
    made = factories.sweep(factories.team(), state="draft", document=document)
    factories.worker(made.pool, slots=8)
    assert lifecycle.start_preflight(made, hold=hold)
    rounds.advance_all()
    return made


def probe(made: Sweep) -> Trial:
    trial = made.trials.get()
    factories.claim(trial)
    return trial


def after(made: Sweep) -> Sweep:
    rounds.advance_all()
    made.refresh_from_db()
    return made


def say(trial: Trial, name: str, *values: float) -> None:
    points = [ingest.Point(name, step, value) for step, value in enumerate(values)]
    ingest.record(trial.current_attempt_id or 0, points)


def train_for(trial: Trial, seconds: float) -> None:
    lifecycle.beat(trial.current_attempt, pid=1, elapsed=seconds)


def test_one_trial_runs_alone_and_goes_on_as_the_first_when_it_has_reported() -> None:
    made = started()
    trial = probe(made)
    assert after(made).trials.count() == 1
    say(trial, "accuracy", 0.1)
    assert after(made).trials.count() == 1
    say(trial, "accuracy", 0.1, 0.2)
    assert after(made).trials.count() == 4
    assert made.state == "running"
    assert made.preflight["state"] == "passed"
    trial.refresh_from_db()
    assert (trial.number, trial.state) == (0, "running")
    assert made.events.filter(verb="pre-flight passed").count() == 1


def earlier(seconds: int) -> None:
    """As if all points had arrived so long ago."""
    metric = Metric.objects.defer(None).get()
    points = codec.from_tail(metric.tail).copy()
    points["arrived"] -= seconds * 10**6
    Metric.objects.update(tail=points.tobytes())


def test_one_report_is_enough_when_no_second_one_comes() -> None:
    made = started()
    say(probe(made), "accuracy", 0.1)
    earlier(30)
    assert after(made).preflight["state"] == "passed"


def test_a_quick_trial_that_ends_well_has_passed() -> None:
    made = started()
    trial = probe(made)
    say(trial, "accuracy", 0.1)
    outcome = lifecycle.Outcome(cause="exited", exit_code=0, elapsed=3.0)
    lifecycle.finish_attempt(trial.current_attempt, outcome)
    assert after(made).preflight["state"] == "passed"
    told = Preflight(made, made.preflight).estimate()
    assert told == (
        "The whole sweep takes about 15 s: 3 s a trial, 20 trials, 4 at a time."
    )


def test_a_failure_pauses_the_sweep_before_anything_else_runs() -> None:
    made = started()
    trial = probe(made)
    outcome = lifecycle.Outcome(cause="exited", exit_code=1, message="exit code 1")
    lifecycle.finish_attempt(trial.current_attempt, outcome)
    assert after(made).trials.count() == 1
    assert (made.state, made.reason) == ("paused", "preflight_failed")
    assert (made.preflight["state"], made.preflight["problem"]) == ("failed", "failed")
    lifecycle.resume_sweep(made)
    assert after(made).trials.count() == 5
    assert made.state == "running"


@pytest.mark.parametrize("name", ["acc", "Accuracy", "val/accuracy", "acuracy"])
def test_almost_the_right_name_is_told(name: str) -> None:
    made = started()
    trial = probe(made)
    say(trial, name, 0.1, 0.2)
    train_for(trial, 30)
    assert after(made).preflight["state"] == "running"
    train_for(trial, 61)
    assert (after(made).state, made.preflight["problem"]) == ("paused", "near_miss")
    assert f"Did you mean {name}?" in made.message
    found = Preflight(made, made.preflight)
    assert found.similar_names == [name]
    assert found.checks()[-1].mark == "wrong"


@pytest.mark.parametrize(
    "wanted, names", [("accuracy", []), ("accuracy", ["lr"]), ("val_acc", ["acc"])]
)
def test_a_slow_and_silent_script_is_no_failure(wanted: str, names: list[str]) -> None:
    made = started(objective={"primary_metric": wanted, "goal": "maximize"})
    trial = probe(made)
    for name in names:
        say(trial, name, 0.1)
    train_for(trial, 70)
    assert after(made).state == "running"
    assert (made.preflight["state"], made.preflight["problem"]) == ("passed", "unseen")
    assert made.trials.count() == 4


def test_an_end_without_the_metric_is_a_failure_that_names_it() -> None:
    made = started()
    trial = probe(made)
    say(trial, "acc", 0.3)
    outcome = lifecycle.Outcome(cause="exited", exit_code=0, elapsed=1.0)
    lifecycle.finish_attempt(trial.current_attempt, outcome)
    assert after(made).preflight["problem"] == "no_metric"
    assert "Did you mean acc?" in Preflight(made, made.preflight).checks()[-1].text


def test_held_it_waits_for_somebody_to_look() -> None:
    made = started(hold=True)
    trial = probe(made)
    say(trial, "accuracy", 0.1, 0.2)
    assert (after(made).state, made.reason) == ("paused", "preflight")
    assert made.trials.count() == 1
    lifecycle.resume_sweep(made)
    assert after(made).trials.count() == 4


def test_only_one_scheduler_ends_it_and_only_while_it_runs() -> None:
    made = started()
    say(probe(made), "accuracy", 0.1, 0.2)
    stale = Sweep.objects.get(pk=made.pk)
    assert not preflight.check_probe(made)
    assert made.preflight["state"] == "passed"
    assert not lifecycle.end_preflight(stale, {"state": "failed"}, message="late")
    assert not lifecycle.start_preflight(made, hold=False)


def test_a_repeated_one_has_a_trial_of_its_own() -> None:
    made = started()
    trial = probe(made)
    outcome = lifecycle.Outcome(cause="exited", exit_code=1, message="exit code 1")
    lifecycle.finish_attempt(trial.current_attempt, outcome)
    after(made)
    assert lifecycle.repeat_preflight(made)
    assert after(made).trials.count() == 2
    assert made.preflight["state"] == "running"
    second = made.trials.get(number=1)
    factories.claim(second)
    say(second, "accuracy", 0.1, 0.2)
    assert (after(made).preflight["state"], made.preflight["trial"]) == ("passed", 1)


def test_the_estimate_says_how_it_was_made() -> None:
    made = started(inputs={"epochs": 30})
    facts = {"per_report": 4.0, "reports": 2, "names": ["accuracy"]}
    passed = {"state": "passed", "facts": facts}
    assert Preflight(made, passed).estimate() == (
        "The whole sweep takes about 10 m 00 s: 30 reports a trial (inputs.epochs),"
        " 4 s each, 20 trials, 4 at a time."
    )
    other = started()
    assert (
        "if each trial makes 10 reports of 4 s" in Preflight(other, passed).estimate()
    )
    Sweep.objects.filter(pk=other.pk).update(trial_timeout=60.0)
    other.refresh_from_db()
    assert "takes at most 5 m 00 s" in Preflight(other, passed).estimate()
    assert Preflight(other, {"state": "running"}).estimate() == ""
