"""Recordings of stored reports, and simulations of them compared with live verdicts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from experiments import lifecycle
from experiments.db.clock import database_now
from experiments.models import Attempt, Decision, Metric, Sweep, Trial
from experiments.search.history import COMPLETED, PENDING, TERMINATED
from experiments.search.simulation import Evaluation, simulate
from experiments.search.termination import make_policy
from experiments.sweeps.progress import progress_of
from experiments.tracking import series
from experiments.tracking.recordings import (
    Mark,
    RecordingCache,
    load_recording,
    mark_of,
)
from tests import factories

pytestmark = pytest.mark.django_db

POLICIES: list[dict[str, Any]] = [
    {"type": "median_stopping", "delay_evaluation": 2},
    {"type": "bandit", "slack_factor": 0.1, "evaluation_interval": 2},
    {
        "type": "truncation_selection",
        "truncation_percentage": 30,
        "exclude_finished_jobs": True,
    },
    {"type": "asha", "reduction_factor": 2},
    {"type": "wandb_hyperband", "min_iter": 2, "eta": 1.5, "strict": True},
    {"type": "median_stopping", "on_missing": "stop"},
    {"type": "predictive", "chance": 0.4},
    {
        "type": "any_of",
        "policies": [{"type": "patience", "patience": 3}, {"type": "median_stopping"}],
    },
]


def judged_sweep(policy: dict[str, Any] | None) -> Sweep:
    limits = {"max_total_trials": 30, "max_concurrent_trials": 4}
    document = factories.definition_document(early_termination=policy, limits=limits)
    return factories.sweep(factories.team(), document=document)


def run_live(sweep: Sweep, seed: int, *, trials: int = 12, reports: int = 8) -> None:
    """Run trials four at a time; they report by turns, some several at once, and one
    that is told to stop reports once more before it does."""
    rng = np.random.default_rng(seed)
    curves = rng.uniform(0.3, 0.9, trials)[:, None] + rng.normal(
        0, 0.1, (trials, reports)
    )
    curves[rng.random(curves.shape) < 0.05] = math.nan
    waiting, running = list(range(trials)), list[tuple[Trial, Any, list[float]]]()
    while waiting or running:
        while waiting and len(running) < 4:
            trial = factories.trial(sweep)
            attempt = factories.claim(trial).attempt
            running.append((trial, attempt, curves[waiting.pop(0)].tolist()))
        trial, attempt, rest = running.pop(int(rng.integers(len(running))))
        batch, rest = rest[:2], rest[2:]
        if rng.random() < 0.7:
            batch, rest = batch[:1], batch[1:] + rest
        steps = reports - len(rest) - len(batch)
        reply = factories.report(trial, batch, first_step=steps)
        if reply.stop and rest:
            factories.report(trial, rest[:1], first_step=reports - len(rest))
        if reply.stop or not rest:
            cause, code = ("stopped", None) if reply.stop else ("exited", 0)
            end = lifecycle.Outcome(cause=cause, exit_code=code, elapsed=5.0)
            lifecycle.finish_attempt(attempt, end)
        else:
            running.append((trial, attempt, rest))


def really_ended(sweep: Sweep) -> dict[int, int]:
    stops = Decision.objects.filter(trial__sweep=sweep, stop=True)
    return dict(stops.values_list("trial__number", "n"))


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: str(policy["type"]))
@pytest.mark.parametrize("seed", [1, 2])
def test_a_simulation_with_the_policy_that_judged_ends_the_same_trials_there(
    policy: dict[str, Any], seed: int
) -> None:
    sweep = judged_sweep(policy)
    run_live(sweep, seed)
    recording = load_recording(sweep)
    judge = make_policy(sweep.early_termination, sweep.objective)
    assert judge is not None
    ends = simulate(recording, judge).tolist()
    again = {number: n for number, n in enumerate(ends) if n}
    assert again == really_ended(sweep) != {}
    evaluation = Evaluation(recording)
    assert evaluation.figures(np.array(ends)) == evaluation.happened


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_happened_saved_as_much_as_the_sweep_s_page_says(seed: int) -> None:
    sweep = judged_sweep(POLICIES[0])
    run_live(sweep, seed)
    factories.trial(sweep, state="failed", elapsed=7.0)
    rng = np.random.default_rng(seed)
    for attempt in Attempt.objects.exclude(elapsed=7.0):
        seconds = float(rng.uniform(2.0, 9.0))
        Attempt.objects.filter(pk=attempt.pk).update(elapsed=seconds)
    happened = Evaluation(load_recording(sweep)).happened
    compute = progress_of([sweep])[sweep.pk].compute
    assert compute.saved > 0
    assert happened.seconds == pytest.approx(compute.used)
    assert happened.seconds_all - happened.seconds == pytest.approx(compute.saved)
    assert happened.reports_all - happened.reports == compute.saving.reports


def test_a_simulation_spares_exempt_trials_as_the_verdicts_did() -> None:
    sweep = judged_sweep({"type": "median_stopping", "delay_evaluation": 2})
    again = {"origin": "rerun", "source_number": 0}
    origins = {3: {**again, "runs_to_end": True}, 4: again}
    for value in (0.5, 0.9, 0.7, 0.1, 0.1):
        trial = factories.trial(sweep)
        fields = origins.get(trial.number, {"origin": "random"})
        Trial.objects.filter(pk=trial.pk).update(**fields)
        factories.claim(trial)
        for step in range(4):
            if factories.report(trial, [value], first_step=step).stop:
                break
    recording = load_recording(sweep)
    assert recording.exempt.tolist() == [False, False, False, True, False]
    judge = make_policy(sweep.early_termination, sweep.objective)
    assert judge is not None
    again = {n: end for n, end in enumerate(simulate(recording, judge).tolist()) if end}
    assert again == really_ended(sweep) == {4: 2}


def test_a_trial_from_elsewhere_changes_neither_verdicts_nor_simulation() -> None:
    sweep = judged_sweep({"type": "predictive", "chance": 0.4})
    elsewhere = factories.trial(sweep, state="completed", value=0.99)
    Trial.objects.filter(pk=elsewhere.pk).update(origin="imported")
    run_live(sweep, 1)
    recording = load_recording(sweep)
    judge = make_policy(sweep.early_termination, sweep.objective)
    assert judge is not None
    ends = zip(
        recording.numbers.tolist(), simulate(recording, judge).tolist(), strict=True
    )
    assert {number: n for number, n in ends if n} == really_ended(sweep) != {}


def test_a_recording_has_the_reports_in_the_order_of_arrival() -> None:
    sweep = judged_sweep(None)
    run_live(sweep, 3)
    recording = load_recording(sweep)
    reports = [
        (arrived, trial.number, value)
        for trial in sweep.trials.all()
        for _, points in series.reported(Trial.objects.filter(pk=trial.pk))
        for _, _, arrived, value in points.tolist()
    ]
    expected = [(number, value) for _, number, value in sorted(reports)]
    assert len(reports) == len({arrived for arrived, *_ in reports}) > 50
    assert recording.numbers.tolist() == list(range(12))
    assert [number for number, _ in expected] == recording.trials.tolist()
    losses = [math.inf if math.isnan(value) else -value for _, value in expected]
    assert recording.losses.tolist() == losses
    assert (recording.states == COMPLETED).all()
    assert (recording.seconds == 5.0).all()


def test_times_are_seconds_on_the_clock_of_the_database() -> None:
    sweep = judged_sweep(None)
    factories.reported_trial(sweep, [0.5, 0.6], state="completed")
    recording = load_recording(sweep)
    now = database_now().timestamp()
    assert recording.moment(0, 2) == pytest.approx(now, abs=5.0)
    assert recording.starts[0] <= recording.times[0] + 0.01


def test_trials_that_live_or_never_reported_are_told_apart() -> None:
    sweep = judged_sweep(None)
    factories.reported_trial(sweep, [0.5], state="running")
    factories.trial(sweep, state="failed")
    factories.reported_trial(sweep, [0.5], state="terminated")
    recording = load_recording(sweep)
    assert recording.numbers.tolist() == [0, 2]
    assert recording.states.tolist() == [PENDING, TERMINATED]
    assert recording.ended_at.tolist() == [-1, 2]


def test_a_sweep_without_reports_has_an_empty_recording() -> None:
    recording = load_recording(judged_sweep(None))
    assert (recording.size, recording.longest) == (0, 0)
    assert Evaluation(recording).happened.saved == 0


def test_the_mark_changes_with_every_report() -> None:
    sweep = judged_sweep(None)
    trial = factories.reported_trial(sweep, [0.5])
    before = mark_of(sweep)
    assert mark_of(sweep) == before
    factories.report(trial, [0.6], first_step=1)
    assert mark_of(sweep) != before


def test_a_shelf_keeps_what_was_wanted_last() -> None:
    shelf, sweep = RecordingCache(), judged_sweep(None)
    mark, empty = mark_of(sweep), load_recording(sweep)
    marks = [mark._replace(reports=k) for k in range(6)]
    for each in marks:
        shelf.put(each, empty)
    assert [shelf.get(each) is not None for each in marks] == [False] * 2 + [True] * 4


def test_a_mark_is_read_from_its_text_and_from_no_other() -> None:
    sweep = judged_sweep(None)
    for mark in (mark_of(sweep), Mark(sweep.pk, 2, 30, "1764567890.123456")):
        assert Mark.named(sweep.pk, str(mark)) == mark
    for text in ("", "1.2", "1.2.../x", "1.2.3.000000.4", "\u0661.2.3.000000"):
        assert Mark.named(sweep.pk, text) is None


def test_reports_stay_in_order_whatever_the_clocks_of_the_site_say() -> None:
    trial = factories.reported_trial(judged_sweep(None), [0.1, 0.2, 0.3])
    assert trial.current_attempt
    metric = trial.current_attempt.metrics.get()
    points = series.read([metric.pk])[metric.pk].copy()
    points["arrived"] -= [0, 5_000_000, 0]
    Metric.objects.update(tail=points.tobytes())
    recording = load_recording(trial.sweep)
    assert recording.losses.tolist() == [-0.1, -0.2, -0.3]
