"""``manage.py fill``: synthetic trials look as real ones do."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.models import Metric, Sweep, Trial
from tests import factories
from tests.management.conftest import Run
from tests.pages.clients import sweep_page


def filled(run: Run, *options: object) -> Sweep:
    factories.team(ada="member")
    ran = run("fill", "--trials", 120, "--points", 8, "--parameters", 9, *options)
    assert (ran.code, ran.err) == (0, "")
    sweep = Sweep.objects.earliest("-pk")
    assert f"{sweep.label} has 120 trials: /sweeps/{sweep.pk}/" in ran.out
    return sweep


def rows(sweep: Sweep) -> list[Any]:
    return list(sweep.trials.values_list("number", "params", "state", "value"))


def test_values_curves_and_ends_fit_each_other(run: Run) -> None:
    sweep = filled(run)
    assert sweep.state == "completed"
    trials = sweep.trials.select_related("current_attempt")
    states = {"completed", "terminated", "failed", "cancelled"}
    assert {trial.state for trial in trials} == states
    for trial in trials.filter(number__in=(0, 5, 10)):
        curve = [value for _, value in factories.points(trial.current_attempt)]
        assert trial.value == max(curve) and trial.last_value == curve[-1]
        assert len(curve) == trial.reports <= 8
    assert trials[10].params == trials[0].params and trials[10].repeats == 0
    assert set(trials[1].params) - {"momentum"} == {
        *("learning_rate", "batch_size", "optimizer", "dropout", "layers"),
        *("weight_decay", "label_smoothing", "x9"),
    }
    assert Metric.objects.filter(attempt__trial__sweep=sweep).count() == 240
    ended_early = trials.filter(state="terminated")
    assert all(trial.decisions.get().stop for trial in ended_early)


def test_an_equal_seed_makes_equal_trials(run: Run) -> None:
    assert rows(filled(run)) == rows(filled(run))
    assert rows(filled(run, "--seed", 1)) != rows(filled(run))


def test_the_last_trials_may_run(run: Run) -> None:
    sweep = filled(run, "--running", 3)
    assert sweep.state == "running"
    running = Trial.objects.filter(state="running").values_list("number", flat=True)
    assert list(running) == [117, 118, 119]
    assert "117" in sweep_page(sweep, "trials/")


@pytest.mark.parametrize("number", ["0", "1e3", "100001", "-2"])
def test_a_number_must_be_in_its_range(run: Run, number: str, capsys: Any) -> None:
    ran = run("fill", "--trials", number)
    assert "must be a whole number from 1 to 100,000" in ran.err and not ran.out
