"""Parameters and tags that programs log."""

from __future__ import annotations

import pytest

from experiments.models import Run, Trial
from experiments.tracking import run_log
from experiments.tracking.run_log import RunLogError
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def run() -> Trial:
    return factories.run(factories.team(), params={"lr": "0.1"}, tags={"gpu": "no"})


def stored(trial: Trial) -> Run:
    return Run.objects.get(trial=trial)


def test_parameters_are_added_in_their_order_and_do_not_change(run: Trial) -> None:
    run_log.log_params(run, {"width": "64", "act": "relu", "lr": "0.1"})
    assert list(stored(run).params.items()) == [
        *(("lr", "0.1"), ("width", "64"), ("act", "relu")),
    ]
    with pytest.raises(RunLogError, match=r"is '0\.1' already") as refusal:
        run_log.log_params(run, {"depth": "3", "lr": "0.2"})
    assert (refusal.value.code, refusal.value.key) == ("param_changed", "lr")
    assert "depth" not in stored(run).params


def test_tags_change_and_go(run: Trial) -> None:
    run_log.set_tags(run, {"gpu": "yes", "by": "ada"})
    assert stored(run).tags == {"gpu": "yes", "by": "ada"}
    assert run_log.delete_tag(run, "gpu")
    assert not run_log.delete_tag(run, "gpu")
    assert stored(run).tags == {"by": "ada"}


@pytest.mark.parametrize("key", ["", "x" * 251, "a\0b"])
def test_bad_keys_are_refused(run: Trial, key: str) -> None:
    with pytest.raises(RunLogError, match="1 to 250 characters"):
        run_log.set_tags(run, {key: "1"})


def test_long_values_and_too_many_are_refused(run: Trial) -> None:
    with pytest.raises(RunLogError, match="6,001 characters; at most 6,000"):
        run_log.log_params(run, {"text": "x" * 6_001})
    many = {f"p{number}": "1" for number in range(run_log.MAX_ENTRIES)}
    with pytest.raises(RunLogError, match="at most 2,000 parameters; 'p1999' is one"):
        run_log.log_params(run, many)
    assert stored(run).params == {"lr": "0.1"}


def test_a_trial_of_a_sweep_gets_its_row_with_the_first_thing_logged() -> None:
    trial = factories.trial(factories.sweep(factories.team()))
    run_log.log_params(trial, {"seed": "7"})
    run_log.set_tags(trial, {"by": "ada"})
    assert (stored(trial).params, stored(trial).tags) == ({"seed": "7"}, {"by": "ada"})
    assert trial.run.tags == {"by": "ada"}
