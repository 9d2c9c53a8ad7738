"""The trial in Optuna's manner."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


@pytest.fixture
def trial(sweep: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("SWEEPSITE_PRIMARY_METRIC", "accuracy")
    monkeypatch.setenv("SWEEPSITE_TRIAL_NAME", "digits-3/17")
    return sweep.trial()


def test_a_trial_reports_what_the_sweep_optimizes(trial: Any, site: Any) -> None:
    trial.report(np.float32(0.5), 0)
    trial.report(float("nan"), np.int64(1))
    assert site.points == {("accuracy", 0): 0.5, ("accuracy", 1): "NaN"}
    assert trial.params == {"lr": 0.1, "units": [8, 8]}
    assert trial.number == 17


def test_a_step_that_is_reported_twice_is_ignored_with_a_warning(
    trial: Any, site: Any, sweep: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    trial.report(0.5, 3)
    sweep.trial().report(0.6, 3)
    assert site.points == {("accuracy", 3): 0.5}
    assert "step 3 is reported already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "step", "error"),
    [
        ("good", 0, TypeError("value is 'good'; it must be a number")),
        (None, 0, TypeError("value is None; it must be a number")),
        (0.5, "1", TypeError("step is '1'; it must be a whole number such as 3")),
        (0.5, -1, ValueError("step is -1; it must not be negative")),
    ],
)
def test_what_cannot_be_reported_is_refused(
    trial: Any, site: Any, value: Any, step: Any, error: Exception
) -> None:
    with pytest.raises(type(error)) as refusal:
        trial.report(value, step)
    assert str(refusal.value) == str(error)
    assert not site.requests


def test_a_stop_says_that_the_trial_should_be_pruned(
    trial: Any, site: Any, sweep: Any
) -> None:
    assert trial.should_prune() is False
    site.reply_stop = "worse than the median"
    trial.report(0.5, 0)
    assert trial.should_prune() is True
    with pytest.raises(SystemExit) as pruned:
        raise sweep.TrialPruned("worse than the median")
    assert pruned.value.code == 0
    assert str(pruned.value) == "worse than the median"


def test_outside_a_sweep_it_says_so_once(
    outside: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for step in range(2):
        outside.trial().report(0.5, step)
        assert outside.trial().should_prune() is False
    assert outside.trial().params == {}
    assert outside.trial().number is None
    shown = capsys.readouterr()
    assert shown.out == "step 0  value=0.5\nstep 1  value=0.5\n"
    assert shown.err.count("not a trial of a sweep") == 1


def test_a_name_that_is_not_there_is_named(sweep: Any) -> None:
    with pytest.raises(AttributeError, match="has no attribute 'suggest_float'"):
        sweep.suggest_float  # noqa: B018
